"""Copies an embedded ledger's tables into an empty PostgreSQL ledger, so that a kill at any point loses nothing.

Rows go by COPY, in the order of their keys, and how far a table has come is written in the same transaction: what was
copied is copied once. The source must not change meanwhile. Bodies stay sealed.
"""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import Connection as Rows
from sqlalchemy import Table

from gateway.clock import moment
from gateway.ledger import partitions
from gateway.ledger.schema import metadata

Wire = Any  # an asyncpg connection, which has no types of its own
Progress = Callable[[str, int, int], None]
PLACE = "moving:"
_MOST_ROWS = 2_000
_MOST_BYTES = 16 * 1024 * 1024
_APART = ("meta", "writers")
PUT = "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value"


def tables() -> list[Table]:
    """Return the tables that are copied."""
    return [table for table in metadata.sorted_tables if table.name not in _APART]


def make_months(rows: Rows, source: sqlite3.Connection) -> None:
    """Make the months that the source's calls and events lie in."""
    found = source.execute(
        "SELECT min(at) FROM (SELECT min(created_at) AS at FROM calls UNION SELECT min(at) FROM events)"
    )
    (first,) = found.fetchone()
    if first is not None:
        partitions.make_since(rows, moment(first), datetime.now(UTC))


async def copy_table(source: sqlite3.Connection, wire: Wire, table: Table, writer: str, told: Progress) -> int:
    """Copy what is missing of a table, and return how many rows it has. Events become those of a `writer`."""
    (total,) = source.execute(f"SELECT count(*) FROM {table.name}").fetchone()
    columns, keys = _columns(table), [column.name for column in table.primary_key]
    place = await wire.fetchval("SELECT value FROM meta WHERE name=$1", PLACE + table.name)
    after, done = orjson.loads(place) if place is not None else (None, 0)
    told(table.name, done, total)
    while rows := _some(source, table.name, columns, keys, after):
        after = [rows[-1][columns.index(key)] for key in keys]
        done += len(rows)
        async with wire.transaction():
            await _copy(wire, table.name, columns, rows, writer)
            await wire.execute(PUT, PLACE + table.name, orjson.dumps([after, done]).decode())
        told(table.name, done, total)
    return int(total)


def _columns(table: Table) -> list[str]:
    """Return the columns as the source has them: there an event is in the one chain, at its `seq`."""
    apart = ("writer", "number") if table.name == "events" else ()
    return [column.name for column in table.columns if column.name not in apart]


def _some(
    source: sqlite3.Connection, table: str, columns: Sequence[str], keys: Sequence[str], after: Sequence[object] | None
) -> list[tuple[Any, ...]]:
    """Return the next rows: as many as go into one transaction, at least one where any is left."""
    named, order = ", ".join(f'"{name}"' for name in columns), ", ".join(f'"{key}"' for key in keys)
    where = "" if after is None else f" WHERE ({order}) > ({', '.join('?' * len(keys))})"
    rows: list[tuple[Any, ...]] = []
    size = 0
    found = source.execute(f"SELECT {named} FROM {table}{where} ORDER BY {order} LIMIT {_MOST_ROWS}", after or ())
    with closing(found):
        for row in found:
            rows.append(row)
            size += sum(len(value) for value in row if isinstance(value, bytes | str))
            if size > _MOST_BYTES:
                break
    return rows


async def _copy(wire: Wire, table: str, columns: list[str], rows: list[tuple[Any, ...]], writer: str) -> None:
    if table != "events":
        await wire.copy_records_to_table(table, records=rows, columns=columns)
        return
    seq = columns.index("seq")
    own = [(*row, writer, row[seq]) for row in rows]
    await wire.copy_records_to_table(table, records=own, columns=[*columns, "writer", "number"])
