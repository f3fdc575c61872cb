"""One transaction for many records: rows of one table go in one statement, whatever record they belong to.

Records that wait at the same time are independent of each other, so their order does not matter, except that two which
touch the same claim or the same call cannot be in one statement: the second is put off to the next transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.ledger.record import CallRow, Claim, ClaimTaken, Intent, Outcome, Record, RunRow, Settlement, Stale
from gateway.ledger.statements import call_values

Wire = Any  # an asyncpg connection, which has no types of its own

_CLAIM = (
    "INSERT INTO claims (tenant, environment, agent, key, call, digest)"
    " SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])"
    " ON CONFLICT (tenant, environment, agent, key) DO UPDATE"
    " SET call=excluded.call, digest=excluded.digest, expires_at=NULL WHERE claims.expires_at < $7"
    " RETURNING tenant, environment, agent, key"
)
_CLAIM_OF = (
    "SELECT c.tenant, c.environment, c.agent, c.key, c.call, c.digest"
    " FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS u (tenant, environment, agent, key)"
    " JOIN claims c USING (tenant, environment, agent, key)"
)
_STANDING = (
    "SELECT c.id, c.status, c.tenant, c.environment, c.agent, c.key, c.owner"
    " FROM unnest($1::text[]) AS u (id) JOIN calls c ON c.id = u.id ORDER BY c.id FOR UPDATE OF c"
)
_SETTLE = (
    "UPDATE calls c SET status=u.status, code=u.code, finished_at=u.finished_at, answer=u.answer,"
    " owner=COALESCE(u.owner, c.owner)"
    " FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::text[])"
    " AS u (id, status, code, finished_at, answer, owner) WHERE c.id = u.id"
)
_RELEASE = (
    "DELETE FROM claims c USING unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])"
    " AS u (tenant, environment, agent, key, call) WHERE c.tenant=u.tenant AND c.environment=u.environment"
    " AND c.agent=u.agent AND c.key=u.key AND c.call=u.call"
)
_CLAIM_UNTIL = (
    "UPDATE claims c SET expires_at=u.until FROM"
    " unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])"
    " AS u (tenant, environment, agent, key, call, until) WHERE c.tenant=u.tenant AND c.environment=u.environment"
    " AND c.agent=u.agent AND c.key=u.key AND c.call=u.call"
)
_INTENTS = (
    "UPDATE intents i SET state=u.state FROM unnest($1::text[], $2::text[]) AS u (call, state)"
    " WHERE i.call=u.call AND i.state='open'"
)
_RUN = (
    "INSERT INTO runs (id, tenant, environment, agent, actor, opened_at, details)"
    " SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bytea[])"
    " ON CONFLICT (id) DO NOTHING"
)
_CALL = (
    "INSERT INTO calls (id, tenant, environment, agent, run, action, connection, status, code, key, digest,"
    " created_at, finished_at, request, answer, owner) SELECT * FROM unnest($1::text[], $2::text[], $3::text[],"
    " $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[],"
    " $13::text[], $14::bytea[], $15::bytea[], $16::text[])"
)
_INTENT = (
    "INSERT INTO intents (call, step, name, state, opened_at, owner)"
    " SELECT call, step, name, 'open', opened_at, owner"
    " FROM unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::text[]) AS u (call, step, name, opened_at, owner)"
    " ON CONFLICT (call, step) DO UPDATE SET state='open', opened_at=excluded.opened_at, owner=excluded.owner"
)

Key = tuple[str, str, str, str]


@dataclass(slots=True)
class Sorted:
    """Which records of a batch can go together, and which must wait for the next transaction."""

    together: list[Record] = field(default_factory=list[Record])
    put_off: list[Record] = field(default_factory=list[Record])


def part(records: Sequence[Record]) -> Sorted:
    """Part a batch so that no claim and no call is touched twice."""
    found, keys, calls = Sorted(), set[Key](), set[str]()
    for record in records:
        key = _key(record.claim) if record.claim else None
        call = _touched(record)
        if (key is not None and key in keys) or (call is not None and call in calls):
            found.put_off.append(record)
            continue
        if key is not None:
            keys.add(key)
        if call is not None:
            calls.add(call)
        found.together.append(record)
    return found


async def write_rows(wire: Wire, records: Sequence[Record]) -> dict[int, Outcome | None]:
    """Write all rows but the events. Returns what ended a record early, by its place; None: try it once more.

    A record that lost its claim, or whose call stands otherwise than it expects, has written nothing.
    """
    ended: dict[int, Outcome | None] = {}
    await _claim(wire, records, ended)
    await _settle(wire, records, ended)
    kept = [record for place, record in enumerate(records) if place not in ended]
    await _runs(wire, [record.run for record in kept if record.run])
    await _calls(wire, [record.call for record in kept if record.call])
    await _intents(wire, [record.intent for record in kept if record.intent])
    return ended


async def _claim(wire: Wire, records: Sequence[Record], ended: dict[int, Outcome | None]) -> None:
    wanted = {_key(record.claim): (place, record.claim) for place, record in enumerate(records) if record.claim}
    if not wanted:
        return
    # In order of their keys: two writers that want the same ones must not wait for each other.
    claims = [wanted[key][1] for key in sorted(wanted)]
    columns = _columns([(c.tenant, c.environment, c.agent, c.key, c.call, c.digest) for c in claims])
    rows = await wire.fetch(_CLAIM, *columns, min(claim.at for claim in claims))
    won = {tuple(row) for row in rows}
    lost = [key for key in wanted if key not in won]
    if not lost:
        return
    taken = {tuple(row)[:4]: ClaimTaken(row[4], row[5]) for row in await wire.fetch(_CLAIM_OF, *_columns(lost))}
    for key in lost:
        place, claim = wanted[key]
        holder = taken.get(key)
        if holder is None or holder.call != claim.call:
            ended[place] = holder  # None: given back in between, so it may be had now


async def _settle(wire: Wire, records: Sequence[Record], ended: dict[int, Outcome | None]) -> None:
    touched = {
        _touched(record): (place, record)
        for place, record in enumerate(records)
        if place not in ended and _touched(record) is not None
    }
    if not touched:
        return
    standing = {row["id"]: row for row in await wire.fetch(_STANDING, list(touched))}
    settled: list[tuple[Settlement, Any]] = []
    for call, (place, record) in touched.items():
        row = standing.get(call)
        status = row["status"] if row else None
        if record.settlement is None:
            assert record.intent is not None
            if row is None or status != "running" or row["owner"] != record.intent.owner:
                ended[place] = Stale(status)
        elif row is None or status not in record.settlement.expected:
            ended[place] = Stale(status)
        else:
            settled.append((record.settlement, row))
    if settled:
        await _settled(wire, settled)


async def _settled(wire: Wire, settled: Sequence[tuple[Settlement, Any]]) -> None:
    values = [(s.call, s.status, s.code, s.finished_at, s.answer, s.owner) for s, _ in settled]
    await wire.execute(_SETTLE, *_columns(values))
    keyed = [(s, (r["tenant"], r["environment"], r["agent"], r["key"], s.call)) for s, r in settled if r["key"]]
    released = [claim for s, claim in keyed if s.release]
    if released:
        await wire.execute(_RELEASE, *_columns(sorted(released)))
    dated = [(*claim, s.claim_until) for s, claim in keyed if not s.release]
    if dated:
        await wire.execute(_CLAIM_UNTIL, *_columns(sorted(dated, key=lambda row: row[:4])))
    intents = [(s.call, s.intents) for s, _ in keyed if s.intents is not None]
    if intents:
        await wire.execute(_INTENTS, *_columns(intents))


async def _runs(wire: Wire, runs: Sequence[RunRow]) -> None:
    if runs:
        rows = {run.id: run for run in runs}
        values = [
            (run.id, run.tenant, run.environment, run.agent, run.actor, run.opened_at, run.details)
            for _, run in sorted(rows.items())
        ]
        await wire.execute(_RUN, *_columns(values))


async def _calls(wire: Wire, calls: Sequence[CallRow]) -> None:
    if calls:
        await wire.execute(_CALL, *_columns([call_values(call) for call in calls]))


async def _intents(wire: Wire, intents: Sequence[Intent]) -> None:
    if intents:
        await wire.execute(_INTENT, *_columns([(i.call, i.step, i.name, i.opened_at, i.owner) for i in intents]))


def _touched(record: Record) -> str | None:
    """Return the call that is there already and that the record changes."""
    if record.settlement is not None:
        return record.settlement.call
    return record.intent.call if record.intent is not None and record.call is None else None


def _key(claim: Claim) -> Key:
    return (claim.tenant, claim.environment, claim.agent, claim.key)


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
