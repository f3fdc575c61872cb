"""SOQL, built from parts: names that can be nothing but names, and values through one escaper.

REST has no bind parameters, so this module is where a value becomes a literal; nothing else writes SOQL.
Source: SOQL and SOSL Reference v67.0, "Quoted String Escape Sequences", "Date Formats and Date Literals".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal
from urllib.parse import quote

from pydantic import AwareDatetime, Field, model_validator

from connectors.salesforce.names import iso
from connectors.sdk import Input, InvalidInput

# The whole address may have 16,384 bytes, headers and all.
LONGEST = 14_000
_ESCAPES = {"\\": "\\\\", "'": "\\'", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
_LIKE = {"%": "\\%", "_": "\\_"}
_COMPARED = {"eq": "=", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_SETS = {"in": "IN", "not_in": "NOT IN", "includes": "INCLUDES", "excludes": "EXCLUDES"}
_MATCHED = {"contains": ("%", "%"), "starts_with": ("", "%"), "ends_with": ("%", "")}

Path = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z][A-Za-z0-9_]{0,79}(\.[A-Za-z][A-Za-z0-9_]{0,79}){0,5}$",
        description="API name of a field, or of one of a parent: `Account.Name`, `Owner.Email`.",
    ),
]


class Day(Input):
    """A date."""

    date: Annotated[date, Field(strict=False, description="As in `2026-11-22`.")]


class Moment(Input):
    """A time."""

    datetime: AwareDatetime = Field(description="With its zone, as in `2026-11-22T09:00:00Z`.")


class Relative(Input):
    """A date that moves with today."""

    relative: str = Field(
        pattern=r"^(YESTERDAY|TODAY|TOMORROW|THIS_MONTH|LAST_MONTH|THIS_YEAR|(LAST|NEXT)_N_DAYS:[1-9][0-9]{0,3})$",
        description="A date literal of SOQL: `TODAY`, `LAST_N_DAYS:30`.",
    )


Number = Annotated[float, Field(allow_inf_nan=False)]
Value = str | int | Number | bool | None | Day | Moment | Relative
Several = Annotated[list[Value], Field(min_length=1, max_length=200)]


class Comparison(Input):
    """One condition. `contains` and its like, and comparisons of texts, do not tell cases apart."""

    field: Path
    op: Literal[
        "eq",
        "ne",
        "lt",
        "le",
        "gt",
        "ge",
        "contains",
        "starts_with",
        "ends_with",
        "in",
        "not_in",
        "includes",
        "excludes",
    ] = Field(description="`in` and `not_in` take a list; `includes` and `excludes` too, for multi-select picklists.")
    value: Value | Several = Field(
        description="A text, number, boolean or null; a date as {'date': '2026-11-22'}, a time as {'datetime': "
        "'2026-11-22T09:00:00Z'}, or {'relative': 'LAST_N_DAYS:30'}."
    )

    @model_validator(mode="after")
    def _fits(self) -> "Comparison":
        if isinstance(self.value, list) != (self.op in _SETS):
            raise ValueError(f"`{self.op}` takes {'a list' if self.op in _SETS else 'one value'}")
        if self.op in _MATCHED and not isinstance(self.value, str):
            raise ValueError(f"`{self.op}` takes a text")
        return self


class AllOf(Input):
    """Conditions that must all hold."""

    all: list[Comparison] = Field(min_length=1, max_length=20, description="Conditions joined by AND.")


class AnyOf(Input):
    """Conditions of which one must hold."""

    any: list[Comparison | AllOf] = Field(min_length=1, max_length=20, description="Conditions joined by OR.")


class Order(Input):
    """What records are sorted by."""

    field: Path
    descending: bool = Field(default=False, description="Highest or newest first.")


Where = Annotated[
    list[Comparison | AnyOf],
    Field(max_length=30, description="Conditions that must all hold; `any` in one of them joins others by OR."),
]


@dataclass(frozen=True, slots=True)
class Select:
    """A query in its parts. Its names were read as the types above, or are this connector's own."""

    object: str
    fields: Sequence[str]
    where: Sequence[Comparison | AnyOf] = ()
    order: Sequence[Order] = ()
    limit: int | None = None


def literal(value: Value) -> str:
    """Return a value as SOQL writes it. Texts are always quoted, so what is in them stays a text."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"'{escaped(value)}'"
    if isinstance(value, Day):
        return value.date.isoformat()
    if isinstance(value, Moment):
        return iso(value.datetime)
    if isinstance(value, Relative):
        return value.relative
    return _number(value)


def escaped(text: str) -> str:
    """Return a text as it stands between SOQL's quotes."""
    return "".join(_ESCAPES.get(character, character) for character in text)


def pattern(text: str) -> str:
    """Return a text as it stands in a LIKE: `%` and `_` in it mean themselves."""
    return "".join(_LIKE.get(character) or _ESCAPES.get(character, character) for character in text)


def build(select: Select) -> str:
    """Return the query. Raises `InvalidInput` where it is too long to be sent."""
    parts = ["SELECT " + ", ".join(select.fields), "FROM " + select.object]
    if select.where:
        parts.append("WHERE " + " AND ".join(map(_condition, select.where)))
    if select.order:
        parts.append(
            "ORDER BY " + ", ".join(f"{one.field} {'DESC' if one.descending else 'ASC'}" for one in select.order)
        )
    if select.limit is not None:
        parts.append(f"LIMIT {select.limit}")
    soql = " ".join(parts)
    if len(quote(soql, safe="")) > LONGEST:
        raise InvalidInput("The query is too long for Salesforce.", hint="Name fewer values, in several calls.")
    return soql


def chunks(values: Sequence[Value], room: int = 8_000) -> list[list[Value]]:
    """Part values of an IN so that each part fits into a query."""
    found: list[list[Value]] = [[]]
    used = 0
    for value in values:
        size = len(quote(literal(value), safe="")) + 6
        if found[-1] and used + size > room:
            found.append([])
            used = 0
        found[-1].append(value)
        used += size
    return found


def _condition(condition: Comparison | AnyOf | AllOf) -> str:
    if isinstance(condition, AnyOf):
        return "(" + " OR ".join(map(_condition, condition.any)) + ")"
    if isinstance(condition, AllOf):
        return "(" + " AND ".join(map(_condition, condition.all)) + ")"
    return _comparison(condition)


def _comparison(one: Comparison) -> str:
    if isinstance(one.value, list):
        return f"{one.field} {_SETS[one.op]} ({', '.join(map(literal, one.value))})"
    if one.op in _MATCHED:
        before, after = _MATCHED[one.op]
        return f"{one.field} LIKE '{before}{pattern(str(one.value))}{after}'"
    return f"{one.field} {_COMPARED[one.op]} {literal(one.value)}"


def _number(value: float) -> str:
    """Return a number in plain decimals, without an exponent."""
    return format(Decimal(repr(value)), "f")
