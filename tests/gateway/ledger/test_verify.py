"""`verify` finds what was changed behind the gateway's back."""

import asyncio
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from gateway.call import Answer
from gateway.ending import Ending
from gateway.ledger.chain import Head, link, signed_text
from gateway.ledger.record import EventRow
from gateway.ledger.signing import LocalSigner
from tests.gateway.caller import Caller
from tests.gateway.world import World

pytestmark = pytest.mark.embedded

Tamper = Callable[[sqlite3.Connection], object]


async def filled(world: World, bot: Caller) -> None:
    """Write a ledger with calls that ended in several ways, and checkpoints between them."""
    for n in range(3):
        await bot.run("toy.note.create", {"box": "red", "text": str(n)}, key=f"k{n}")
        await world.gateway._checkpoints.sign()
    await bot.run("toy.nothing", {})
    await bot.run("toy.odd.fail", {"status": 404})
    await world.gateway._checkpoints.sign()
    assert (await world.verify()).intact


def sql(statement: str, *values: object) -> Tamper:
    return lambda raw: raw.execute(statement, values)


def relinked(raw: sqlite3.Connection) -> None:
    """Change an event and compute all hashes anew, as somebody would who has read the code."""
    raw.execute("UPDATE events SET at='2020-01-01T00:00:00.000Z' WHERE seq=3")
    head = Head()
    for seq, *fields in raw.execute(
        "SELECT seq, id, tenant, environment, run, call, type, at, body FROM events ORDER BY seq"
    ).fetchall():
        head = link(head, EventRow(*fields))
        raw.execute("UPDATE events SET hash=? WHERE seq=?", (head.hash, seq))


def forged(raw: sqlite3.Connection) -> None:
    """Compute all hashes anew and sign them with a key of one's own."""
    relinked(raw)
    signer = Ed25519PrivateKey.generate()
    for seq, count, at in raw.execute("SELECT seq, count, at FROM checkpoints").fetchall():
        head = raw.execute("SELECT hash FROM events WHERE seq=?", (seq,)).fetchone()[0]
        raw.execute(
            "UPDATE checkpoints SET head=?, signature=? WHERE seq=?",
            (head, signer.sign(signed_text(Head(seq, count, head), at)), seq),
        )


def swapped(raw: sqlite3.Connection) -> None:
    raw.execute("UPDATE events SET seq=-1 WHERE seq=2")
    raw.execute("UPDATE events SET seq=2 WHERE seq=3")
    raw.execute("UPDATE events SET seq=3 WHERE seq=-1")


def cut_off(raw: sqlite3.Connection) -> None:
    """Remove the last call with its events and checkpoints."""
    last = raw.execute("SELECT id FROM calls ORDER BY id DESC LIMIT 1").fetchone()[0]
    first = raw.execute("SELECT MIN(seq) FROM events WHERE call=?", (last,)).fetchone()[0]
    raw.execute("DELETE FROM events WHERE seq>=?", (first,))
    raw.execute("DELETE FROM checkpoints WHERE seq>=?", (first,))
    raw.execute("DELETE FROM calls WHERE id=?", (last,))


TAMPERS: dict[str, Tamper] = {
    "a changed body": sql("UPDATE events SET body=x'00' WHERE seq=2"),
    "a body of another event": sql("UPDATE events SET body=(SELECT body FROM events WHERE seq=4) WHERE seq=2"),
    "a changed time": sql("UPDATE events SET at='2020-01-01T00:00:00.000Z' WHERE seq=2"),
    "a changed type": sql("UPDATE events SET type='note' WHERE seq=2"),
    "a changed tenant": sql("UPDATE events SET tenant='rival' WHERE seq=2"),
    "an event of another run": sql("UPDATE events SET run='run_x' WHERE seq=2"),
    "a changed hash": sql("UPDATE events SET hash=zeroblob(32) WHERE seq=2"),
    "a removed event": sql("DELETE FROM events WHERE seq=3"),
    "the first event removed": sql("DELETE FROM events WHERE seq=1"),
    "events in another order": swapped,
    "the last event cut off": sql("DELETE FROM events WHERE seq=(SELECT MAX(seq) FROM events)"),
    "a call cut off with its events and checkpoints": cut_off,
    "all hashes computed anew": relinked,
    "all hashes computed and signed anew": forged,
    "a forged signature": sql("UPDATE checkpoints SET signature=zeroblob(64)"),
    "a changed head of a checkpoint": sql("UPDATE checkpoints SET head=zeroblob(32)"),
    "a checkpoint moved": sql("UPDATE checkpoints SET seq=seq+1 WHERE seq=(SELECT MAX(seq) FROM checkpoints)"),
    "a changed answer": sql("UPDATE calls SET answer=x'00' WHERE status='succeeded'"),
    "an answer of another call": sql(
        "UPDATE calls SET answer=(SELECT answer FROM calls WHERE key='k1') WHERE key='k0'"
    ),
    "a changed request": sql("UPDATE calls SET request=x'00' WHERE key='k0'"),
    "a changed state": sql("UPDATE calls SET status='failed' WHERE key='k0'"),
    "a call opened again": sql("UPDATE calls SET status='running', answer=NULL WHERE key='k0'"),
    "a changed code": sql("UPDATE calls SET code='x' WHERE key='k0'"),
    "a call given to another agent": sql("UPDATE calls SET agent='agt_x' WHERE key='k0'"),
    "a call given to another tenant": sql("UPDATE calls SET tenant='rival' WHERE key='k0'"),
    "a call of another environment": sql("UPDATE calls SET environment='dev' WHERE key='k0'"),
    "a call of another run": sql("UPDATE calls SET run='run_x' WHERE key='k0'"),
    "a call of another action": sql("UPDATE calls SET action='toy.note.get' WHERE key='k0'"),
    "a call on another connection": sql("UPDATE calls SET connection='conn_x' WHERE key='k0'"),
    "a removed call": sql("DELETE FROM calls WHERE key='k0'"),
    "an invented call": sql(
        "INSERT INTO calls SELECT 'call_x', tenant, environment, agent, run, action, connection, status, code, key,"
        " digest, created_at, finished_at, request, answer, owner FROM calls WHERE key='k0'"
    ),
}


@pytest.mark.parametrize("what", TAMPERS)
async def test_it_finds(world: World, bot: Caller, what: str) -> None:
    await filled(world, bot)
    await world.stop()
    with sqlite3.connect(world.home.ledger) as raw:
        TAMPERS[what](raw)
    raw.close()
    report = await world.check()
    assert not report.intact
    assert report.findings[0].problem
    await world.start()


async def test_a_ledger_that_nobody_touched_is_intact_in_all_its_states(world: World, bot: Caller) -> None:
    asker = await world.caller("asker", autonomy="approve")
    shadow = await world.caller("shadow", autonomy="shadow")
    parked = [await asker.run("toy.order.create", {"item": str(n)}, key=f"k{n}") for n in range(4)]
    await world.decide(parked[0].call)
    await asker.look(parked[0].call, wait=10)
    await world.decide(parked[1].call, approve=False)
    await asker.ask("POST", f"/v1/calls/{parked[2].call}/cancel")
    await shadow.run("toy.order.create", {"item": "a"}, key="k")
    world.toy.faults.add({"match": "POST /boxes", "fault": "reset_after", "times": 1})
    await bot.run("toy.note.create", {"box": "red"}, key="u")
    await bot.run("toy.note.update", {"box": "red", "id": 1, "text": "x"}, key="p", preview=True)
    await asyncio.gather(*(bot.run("toy.order.create", {"item": "z"}, key="same") for _ in range(10)))
    run = await bot.open_run()
    await bot.ask("POST", f"/v1/runs/{run}/events", {"type": "note", "data": {}})
    await bot.ask("POST", f"/v1/runs/{run}/outcome", {"result": "failed"})
    statuses = {row[0] for row in await world.rows("SELECT status FROM calls")}
    assert statuses >= {"succeeded", "denied", "cancelled", "shadowed", "outcome_unknown", "pending_approval"}
    report = await world.verify()
    assert report.intact, report.findings
    assert report.calls == len(await world.rows("SELECT 1 FROM calls"))
    assert report.events == world.gateway.database.head().count


@pytest.mark.parametrize("ending", [Ending("succeeded"), Ending("failed", "upstream_unavailable", release=True)])
async def test_a_call_that_an_operator_resolved_is_intact(world: World, bot: Caller, ending: Ending) -> None:
    world.toy.faults.add({"match": "POST /boxes", "fault": "reset_after", "times": 1})
    unknown = await bot.run("toy.note.create", {"box": "red"}, key="u")
    assert unknown.code == "outcome_unknown"
    stored = await world.gateway.looks.find("acme", "prod", unknown.call)
    await world.gateway.journal.resolve(stored, Answer(200, {"status": ending.status}), ending, {"by": "op"})
    report = await world.verify()
    assert report.intact, report.findings


async def test_it_works_on_a_live_ledger(world: World, bot: Caller) -> None:
    writing = asyncio.gather(*(bot.run("toy.order.create", {"item": str(n)}, key=str(n)) for n in range(60)))
    for _ in range(5):
        report = await world.check()
        assert report.intact, report.findings
    await writing


async def test_checkpoints_are_signed_while_the_chain_grows(world: World, bot: Caller) -> None:
    await filled(world, bot)
    rows = await world.rows("SELECT seq, count, at FROM checkpoints ORDER BY seq")
    assert len(rows) >= 3
    assert rows[-1][0] == rows[-1][1] == world.gateway.database.head().seq
    kept = orjson.loads(world.home.checkpoint.read_bytes())
    assert kept["seq"] == rows[-1][0]
    assert datetime.fromisoformat(kept["at"]) <= datetime.now(UTC)
    before = len(rows)
    await world.gateway._checkpoints.sign()
    assert len(await world.rows("SELECT 1 FROM checkpoints")) == before


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.binary(min_size=32, max_size=32), st.text(max_size=24))
def test_a_signature_is_over_every_part_of_a_head(seq: int, count: int, value: bytes, at: str) -> None:
    if not at.isascii() and not at.isprintable():
        return
    signer = LocalSigner(key := Ed25519PrivateKey.generate())
    try:
        signature = key.sign(signed_text(Head(seq, count, value), at))
    except UnicodeEncodeError:
        return
    assert signer.checks(signed_text(Head(seq, count, value), at), signature)
    assert not signer.checks(signed_text(Head(seq + 1, count, value), at), signature)
    assert not signer.checks(signed_text(Head(seq, count + 1, value), at), signature)
    other = value[:-1] + bytes([value[-1] ^ 1])
    assert not signer.checks(signed_text(Head(seq, count, other), at), signature)
    assert not signer.checks(signed_text(Head(seq, count, value), at + "x"), signature)
    changed = signature[:-1] + bytes([signature[-1] ^ 1])
    assert not signer.checks(signed_text(Head(seq, count, value), at), changed)


async def test_checkpoints_signed_at_the_same_time_do_not_disturb_each_other(world: World, bot: Caller) -> None:
    for n in range(5):
        await bot.run("toy.nothing", {"n": n})
        await asyncio.gather(*(world.gateway._checkpoints.sign() for _ in range(4)))

    report = await world.verify()

    assert report.intact
    assert report.last_checkpoint == world.gateway.database.head().seq
