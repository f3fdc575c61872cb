"""Rows of the control plane: found in their place, listed newest first, changed only as they were last read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Select, Table, select
from sqlalchemy import Connection as Rows
from sqlalchemy.exc import IntegrityError

from connectors.sdk.errors import Conflict, NotFound

Shown = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where everything is: one environment of one tenant."""

    tenant: str
    environment: str


@dataclass(frozen=True, slots=True)
class Slice:
    """Which part of a list is asked for: `limit` items after the one that `after` names."""

    limit: int = 50
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One part of a list. `next` names its last item where there are more."""

    items: list[Shown]
    next: str | None = None


def scoped(table: Table, place: Place, *conditions: ColumnElement[bool]) -> Select[Any]:
    """Return a query of a place's rows."""
    return select(table).where(table.c.tenant == place.tenant, table.c.environment == place.environment, *conditions)


def find(rows: Rows, table: Table, place: Place, id: str, what: str) -> RowMapping:
    """Return a row by id. Raises `NotFound`, also for one of another place."""
    found = rows.execute(scoped(table, place, table.c.id == id)).mappings().first()
    if found is None:
        raise missing(what, id)
    return found


def newest(rows: Rows, query: Select[Any], key: ColumnElement[Any], part: Slice) -> tuple[list[RowMapping], str | None]:
    """Return one part of a query by falling `key`, and the key of its last row where there are more."""
    if part.after is not None:
        query = query.where(key < part.after)
    return _part(rows, query.order_by(key.desc()), str(key.key), part)


def in_order(
    rows: Rows, query: Select[Any], key: ColumnElement[Any], part: Slice
) -> tuple[list[RowMapping], str | None]:
    """Return one part of a query by rising `key`, and the key of its last row where there are more."""
    if part.after is not None:
        query = query.where(key > part.after)
    return _part(rows, query.order_by(key.asc()), str(key.key), part)


def insert(rows: Rows, table: Table, values: Mapping[str, Any], taken: str) -> None:
    """Insert a row. Raises `Conflict`, saying what `taken` says, where its name is in use."""
    try:
        rows.execute(table.insert().values(**values))
    except IntegrityError as error:
        raise Conflict(taken, hint="Choose another name, or change the one that is there.") from error


def update(rows: Rows, table: Table, row: RowMapping, values: Mapping[str, Any]) -> None:
    """Change a row that is still as it was read, and count its version up. Raises `Conflict`."""
    try:
        changed = rows.execute(
            table.update()
            .where(table.c.id == row["id"], table.c.version == row["version"])
            .values(version=row["version"] + 1, **values)
        ).rowcount
    except IntegrityError as error:
        raise Conflict("Something else has this name.", hint="Choose another name.") from error
    if changed == 0:
        raise Conflict("It changed while this change was made.", hint="Read it again, then send the change.")


def missing(what: str, id: str) -> NotFound:
    """Return the answer for what is not there or not here."""
    return NotFound(f"There is no {what} {id[:80]!r} here.")


def _part(rows: Rows, query: Select[Any], key: str, part: Slice) -> tuple[list[RowMapping], str | None]:
    found: Sequence[RowMapping] = rows.execute(query.limit(part.limit + 1)).mappings().all()
    items = list(found[: part.limit])
    return items, str(items[-1][key]) if len(found) > part.limit else None
