"""The shared ledger: group commit, lost answers, fencing, take-over, tenants' walls."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from connectors.sdk.errors import StateUnavailable
from gateway.ledger.migrate import upgrade_shared
from gateway.ledger.postgres import PostgresDatabase
from gateway.ledger.record import CallRow, Claim, ClaimTaken, EventRow, Intent, Record, Settlement, Stale, Written
from gateway.ledger.terms import Terms
from tests.gateway import postgres
from tests.gateway.ledger.proxy import Proxy

AT = "2026-01-01T00:00:00.000Z"


def event(n: int, tenant: str = "acme") -> EventRow:
    return EventRow(f"evt_{n:026d}", tenant, "prod", "run", "", "note", AT, b"body")


def claim(key: str, call: str) -> Claim:
    return Claim("acme", "prod", "agt", key, call, "digest", AT)


def call(id: str, owner: str, status: str = "running", key: str | None = "k", tenant: str = "acme") -> CallRow:
    return CallRow(
        id, tenant, "prod", "agt", "run", "toy.do", "conn", status, None, key, "digest", AT, None, b"", None, owner
    )


@pytest.fixture(scope="module")
def template() -> Any:
    async def make() -> str:
        name = await postgres.create()
        await upgrade_shared(Terms(postgres.url_of(name)))
        return name

    name = asyncio.run(make())
    yield name
    asyncio.run(postgres.drop(name))


class Server:
    """A database behind a proxy, and ledgers over it."""

    def __init__(self, name: str, proxy: Proxy, folder: Path) -> None:
        self.name = name
        self.proxy = proxy
        self.folder = folder
        self.opened: list[PostgresDatabase] = []

    async def ledger(self, folder: str = "home") -> PostgresDatabase:
        database = PostgresDatabase(Terms(self.proxy.url(self.name)), self.folder / folder)
        await database.open()
        self.opened.append(database)
        return database

    async def rows(self, statement: str, *values: Any) -> list[Any]:
        connection = await asyncpg.connect(postgres.url_of(self.name))
        try:
            return [tuple(row) for row in await connection.fetch(statement, *values)]
        finally:
            await connection.close()


@pytest.fixture
async def server(template: str, tmp_path: Path) -> AsyncIterator[Server]:
    name = await postgres.create(template)
    proxy = await Proxy(postgres.SERVER).start()
    made = Server(name, proxy, tmp_path)
    yield made
    proxy.refuse = False
    for database in made.opened:
        await database.close()
    await proxy.stop()
    await postgres.drop(name)


async def test_writes_at_once_share_transactions_and_one_chain(server: Server) -> None:
    ledger = await server.ledger()

    await asyncio.gather(*(ledger.commit(Record(events=[event(n)])) for n in range(300)))

    assert ledger.commits <= 10
    numbers = await server.rows("SELECT number FROM events WHERE writer=$1 ORDER BY number", ledger.writer)
    assert [row[0] for row in numbers] == list(range(1, 301))
    assert await server.rows("SELECT number, hash FROM writers WHERE id=$1", ledger.writer) == [
        (300, ledger.head().hash)
    ]


async def test_one_of_two_claims_wins_within_a_batch_and_between_processes(server: Server) -> None:
    one, two = await server.ledger(), await server.ledger()

    outcomes = await asyncio.gather(
        *(ledger.commit(Record(claim=claim("k", f"call_{n}"))) for n, ledger in enumerate((one, one, two, two)))
    )

    won = [outcome for outcome in outcomes if isinstance(outcome, Written)]
    lost = {outcome.call for outcome in outcomes if isinstance(outcome, ClaimTaken)}
    assert (len(won), len(lost)) == (1, 1)


async def test_a_claim_that_has_expired_gives_way(server: Server) -> None:
    ledger = await server.ledger()
    await ledger.commit(Record(claim=claim("k", "call_1"), call=call("call_1", ledger.writer)))
    until = "2025-01-01T00:00:00.000Z"
    await ledger.commit(Record(settlement=Settlement("call_1", "succeeded", ("running",), claim_until=until)))

    assert isinstance(await ledger.commit(Record(claim=claim("k", "call_2"))), Written)
    assert await server.rows("SELECT call, expires_at FROM claims") == [("call_2", None)]


@pytest.mark.parametrize("where", ["cut_before", "cut_after"])
@pytest.mark.parametrize("statement", [b"BEGIN", b"COMMIT"])
async def test_a_connection_that_breaks_at_any_statement_loses_and_doubles_nothing(
    server: Server, where: str, statement: bytes
) -> None:
    ledger = await server.ledger()
    await ledger.commit(Record(events=[event(1)]))
    setattr(server.proxy, where, statement)

    outcome = await ledger.commit(Record(claim=claim("k", "call_1"), events=[event(2)]))

    assert server.proxy.cuts == 1
    assert isinstance(outcome, Written)
    assert await server.rows("SELECT id FROM events ORDER BY number") == [(event(1).id,), (event(2).id,)]
    assert isinstance(await ledger.commit(Record(claim=claim("k", "call_2"))), ClaimTaken)


async def test_a_batch_whose_answer_got_lost_tells_each_its_own_outcome(server: Server) -> None:
    ledger = await server.ledger()
    await ledger.commit(Record(claim=claim("taken", "call_0")))
    server.proxy.cut_after = b"COMMIT"

    won, lost = await asyncio.gather(
        ledger.commit(Record(claim=claim("free", "call_1"))), ledger.commit(Record(claim=claim("taken", "call_2")))
    )

    assert isinstance(won, Written)
    assert lost == ClaimTaken("call_0", "digest")


async def test_while_the_database_is_away_writes_and_reads_are_refused_at_once(server: Server) -> None:
    ledger = await server.ledger()
    server.proxy.refuse = True
    server.proxy.cut_all()
    stuck = asyncio.create_task(ledger.commit(Record(events=[event(1)])))
    while ledger.ready:
        await asyncio.sleep(0.01)

    with pytest.raises(StateUnavailable):
        await ledger.commit(Record(events=[event(2)]))
    with pytest.raises(StateUnavailable):
        await ledger.fetch("SELECT value FROM meta WHERE name=?", ("x",))
    server.proxy.refuse = False

    assert isinstance(await stuck, Written)
    assert ledger.ready
    assert await server.rows("SELECT id FROM events") == [(event(1).id,)]


async def test_one_record_that_the_database_refuses_does_not_take_the_others_with_it(server: Server) -> None:
    ledger = await server.ledger()
    bad = Record(call=call("call_bad\x00", ledger.writer))

    results = await asyncio.gather(
        ledger.commit(Record(events=[event(1)])),
        ledger.commit(bad),
        ledger.commit(Record(events=[event(2)])),
        return_exceptions=True,
    )

    assert [type(result) for result in results] == [Written, StateUnavailable, Written]
    assert len(await server.rows("SELECT 1 FROM events")) == 2


async def test_a_job_that_raises_undoes_itself_alone(server: Server) -> None:
    ledger = await server.ledger()

    def bad(rows: Any) -> None:
        rows.exec_driver_sql("INSERT INTO meta (name, value) VALUES ('x', 'y')")
        raise KeyError("no")

    def good(rows: Any) -> int:
        return int(rows.exec_driver_sql("INSERT INTO meta (name, value) VALUES ('z', '1')").rowcount)

    results = await asyncio.gather(
        ledger.write(good, event(1)), ledger.write(bad, event(2)), ledger.write(lambda rows: 3), return_exceptions=True
    )

    assert (results[0], type(results[1]), results[2]) == (1, KeyError, 3)
    assert await server.rows("SELECT name FROM meta WHERE name IN ('x', 'z')") == [("z",)]
    assert await server.rows("SELECT number, id FROM events") == [(1, event(1).id)]


async def test_a_writer_that_was_taken_for_ended_writes_nothing_and_goes_on_as_another(server: Server) -> None:
    ledger = await server.ledger()
    await ledger.commit(Record(call=call("call_1", ledger.writer)))
    before = ledger.writer
    await server.rows("UPDATE writers SET ended_at=$1 WHERE id=$2", AT, before)

    with pytest.raises(StateUnavailable):
        await ledger.commit(Record(intent=Intent("call_1", 2, "step", AT, before)))

    assert ledger.writer != before
    assert await server.rows("SELECT 1 FROM intents") == []
    assert isinstance(await ledger.commit(Record(events=[event(1)])), Written)


async def test_a_step_of_a_call_that_was_taken_over_is_refused(server: Server) -> None:
    one, two = await server.ledger(), await server.ledger()
    await one.commit(Record(call=call("call_1", one.writer)))
    await server.rows("UPDATE calls SET owner=$1", two.writer)

    assert await one.commit(Record(intent=Intent("call_1", 2, "step", AT, one.writer))) == Stale("running")


async def test_calls_of_a_process_that_ended_are_taken_over_once_and_its_end_is_proved(server: Server) -> None:
    dead, one, two = await server.ledger(), await server.ledger(), await server.ledger()
    for n in range(20):
        await dead.commit(Record(call=call(f"call_{n:02d}", dead.writer, key=f"k{n}")))
        await dead.commit(Record(intent=Intent(f"call_{n:02d}", 1, "do", AT, dead.writer)))
    assert await one.adopt() == []
    _kill(dead)

    taken = [adopted for found in await asyncio.gather(one.adopt(), two.adopt()) for adopted in found]

    assert sorted(adopted.call for adopted in taken) == [f"call_{n:02d}" for n in range(20)]
    assert all(adopted.proved for adopted in taken)
    assert await one.adopt() == []


async def test_a_lapsed_lease_lets_calls_be_taken_over_and_proves_nothing(server: Server) -> None:
    silent, other = await server.ledger(), await server.ledger()
    await silent.commit(Record(call=call("call_1", silent.writer)))
    await silent.commit(Record(intent=Intent("call_1", 1, "do", AT, silent.writer)))
    assert silent._renewing is not None
    silent._renewing.cancel()
    await server.rows("UPDATE writers SET lease_until=$1 WHERE id=$2", AT, silent.writer)

    (adopted,) = await other.adopt()

    assert (adopted.call, adopted.proved) == ("call_1", False)
    with pytest.raises(StateUnavailable):
        await silent.commit(Record(events=[event(1)]))


async def test_a_writer_that_was_stopped_in_a_transaction_keeps_nobody_from_writing(server: Server) -> None:
    stopped, lively = await server.ledger("one"), await server.ledger("two")
    await lively.commit(Record(call=call("call_1", stopped.writer)))
    assert stopped._renewing is not None
    stopped._renewing.cancel()
    await server.rows("UPDATE writers SET lease_until='2020' WHERE id=$1", stopped.writer)
    holding = await asyncpg.connect(postgres.url_of(server.name))  # as the stopped process would
    await holding.execute("BEGIN")
    await holding.execute("SELECT 1 FROM writers WHERE id=$1 FOR UPDATE", stopped.writer)

    async with asyncio.timeout(5):
        assert await lively.adopt() == []
        assert await lively.commit(Record(events=[event(1)])) == Written()

    await holding.execute("ROLLBACK")
    await holding.close()
    assert [one.call for one in await lively.adopt()] == ["call_1"]


async def test_the_database_ends_a_writer_s_transaction_that_does_not_go_on(server: Server) -> None:
    ledger = await server.ledger()

    assert await ledger._wire.fetchval("SHOW idle_in_transaction_session_timeout") == "5s"


async def test_an_end_on_another_host_is_not_proved_by_a_lock_that_is_not_there(server: Server) -> None:
    far, here = await server.ledger("far"), await server.ledger("here")
    await far.commit(Record(call=call("call_1", far.writer)))
    _kill(far)

    assert await here.adopt() == []


async def test_what_is_read_for_a_tenant_shows_no_other_tenants_rows(server: Server) -> None:
    ledger = await server.ledger()
    for tenant in ("acme", "rival"):
        await ledger.commit(
            Record(call=call(f"call_{tenant}", ledger.writer, tenant=tenant), events=[event(len(tenant), tenant)])
        )

    def seen(rows: Any) -> tuple[int, int]:
        found = [rows.exec_driver_sql(f"SELECT COUNT(*) FROM {table}").scalar() for table in ("calls", "events")]
        return found[0], found[1]

    assert await ledger.read(seen) == (2, 2)
    assert await ledger.read(seen, tenant="acme") == (1, 1)
    assert await ledger.fetch("SELECT id FROM calls WHERE id=?", ("call_rival",), tenant="acme") is None
    assert await ledger.fetch("SELECT id FROM calls WHERE id=?", ("call_rival",), tenant="rival") == ("call_rival",)
    assert await ledger.fetch("SELECT id FROM calls WHERE id=?", ("call_rival",)) == ("call_rival",)


async def test_what_is_read_for_a_tenant_cannot_be_written(server: Server) -> None:
    ledger = await server.ledger()

    def write(rows: Any) -> None:
        rows.exec_driver_sql("INSERT INTO meta (name, value) VALUES ('x', 'y')")

    with pytest.raises(StateUnavailable):
        await ledger.read(write, tenant="acme")
    with pytest.raises(StateUnavailable):
        await ledger.read(write)


async def test_calls_lie_in_the_part_of_their_month(server: Server) -> None:
    from gateway.ids import new_id

    ledger = await server.ledger()
    id = new_id("call")
    await ledger.commit(Record(call=call(id, ledger.writer)))

    assert await server.rows("SELECT tableoid::regclass::text FROM calls WHERE id=$1", id) != [("calls_rest",)]


async def test_look_ups_by_id_open_one_part_and_only_its_index(server: Server) -> None:
    from gateway.ids import new_id

    ledger = await server.ledger()
    id = new_id("call")
    await ledger.commit(Record(call=call(id, ledger.writer)))

    plan = await server.rows(f"EXPLAIN SELECT status FROM calls WHERE id='{id}'")

    text = "\n".join(row[0] for row in plan)
    assert text.count(" on calls_") == 1
    assert "Index" in text


def _kill(database: PostgresDatabase) -> None:
    """Let a writer go as a kill would: its lock is free, and its row says nothing of an end."""
    assert database._renewing is not None
    database._renewing.cancel()
    database._unlock()
    database.ready = False


async def test_a_fenced_writer_whose_connection_breaks_leaves_nobody_waiting(server: Server) -> None:
    ledger = await server.ledger()
    before = ledger.writer
    await server.rows("UPDATE writers SET ended_at=$1 WHERE id=$2", AT, before)
    server.proxy.cut_before = b"UPDATE writers SET ended_at="

    with pytest.raises(StateUnavailable):
        await asyncio.wait_for(ledger.commit(Record(call=call("call_1", before))), 5)
    with pytest.raises(StateUnavailable):
        await asyncio.wait_for(ledger.commit(Record(call=call("call_2", before))), 5)

    assert server.proxy.cuts == 1
    assert ledger.writer != before
    assert await server.rows("SELECT id FROM calls") == []
    assert isinstance(await ledger.commit(Record(events=[event(1)])), Written)


async def test_what_waits_when_its_writer_is_fenced_is_not_begun_in_the_name_of_one_that_has_ended(
    server: Server,
) -> None:
    ledger = await server.ledger()
    before = ledger.writer
    await server.rows("UPDATE writers SET ended_at=$1 WHERE id=$2", AT, before)
    count = 600  # more than one batch

    outcomes = await asyncio.gather(
        *(ledger.commit(Record(call=call(f"call_{n:03d}", before, key=f"k{n}"))) for n in range(count)),
        return_exceptions=True,
    )

    assert all(isinstance(outcome, StateUnavailable) for outcome in outcomes)
    assert await server.rows("SELECT id FROM calls") == []


async def test_a_writer_that_stands_still_at_a_commit_is_not_waited_for(server: Server) -> None:
    still, other = await server.ledger(), await server.ledger()
    assert still._renewing is not None
    still._renewing.cancel()
    await still.commit(Record(call=call("call_1", still.writer)))
    await server.rows("UPDATE writers SET lease_until=$1 WHERE id=$2", AT, still.writer)
    holding = await asyncpg.connect(postgres.url_of(server.name))
    await holding.execute("BEGIN")
    await holding.execute("SELECT 1 FROM writers WHERE id=$1 FOR UPDATE", still.writer)

    assert await asyncio.wait_for(other.adopt(), 5) == []
    await holding.close()
    assert [adopted.call for adopted in await other.adopt()] == ["call_1"]


async def test_a_transaction_that_stands_still_gives_its_locks_back_before_others_lose_their_lease(
    server: Server,
) -> None:
    ledger = await server.ledger()
    ((timeout,),) = [tuple(row) for row in await ledger._wire.fetch("SHOW idle_in_transaction_session_timeout")]

    assert timeout == "5s"
    await ledger._wire.execute("SET idle_in_transaction_session_timeout = 50")
    await ledger._wire.execute("BEGIN")
    await asyncio.wait_for(_until_closed(ledger._wire), 5)
    assert isinstance(await ledger.commit(Record(events=[event(1)])), Written)


async def _until_closed(wire: Any) -> None:
    while not wire.is_closed():
        await asyncio.sleep(0.01)


class _LostItsPlace:
    """A connection whose driver met the end of a session in the middle of a message."""

    async def execute(self, *_: Any) -> None:
        raise asyncpg.InternalClientError("got result for unknown protocol state 0")


async def test_a_driver_that_lost_its_place_is_a_connection_that_broke(server: Server) -> None:
    ledger = await server.ledger()
    await ledger.commit(Record(events=[event(1)]))
    ledger._wire = _LostItsPlace()

    assert isinstance(await ledger.commit(Record(events=[event(2)])), Written)
    assert await server.rows("SELECT id FROM events ORDER BY number") == [(event(1).id,), (event(2).id,)]


LOOK_UPS = {
    "a claim": (
        "SELECT call, digest FROM claims WHERE tenant='t-7' AND environment='prod' AND agent='agt' AND key='k77'"
        " AND (expires_at IS NULL OR expires_at > '2026-01-01T00:00:00.000Z')"
    ),
    "a run's timeline": (
        "SELECT seq, id, at, type, call, body FROM events WHERE run='run_77' AND seq>0 AND tenant='t-7'"
        " AND environment='prod' AND run <> '' ORDER BY seq LIMIT 50"
    ),
    "what is open": (
        "SELECT id FROM calls WHERE status IN ('queued','running','pending_approval','outcome_unknown') LIMIT 50"
    ),
    "the calls of an environment": (
        "SELECT id FROM calls WHERE tenant='t-7' AND environment='prod' ORDER BY id DESC LIMIT 50"
    ),
}
FILLED = (
    "INSERT INTO claims (tenant, environment, agent, key, call, digest, expires_at) SELECT 't-' || n % 100, 'prod',"
    " 'agt', 'k' || n, 'call_' || n, 'd', '2099-01-01T00:00:00.000Z' FROM generate_series(1, 20000) n",
    "INSERT INTO events (id, tenant, environment, run, call, type, at, body, hash, writer, number) SELECT 'evt_' || n,"
    " 't-' || n % 100, 'prod', 'run_' || n % 2000, '', 'note', '', '', '', 'w', n FROM generate_series(1, 20000) n",
    "INSERT INTO calls (id, tenant, environment, agent, run, action, status, created_at) SELECT 'call_' || n,"
    " 't-' || n % 100, 'prod', 'agt', 'run', 'toy.do', 'succeeded', '' FROM generate_series(1, 20000) n",
    "ANALYZE",
)


@pytest.mark.parametrize("what", LOOK_UPS)
async def test_hot_look_ups_go_by_an_index_however_much_is_stored(server: Server, what: str) -> None:
    for statement in FILLED:
        await server.rows(statement)

    plan = "\n".join(row[0] for row in await server.rows(f"EXPLAIN {LOOK_UPS[what]}"))

    assert "Index" in plan, plan
    assert "Seq Scan on calls_rest" not in plan, plan
    assert "Seq Scan on events_rest" not in plan, plan
    assert "Seq Scan on claims" not in plan, plan
