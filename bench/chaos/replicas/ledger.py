"""The replicas' common record, read from PostgreSQL when they have stopped or while they run."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from hashlib import sha256

from sqlalchemy import Connection as Rows
from sqlalchemy import text

from bench.chaos.ledger import Recorded
from bench.chaos.replicas.installation import AGENT, ENVIRONMENT, TENANT
from gateway.call import Agent
from gateway.idempotency import Idempotency
from gateway.installation import Home, ledger_of
from gateway.keys import Keys, opened_keys
from gateway.ledger.bodies import Bodies
from gateway.ledger.keyring import open_keys
from gateway.ledger.sqlite import SqliteDatabase
from gateway.ledger.verify import Report, verify
from gateway.settings import Settings

_CALLS = "SELECT id, key, status, owner FROM calls WHERE key LIKE :like"
_SENT = (
    "SELECT e.id, e.call, e.body FROM events e JOIN calls c ON c.id = e.call"
    " WHERE e.type='upstream_request' AND c.key LIKE :like"
)
_ENDS = (
    "SELECT e.id, e.call, e.at, e.body FROM events e JOIN calls c ON c.id = e.call"
    " WHERE e.type='call_finished' AND c.key LIKE :like ORDER BY e.at DESC"
)
_STORY = (
    "SELECT e.id, e.at, e.type, e.seq, e.writer, e.number, e.body FROM events e JOIN calls c ON c.id = e.call"
    " WHERE c.key = :key OR c.id = :key ORDER BY e.at, e.id"
)
_TOLD = ("status", "code", "answer_sha256", "detail", "attempt", "method", "url", "error", "sent")
_SENDERS = "SELECT i.call, i.owner FROM intents i JOIN calls c ON c.id = i.call WHERE c.key LIKE :like"


class ReplicasLedger:
    """Reads what the ledger holds of the calls whose keys begin with a prefix."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._home = Home(settings.home)
        self._ledger = ledger_of(settings, self._home)

    async def open_calls(self) -> int:
        """Return how many calls are not at an end."""
        sql = "SELECT COUNT(*) FROM calls WHERE status IN ('running', 'queued')"
        return await self._ledger.run(lambda rows: int(rows.execute(text(sql)).scalar_one()))

    async def keys(self, prefix: str) -> set[str]:
        """Return the keys that calls have taken."""
        sql = "SELECT key FROM claims WHERE key LIKE :like"
        return await self._ledger.run(
            lambda rows: {str(row[0]) for row in rows.execute(text(sql), {"like": f"{prefix}-%"})}
        )

    async def recorded(self, prefix: str) -> Recorded:
        """Return it, with the whole ledger verified."""
        bodies = Bodies()
        async with opened_keys(self._settings, self._home) as keys:
            await open_keys(bodies, keys.wrapper, await self._ledger.run(_data_keys))
            return await self._ledger.run(lambda rows: self._read(rows, f"{prefix}-%", bodies, keys))

    async def story(self, key: str) -> list[str]:
        """Return what happened to the call under a key, or with an id, an event a line."""
        bodies = Bodies()
        async with opened_keys(self._settings, self._home) as keys:
            await open_keys(bodies, keys.wrapper, await self._ledger.run(_data_keys))
            found = await self._ledger.run(lambda rows: rows.execute(text(_STORY), {"key": key}).all())
        return [
            f"{at} #{seq} {writer[-6:]}.{number} {type}"
            f" { {n: v for n, v in bodies.open(TENANT, id, body).items() if n in _TOLD} }"
            for id, at, type, seq, writer, number, body in found
        ]

    def _read(self, rows: Rows, like: str, bodies: Bodies, opened: Keys) -> Recorded:
        report = verify(rows, opened.signer, self._home.checkpoint, bodies)
        agent = str(rows.execute(text("SELECT id FROM agents WHERE name=:name"), {"name": AGENT}).scalar_one())
        calls = rows.execute(text(_CALLS), {"like": like}).all()
        keys = {call: key for call, key, *_ in calls}
        owners = {call: owner for call, _, _, owner in calls}
        senders = rows.execute(text(_SENDERS), {"like": like}).all()
        states: defaultdict[str, list[str]] = defaultdict(list)
        for _, key, status, _ in calls:
            states[key].append(status)
        sent = rows.execute(text(_SENT), {"like": like}).all()
        return Recorded(
            states=dict(states),
            sent=_sent(bodies, keys, [tuple(row) for row in sent]),
            markers=self._markers(opened, agent, set(states)),
            open=sum(status in {"running", "queued"} for _, _, status, _ in calls),
            intact=_said(report),
            suspects=tuple(finding.call for finding in report.findings if finding.call),
            decided=_decided(bodies, keys, [tuple(row) for row in rows.execute(text(_ENDS), {"like": like})]),
            adopted=frozenset(keys[call] for call, owner in senders if owner != owners[call]),
        )

    def _markers(self, opened: Keys, agent: str, keys: set[str]) -> dict[str, str]:
        marks = Idempotency(SqliteDatabase(self._home.ledger), opened.derived.markers)
        caller = Agent(agent, TENANT, ENVIRONMENT, AGENT, {}, ())
        return {key: f"gatehouse:{marks.marker(caller, key)}" for key in keys}


def _data_keys(rows: Rows) -> list[tuple[str, int, bytes]]:
    found = rows.execute(text("SELECT tenant, number, wrapped FROM data_keys"))
    return [(tenant, number, wrapped) for tenant, number, wrapped in found]


def _sent(bodies: Bodies, keys: Mapping[str, str], rows: Sequence[tuple[str, str, bytes]]) -> dict[str, set[str]]:
    sent: defaultdict[str, set[str]] = defaultdict(set)
    for id, call, body in rows:
        data = bodies.open(TENANT, id, body)
        if data["effect"]:
            sent[keys[call]].add(data.get("body_sha256", sha256(b"").hexdigest()))
    return dict(sent)


def _decided(bodies: Bodies, keys: Mapping[str, str], rows: Sequence[tuple[str, str, str, bytes]]) -> dict[str, str]:
    """Return when each call was first given up as unknown; some were settled later."""
    ends = ((call, at, bodies.open(TENANT, id, body)) for id, call, at, body in rows)
    return {keys[call]: at for call, at, data in ends if data["status"] == "outcome_unknown"}


def _said(report: Report) -> bool:
    """Whether nothing was found; what was is shown."""
    for finding in report.findings[:10]:
        print(f"the ledger does not verify: {finding.shown()}")
    return report.intact
