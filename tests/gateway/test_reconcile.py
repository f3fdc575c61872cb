"""Repeats under the vendor's own key, and under one of the record itself."""

from connectors.sdk.exchange import Response
from gateway.upstream.transport import Outbound
from tests.gateway.caller import Caller
from tests.gateway.valve import Valve
from tests.gateway.world import World

ORDER = {"item": "a"}


class InFlight(Valve):
    """A vendor that answers a repeated key with 409 for as long as the first request is at work."""

    def __init__(self, inner: Valve, times: int) -> None:
        super().__init__(inner)  # type: ignore[arg-type]
        self.left = times

    async def send(self, outbound: Outbound) -> Response:
        if self.sent and outbound.method == "POST" and self.left:
            self.left -= 1
            self.sent.append(outbound)
            return Response(409, {"content-type": "application/json"}, b'{"message": "still at work"}')
        return await super().send(outbound)


async def order(world: World, bot: Caller, conflicts: int) -> tuple[int, str | None, InFlight]:
    valve = InFlight(world.valve, conflicts)
    world.gateway.road._transport = valve
    world.toy.faults.add({"match": "POST /orders", "fault": "reset_after"})
    reply = await bot.run("toy.order.create", ORDER, key="k1")
    return reply.status, reply.code, valve


async def test_a_key_that_is_still_at_work_is_asked_again_until_it_answers(world: World, bot: Caller) -> None:
    status, code, valve = await order(world, bot, conflicts=2)

    assert (status, code) == (200, None)
    assert len(world.toy.applied) == 1
    assert len([sent for sent in valve.sent if sent.method == "POST"]) == 4


async def test_a_key_that_stays_at_work_leaves_the_outcome_unknown(world: World, bot: Caller) -> None:
    status, code, _ = await order(world, bot, conflicts=1000)

    assert (status, code) == (502, "outcome_unknown")
    assert len(world.toy.applied) == 1


async def test_nothing_is_sent_again_where_somebody_else_acted_in_between(world: World, bot: Caller) -> None:
    world.toy.labels["bug"] = {"id": 1, "name": "bug", "color": "repainted"}
    world.toy.faults.add({"match": "POST /labels", "fault": "reset_before"})

    reply = await bot.run("toy.label.create", {"name": "bug"}, key="k1")

    assert (reply.status, reply.code) == (502, "outcome_unknown")
    assert "painted the label" in reply.body["detail"]
    assert [path for path in world.reached() if path.startswith("POST")] == ["POST /labels"]
    assert world.applied() == []
