"""Months of a PostgreSQL ledger: calls and events lie in one part each, by their ids, which begin with their time."""

from datetime import UTC, datetime

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from gateway.ids import first_id

_TABLES = (("calls", "call"), ("events", "evt"))
_AHEAD = 2


def make_ready(rows: Connection, now: datetime) -> list[str]:
    """Make the parts of this month and the next two where they are missing; return their names.

    Rows whose month has no part lie in the `_rest` part. Two processes at once make each part once.
    """
    return make_since(rows, now, now)


def make_since(rows: Connection, first: datetime, now: datetime) -> list[str]:
    """Make the missing parts from the month of `first` to the second one after `now`; return their names."""
    made: list[str] = []
    rows.execute(text("SELECT pg_advisory_xact_lock(hashtext('gatehouse partitions'))"))
    year, month = first.year, first.month
    for _ in range((now.year - first.year) * 12 + now.month - first.month + _AHEAD + 1):
        following = (year, month + 1) if month < 12 else (year + 1, 1)
        for table, prefix in _TABLES:
            name = f"{table}_{year}_{month:02d}"
            if rows.execute(text("SELECT to_regclass(:name)"), {"name": name}).scalar() is None:
                _make(rows, table, name, first_id(prefix, _start(year, month)), first_id(prefix, _start(*following)))
                made.append(name)
        year, month = following
    return made


def _make(rows: Connection, table: str, name: str, first: str, end: str) -> None:
    """Make one part. Rows of that month that lie in the rest (a clock was wrong) keep it from being made."""
    rows.execute(text("SAVEPOINT part"))
    try:
        rows.execute(text(f"CREATE TABLE {name} PARTITION OF {table} FOR VALUES FROM ('{first}') TO ('{end}')"))
    except DBAPIError:
        rows.execute(text("ROLLBACK TO SAVEPOINT part"))
    else:
        rows.execute(text("RELEASE SAVEPOINT part"))


def _start(year: int, month: int) -> datetime:
    return datetime(year, month, 1, tzinfo=UTC)
