"""Brings a ledger's tables to the version that this gateway needs.

Migrations only add, so that an older gateway goes on working while a newer one has migrated. Of several processes that
start at once one migrates; the others wait for it.
"""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from gateway.ledger import partitions
from gateway.ledger.sqlite import connect, engine_over
from gateway.ledger.terms import Terms

NEWEST = "0007"
_SCRIPTS = Path(__file__).parent / "migrations"


class LedgerTooNew(Exception):
    """The ledger was written by a newer gateway."""


def version_of(raw: sqlite3.Connection) -> str | None:
    """Return the version of the tables, None where there are none."""
    with engine_over(raw).connect() as rows:
        return _version(rows)


def upgrade(path: Path) -> None:
    """Migrate an embedded ledger, if it is not at the newest version. Raises `LedgerTooNew`."""
    raw = connect(path)
    path.chmod(0o600)
    try:
        with engine_over(raw).connect() as rows:
            if _must(rows, str(path)):
                run(rows, "head")
    finally:
        raw.close()


async def upgrade_shared(terms: Terms) -> None:
    """Migrate a PostgreSQL ledger and make its parts. Raises `LedgerTooNew`, and what connecting raises."""
    from gateway.ledger.postgres_wire import engine_of

    engine = engine_of(terms, size=1, application="gatehouse-migrate")

    def job(rows: Connection) -> None:
        rows.execute(text("SELECT pg_advisory_xact_lock(hashtext('gatehouse migrate'))"))
        if _must(rows, "the database"):
            run(rows, "head")
        partitions.make_ready(rows, datetime.now(UTC))

    try:
        async with engine.begin() as connection:
            await connection.run_sync(job)
    finally:
        await engine.dispose()


def run(rows: Connection, to: str) -> None:
    """Migrate to a version, up or down, over an open connection."""
    # Alembic takes as long to import as the gateway to start, so only a migration imports it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    config.attributes["connection"] = rows
    found = _version(rows)
    (command.upgrade if to == "head" or found is None or to > found else command.downgrade)(config, to)


def _version(rows: Connection) -> str | None:
    if not inspect(rows).has_table("alembic_version"):
        return None
    found: str | None = rows.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def _must(rows: Connection, what: str) -> bool:
    found = _version(rows)
    if found is not None and found > NEWEST:
        raise LedgerTooNew(f"{what} is at version {found}; this gateway knows {NEWEST}. Install the newer gateway.")
    return found != NEWEST
