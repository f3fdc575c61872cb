"""Compares three records: what callers were told, what the vendor applied, what the ledger holds."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from bench.chaos.client import Told
from bench.chaos.ledger import Recorded
from bench.chaos.plan import Planned
from bench.chaos.vendor import Seen


@dataclass(slots=True)
class Verdict:
    """One row of the table. What `MUST_BE_ZERO` names must be 0.

    applied_twice          the vendor applied one call more than once
    answered_not_applied   the caller was told that it happened, and it did not
    unrecorded             an effect at the vendor that the ledger does not explain
    unknown                ended as `outcome_unknown`
    unknown_but_decidable  of these, what the vendor's record shows could have been settled
    refused_but_applied    the caller was told that nothing had changed, and it had
    retold                 a repeat under the same key was answered with another call or another result
    unfinished             no final answer in time, or a call left open in the ledger
    broken_chain           1 where the ledger does not verify
    unbounded_memory       a replica took more memory than it may
    ended_by_itself        a replica ended, and nobody had killed it

    `struck` counts what was done to the replicas and to what they stand on, `memory_mib` is the most that one of them
    took, `growth_mib` what one of them grew by after it was warm. `stories` are the recorded events of some that are
    blamed, by their keys.
    """

    fault: str
    calls: int
    applied_twice: int = 0
    answered_not_applied: int = 0
    unrecorded: int = 0
    unknown: int = 0
    unknown_but_decidable: int = 0
    refused_but_applied: int = 0
    retold: int = 0
    unfinished: int = 0
    broken_chain: int = 0
    unbounded_memory: int = 0
    ended_by_itself: int = 0
    requests: int = 0
    memory_mib: int = 0
    growth_mib: int = 0
    struck: dict[str, int] = field(default_factory=dict[str, int])
    kills: int = 0
    seconds: float = 0.0
    ended: dict[str, int] = field(default_factory=dict[str, int])
    blamed: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    stories: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    @property
    def passed(self) -> bool:
        """Whether every promise was kept."""
        return not any(getattr(self, name) for name in MUST_BE_ZERO)

    def shown(self) -> dict[str, object]:
        """Return it for the file."""
        return asdict(self)

    def blame(self, promise: str, who: str) -> None:
        """Count a broken promise, and keep who broke it."""
        setattr(self, promise, getattr(self, promise) + 1)
        self.blamed.setdefault(promise, []).append(who)


MUST_BE_ZERO = (
    "applied_twice",
    "answered_not_applied",
    "unrecorded",
    "unknown_but_decidable",
    "refused_but_applied",
    "retold",
    "unfinished",
    "broken_chain",
    "unbounded_memory",
    "ended_by_itself",
)


def judge(
    fault: str,
    planned: Sequence[Planned],
    told: Mapping[str, Told],
    again: Mapping[str, Told],
    applied: Sequence[Seen],
    received: Sequence[Seen],
    recorded: Recorded,
) -> Verdict:
    """Return the verdict. `again` are the answers to one more repeat of every call, after all had ended."""
    verdict = Verdict(fault, len(planned), requests=sum(one.requests for one in told.values()))
    arrived = {seen.body_sha256 for seen in received}
    explained: set[tuple[str, int]] = set()
    for call in planned:
        effects = [seen for seen in applied if _is_effect_of(seen, call, recorded)]
        explained.update((seen.vendor, seen.seq) for seen in effects)
        answer = told[call.key]
        _count(verdict, answer)
        if len(effects) > 1 and not call.repeatable:
            verdict.blame("applied_twice", call.key)
        _judge_answer(verdict, call, answer, effects, arrived, recorded)
        if answer.status is not None and _differs(answer, again[call.key]):
            verdict.blame("retold", call.key)
    sent = recorded.all_sent
    for seen in applied:
        if (seen.vendor, seen.seq) not in explained or seen.body_sha256 not in sent:
            verdict.blame("unrecorded", f"{seen.method} {seen.path} #{seen.seq}")
    if recorded.open:
        verdict.blame("unfinished", f"{recorded.open} calls are open in the ledger")
    verdict.broken_chain = int(not recorded.intact)
    return verdict


def _judge_answer(
    verdict: Verdict, call: Planned, answer: Told, effects: Sequence[Seen], arrived: set[str], recorded: Recorded
) -> None:
    if answer.status is None:
        verdict.blame("unfinished", call.key)
    elif answer.code == "outcome_unknown":
        verdict.unknown += 1
        why = _decidable(call, effects, arrived, recorded)
        if why is not None:
            verdict.blame("unknown_but_decidable", f"{call.key} ({call.action}, {why})")
    elif answer.succeeded and not effects:
        verdict.blame("answered_not_applied", call.key)
    elif not answer.succeeded and effects and "applied" not in answer.body:
        verdict.blame("refused_but_applied", f"{call.key} ({call.action}, {answer.code})")


def _decidable(call: Planned, effects: Sequence[Seen], arrived: set[str], recorded: Recorded) -> str | None:
    """Return by what an unknown outcome could have been known, None if by nothing.

    What the vendor applied only after it had been given up as unknown could not be known: its sender had been stopped
    and went on, or the vendor took its time. What never arrived is known by its sender; another process that took the
    call over knows only that it was about to be sent, unless a read of the vendor's may be believed.
    """
    decided = recorded.decided.get(call.key)
    if call.unique:
        return "unique"
    if effects:
        return None if decided is not None and all(seen.at > decided for seen in effects) else "applied"
    if recorded.sent.get(call.key, set()) & arrived:
        return None
    return None if call.key in recorded.adopted and not call.consistent else "never received"


def _is_effect_of(seen: Seen, call: Planned, recorded: Recorded) -> bool:
    if seen.path != call.path:
        return False
    if call.alone:
        return True
    if call.mark is not None:
        return seen.marker == call.mark
    if call.body_sha256 is not None:
        return seen.body_sha256 == call.body_sha256
    # Zendesk is left the marker alone, the others a name before it.
    marker = recorded.markers.get(call.key)
    return marker is not None and seen.marker in {marker, marker.removeprefix("gatehouse:")}


def _differs(first: Told, second: Told) -> bool:
    """Whether a repeat told another story. A call that had ended as unknown may have been settled since."""
    if first.code == "outcome_unknown":
        return False
    names = ("id", "call", "status", "code", "output")
    return first.status != second.status or any(first.body.get(name) != second.body.get(name) for name in names)


def _count(verdict: Verdict, answer: Told) -> None:
    how = "unfinished" if answer.status is None else answer.code or str(answer.body.get("status"))
    verdict.ended[how] = verdict.ended.get(how, 0) + 1
