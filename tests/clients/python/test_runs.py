"""Runs as context managers, and what stands in their timelines."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from gatehouse_client import FixTheCall, LookFirst
from tests.clients.road import Road
from tests.gateway.caller import Caller
from tests.gateway.world import World

Worker = Callable[..., Any]


def blocking(work: Worker, **details: Any) -> Callable[[Any], Any]:
    """Return the use of a client that does work in a run. The work is a generator: what it yields may be awaited."""

    def use(gh: Any) -> Any:
        if hasattr(gh, "__aenter__"):
            return _async(gh)
        with gh.run(**details) as run:
            for _ in work(run):
                pass
            return run

    async def _async(gh: Any) -> Any:
        async with gh.run(**details) as run:
            for step in work(run):
                if inspect.isawaitable(step):
                    await step
            return run

    return use


def triage(run: Any) -> Any:
    yield run.user_request("The login is broken.")
    yield run.context("zendesk ticket 12", title="Login")
    yield run.toy.note.create(box="red", text="seen")
    yield run.model_output({"text": "An issue is needed.", "tokens": 12})
    yield run.final_output("Filed.")


async def test_a_run_records_what_the_agent_knows_and_closes_as_succeeded(gh: Any, bot: Caller) -> None:
    run = await gh.of(blocking(triage, work_unit="ticket 12", labels={"team": "support"}, agent_version="7"))

    reply = await bot.get(f"/v1/runs/{run.id}")
    types = [item["type"] for item in reply.body["items"]]
    assert types[:3] == ["user_request", "context_ref", "call_requested"]
    assert types[-4:] == ["call_finished", "model_output", "final_output", "outcome"]
    assert reply.body["items"][0]["data"]["data"] == {"text": "The login is broken."}
    assert reply.body["items"][1]["data"]["data"] == {"reference": "zendesk ticket 12", "title": "Login"}
    assert reply.body["outcome"] == {"result": "succeeded"}
    assert (reply.body["work_unit"], reply.body["agent_version"]) == ("ticket 12", "7")


async def test_the_timeline_is_read_through_the_client(gh: Any) -> None:
    run = await gh.of(blocking(triage))

    events = await gh.of(lambda gh: gh.timeline(run.id))

    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert {event.type for event in events} >= {"user_request", "upstream_request", "outcome"}


async def test_a_raised_exception_closes_the_run_as_failed_and_goes_on(gh: Any, bot: Caller, world: World) -> None:
    ids = []

    def work(run: Any) -> Any:
        ids.append(run.id)
        yield run.user_request("Divide.")
        raise ZeroDivisionError(f"with {bot.key} in it")

    with pytest.raises(ZeroDivisionError):
        await gh.of(blocking(work))

    shown = (await bot.get(f"/v1/runs/{ids[0]}")).body
    assert shown["status"] == "closed"
    assert shown["outcome"] == {"result": "failed", "cause": "ZeroDivisionError: with *** in it"}


async def test_a_problem_that_ends_a_run_is_its_cause(gh: Any, bot: Caller) -> None:
    ids = []

    def work(run: Any) -> Any:
        ids.append(run.id)
        yield run.toy.note.get(box="red", id=99)

    with pytest.raises(FixTheCall):
        await gh.of(blocking(work))

    outcome = (await bot.get(f"/v1/runs/{ids[0]}")).body["outcome"]
    assert outcome["result"] == "failed"
    assert outcome["cause"].startswith("upstream_not_found: ")


async def test_a_run_can_say_how_it_ended(gh: Any, bot: Caller) -> None:
    def work(run: Any) -> Any:
        run.outcome("escalated", "A person has to look.", quantity="1", cost="0.25")
        yield None

    run = await gh.of(blocking(work))

    assert (await bot.get(f"/v1/runs/{run.id}")).body["outcome"] == {
        "result": "escalated",
        "cause": "A person has to look.",
        "quantity": "1",
        "cost": "0.25",
    }


async def test_an_exception_is_not_hidden_by_a_run_that_cannot_be_closed(gh: Any, bot: Caller) -> None:
    ids = []

    def work(run: Any) -> Any:
        ids.append(run.id)
        yield run.user_request("x")
        raise KeyError("mine")

    def sabotage(run: Any) -> Any:
        steps = work(run)
        yield next(steps)
        run._address = type(run._address)("http://127.0.0.1:1", bot.key)
        yield next(steps)

    with pytest.raises(KeyError) as caught:
        await gh.of(blocking(sabotage))

    assert "could not be closed" in caught.value.__notes__[0]
    assert (await bot.get(f"/v1/runs/{ids[0]}")).body["status"] == "open"


async def test_a_note_whose_answer_was_lost_is_not_written_twice(gh: Any, bot: Caller, road: Road) -> None:
    ids = []

    def work(run: Any) -> Any:
        ids.append(run.id)
        road.faults.append("lose_answer")
        yield run.note("once")

    with pytest.raises(LookFirst):
        await gh.of(blocking(work))

    types = [item["type"] for item in await bot.timeline(ids[0])]
    assert types == ["note", "outcome"]


async def test_calls_of_the_client_itself_are_not_of_the_run(gh: Any, bot: Caller) -> None:
    def work(run: Any) -> Any:
        yield run.toy.note.get(box="red", id=1)

    run = await gh.of(blocking(work))
    other = await gh.of(lambda gh: gh.toy.note.get(box="red", id=1))

    assert other.run != run.id
    assert {item["call"] for item in await bot.timeline(run.id) if "call" in item} != {other.id}
