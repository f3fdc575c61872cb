"""Checks a ledger: each chain link by link, the signed checkpoints, and the calls against their events.

A ledger that was moved to PostgreSQL has the embedded one's chain as that of a writer `sqlite:<epoch>`, with the
checkpoints that were signed then; the key of then counts because a key of ours signed for it at the move.

Finds a changed, removed, reordered or cut-off event up to the last checkpoint, and a call whose owner, request, answer
or state is not the one that its events name. What happened after the last checkpoint (at most a second) can
be cut off unseen. Works on a live ledger, from one snapshot.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection as Rows
from sqlalchemy import text

from connectors.sdk.errors import SecretStoreUnavailable
from gateway.ledger.bodies import Bodies, Unreadable
from gateway.ledger.chain import GENESIS, Head, link, merkle_root, signed_text, vouching_text
from gateway.ledger.checkpoint import Checkpoint, read_heads, read_kept
from gateway.ledger.holding import imported_writer, meta_of
from gateway.ledger.record import EventRow
from gateway.ledger.signing import Checker, PublicKeys
from gateway.ledger.sqlite import engine_over

_MOST_FINDINGS = 100
_A_TIME = 1000
_COLUMNS = "SELECT seq, writer, number, hash, body, id, tenant, environment, run, call, type, at FROM events"
_EVENTS = {"sqlite": f"{_COLUMNS} ORDER BY seq", "postgresql": f"{_COLUMNS} ORDER BY writer, number"}
_TERMINAL = frozenset({"succeeded", "shadowed", "failed", "denied", "outcome_unknown", "cancelled", "expired"})
_CALLS = "SELECT id, status, code, request, answer, tenant, environment, run, agent, action, connection FROM calls"
EARLIER_KEYS = "earlier_keys"
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
    """What was checked and what was found. `unread` calls could not be held against their events: the key is gone."""

    events: int = 0
    checkpoints: int = 0
    calls: int = 0
    unread: int = 0
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
            "unread": self.unread,
            "last_checkpoint": self.last_checkpoint,
            "findings": [finding.shown() for finding in self.findings],
        }


@dataclass(slots=True)
class _Told:
    """What the events say of a call. `ended` is the place of the last that tells of an end, by whichever writer."""

    facts: tuple[str | None, ...] | None = None
    request: str | None = None
    answer: str | None = None
    status: str | None = None
    code: str | None = None
    ended: int = 0
    unread: bool = False


def verify_file(ledger: Path, signer: Checker, kept: Path, bodies: Bodies, progress: Progress | None = None) -> Report:
    """Check an embedded ledger's file, from one snapshot."""
    raw = sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, isolation_level=None)
    try:
        with engine_over(raw).connect() as rows:
            raw.execute("BEGIN")
            return verify(rows, signer, kept, bodies, progress)
    finally:
        raw.close()


def verify(rows: Rows, signer: Checker, kept: Path, bodies: Bodies, progress: Progress | None = None) -> Report:
    """Check a ledger over one snapshot. `kept` is the checkpoint file beside the key.

    `bodies` has the data keys: calls whose bodies it cannot open are held against nothing but their chain.
    """
    report = Report()
    vouched = _checkpoints(rows, kept, Trusted(rows, signer), report)
    told = _check_chains(rows, vouched, bodies, report, progress)
    _check_calls(rows, told, report)
    return report


Vouched = dict[str, dict[int, bytes]]


class Trusted:
    """`Checker` that knows earlier signing keys too: those of `meta` that a key of ours signed for."""

    def __init__(self, rows: Rows, checker: Checker) -> None:
        self._checker = checker
        found: dict[str, str] = orjson.loads(meta_of(rows, EARLIER_KEYS) or "{}")
        said = [(bytes.fromhex(key), bytes.fromhex(proof)) for key, proof in found.items()]
        self._earlier = PublicKeys(
            [
                Ed25519PublicKey.from_public_bytes(key)
                for key, proof in said
                if checker.checks(vouching_text(key), proof)
            ]
        )

    def checks(self, text: bytes, signature: bytes) -> bool:
        """Whether a signature is by a key of ours, or by one that it signed for."""
        return self._checker.checks(text, signature) or self._earlier.checks(text, signature)


def _checkpoints(rows: Rows, kept: Path, signer: Checker, report: Report) -> Vouched:
    """Return the heads that valid signatures vouch for, by writer and place."""
    vouched: Vouched = {}
    imported = imported_writer(rows)
    previous = GENESIS
    for signed, in_table in _signed(rows, kept):
        report.checkpoints += 1
        seq, heads = signed.head.seq, signed.heads
        if not signer.checks(signed_text(signed.head, signed.at), signed.signature):
            report.found("the signature of a checkpoint is not ours", seq=seq)
            continue
        if heads is not None and in_table and merkle_root(previous, heads) != signed.head.hash:
            report.found("a checkpoint does not follow the one before it", seq=seq)
        previous = signed.head.hash
        for writer, (number, hash) in ({imported: (seq, signed.head.hash)} if heads is None else heads).items():
            if vouched.setdefault(writer, {}).setdefault(number, hash) != hash:
                report.found("two checkpoints name different heads", seq=seq)
        report.last_checkpoint = max(report.last_checkpoint, seq)
    return vouched


def _signed(rows: Rows, kept: Path) -> Iterator[tuple[Checkpoint, bool]]:
    """Yield the checkpoints of the table, then the one that is kept beside the key."""
    found = rows.execute(text("SELECT seq, count, head, at, signature, heads FROM checkpoints ORDER BY seq"))
    for seq, count, head, at, signature, heads in found:
        told = read_heads(heads) if heads else None
        yield Checkpoint(Head(seq, count, bytes(head)), at, bytes(signature), told), True
    last = read_kept(kept)
    if last is not None:
        yield last, False


def _check_chains(
    rows: Rows, vouched: Vouched, bodies: Bodies, report: Report, progress: Progress | None
) -> dict[str, _Told]:
    """Follow each writer's chain and return what the events say of each call."""
    head, writer = Head(), ""
    told: dict[str, _Told] = {}
    ended: set[str] = set()
    streamed = rows.execution_options(stream_results=True, yield_per=_A_TIME)
    for place, of, number, stored, body, *texts in streamed.execute(text(_EVENTS[rows.dialect.name])):
        if of != writer:
            _check_end(vouched, writer, head, report)
            ended.add(writer)
            head, writer = Head(), of
        seq = place if number is None else number
        event = _row(texts, body)
        report.events += 1
        if seq != head.seq + 1:
            report.found(f"{seq - head.seq - 1} events are missing before this one", seq=seq)
            head = Head(seq - 1, head.count, head.hash)
        head = link(head, event)
        if head.hash != bytes(stored):
            report.found("the event is not the one that was chained here", seq=seq, call=event.call or None)
            head = Head(seq, head.count, bytes(stored))
        if vouched.get(writer, {}).get(seq, head.hash) != head.hash:
            report.found("the chain is not the one that was signed here", seq=seq)
        _listen(place, event, told, bodies)
        if progress is not None and report.events % _A_TIME == 0:
            progress(report.events)
    _check_end(vouched, writer, head, report)
    for missing in vouched.keys() - ended - {writer}:
        _check_end(vouched, missing, Head(), report)
    return told


def _row(texts: Sequence[str], body: bytes) -> EventRow:
    id, tenant, environment, run, call, type, at = texts
    return EventRow(id, tenant, environment, run, call, type, at, bytes(body))


def _check_end(vouched: Vouched, writer: str, head: Head, report: Report) -> None:
    last = max(vouched.get(writer, {}), default=0)
    if head.seq < last:
        whose = f" of {writer}" if writer else ""
        report.found(f"the chain{whose} ends at {head.seq}; a checkpoint was signed at {last}: it was cut off")


def _listen(place: int, event: EventRow, told: dict[str, _Told], bodies: Bodies) -> None:
    if event.type not in {"call_requested", *_ENDS}:
        return
    said = told.setdefault(event.call, _Told())
    try:
        data = bodies.open(event.tenant, event.id, event.body)
    except (Unreadable, SecretStoreUnavailable):
        # An erased body is no finding: destroying a tenant's key is how it is erased. A changed one broke the chain.
        said.unread = True
        return
    if event.type == "call_requested":
        said.request = data.get("request_sha256")
        where = (event.tenant, event.environment, event.run)
        said.facts = (*where, data.get("agent"), data.get("action"), data.get("connection"))
    elif place > said.ended:
        said.ended = place
        said.answer, said.status, said.code = data.get("answer_sha256"), data.get("status"), data.get("code")


def _check_calls(rows: Rows, told: dict[str, _Told], report: Report) -> None:
    """Hold the calls' rows against their events."""
    seen: set[str] = set()
    for id, status, code, request, answer, *facts in rows.execution_options(
        stream_results=True, yield_per=_A_TIME
    ).execute(text(_CALLS)):
        report.calls += 1
        seen.add(id)
        said = told.get(id)
        if said is None:
            report.found("no event tells of this call", call=id)
            continue
        if said.unread:
            report.unread += 1
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
    return sha256(bytes(sealed)).hexdigest() if sealed is not None else None
