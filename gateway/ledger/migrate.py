"""Brings a ledger's tables to the version that this gateway needs."""

import sqlite3
from pathlib import Path

from gateway.ledger.sqlite import connect, engine_over

NEWEST = "0003"
_SCRIPTS = Path(__file__).parent / "migrations"


class LedgerTooNew(Exception):
    """The ledger was written by a newer gateway."""


def version_of(raw: sqlite3.Connection) -> str | None:
    """Return the version of the tables, None where there are none."""
    known = raw.execute("SELECT 1 FROM sqlite_master WHERE name='alembic_version'").fetchone()
    row = raw.execute("SELECT version_num FROM alembic_version").fetchone() if known else None
    return row[0] if row else None


def upgrade(path: Path) -> None:
    """Migrate the ledger, if it is not at the newest version. Raises `LedgerTooNew`."""
    raw = connect(path)
    path.chmod(0o600)
    try:
        found = version_of(raw)
        if found == NEWEST:
            return
        if found is not None and found > NEWEST:
            raise LedgerTooNew(f"{path} is at version {found}; this gateway knows {NEWEST}. Install the newer gateway.")
        _run(raw)
    finally:
        raw.close()


def _run(raw: sqlite3.Connection) -> None:
    # Alembic takes as long to import as the gateway to start, so only a migration imports it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    with engine_over(raw).connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
