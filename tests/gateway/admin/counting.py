"""Watches that no write of the control plane forgets to count the generation up in its own transaction."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection as Rows
from sqlalchemy import text

from gateway.ledger.sqlite import SqliteDatabase

# OAuth sessions are not among them: who may call does not depend on one.
CONTROL = (
    "tenants",
    "environments",
    "data_keys",
    "agents",
    "agent_keys",
    "issuers",
    "admin_tokens",
    "connections",
    "grants",
    "access_requests",
    "freezes",
)


class Counting:
    """Notes writes of control rows, and those of them that left the generation as it was."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database
        self._write = database.write
        self.counted = 0
        self.forgotten: list[str] = []

    async def begin(self) -> None:
        await self._write(_install)
        self._database.write = self._checked  # type: ignore[method-assign]

    async def _checked(self, job: Callable[[Rows], Any], *events: Any) -> Any:
        def run(rows: Rows) -> Any:
            before, touched = _generation(rows), _touched(rows)
            result = job(rows)
            if _touched(rows) != touched:
                self.counted += 1
                if _generation(rows) == before:
                    self.forgotten.append(f"{job.__module__}.{job.__qualname__}")
            return result

        return await self._write(run, *events)


def _install(rows: Rows) -> None:
    rows.execute(text("CREATE TABLE touched (name TEXT)"))
    for table in CONTROL:
        for what in ("INSERT", "UPDATE", "DELETE"):
            body = f"INSERT INTO touched VALUES ('{table}')"
            rows.execute(text(f"CREATE TRIGGER {table}_{what} AFTER {what} ON {table} BEGIN {body}; END"))


def _generation(rows: Rows) -> str | None:
    found: str | None = rows.execute(text("SELECT value FROM meta WHERE name='generation'")).scalar()
    return found


def _touched(rows: Rows) -> int:
    return int(rows.execute(text("SELECT count(*) FROM touched")).scalar_one())
