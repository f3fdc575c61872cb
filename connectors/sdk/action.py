"""An action: one typed async function and the facts it declares."""

import inspect
import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any, get_type_hints

from pydantic import BaseModel, TypeAdapter

from connectors.sdk.custom import CustomFields
from connectors.sdk.facts import (
    Effect,
    Idempotency,
    Irreversible,
    NothingToUndo,
    ResourceFact,
    Reversibility,
    Safe,
    Undo,
)
from connectors.sdk.model import Input, Page, secret_fields
from connectors.sdk.upstream import Upstream

Handler = Callable[[Upstream, Any], Coroutine[Any, Any, Any]]
_NAME = re.compile(r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$")


class DeclarationError(TypeError):
    """A connector declares something that the gateway cannot hold to. The message says what to write instead."""


@dataclass(frozen=True, eq=False)
class Action:
    """What the gateway knows of an action. Everything that decides or describes reads it from here.

    `sensitive`, `recipients`, `amount` and `records` name fields of the input: `recipients` hold addresses,
    `amount` a decimal string, `records` a list whose length is the number of records touched.
    `budget` is the name of the vendor's quota that it draws on. `custom` says where the input holds values of fields
    that the tenant has made at the vendor.
    """

    connector: str
    name: str
    handler: Handler
    input: type[Input]
    output: Any
    scopes: frozenset[str]
    effect: Effect
    resource: ResourceFact
    vendor_scopes: frozenset[str]
    idempotency: Idempotency
    reversibility: Reversibility
    sensitive: frozenset[str] = frozenset()
    recipients: tuple[str, ...] = ()
    amount: str | None = None
    records: str | None = None
    max_output_bytes: int = 256 * 1024
    deadline: timedelta = timedelta(seconds=60)
    budget: str = "core"
    examples: tuple[Mapping[str, object], ...] = ()
    custom: CustomFields | None = None

    @property
    def writes(self) -> bool:
        """Whether the action has an effect at the vendor."""
        return self.effect is not Effect.READ

    @cached_property
    def description(self) -> str:
        """The handler's docstring, which models read when they choose."""
        return inspect.cleandoc(self.handler.__doc__ or "")

    @cached_property
    def title(self) -> str:
        """The docstring's first line, without its full stop."""
        return self.description.split("\n", 1)[0].rstrip(".")

    @cached_property
    def paged(self) -> bool:
        """Whether the output is a page with a cursor."""
        return isinstance(self.output, type) and issubclass(self.output, Page)

    @cached_property
    def secrets(self) -> frozenset[str]:
        """Output fields that are masked before anything is recorded."""
        return secret_fields(self.output)

    @cached_property
    def output_adapter(self) -> TypeAdapter[Any]:
        """Validates and dumps the output, built once."""
        return TypeAdapter(self.output)

    @cached_property
    def input_schema(self) -> dict[str, Any]:
        """JSON Schema 2020-12 of the input."""
        return self.input.model_json_schema()

    @cached_property
    def output_schema(self) -> dict[str, Any]:
        """JSON Schema 2020-12 of the output."""
        return self.output_adapter.json_schema(mode="serialization")


def declare(
    connector: str,
    name: str,
    handler: Handler,
    *,
    scopes: Sequence[str] | frozenset[str] | set[str],
    effect: Effect,
    resource: ResourceFact,
    vendor_scopes: Sequence[str] | frozenset[str] | set[str],
    idempotency: Idempotency | None = None,
    undo: Reversibility | None = None,
    sensitive: Sequence[str] | set[str] = (),
    recipients: Sequence[str] = (),
    amount: str | None = None,
    records: str | None = None,
    max_output_bytes: int = 256 * 1024,
    deadline: timedelta = timedelta(seconds=60),
    budget: str = "core",
    examples: Sequence[Mapping[str, object]] = (),
    custom: CustomFields | None = None,
) -> Action:
    """Check a declaration and return the action. Raises `DeclarationError` for what is missing or does not fit."""
    full = f"{connector}.{name}"
    where = f"action {full}"
    if not _NAME.match(full):
        raise DeclarationError(f"{where}: write its name as `resource.verb` in lower case")
    if not inspect.iscoroutinefunction(handler):
        raise DeclarationError(f"{where}: the handler must be `async def`")
    if not (handler.__doc__ or "").strip():
        raise DeclarationError(f"{where}: give it a docstring; it is what a model reads to choose the action")
    input_type, output_type = _types(where, handler)
    if not scopes:
        raise DeclarationError(f"{where}: declare at least one scope")
    if effect is Effect.READ:
        idempotency, undo = idempotency or Safe("a read"), undo or NothingToUndo()
    if idempotency is None:
        raise DeclarationError(
            f"{where}: declare idempotency=Native(...), NaturalKey(...), Reconcile(...), Safe(why) or Unknowable(why)"
        )
    if undo is None or (effect is not Effect.READ and not isinstance(undo, Undo | Irreversible)):
        raise DeclarationError(f"{where}: declare undo=Undo(action) or undo=Irreversible(why)")
    named = [*sensitive, *recipients, *filter(None, (amount, records))]
    _check_fields(where, input_type, named + ([custom.member.split("/")[0]] if custom else []))
    return Action(
        connector=connector,
        name=full,
        handler=handler,
        input=input_type,
        output=output_type,
        scopes=frozenset(scopes),
        effect=effect,
        resource=resource,
        vendor_scopes=frozenset(vendor_scopes),
        idempotency=idempotency,
        reversibility=undo,
        sensitive=frozenset(sensitive),
        recipients=tuple(recipients),
        amount=amount,
        records=records,
        max_output_bytes=max_output_bytes,
        deadline=deadline,
        budget=budget,
        examples=tuple(examples),
        custom=custom,
    )


_WANTED = {
    "scopes": "scopes={...}, of this connector",
    "effect": "effect=Effect....",
    "resource": "resource=Resource(...), Located(...), Searched(...) or Unbound(why)",
    "vendor_scopes": "vendor_scopes={...}, in the vendor's words, empty where it has none",
}


def check_facts(where: str, facts: Mapping[str, object]) -> None:
    """Refuse facts that are missing and names that are none. Raises `DeclarationError`."""
    known = [name for name, kind in inspect.signature(declare).parameters.items() if kind.kind is kind.KEYWORD_ONLY]
    unknown = [name for name in facts if name not in known]
    if unknown:
        raise DeclarationError(f"{where}: `{unknown[0]}` is no fact; known are {', '.join(known)}")
    missing = [text for name, text in _WANTED.items() if name not in facts]
    if missing:
        raise DeclarationError(f"{where}: declare {'; '.join(missing)}")


def _types(where: str, handler: Handler) -> tuple[type[Input], Any]:
    parameters = list(inspect.signature(handler).parameters)
    hints = get_type_hints(handler)
    if len(parameters) != 2 or "return" not in hints:
        raise DeclarationError(f"{where}: write `async def name(api: Upstream, what: SomeInput) -> SomeOutput`")
    given = hints.get(parameters[1])
    if not (isinstance(given, type) and issubclass(given, Input)):
        raise DeclarationError(f"{where}: its second parameter must be a subclass of `Input`")
    output = hints["return"]
    if not (isinstance(output, type) and issubclass(output, BaseModel)):
        raise DeclarationError(f"{where}: it must return a subclass of `Output`")
    return given, output


def _check_fields(where: str, kind: type[Input], names: Sequence[str]) -> None:
    unknown = [name for name in names if name not in kind.model_fields]
    if unknown:
        raise DeclarationError(f"{where}: {kind.__name__} has no field {', '.join(unknown)}")
