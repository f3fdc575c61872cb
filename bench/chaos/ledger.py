"""The gateway's own record, read from its file after it has stopped."""

import asyncio
import sqlite3
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from gateway.call import Agent
from gateway.idempotency import Idempotency
from gateway.installation import Derived, Home, load_master_key
from gateway.ledger.bodies import Bodies
from gateway.ledger.keyring import open_keys
from gateway.ledger.signing import LocalSigner
from gateway.ledger.sqlite import SqliteDatabase
from gateway.ledger.verify import verify_file
from gateway.ledger.wrapping import MasterKeyWrapper
from gateway.sandbox import AGENT, ENVIRONMENT, TENANT
from gateway.settings import Settings


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the ledger knows: the states of the calls under each key, and the bodies that were sent for it.

    `decided` is when it was written that a call's outcome is unknown; `adopted` are the keys of calls that a process
    other than their sender has ended; `suspects` are the ids of calls with which the record does not verify.
    """

    states: Mapping[str, list[str]]
    sent: Mapping[str, set[str]]
    markers: Mapping[str, str]
    open: int
    intact: bool
    decided: Mapping[str, str] = field(default_factory=dict[str, str])
    adopted: frozenset[str] = frozenset()
    suspects: tuple[str, ...] = ()

    @property
    def all_sent(self) -> set[str]:
        """The digests of all bodies that were recorded before they were sent."""
        return set().union(*self.sent.values()) if self.sent else set()


def read_ledger(path: Path) -> Recorded:
    """Read the ledger of a stopped sandbox, and verify its chain."""
    home = Home(path)
    derived = Derived.of(load_master_key(Settings(home=path), home))
    bodies = Bodies()
    raw = sqlite3.connect(home.ledger)
    try:
        stored = raw.execute("SELECT tenant, number, wrapped FROM data_keys").fetchall()
        asyncio.run(open_keys(bodies, MasterKeyWrapper(derived.bodies), stored))
        (agent,) = raw.execute("SELECT id FROM agents WHERE name=?", (AGENT,)).fetchone()
        calls = raw.execute("SELECT id, key, status FROM calls WHERE key IS NOT NULL").fetchall()
        events = raw.execute("SELECT id, call, body FROM events WHERE type='upstream_request'").fetchall()
    finally:
        raw.close()
    keys = {call: key for call, key, _ in calls}
    states: defaultdict[str, list[str]] = defaultdict(list)
    for _, key, status in calls:
        states[key].append(status)
    sent: defaultdict[str, set[str]] = defaultdict(set)
    for id, call, body in events:
        data = bodies.open(TENANT, id, body)
        if data["effect"]:
            sent[keys.get(call, "")].add(data.get("body_sha256", sha256(b"").hexdigest()))
    report = verify_file(home.ledger, LocalSigner.load(home.audit_key), home.checkpoint, bodies)
    return Recorded(
        states=dict(states),
        sent=dict(sent),
        markers=_markers(home, derived, agent, set(states)),
        open=sum(status in {"running", "queued"} for _, _, status in calls),
        intact=report.intact,
    )


def _markers(home: Home, derived: Derived, agent: str, keys: set[str]) -> dict[str, str]:
    marks = Idempotency(SqliteDatabase(home.ledger), derived.markers)
    caller = Agent(agent, TENANT, ENVIRONMENT, AGENT, {}, ())
    return {key: f"gatehouse:{marks.marker(caller, key)}" for key in keys}
