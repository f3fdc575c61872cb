"""The embedded ledger: group commit, the chain, encrypted bodies, one process, refusing disks."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from credentials.vault_transit import KeyDestroyed
from hypothesis import given
from hypothesis import strategies as st

from connectors.sdk.errors import StateUnavailable
from gateway.ledger.bodies import Bodies, Unreadable
from gateway.ledger.chain import Head, link
from gateway.ledger.record import EventRow, Record
from gateway.ledger.sqlite import LedgerInUse, SqliteDatabase
from gateway.ledger.wrapping import MasterKeyWrapper
from tests.gateway.caller import Caller
from tests.gateway.world import World

pytestmark = pytest.mark.embedded

NOTE = {"box": "red", "text": "hi"}


def event(n: int) -> EventRow:
    return EventRow(f"evt_{n}", "t", "e", "run", "", "note", "2026-01-01T00:00:00.000Z", b"body")


def counted_commits(world: World) -> list[str]:
    """Return a list that takes every COMMIT from now on."""
    seen: list[str] = []
    writer = world.gateway.database._writer
    assert writer is not None
    writer._raw.set_trace_callback(lambda statement: seen.append(statement) if statement == "COMMIT" else None)
    return seen


async def test_writes_at_once_share_transactions(world: World) -> None:
    commits = counted_commits(world)
    await asyncio.gather(*(world.gateway.database.commit(Record(events=[event(n)])) for n in range(300)))
    assert len(commits) <= 10
    assert world.gateway.database.head().count == 300
    assert [row[0] for row in await world.rows("SELECT seq FROM events ORDER BY seq")] == list(range(1, 301))


async def test_what_was_answered_is_in_the_file(world: World, bot: Caller) -> None:
    replies = await asyncio.gather(*(bot.run("toy.note.create", NOTE, key=f"k{n}") for n in range(20)))
    raw = sqlite3.connect(f"file:{world.home.ledger}?mode=ro", uri=True)
    known = {row[0]: row[1] for row in raw.execute("SELECT id, status FROM calls")}
    raw.close()
    assert {reply.call: "succeeded" for reply in replies} == known


async def test_the_file_is_written_for_a_power_cut(world: World) -> None:
    writer = world.gateway.database._writer
    assert writer is not None
    assert writer._raw.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert writer._raw.execute("PRAGMA synchronous").fetchone()[0] == 2
    assert world.home.ledger.stat().st_mode & 0o077 == 0


async def test_a_job_that_raises_undoes_itself_alone(world: World) -> None:
    def bad(rows: Any) -> None:
        rows.exec_driver_sql("INSERT INTO meta (name, value) VALUES ('x', 'y')")
        raise KeyError("no")

    def good(rows: Any) -> int:
        return int(rows.exec_driver_sql("INSERT INTO meta (name, value) VALUES ('z', '1')").rowcount)

    database = world.gateway.database
    results = await asyncio.gather(
        database.write(good, event(1)),
        database.write(bad, event(2)),
        database.commit(Record(events=[event(3)])),
        return_exceptions=True,
    )
    assert results[0] == 1
    assert isinstance(results[1], KeyError)
    assert [row[0] for row in await world.rows("SELECT id FROM events ORDER BY seq")] == ["evt_1", "evt_3"]
    assert await world.rows("SELECT 1 FROM meta WHERE name='x'") == []
    assert (await world.verify()).intact


async def test_one_process_holds_a_ledger(world: World) -> None:
    second = SqliteDatabase(world.home.ledger)
    with pytest.raises(LedgerInUse):
        await second.open()


async def test_when_the_disk_refuses_nothing_is_sent_and_the_caller_is_told(world: World, bot: Caller) -> None:
    writer = world.gateway.database._writer
    assert writer is not None
    writer._raw.execute("PRAGMA query_only=ON")
    reply = await bot.run("toy.note.create", NOTE, key="k1")
    assert (reply.status, reply.code, reply.body["retryable"]) == (503, "state_unavailable", True)
    assert world.reached() == []
    writer._raw.execute("PRAGMA query_only=OFF")
    assert (await bot.run("toy.note.create", NOTE, key="k1")).status == 200
    assert (await world.verify()).intact


@pytest.mark.parametrize("how", ["direct", "queued"])
async def test_an_end_that_cannot_be_written_is_not_answered_and_not_sent_again(
    world: World, bot: Caller, how: str
) -> None:
    stop = world.valve.stop("POST", "/mails", "after")
    headers = {"Prefer": "respond-async"} if how == "queued" else {}
    value = {"to": ["a@acme.example"]}
    task = asyncio.create_task(bot.run("toy.mail.send", value, key="k1", headers=headers))
    await stop.arrived.wait()
    writer = world.gateway.database._writer
    assert writer is not None
    writer._raw.execute("PRAGMA query_only=ON")
    tries = len(world.clock.slept)
    stop.release()
    if how == "direct":
        assert (await task).code == "state_unavailable"
    else:
        assert (await task).status == 202
        while len(world.clock.slept) < tries + 4:
            await asyncio.sleep(0.01)
    assert world.applied() == ["POST /mails"]
    await world.crash()
    await world.start()
    call = (await world.rows("SELECT id FROM calls WHERE key='k1'"))[0][0]
    for _ in range(200):
        if (found := (await bot.look(call)).body)["status"] != "running":
            break
        await asyncio.sleep(0.01)
    assert found["status"] == "outcome_unknown"
    assert world.applied() == ["POST /mails"]


async def test_an_end_that_was_given_up_is_written_when_the_disk_is_back(world: World, bot: Caller) -> None:
    stop = world.valve.stop("POST", "/mails", "after")
    value = {"to": ["a@acme.example"]}
    task = asyncio.create_task(bot.run("toy.mail.send", value, key="k1"))
    await stop.arrived.wait()
    writer = world.gateway.database._writer
    assert writer is not None
    writer._raw.execute("PRAGMA query_only=ON")
    stop.release()
    assert (await task).code == "state_unavailable"

    writer._raw.execute("PRAGMA query_only=OFF")

    while (again := await bot.run("toy.mail.send", value, key="k1")).code == "idempotency_in_progress":
        await asyncio.sleep(0.01)
    assert (again.status, again.body["replayed"]) == (200, True)
    assert world.applied() == ["POST /mails"]


async def test_an_end_is_written_as_soon_as_the_disk_is_back(world: World, bot: Caller) -> None:
    stop = world.valve.stop("POST", "/mails", "after")
    task = asyncio.create_task(bot.run("toy.mail.send", {"to": ["a@acme.example"]}, key="k1"))
    await stop.arrived.wait()
    writer = world.gateway.database._writer
    assert writer is not None
    writer._raw.execute("PRAGMA query_only=ON")
    world.gateway.executor._sleep = back = _Back(writer._raw)  # type: ignore[assignment]
    stop.release()
    assert (await task).status == 200
    assert back.waited == 2


class _Back:
    """A sleep after whose second turn the disk takes writes again."""

    def __init__(self, raw: sqlite3.Connection) -> None:
        self._raw = raw
        self.waited = 0

    async def __call__(self, seconds: float) -> None:
        self.waited += 1
        if self.waited == 2:
            self._raw.execute("PRAGMA query_only=OFF")


async def test_bodies_are_unreadable_without_the_key_and_bound_to_their_rows(world: World, bot: Caller) -> None:
    await bot.run("toy.note.create", {"box": "red", "text": "known-text-5f2c"}, key="k1")
    for file in world.home.path.iterdir():
        if file.is_file():
            assert b"known-text-5f2c" not in file.read_bytes(), file.name
    rows = await world.rows("SELECT tenant, id, body FROM events ORDER BY seq LIMIT 2")
    (tenant, one, body), (_, two, _) = rows
    bodies = world.gateway.bodies
    assert bodies.open(tenant, one, body)
    for wrong in ((tenant, two), ("rival", one), ("", one)):
        with pytest.raises(Unreadable):
            bodies.open(*wrong, body)
    with pytest.raises(Unreadable):
        Bodies().open(tenant, one, body)


async def test_tenants_have_keys_of_their_own(world: World) -> None:
    await world.place("acme", "prod")
    await world.place("rival", "prod")
    keys = [row[0] for row in await world.rows("SELECT wrapped FROM data_keys WHERE tenant IN ('acme','rival')")]
    assert len(set(keys)) == 2
    sealed = world.gateway.bodies.seal("acme", "row", {"a": 1})
    with pytest.raises(Unreadable):
        world.gateway.bodies.open("rival", "row", sealed)
    with pytest.raises(KeyDestroyed):
        await MasterKeyWrapper(bytes(32)).unwrap("acme", 1, keys[0])


async def test_a_destroyed_key_erases_bodies_and_leaves_the_chain_whole(world: World, bot: Caller) -> None:
    reply = await bot.run("toy.note.create", NOTE, key="k1")
    await world.change(lambda rows: rows.exec_driver_sql("DELETE FROM data_keys WHERE tenant='acme'").rowcount)
    world.gateway.bodies.forget("acme", 1)
    report = await world.verify()
    assert report.intact, report.findings
    assert (report.unread, report.calls) == (1, 1)
    (sealed,) = await world.rows("SELECT answer FROM calls WHERE id=:id", id=reply.call)
    with pytest.raises(Unreadable):
        world.gateway.bodies.open_bytes("acme", reply.call, sealed[0])


FIELDS = ("id", "tenant", "environment", "run", "call", "type", "at")
TEXTS = st.text(alphabet=st.characters(codec="utf-8"), max_size=8)
ROWS = st.builds(EventRow, *([TEXTS] * 7), st.binary(max_size=16))


@given(st.lists(ROWS, min_size=1, max_size=6), st.data())
def test_every_change_of_an_event_changes_the_head(rows: list[EventRow], data: st.DataObject) -> None:
    def head(events: list[EventRow]) -> Head:
        found = Head()
        for one in events:
            found = link(found, one)
        return found

    place = data.draw(st.integers(0, len(rows) - 1))
    other = data.draw(ROWS.filter(lambda row: row != rows[place]))
    assert head([*rows[:place], other, *rows[place + 1 :]]) != head(rows)
    assert head([*rows[:place], *rows[place + 1 :]]) != head(rows)
    assert head([*rows, rows[place]]) != head(rows)
    order = data.draw(st.permutations(rows))
    assert (head(list(order)) == head(rows)) == (list(order) == rows)


@given(ROWS, st.sampled_from(FIELDS), st.sampled_from(FIELDS))
def test_text_cannot_be_moved_from_one_field_to_the_next(row: EventRow, one: str, two: str) -> None:
    joined = {name: getattr(row, name) for name in FIELDS}
    if one == two or not joined[one]:
        return
    moved = joined | {one: joined[one][:-1], two: joined[two] + joined[one][-1]}
    if moved != joined:
        assert link(Head(), EventRow(**moved, body=row.body)) != link(Head(), row)


async def test_a_ledger_of_a_newer_gateway_is_refused(world: World, tmp_path: Path) -> None:
    from gateway.ledger.migrate import LedgerTooNew, upgrade

    await world.stop()
    copy = tmp_path / "ledger.db"
    copy.write_bytes(world.home.ledger.read_bytes())
    with sqlite3.connect(copy) as raw:
        raw.execute("UPDATE alembic_version SET version_num='9999'")
    raw.close()
    with pytest.raises(LedgerTooNew):
        upgrade(copy)
    await world.start()


async def test_a_closed_ledger_refuses(world: World) -> None:
    database = world.gateway.database
    await world.stop()
    with pytest.raises(StateUnavailable):
        await database.commit(Record())
    await world.start()
