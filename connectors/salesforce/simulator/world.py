"""What the simulated org holds. Times are Unix seconds; values are as JSON has them."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from connectors.salesforce.simulator.schema import SObject

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SUFFIXES = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
ORG = "00D5e000001A2bCEAS"


@dataclass(slots=True)
class Row:
    """A record. `values` are by the fields' names."""

    object: SObject
    id: str
    values: dict[str, Any]
    deleted: bool = False


@dataclass(slots=True)
class Cursor:
    """A query whose records are given in batches."""

    records: list[dict[str, Any]]
    made_at: float


@dataclass(slots=True)
class World:
    """Objects by lower-case name, records by the first 15 characters of their ids, open queries by locator.

    `locked` says how often a change of a record, by the same 15 characters, is still refused for a lock.
    """

    objects: dict[str, SObject] = field(default_factory=dict[str, SObject])
    rows: dict[str, Row] = field(default_factory=dict[str, Row])
    queries: dict[str, Cursor] = field(default_factory=dict[str, Cursor])
    locked: dict[str, int] = field(default_factory=dict[str, int])
    user: str = ""
    count: int = 0

    def add_object(self, made: SObject) -> None:
        """Take in an object."""
        self.objects[made.name.lower()] = made

    def of(self, name: str) -> Iterator[Row]:
        """Yield the records of an object, the deleted ones too."""
        return (row for row in self.rows.values() if row.object.name.lower() == name.lower())

    def find(self, id: str) -> Row | None:
        """Return a record by its id, with 15 or 18 characters."""
        return self.rows.get(id[:15])

    def insert(self, kind: SObject, values: dict[str, Any], user: str, now: float) -> Row:
        """Make a record of values that were checked."""
        moment = stamp(now)
        made = {
            "Id": self.new_id(kind.prefix),
            "IsDeleted": False,
            "CreatedDate": moment,
            "CreatedById": user,
            "LastModifiedDate": moment,
            "LastModifiedById": user,
            "SystemModstamp": moment,
            **({"OwnerId": user} if kind.owned else {}),
        }
        full = {one.name: made.get(one.name, values.get(one.name, one.default)) for one in kind.fields}
        full |= {name: value for name, value in values.items() if name == "OwnerId" and value}
        for one in kind.fields:
            if one.type == "boolean" and full[one.name] is None:
                full[one.name] = False
        row = Row(kind, str(made["Id"]), full)
        _name(row, self.count)
        self.rows[row.id[:15]] = row
        return row

    def change(self, row: Row, values: dict[str, Any], user: str, now: float) -> None:
        """Set values that were checked."""
        row.values |= {**values, "LastModifiedDate": stamp(now), "LastModifiedById": user, "SystemModstamp": stamp(now)}
        _name(row, self.count)

    def remove(self, row: Row, user: str, now: float) -> None:
        """Put a record into the recycle bin."""
        self.change(row, {"IsDeleted": True}, user, now)
        row.deleted = True

    def kept(self) -> dict[str, Row]:
        """Return the records as they are now, to go back to."""
        return {key: Row(row.object, row.id, copy.copy(row.values), row.deleted) for key, row in self.rows.items()}

    def new_id(self, prefix: str) -> str:
        """Return an id that no record has."""
        self.count += 1
        number, text = self.count * 3847, ""
        for _ in range(7):
            number, rest = divmod(number, 62)
            text = _DIGITS[rest] + text
        return suffixed(f"{prefix}5e{text}000"[:15])


def suffixed(plain: str) -> str:
    """Return the id with 18 characters."""
    found = plain
    for at in (0, 5, 10):
        found += _SUFFIXES[sum(1 << place for place, one in enumerate(plain[at : at + 5]) if one.isupper())]
    return found


def stamp(seconds: float) -> str:
    """Return a time as records show it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def _name(row: Row, number: int) -> None:
    """Fill in what Salesforce derives."""
    values, kind = row.values, row.object.name
    if kind in {"Contact", "Lead", "User"}:
        values["Name"] = " ".join(filter(None, (values.get("FirstName"), values.get("LastName"))))
    if kind == "Case":
        values["CaseNumber"] = values.get("CaseNumber") or f"{number:08d}"
        values["IsClosed"] = values.get("Status") == "Closed"
    if kind == "Opportunity":
        values["IsClosed"] = str(values.get("StageName")).startswith("Closed")
        values["IsWon"] = values.get("StageName") == "Closed Won"
