"""The score is a sum of declared facts; nothing is learned or guessed."""

from typing import Any

import pytest

from connectors.sdk import Effect
from gateway.policy.risk import assess, recipients_of, records_touched
from tests.gateway.caller import Caller
from tests.gateway.toy import toy_connector
from tests.gateway.world import World

ACTIONS = toy_connector().actions
OWN = ("acme.example",)


@pytest.mark.parametrize(
    ("action", "value", "score", "facts"),
    [
        ("toy.note.get", {"box": "red", "id": 1}, 0, ["reads"]),
        ("toy.note.create", {"box": "red"}, 20, ["creates a record"]),
        ("toy.note.update", {"box": "red", "id": 1, "text": "x"}, 25, ["changes a record"]),
        (
            "toy.note.update",
            {"box": "red", "id": 1, "pin": "1"},
            35,
            ["changes a record", "sets sensitive fields: pin"],
        ),
        ("toy.note.delete", {"box": "red", "id": 1}, 65, ["deletes a record", "cannot be taken back"]),
        ("toy.note.tag", {"box": "red", "ids": [1]}, 45, ["changes a record", "cannot be taken back"]),
        (
            "toy.note.tag",
            {"box": "red", "ids": [1, 2]},
            50,
            ["changes a record", "cannot be taken back", "touches 2 records"],
        ),
        ("toy.note.tag", {"box": "red", "ids": [*range(11)]}, 55, None),
        ("toy.note.tag", {"box": "red", "ids": [*range(101)]}, 65, None),
        ("toy.member.invite", {"login": "ann"}, 80, ["changes who has access", "cannot be taken back"]),
        (
            "toy.mail.send",
            {"to": ["a@acme.example"]},
            60,
            ["sends something out of the company", "cannot be taken back"],
        ),
        ("toy.mail.send", {"to": ["a@acme.example"], "cc": "E <e@evil.example>"}, 75, None),
        ("toy.mail.send", {"to": ["a@ACME.example"]}, 60, None),
        ("toy.payment.create", {"amount": "10"}, 90, None),
        ("toy.payment.create", {"amount": "1000"}, 95, None),
        ("toy.payment.create", {"amount": "10000.00"}, 100, None),
        ("toy.payment.create", {"amount": "lots"}, 100, None),
    ],
)
def test_scores_and_their_reasons(action: str, value: dict[str, Any], score: int, facts: list[str] | None) -> None:
    risk = assess(ACTIONS[action], value, OWN)
    assert risk.score == score, risk.facts
    if facts is not None:
        assert list(risk.facts) == facts


def test_the_reason_names_the_foreign_domains_and_the_amount() -> None:
    mail = assess(ACTIONS["toy.mail.send"], {"to": ["x@b.example", "y@a.example"]}, OWN)
    assert mail.facts[-1] == "goes outside the company: a.example, b.example"
    assert assess(ACTIONS["toy.payment.create"], {"amount": "12.50"}, OWN).facts[-1] == "moves an amount of 12.50"


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_every_score_is_between_0_and_100_and_only_reads_score_0(action: str) -> None:
    declared = ACTIONS[action]
    risk = assess(declared, {"amount": "1e9", "to": ["x@y.example"] * 200, "ids": [*range(200)], "pin": 1}, ())
    assert 0 <= risk.score <= 100
    assert (risk.score == 0) == (declared.effect is Effect.READ)
    assert risk.facts


def test_records_and_recipients_are_read_from_the_declared_fields() -> None:
    assert records_touched(ACTIONS["toy.note.tag"], {"ids": [1, 2, 3]}) == 3
    assert records_touched(ACTIONS["toy.note.tag"], {"ids": []}) == 1
    assert records_touched(ACTIONS["toy.note.get"], {"ids": [1, 2, 3]}) == 1
    assert recipients_of(ACTIONS["toy.mail.send"], {"to": ["a@b"], "cc": "c@d"}) == ["a@b", "c@d"]


async def test_the_tenants_own_domains_are_inside(world: World) -> None:
    await world.place("acme", "prod", domains=("acme.example", "acme.test"))
    agent = await world.caller()
    inside = await agent.run("toy.mail.send", {"to": ["a@acme.test"]}, key="k1")
    outside = await agent.run("toy.mail.send", {"to": ["a@other.test"]}, key="k2")
    assert (inside.body["decision"]["risk"]["score"], outside.body["decision"]["risk"]["score"]) == (60, 75)


async def test_the_score_is_shown_with_its_reasons_and_recorded(world: World, bot: Caller) -> None:
    reply = await bot.run("toy.payment.create", {"amount": "1500"}, key="k1")
    risk = reply.body["decision"]["risk"]
    assert risk["score"] == 95
    assert risk["facts"] == ["moves money", "cannot be taken back", "moves an amount of 1500"]
    decided = next(data for type, data in await world.events(call=reply.call) if type == "decision")
    assert decided["risk"] == risk
