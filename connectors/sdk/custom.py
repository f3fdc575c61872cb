"""Fields that a tenant has made at its vendor: read per connection, typed, checked before anything is sent.

Labels and choices are what people of the tenant wrote: untrusted text. They are shown as data, in a place of their
own, and never become part of a description, a hint or a name.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, Strict, WithJsonSchema

from connectors.sdk.upstream import Upstream

_MOST_SHOWN = 200
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+")
_LONGEST_LABEL = 120


@dataclass(frozen=True, slots=True)
class CustomField:
    """One field. `key` is what an agent writes and the vendor reads; `label` is what people call it.

    `type` is any type that pydantic validates from JSON. What validation returns is what the handler gets, so a type
    may turn an agent's form into the vendor's: Markdown into rich text, a choice's name into an object.
    `required` is told and not enforced: only the vendor knows when it insists.
    """

    key: str
    label: str
    type: Any
    required: bool = False


def _any_pattern(kind: str, patterns: Sequence[str]) -> bool:
    del kind
    return bool(patterns)


ReadsFields = Callable[[Upstream, str], Awaitable[Sequence[CustomField]]]


@dataclass(frozen=True, slots=True)
class CustomFields:
    """Says that an input member holds values of custom fields by their keys, and how these are found.

    `member` names the member; `*` stands for every item of a list: `issues/*/custom_fields`. `read(api, kind)` sends
    GET requests only. `kind` says of what the fields are, where a vendor has several kinds of record: a constant, or
    a function of the typed input. `vendor_scopes` are what reading them needs at the vendor: a connection without
    them leaves the checking to the vendor. `within(kind, patterns)` says whether the resources that grants name reach
    records of a kind: an agent is shown the fields of no others.
    """

    member: str
    read: ReadsFields
    kind: str | Callable[[Any], str] = ""
    vendor_scopes: frozenset[str] = frozenset()
    within: Callable[[str, Sequence[str]], bool] = _any_pattern


def choice(values: Sequence[str]) -> Any:
    """Return the type of a text that is one of `values`. The schema shows the first 200 of them."""
    allowed = frozenset(values)

    def check(value: str) -> str:
        if value not in allowed:
            raise ValueError(f"must be one of the field's {len(allowed)} choices")
        return value

    schema: dict[str, Any] = {"type": "string", "enum": list(values[:_MOST_SHOWN])}
    if len(values) > _MOST_SHOWN:
        schema = {"type": "string", "examples": list(values[:_MOST_SHOWN])}
    return Annotated[str, Strict(), AfterValidator(check), WithJsonSchema(schema)]


def plain_label(text: str) -> str:
    """Return a label as one short line without control characters."""
    return " ".join(_CONTROL.sub(" ", text).split())[:_LONGEST_LABEL]
