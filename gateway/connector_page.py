"""Writes a connector's page from what it declares: set-up, scopes, actions, limits, quirks."""

import inspect
from importlib import import_module
from pathlib import Path

from credentials.supplied import required_fields

from connectors.sdk import Action, Connector, Irreversible, NaturalKey, Reconcile, Undo, Unknowable
from connectors.sdk.auth import (
    AppInstallation,
    AuthMethod,
    ClientCredentials,
    JwtBearer,
    OAuthUser,
    SignedToken,
)
from connectors.sdk.facts import Native


def page(connector: Connector) -> str:
    """Return the page in Markdown."""
    about = inspect.getdoc(import_module(f"{connector.package}.connector")) or ""
    parts = [
        f"# {connector.title}",
        about,
        "## Set-up",
        *[_method(connector, method) for method in connector.auth.values()],
        f"The address is `{connector.base_url}` unless the connection names another in `base_url`.",
        "## Scopes",
        _table(("scope", "what it allows"), [(f"`{s}`", text) for s, text in sorted(connector.scopes.items())]),
        "## Actions",
        "What an agent needs for each, at Gatehouse and at the vendor, and what happens when an answer is lost.",
        _table(
            ("action", "what it does", "scope", "vendor scope", "effect", "lost answer", "undo"),
            [_row(action) for action in sorted(connector.actions.values(), key=lambda action: action.name)],
        ),
    ]
    notes = Path(inspect.getfile(import_module(connector.package))).parent / "NOTES.md"
    if notes.exists():
        parts += ["## Limits and quirks", notes.read_text().strip()]
    return "\n\n".join(part for part in parts if part) + "\n"


def _method(connector: Connector, method: AuthMethod) -> str:
    fields = ", ".join(f"`{name}`" for name in sorted(required_fields(method)))
    how = ""
    if isinstance(method, OAuthUser):
        how = f" Tokens are refreshed as needed. {_asking(method)}"
    elif isinstance(method, AppInstallation):
        how = " Gatehouse signs as the app and fetches an installation token, anew before it expires."
    elif isinstance(method, JwtBearer | ClientCredentials | SignedToken):
        how = " Gatehouse gets a new token with it before the old one expires, and when the vendor refuses that."
    command = f"gatehouse connections create {connector.id}/main --method {method.id}"
    return f"**{method.title}** (`{method.id}`): {fields}.{how}\n\n    {command}"


def _asking(method: OAuthUser) -> str:
    """Say how somebody can be asked instead of sending tokens."""
    ways = {"code": "in their browser", "device": "by a code that they type at the vendor (`--flow device`)"}
    return (
        f"With `client_id` alone (and `client_secret`) somebody is asked: {' or '.join(ways[w] for w in method.flows)}."
    )


def _row(action: Action) -> tuple[str, ...]:
    return (
        f"`{action.name}`",
        action.title,
        ", ".join(f"`{scope}`" for scope in sorted(action.scopes)),
        ", ".join(f"`{scope}`" for scope in sorted(action.vendor_scopes)) or "none",
        action.effect.value,
        _lost(action),
        _undo(action),
    )


def _lost(action: Action) -> str:
    strategy = action.idempotency
    if not action.writes:
        return "asked again"
    if isinstance(strategy, Native):
        return f"sent again under `{strategy.header}`"
    if isinstance(strategy, NaturalKey):
        return f"looked for, sent again: {', '.join(strategy.fields)} cannot be taken twice"
    if isinstance(strategy, Reconcile):
        return "looked for" if strategy.consistent else "looked for; not finding it proves nothing"
    return f"unknown: {strategy.why}" if isinstance(strategy, Unknowable) else f"sent again: {strategy.why}"


def _undo(action: Action) -> str:
    undo = action.reversibility
    if isinstance(undo, Undo):
        return f"`{undo.action}`"
    return f"no: {undo.why}" if isinstance(undo, Irreversible) else ""


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
