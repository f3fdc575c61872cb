"""The Temporal activity, in Temporal's own activity environment. No Temporal server runs here."""

import asyncio
import dataclasses
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from gatehouse_client import AsyncGatehouse, Patience
from gatehouse_client.adapters import temporal
from gatehouse_client.adapters.temporal import Asked, GatehouseActivities, key_of
from tests.clients.sandbox import Sandbox

ISSUE = {"owner": "acme", "repo": "web", "title": "Broken login"}


def environment(**info: Any) -> ActivityEnvironment:
    made = ActivityEnvironment()
    made.info = dataclasses.replace(made.info, **info)
    return made


async def test_attempts_of_an_activity_act_once_and_other_activities_act_too(agh: AsyncGatehouse, box: Sandbox) -> None:
    call = GatehouseActivities(agh).call
    asked = Asked("github.issue.create", ISSUE)
    before = len(box.applied("github"))

    first = await environment(workflow_id="triage-1", activity_id="1", attempt=1).run(call, asked)
    again = await environment(workflow_id="triage-1", activity_id="1", attempt=2).run(call, asked)
    other = await environment(workflow_id="triage-1", activity_id="2", attempt=1).run(call, asked)

    assert first["id"] == again["id"] != other["id"]
    assert again["replayed"]
    assert len(box.applied("github")) == before + 2


def test_the_key_is_of_the_workflow_its_run_and_the_activity() -> None:
    info = environment(workflow_id="w", workflow_run_id="r", activity_id="1").info

    keys = {
        key_of(info),
        key_of(dataclasses.replace(info, workflow_id="v")),
        key_of(dataclasses.replace(info, workflow_run_id="s")),
        key_of(dataclasses.replace(info, activity_id="2")),
    }

    assert len(keys) == 4
    assert key_of(dataclasses.replace(info, attempt=9)) == key_of(info)
    assert len(key_of(info)) <= 255


async def test_a_call_that_has_to_change_is_not_tried_again(agh: AsyncGatehouse) -> None:
    with pytest.raises(ApplicationError) as caught:
        await environment(workflow_id="wrong").run(GatehouseActivities(agh).call, Asked("github.issue.create", {}))

    assert caught.value.type == "invalid_input"
    assert caught.value.non_retryable
    assert caught.value.details[0]["errors"]


async def test_a_gateway_that_is_away_is_tried_again(box: Sandbox) -> None:
    async with AsyncGatehouse("http://127.0.0.1:1", box.key, patience=Patience(tries=1)) as agh:
        with pytest.raises(ApplicationError) as caught:
            await environment().run(GatehouseActivities(agh).call, Asked("github.issue.create", ISSUE))

    assert not caught.value.non_retryable


async def test_an_activity_heartbeats_while_it_waits_for_a_person_and_a_cancelled_one_takes_the_call_back(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(temporal, "_LOOK_SECONDS", 0.05)
    key = box.agent("temporal", "github/main", autonomy="approve")
    before = box.applied("github")
    beats: list[str] = []
    three = asyncio.Event()
    made = environment(workflow_id="waits")

    def beat(*details: str) -> None:
        beats.extend(details)
        if len(beats) == 3:
            three.set()

    made.on_heartbeat = beat
    async with AsyncGatehouse(box.url, key) as agh:
        work = asyncio.create_task(made.run(GatehouseActivities(agh).call, Asked("github.issue.create", ISSUE)))
        await three.wait()
        made.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    assert len(set(beats)) == 1
    assert box.admin("GET", f"calls/{beats[0]}")["status"] == "cancelled"
    assert box.applied("github") == before
