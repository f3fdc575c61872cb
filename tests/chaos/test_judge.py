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
