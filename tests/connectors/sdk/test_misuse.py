"""A declaration that the gateway cannot hold to is refused when it is loaded, and told what to write instead."""

from importlib import import_module
from typing import Any

import pytest

from connectors.sdk import (
    Connector,
    DeclarationError,
    Done,
    Effect,
    Input,
    Irreversible,
    Reconcile,
    Resource,
    Safe,
    StaticToken,
    Unbound,
    Undo,
    Upstream,
)
from tests.connectors.sdk.toys.connector import account

FACTS: dict[str, Any] = {
    "scopes": {"notes:note:write"},
    "effect": Effect.CREATE,
    "resource": Unbound("It concerns nothing."),
    "vendor_scopes": {"write"},
    "idempotency": Safe("so it is"),
    "undo": Irreversible("so it is"),
}


class New(Input):
    text: str


def connector() -> Connector:
    return Connector(
        id="notes",
        title="Notes",
        version="1",
        base_url="https://notes.example",
        hosts=["notes.example"],
        auth=[StaticToken()],
        scopes={"notes:note:write": "Write notes"},
        account=account,
    )


async def create(api: Upstream, new: New) -> Done:
    """Write a note."""
    return Done()


async def undocumented(api: Upstream, new: New) -> Done:
    return Done()


async def untyped(api: Upstream, new: New):  # type: ignore[no-untyped-def]
    """Write a note."""


async def loose(api: Upstream, new: dict[str, str]) -> Done:
    """Write a note."""
    return Done()


async def bare(api: Upstream, new: New) -> dict[str, str]:
    """Write a note."""
    return {}


def blocking(api: Upstream, new: New) -> Done:
    """Write a note."""
    return Done()


@pytest.mark.parametrize("missing", ["scopes", "effect", "resource", "vendor_scopes", "idempotency", "undo"])
def test_a_missing_fact_is_named(missing: str) -> None:
    facts = {name: fact for name, fact in FACTS.items() if name != missing}

    with pytest.raises(DeclarationError, match=f"declare.*{missing}"):
        connector().action("note.create", **facts)(create)


def test_a_fact_that_is_none_is_named() -> None:
    with pytest.raises(DeclarationError, match="`sensitve` is no fact"):
        connector().action("note.create", **FACTS, sensitve={"text"})(create)


@pytest.mark.parametrize(
    ("handler", "facts", "says"),
    [
        (create, {"scopes": {"github:issue:write"}}, "another connector's scope"),
        (create, {"scopes": {"notes:note:admin"}}, "describe notes:note:admin in the connector's `scopes`"),
        (create, {"resource": Resource("{box}")}, "needs the input field box"),
        (create, {"sensitive": {"txet"}}, "New has no field txet"),
        (undocumented, {}, "give it a docstring"),
        (untyped, {}, "write `async def name"),
        (loose, {}, "must be a subclass of `Input`"),
        (bare, {}, "must return a subclass of `Output`"),
        (blocking, {}, "must be `async def`"),
    ],
)
def test_what_does_not_fit_is_refused(handler: Any, facts: dict[str, Any], says: str) -> None:
    with pytest.raises(DeclarationError, match=says):
        connector().action("note.create", **{**FACTS, **facts})(handler)


def test_an_undo_that_is_no_action_is_refused_when_all_are_in() -> None:
    made = connector()
    made.action("note.create", **{**FACTS, "undo": Undo("notes.note.delete")})(create)

    with pytest.raises(DeclarationError, match="is no action of notes"):
        made.check_references()


@pytest.mark.parametrize("name", ["", "Popen"])
def test_a_handler_whose_module_has_its_own_way_out_is_refused(name: str) -> None:
    held = import_module("subprocess")
    held = getattr(held, name) if name else held
    code = "async def create(api: Upstream, new: New) -> Done:\n    'Write a note.'\n    return Done()\n"
    module: dict[str, Any] = {"held": held, "Done": Done, "New": New, "Upstream": Upstream, "__name__": "notes"}
    made = connector()
    exec(code, module)
    made.action("note.create", **FACTS)(module["create"])

    with pytest.raises(DeclarationError, match="imports subprocess; a handler awaits its `Upstream` and nothing else"):
        made.check_modules()


def test_a_reconcile_without_its_facts_is_no_strategy() -> None:
    with pytest.raises(TypeError):
        Reconcile(create)  # type: ignore[call-arg]
