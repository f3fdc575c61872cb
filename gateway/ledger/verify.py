"""Checks a ledger's file: the chain link by link, the signed checkpoints, and the calls against their events.

Finds a changed, removed, reordered or cut-off event up to the last checkpoint, and a call whose owner, request, answer
or state is not the one that its events name. What happened after the last checkpoint (at most a second) can
be cut off unseen. Works on a live ledger, from one snapshot.
"""

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import orjson

from gateway.ledger.bodies import Bodies, Unreadable
from gateway.ledger.chain import Head, link
from gateway.ledger.checkpoint import Signer
from gateway.ledger.record import EventRow

_MOST_FINDINGS = 100
_EVENTS = "SELECT seq, id, tenant, environment, run, call, type, at, body, hash FROM events ORDER BY seq"
_TERMINAL = frozenset({"succeeded", "shadowed", "failed", "denied", "outcome_unknown", "cancelled", "expired"})
_CALLS = "SELECT id, status, code, request, answer, tenant, environment, run, agent, action, connection FROM calls"
_ENDS = ("call_finished", "call_resolved")
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it was written. `seq` is the place in the chain, where it has one."""

    problem: str
    seq: int | None = None
    call: str | None = None

    def shown(self) -> dict[str, object]:
        """Return the public form."""
        return {"problem": self.problem, "seq": self.seq, "call": self.call}


@dataclass(slots=True)
class Report:
    """What was checked and what was found."""

    events: int = 0
    checkpoints: int = 0
    calls: int = 0
    last_checkpoint: int = 0
    findings: list[Finding] = field(default_factory=list[Finding])

    @property
    def intact(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def found(self, problem: str, *, seq: int | None = None, call: str | None = None) -> None:
        """Take in a finding; the first hundred are kept."""
        if len(self.findings) < _MOST_FINDINGS:
            self.findings.append(Finding(problem, seq, call))

    def shown(self) -> dict[str, object]:
        """Return the public form."""
        return {
            "intact": self.intact,
            "events": self.events,
            "checkpoints": self.checkpoints,
            "calls": self.calls,
            "last_checkpoint": self.last_checkpoint,
            "findings": [finding.shown() for finding in self.findings],
        }


@dataclass(slots=True)
class _Told:
    """What the events say of a call."""

    facts: tuple[str | None, ...] | None = None
    request: str | None = None
    answer: str | None = None
    status: str | None = None
    code: str | None = None


def verify(ledger: Path, signer: Signer, kept: Path, bodies: Bodies, progress: Progress | None = None) -> Report:
    """Check a ledger. `kept` is the checkpoint file beside the key; `bodies` opens what is not erased."""
    report = Report()
    raw = sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)
    try:
        raw.execute("BEGIN")
        for tenant, number, wrapped in raw.execute("SELECT tenant, number, wrapped FROM data_keys"):
            bodies.load(tenant, number, wrapped)
        checkpoints = _checkpoints(raw, kept, signer, report)
        told = _check_chain(raw, checkpoints, bodies, report, progress)
        _check_calls(raw, told, report)
    finally:
        raw.close()
    return report


def _checkpoints(raw: sqlite3.Connection, kept: Path, signer: Signer, report: Report) -> dict[int, bytes]:
    """Return the heads that valid signatures vouch for, by their place."""
    vouched: dict[int, bytes] = {}
    for seq, count, head, at, signature in _signed(raw, kept):
        report.checkpoints += 1
        if not signer.checks(Head(seq, count, head), at, signature):
            report.found("the signature of a checkpoint is not ours", seq=seq)
            continue
        if vouched.setdefault(seq, head) != head:
            report.found("two checkpoints name different heads", seq=seq)
        report.last_checkpoint = max(report.last_checkpoint, seq)
    return vouched


def _signed(raw: sqlite3.Connection, kept: Path) -> Iterator[tuple[int, int, bytes, str, bytes]]:
    yield from raw.execute("SELECT seq, count, head, at, signature FROM checkpoints ORDER BY seq")
    if kept.exists():
        said = orjson.loads(kept.read_bytes())
        yield said["seq"], said["count"], bytes.fromhex(said["head"]), said["at"], bytes.fromhex(said["signature"])


def _check_chain(
    raw: sqlite3.Connection, vouched: dict[int, bytes], bodies: Bodies, report: Report, progress: Progress | None
) -> dict[str, _Told]:
    """Follow the chain and return what its events say of each call."""
    head = Head()
    told: dict[str, _Told] = {}
    for seq, *fields, stored in raw.execute(_EVENTS):
        event = EventRow(*fields)
        report.events += 1
        if seq != head.seq + 1:
            report.found(f"{seq - head.seq - 1} events are missing before this one", seq=seq)
            head = Head(seq - 1, head.count, head.hash)
        head = link(head, event)
        if head.hash != stored:
            report.found("the event is not the one that was chained here", seq=seq, call=event.call or None)
            head = Head(seq, head.count, stored)
        if seq in vouched and vouched[seq] != head.hash:
            report.found("the chain is not the one that was signed here", seq=seq)
        _listen(event, told, bodies)
        if progress is not None and report.events % 1000 == 0:
            progress(report.events)
    if head.seq < report.last_checkpoint:
        report.found(
            f"the chain ends at {head.seq}; a checkpoint was signed at {report.last_checkpoint}: it was cut off"
        )
    return told


def _listen(event: EventRow, told: dict[str, _Told], bodies: Bodies) -> None:
    if event.type not in {"call_requested", *_ENDS}:
        return
    try:
        data = bodies.open(event.tenant, event.id, event.body)
    except Unreadable:
        # An erased body is no finding: destroying a tenant's key is how it is erased. A changed one broke the chain.
        return
    said = told.setdefault(event.call, _Told())
    if event.type == "call_requested":
        said.request = data.get("request_sha256")
        where = (event.tenant, event.environment, event.run)
        said.facts = (*where, data.get("agent"), data.get("action"), data.get("connection"))
    else:
        said.answer, said.status, said.code = data.get("answer_sha256"), data.get("status"), data.get("code")


def _check_calls(raw: sqlite3.Connection, told: dict[str, _Told], report: Report) -> None:
    """Hold the calls' rows against their events."""
    seen: set[str] = set()
    for id, status, code, request, answer, *facts in raw.execute(_CALLS):
        report.calls += 1
        seen.add(id)
        said = told.get(id)
        if said is None:
            report.found("no event tells of this call", call=id)
            continue
        if said.facts is not None and said.facts != tuple(facts):
            report.found("the call is not of the agent, run, action and connection that were recorded", call=id)
        if said.status is not None and said.code != code:
            report.found(f"the call ended with {code}, and its last event says {said.code}", call=id)
        if said.request is not None and said.request != _digest(request):
            report.found("the call's request is not the one that was recorded", call=id)
        if said.status is not None and said.status != status:
            report.found(f"the call stands as {status}, and its last event says {said.status}", call=id)
        if status in _TERMINAL and said.status is None:
            report.found(f"the call stands as {status}, and no event says so", call=id)
        if said.answer is not None and said.answer != _digest(answer):
            report.found("the call's answer is not the one that was recorded", call=id)
    for id in told.keys() - seen:
        report.found("the events tell of a call that is not there", call=id)


def _digest(sealed: bytes | None) -> str | None:
    return sha256(sealed).hexdigest() if sealed is not None else None
