"""The judge of chaos finds what it is there to find."""

from dataclasses import replace
from typing import Any

import pytest

from bench.chaos.client import Told
from bench.chaos.judge import judge
from bench.chaos.ledger import Recorded
from bench.chaos.plan import Planned
from bench.chaos.vendor import Seen

CALL = Planned("k", "github.issue.create", {}, "/repos/acme/web/issues")
EFFECT = Seen(1, "POST", CALL.path, "body", "gatehouse:m")
GOOD = Told(200, {"status": "succeeded", "id": "call_1", "output": {}}, 1)
UNKNOWN = Told(502, {"code": "outcome_unknown", "call": "call_1"}, 1)
REFUSED = Told(422, {"code": "upstream_rejected", "call": "call_1"}, 1)
LEDGER = Recorded({"k": ["succeeded"]}, {"k": {"body"}}, {"k": "gatehouse:m"}, open=0, intact=True)


def judged(told: Told = GOOD, again: Told | None = None, applied: Any = (EFFECT,), ledger: Recorded = LEDGER) -> Any:
    received = [seen for seen in (EFFECT,) if seen.body_sha256 in ledger.all_sent]
    return judge("kill", [CALL], {"k": told}, {"k": again or told}, applied, received, ledger)


def test_what_happened_once_and_was_told_so_passes():
    assert judged().passed


@pytest.mark.parametrize(
    ("promise", "verdict"),
    [
        ("applied_twice", {"applied": (EFFECT, replace(EFFECT, seq=2))}),
        ("answered_not_applied", {"applied": ()}),
        ("unrecorded", {"ledger": replace(LEDGER, sent={})}),
        ("unrecorded", {"applied": (EFFECT, Seen(2, "POST", "/elsewhere", "body", None))}),
        ("unknown_but_decidable", {"told": UNKNOWN}),
        ("unknown_but_decidable", {"told": UNKNOWN, "applied": (), "ledger": replace(LEDGER, sent={})}),
        ("refused_but_applied", {"told": REFUSED}),
        ("retold", {"again": Told(200, {"status": "succeeded", "id": "call_2", "output": {}}, 1)}),
        ("unfinished", {"told": Told()}),
        ("unfinished", {"ledger": replace(LEDGER, open=1)}),
        ("broken_chain", {"ledger": replace(LEDGER, intact=False)}),
    ],
)
def test_a_broken_promise_is_counted(promise: str, verdict: dict[str, Any]):
    found = judged(**verdict)
    assert getattr(found, promise) == 1
    assert not found.passed


def test_an_unanswered_request_that_reached_the_vendor_and_was_not_applied_may_stay_unknown():
    found = judged(told=UNKNOWN, applied=())
    assert (found.unknown, found.passed) == (1, True)


LATE = replace(EFFECT, at="2026-01-01T00:00:02.000Z")
DECIDED = replace(LEDGER, decided={"k": "2026-01-01T00:00:01.000Z"})
LAGGING = replace(CALL, consistent=False)
ADOPTED = replace(LEDGER, adopted=frozenset({"k"}))


def judged_unknown(call: Planned = CALL, applied: Any = (), received: Any = (), ledger: Recorded = LEDGER) -> Any:
    return judge("freeze", [call], {"k": UNKNOWN}, {"k": UNKNOWN}, applied, received, ledger)


def test_what_was_applied_after_it_had_been_given_up_could_not_be_known() -> None:
    assert judged_unknown(applied=[LATE], received=[LATE], ledger=DECIDED).passed


def test_what_was_applied_before_it_was_given_up_could_be_known() -> None:
    early = replace(LATE, at="2026-01-01T00:00:00.000Z")
    assert judged_unknown(applied=[early], received=[early], ledger=DECIDED).unknown_but_decidable == 1
    assert judged_unknown(applied=[LATE], received=[LATE]).unknown_but_decidable == 1


def test_what_never_arrived_is_known_by_its_sender_and_by_others_where_reads_may_be_believed() -> None:
    assert judged_unknown().unknown_but_decidable == 1
    assert judged_unknown(ledger=ADOPTED).unknown_but_decidable == 1
    assert judged_unknown(LAGGING).unknown_but_decidable == 1
    assert judged_unknown(LAGGING, ledger=ADOPTED).passed


def test_what_the_vendor_takes_only_once_is_always_decidable() -> None:
    assert judged_unknown(replace(CALL, unique=True), received=[EFFECT]).unknown_but_decidable == 1


@pytest.mark.parametrize(
    ("call", "effect"),
    [
        (replace(CALL, alone=True), replace(EFFECT, marker=None)),
        (replace(CALL, mark="k"), replace(EFFECT, marker="k")),
        (CALL, replace(EFFECT, marker="m")),
        (replace(CALL, body_sha256="body"), replace(EFFECT, marker=None)),
    ],
)
def test_an_effect_is_known_by_what_its_connector_leaves(call: Planned, effect: Seen) -> None:
    twice = [effect, replace(effect, seq=2)]

    assert judge("kill", [call], {"k": GOOD}, {"k": GOOD}, [effect], [effect], LEDGER).passed
    assert judge("kill", [call], {"k": GOOD}, {"k": GOOD}, twice, twice, LEDGER).applied_twice == 1


def test_another_vendors_effect_of_the_same_number_is_not_explained_by_this_one() -> None:
    foreign = replace(EFFECT, vendor="jira", path="/rest/api/3/issue", body_sha256="other")

    assert judged(applied=(EFFECT, foreign)).unrecorded == 1


def test_what_changes_nothing_when_it_is_repeated_may_be_repeated() -> None:
    call = replace(CALL, repeatable=True)
    twice = [EFFECT, replace(EFFECT, seq=2)]

    assert judge("kill", [call], {"k": GOOD}, {"k": GOOD}, twice, twice, LEDGER).passed


@pytest.mark.parametrize("promise", ["unbounded_memory", "ended_by_itself"])
def test_a_replica_that_grows_or_ends_is_counted(promise: str) -> None:
    verdict = judged()
    verdict.blame(promise, "a replica")

    assert not verdict.passed
