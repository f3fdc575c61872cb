"""`gatehouse data-keys`: on the machine of an installation, not over its API."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, TypeVar

import typer

from gateway.commands.remote import group

ResultT = TypeVar("ResultT")
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Add the group."""
    keys = group(app, "data-keys", "The keys that seal what is recorded: rotate and rewrap them at Vault.")

    @keys.command("rotate")
    def rotate(
        tenant: Annotated[str | None, typer.Option(help="Of this tenant only.")] = None,
        json: Json = False,
    ) -> None:
        """Give the tenants' keys at Vault a new version. What is sealed stays readable; then rewrap."""
        from gateway import rewrap
        from gateway.cli import progress, show

        with progress("Rotating keys") as step:
            done = _run(lambda settings, home: rewrap.rotate(settings, home, tenant, step))
        show({"rotated": list(done)}, json, f"Rotated {len(done)} keys. Now: gatehouse data-keys rewrap")

    @keys.command("rewrap")
    def again(
        anew: Annotated[bool, typer.Option(help="Begin with the first key, also where a run was cut short.")] = False,
        json: Json = False,
    ) -> None:
        """Wrap all data keys by the newest version of their key. Cut short, the same command goes on."""
        from gateway import rewrap
        from gateway.cli import progress, show

        with progress("Wrapping data keys") as step:
            done = _run(lambda settings, home: rewrap.rewrap(settings, home, step, anew=anew))
        told = {"rewrapped": done.rewrapped, "before": done.before, "destroyed": list(done.destroyed)}
        words = f"Wrapped {done.rewrapped} data keys again; {done.before} were done by the run before."
        if done.destroyed:
            words += f"\nThe key is destroyed of: {', '.join(done.destroyed)}."
        show(told, json, words)


def _run(work: Callable[[Any, Any], Coroutine[Any, Any, ResultT]]) -> ResultT:
    from connectors.sdk.errors import ActionError
    from gateway.cli import fail, read_settings
    from gateway.installation import Home, NotSetUp
    from gateway.ledger.bodies import Unreadable
    from gateway.ledger.sqlite import LedgerInUse
    from gateway.rewrap import NoVaultHere

    settings = read_settings()
    try:
        return asyncio.run(work(settings, Home(settings.home)))
    except ActionError as error:
        fail(f"{error.detail} {error.hint or ''}".strip())
    except (NoVaultHere, NotSetUp, LedgerInUse, Unreadable, OSError, ValueError) as error:
        fail(str(error))
