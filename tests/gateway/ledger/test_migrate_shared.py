"""Migrations of a PostgreSQL ledger: up and down with its rows in place, and beside replicas of the version before."""

import asyncio
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

import asyncpg
import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from gateway.ids import new_id
from gateway.ledger import migrate, partitions
from gateway.ledger.chain import GENESIS
from gateway.ledger.migrate import NEWEST, LedgerTooNew, upgrade_shared
from gateway.ledger.postgres_wire import engine_of
from gateway.ledger.terms import Terms
from tests.gateway import postgres

ResultT = TypeVar("ResultT")
_AT = "2026-01-05T12:00:00.000Z"

# What a replica of version 0004 writes, as it wrote it.
OLDER = (
    "INSERT INTO tenants (id, title, domains, version, created_at) VALUES ('{tenant}', 'T', '[]', 1, '{at}')",
    "INSERT INTO environments (tenant, environment, title, version, created_at)"
    " VALUES ('{tenant}', 'prod', 'P', 1, '{at}')",
    "INSERT INTO oauth_sessions (id, tenant, environment, connection, method, base_url, made_by, link, client, step,"
    " round, expires_at, created_at) VALUES ('oas_{tenant}', '{tenant}', 'prod', 'conn', 'oauth', 'https://v.example',"
    " '{{}}', '{tenant}', 'conn_c', 'waiting', 0, '{at}', '{at}')",
    "INSERT INTO claims (tenant, environment, agent, key, call, digest)"
    " VALUES ('{tenant}', 'prod', 'agt', 'k', '{call}', 'd')",
    "INSERT INTO runs (id, tenant, environment, agent, actor, opened_at, details)"
    " VALUES ('{run}', '{tenant}', 'prod', 'agt', NULL, '{at}', NULL)",
    "INSERT INTO calls (id, tenant, environment, agent, run, action, connection, status, code, key, digest, created_at,"
    " finished_at, request, answer, owner) VALUES ('{call}', '{tenant}', 'prod', 'agt', '{run}', 'a', NULL, 'running',"
    " NULL, 'k', 'd', '{at}', NULL, NULL, NULL, 'wrt_older')",
    "INSERT INTO intents (call, step, name, state, opened_at, owner)"
    " VALUES ('{call}', 1, 'a', 'open', '{at}', 'wrt_older')",
    "INSERT INTO events (number, id, tenant, environment, run, call, type, at, body, hash, writer)"
    " VALUES ({number}, '{event}', '{tenant}', 'prod', '{run}', '{call}', 'call_requested', '{at}', '\\x00', '\\x01',"
    " 'wrt_older')",
    "UPDATE writers SET number={number}, hash='\\x01' WHERE id='wrt_older' AND ended_at IS NULL",
    "UPDATE calls SET status='succeeded', finished_at='{at}' WHERE id='{call}'",
    "UPDATE intents SET state='done' WHERE call='{call}' AND state='open'",
    "UPDATE claims SET expires_at='{at}' WHERE tenant='{tenant}' AND environment='prod' AND agent='agt' AND key='k'",
    "INSERT INTO meta (name, value) VALUES ('generation', '1') ON CONFLICT (name)"
    " DO UPDATE SET value = CAST(CAST(meta.value AS BIGINT) + 1 AS TEXT)",
)


class Shared:
    """A database at some version."""

    def __init__(self, name: str) -> None:
        self.terms = Terms(postgres.url_of(name))
        self.number = 0

    async def run(self, job: Callable[[Connection], ResultT]) -> ResultT:
        engine = engine_of(self.terms, size=1, application="test")
        try:
            async with engine.begin() as connection:
                return await connection.run_sync(job)
        finally:
            await engine.dispose()

    async def go_to(self, version: str) -> None:
        await self.run(lambda rows: migrate.run(rows, version))

    async def older_writes(self) -> None:
        """Write a tenant and a call from its claim to its end, as a replica of version 0004 does."""
        self.number += 1
        ids = {"tenant": f"t{self.number}", "call": new_id("call"), "run": new_id("run"), "event": new_id("evt")}
        statements = [one.format(at=_AT, number=self.number, **ids) for one in OLDER]

        def job(rows: Connection) -> None:
            for statement in statements:
                assert rows.exec_driver_sql(statement).rowcount == 1, statement

        await self.run(job)

    async def holds(self) -> dict[str, list[object]]:
        """Return what the tables have, without what a version adds."""

        def job(rows: Connection) -> dict[str, list[object]]:
            return {
                "version": list(rows.execute(text("SELECT version_num FROM alembic_version")).scalars()),
                "tenants": list(rows.execute(text("SELECT id FROM tenants ORDER BY 1")).scalars()),
                "calls": list(rows.execute(text("SELECT status FROM calls ORDER BY id")).scalars()),
                "events": list(rows.execute(text("SELECT number FROM events ORDER BY number")).scalars()),
                "claims": list(rows.execute(text("SELECT expires_at FROM claims ORDER BY call")).scalars()),
            }

        return await self.run(job)


@pytest.fixture
async def shared(empty_database: str) -> Shared:
    """A ledger of version 0004 with a writer of that version."""
    made = Shared(empty_database)
    await made.go_to("0004")
    await made.run(lambda rows: partitions.make_ready(rows, datetime.now(UTC)))

    def register(rows: Connection) -> None:
        rows.execute(
            text(
                "INSERT INTO writers (id, host, number, hash, started_at, lease_until)"
                " VALUES ('wrt_older', 'h', 0, :hash, :at, :at)"
            ),
            {"hash": GENESIS, "at": _AT},
        )

    await made.run(register)
    return made


async def test_rows_stay_through_an_upgrade_a_way_back_and_an_upgrade(shared: Shared) -> None:
    await shared.older_writes()
    before = await shared.holds()
    await upgrade_shared(shared.terms)
    assert await shared.holds() == before | {"version": [NEWEST]}
    await shared.go_to("0004")
    assert await shared.holds() == before
    await shared.older_writes()
    between = await shared.holds()
    assert between["events"] == [1, 2]
    await upgrade_shared(shared.terms)
    assert await shared.holds() == between | {"version": [NEWEST]}


async def test_the_first_shared_version_goes_up_with_its_rows(shared: Shared) -> None:
    await shared.go_to("0003")
    await shared.older_writes()
    before = await shared.holds()
    await upgrade_shared(shared.terms)
    assert await shared.holds() == before | {"version": [NEWEST]}


async def test_an_older_replica_goes_on_writing_after_the_upgrade(shared: Shared) -> None:
    await shared.older_writes()
    await upgrade_shared(shared.terms)
    await shared.older_writes()
    found = await shared.holds()
    assert found["tenants"] == ["t1", "t2"]
    assert found["calls"] == ["succeeded"] * 2
    # What the newer version added has the value that means: as before.
    said = await shared.run(lambda rows: list(rows.execute(text("SELECT when_state_is_gone FROM tenants")).scalars()))
    assert said == ["continue", "continue"]
    flows = await shared.run(lambda rows: list(rows.execute(text("SELECT flow FROM oauth_sessions")).scalars()))
    assert flows == ["code", "code"]


async def test_an_older_replica_that_writes_all_the_time_is_not_stopped_by_the_upgrade(shared: Shared) -> None:
    upgrading = asyncio.create_task(upgrade_shared(shared.terms))
    while not upgrading.done():
        await shared.older_writes()
    await upgrading
    await shared.older_writes()
    found = await shared.holds()
    assert found["version"] == [NEWEST]
    assert found["events"] == list(range(1, shared.number + 1))


async def test_a_reader_of_one_tenant_sees_its_rows_alone_after_the_way_back_too(shared: Shared) -> None:
    await shared.older_writes()
    await shared.older_writes()
    await upgrade_shared(shared.terms)
    await shared.go_to("0004")

    def job(rows: Connection) -> list[object]:
        rows.exec_driver_sql("SET LOCAL ROLE gatehouse_reader")
        rows.exec_driver_sql("SELECT set_config('gatehouse.tenant', 't2', true)")
        return list(rows.execute(text("SELECT tenant FROM calls")).scalars())

    assert await shared.run(job) == ["t2"]


async def test_a_reader_of_one_tenant_sees_no_issuers(shared: Shared) -> None:
    await upgrade_shared(shared.terms)

    def job(rows: Connection) -> None:
        rows.exec_driver_sql("SET LOCAL ROLE gatehouse_reader")
        rows.exec_driver_sql("SELECT id FROM issuers")

    with pytest.raises(DBAPIError, match="permission denied"):
        await shared.run(job)


async def test_processes_that_upgrade_at_once_migrate_once(shared: Shared) -> None:
    await shared.older_writes()
    before = await shared.holds()
    code = (
        "import asyncio, sys; from gateway.ledger.migrate import upgrade_shared;"
        " from gateway.ledger.terms import Terms; asyncio.run(upgrade_shared(Terms(sys.argv[1])))"
    )
    started = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, shared.terms.url, stderr=asyncio.subprocess.PIPE
        )
        for _ in range(3)
    ]
    told = [await process.communicate() for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], told
    assert await shared.holds() == before | {"version": [NEWEST]}


async def test_a_new_database_is_made_once_by_processes_that_start_at_once(empty_database: str) -> None:
    terms = Terms(postgres.url_of(empty_database))
    await asyncio.gather(*(upgrade_shared(terms) for _ in range(3)))
    wire = await asyncpg.connect(terms.url)
    assert await wire.fetch("SELECT version_num FROM alembic_version") == [(NEWEST,)]
    await wire.close()


async def test_a_shared_ledger_of_a_newer_gateway_is_left_alone(shared: Shared) -> None:
    await shared.run(lambda rows: rows.execute(text("UPDATE alembic_version SET version_num='9999'")).rowcount)
    with pytest.raises(LedgerTooNew):
        await upgrade_shared(shared.terms)
    assert (await shared.holds())["version"] == ["9999"]


async def test_a_shared_ledger_goes_no_further_back_than_it_began(shared: Shared) -> None:
    await shared.older_writes()
    with pytest.raises(NotImplementedError, match="no earlier version"):
        await shared.go_to("0002")
    assert (await shared.holds())["version"] == ["0004"]
