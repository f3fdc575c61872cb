"""Running a query: names looked up in the objects, literals checked against the fields' types, records picked.

Source: SOQL and SOSL Reference v67.0, "Comparison Operators", "Date Literals"; REST API Developer Guide, error codes.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import cmp_to_key
from typing import Any

from connectors.salesforce.simulator.refusals import Fault
from connectors.salesforce.simulator.schema import TEXTUAL, Field, SObject
from connectors.salesforce.simulator.soql import Condition, Group, Query, Value
from connectors.salesforce.simulator.world import Row, World

_NUMERIC = {"int", "double", "currency", "percent"}
_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")


class Runner:
    """Runs queries over a world. `now` is Unix seconds; `lag` hides nothing: SOQL reads the database."""

    def __init__(self, world: World, base: str, now: float) -> None:
        self._world = world
        self._base = base
        self._today = datetime.fromtimestamp(now, UTC).date()

    def run(self, query: Query, *, deleted: bool) -> list[dict[str, Any]]:
        """Return the records that a query finds, as they are shown. Raises `Fault`."""
        kind = self._world.objects.get(query.source.lower())
        if kind is None:
            raise Fault("INVALID_TYPE", f"sObject type '{query.source}' is not supported.")
        self._no_doubles(query)
        for path in query.paths:
            self._field(kind, path)
        fits = self._condition(kind, query.where) if query.where is not None else _any
        rows = [row for row in self._world.of(kind.name) if (deleted or not row.deleted) and fits(row)]
        for path, descending in reversed(query.order):
            field = self._field(kind, path)
            if not field.filterable:
                raise Fault("INVALID_FIELD", f"field '{field.name}' can not be sorted in a query call")
            rows.sort(key=cmp_to_key(self._compared(path)), reverse=descending)
        rows = rows[query.offset :]
        return [self._shown(row, query.paths) for row in (rows if query.limit is None else rows[: query.limit])]

    def _no_doubles(self, query: Query) -> None:
        seen: set[str] = set()
        for path in query.paths:
            if path.lower() in seen:
                raise Fault("INVALID_FIELD", f"duplicate field selected: {path}")
            seen.add(path.lower())

    def _compared(self, path: str) -> Callable[[Row, Row], int]:
        def compare(one: Row, other: Row) -> int:
            a, b = _key(self._read(one, path)), _key(self._read(other, path))
            return (a > b) - (a < b)

        return compare

    def _field(self, kind: SObject, path: str) -> Field:
        """Return the field at the end of a path. Raises `INVALID_FIELD`."""
        *parents, name = path.split(".")
        for parent in parents:
            link = kind.parents.get(parent.lower())
            if link is None:
                raise Fault(
                    "INVALID_FIELD",
                    f"Didn't understand relationship '{parent}' in field path. If you are attempting to use a custom "
                    "relationship, be sure to append the '__r' after the custom relationship name.",
                )
            kind = self._world.objects[link.references[0].lower()]
        field = kind.by_name.get(name.lower())
        if field is None:
            raise Fault(
                "INVALID_FIELD",
                f"No such column '{name}' on entity '{kind.name}'. If you are attempting to use a custom field, be "
                "sure to append the '__c' after the custom field name.",
            )
        return field

    def _read(self, row: Row | None, path: str) -> Any:
        *parents, name = path.split(".")
        for parent in parents:
            if row is None:
                return None
            link = row.object.parents[parent.lower()]
            row = self._world.find(str(row.values.get(link.name) or ""))
        if row is None:
            return None
        return row.values.get(row.object.by_name[name.lower()].name)

    def _shown(self, row: Row, paths: tuple[str, ...]) -> dict[str, Any]:
        shown: dict[str, Any] = {"attributes": attributes(row, self._base)}
        for path in paths:
            head, dot, rest = path.partition(".")
            if not dot:
                field = row.object.by_name[head.lower()]
                shown[field.name] = row.values.get(field.name)
                continue
            link = row.object.parents[head.lower()]
            parent = self._world.find(str(row.values.get(link.name) or ""))
            inner = self._shown(parent, (rest,)) if parent is not None else None
            name = link.relationship or head
            if isinstance(shown.get(name), dict) and inner is not None:
                inner = {**shown[name], **inner}
            shown[name] = inner
        return shown

    def _condition(self, kind: SObject, part: Condition | Group) -> Callable[[Row], bool]:
        if isinstance(part, Group):
            inner = [self._condition(kind, one) for one in part.parts]
            if part.joined == "NOT":
                return lambda row: not inner[0](row)
            join = all if part.joined == "AND" else any
            return lambda row: join(one(row) for one in inner)
        field = self._field(kind, part.path)
        if not field.filterable:
            raise Fault("INVALID_FIELD", f"field '{field.name}' can not be filtered in a query call")
        tests = [self._test(field, part.op, value) for value in part.values]
        negative = part.op in {"NOT IN", "EXCLUDES"}
        return lambda row: any(test(self._read(row, part.path)) for test in tests) is not negative

    def _test(self, field: Field, op: str, value: Value) -> Callable[[Any], bool]:
        if op == "LIKE":
            return _like(field, value)
        if value.kind == "relative":
            return self._within(field, "=" if op in {"IN", "NOT IN"} else op, value.text)
        wanted = self._typed(field, value)
        if op in {"INCLUDES", "EXCLUDES"}:
            if field.type != "multipicklist":
                raise Fault("INVALID_QUERY_FILTER_OPERATOR", "INCLUDES and EXCLUDES are for multi-select picklists")
            chosen = {str(one) for one in str(wanted).split(";")}
            return lambda found: chosen <= {one.lower() for one in str(found or "").split(";")}
        if op in {"IN", "NOT IN", "="}:
            return lambda found: self._plain(field, found) == wanted
        if op == "!=":
            return lambda found: self._plain(field, found) != wanted
        if wanted is None or field.type in {"boolean", "id", "reference"}:
            raise Fault("INVALID_QUERY_FILTER_OPERATOR", f"invalid operator on {field.type} field")
        return lambda found: found is not None and _ordered(op, self._plain(field, found), wanted)

    def _plain(self, field: Field, found: Any) -> Any:
        """Return a kept value as it is compared."""
        if found is None:
            return None
        if field.type in {"id", "reference"}:
            return str(found)[:15]
        if field.type == "datetime":
            return datetime.fromisoformat(str(found)).timestamp()
        if field.type == "date":
            return str(found)
        return found.lower() if isinstance(found, str) else found

    def _typed(self, field: Field, value: Value) -> Any:
        """Return a literal as it is compared. Raises where it is not of the field's type."""
        if value.kind == "null":
            return None
        if field.type in TEXTUAL:
            if value.kind != "text":
                raise _wrong(field, "string and should be enclosed in quotes")
            if field.type in {"id", "reference"}:
                if not _ID.fullmatch(value.text):
                    raise Fault("INVALID_QUERY_FILTER_OPERATOR", f"invalid ID field: {value.text}")
                return value.text[:15]
            return value.text.lower()
        if value.kind == "text":
            raise _wrong(field, f"{field.type} and should not be enclosed in quotes")
        if field.type == "boolean" and value.kind == "boolean":
            return value.text == "true"
        if field.type in _NUMERIC and value.kind == "number":
            return float(value.text)
        if field.type == "date" and value.kind == "day":
            return value.text
        if field.type == "datetime" and value.kind == "moment":
            return datetime.fromisoformat(value.text).timestamp()
        raise _wrong(field, field.type)

    def _within(self, field: Field, op: str, text: str) -> Callable[[Any], bool]:
        """Compare with a literal that is a span of days: equal means in it, greater means after its end."""
        if field.type not in {"date", "datetime"}:
            raise _wrong(field, field.type)
        start, end = (self._edge(field, day) for day in self._span(text))

        def test(found: Any) -> bool:
            if found is None:
                return op == "!="
            plain = self._plain(field, found)
            inside = start <= plain < end
            results = {"<": plain < start, "<=": plain < end, ">": plain >= end, ">=": plain >= start}
            return bool(results.get(op, inside is (op != "!=")))

        return test

    def _edge(self, field: Field, day: date) -> Any:
        if field.type == "date":
            return day.isoformat()
        return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()

    def _span(self, text: str) -> tuple[date, date]:
        """Return the first day of a literal, and the day after its last."""
        word, _, number = text.partition(":")
        today, one = self._today, timedelta(days=1)
        days, first = timedelta(days=int(number or 0)), today.replace(day=1)
        following = (first + timedelta(days=32)).replace(day=1)
        known = {
            "TODAY": (today, today + one),
            "YESTERDAY": (today - one, today),
            "TOMORROW": (today + one, today + one + one),
            "LAST_N_DAYS": (today - days, today + one),
            "NEXT_N_DAYS": (today + one, today + one + days),
            "THIS_MONTH": (first, following),
            "LAST_MONTH": ((first - one).replace(day=1), first),
            "THIS_YEAR": (first.replace(month=1), first.replace(year=first.year + 1, month=1)),
        }
        return known[word]


def _any(row: Row) -> bool:
    del row
    return True


def attributes(row: Row, base: str) -> dict[str, str]:
    """Return what stands beside a record's fields."""
    return {"type": row.object.name, "url": f"{base}/sobjects/{row.object.name}/{row.id}"}


def _wrong(field: Field, needed: str) -> Fault:
    return Fault("INVALID_FIELD", f"value of filter criterion for field '{field.name}' must be of type {needed}")


def _like(field: Field, value: Value) -> Callable[[Any], bool]:
    if field.type not in TEXTUAL - {"id", "reference", "multipicklist"} or value.kind != "text":
        raise Fault("INVALID_QUERY_FILTER_OPERATOR", "LIKE is for texts")
    parts = [
        ((".*" if one == "%" else ".") if wild else re.escape(one))
        for one, wild in zip(value.text, value.wild, strict=True)
    ]
    pattern = re.compile("".join(parts), re.IGNORECASE | re.DOTALL)
    return lambda found: found is not None and pattern.fullmatch(str(found)) is not None


def _ordered(op: str, found: Any, wanted: Any) -> bool:
    return bool({"<": found < wanted, "<=": found <= wanted, ">": found > wanted, ">=": found >= wanted}[op])


def _key(value: Any) -> tuple[bool, Any]:
    """Sort nulls first, texts whatever their case."""
    return (
        (value is not None, value.lower() if isinstance(value, str) else (value or 0))
        if value is not None
        else (
            False,
            0,
        )
    )
