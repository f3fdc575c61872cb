"""Writes of the admin API: versions, events, secrets."""

from typing import Any

import pytest

from tests.gateway.admin.stage import E, Stage


async def test_a_created_agent_has_a_location_and_a_version(stage: Stage) -> None:
    status, made, answer = await stage.ask("POST", "E/agents", {"name": "bot", "limits": {"requests_per_minute": 5}})
    assert status == 201
    assert answer.headers["ETag"] == '"1"'
    assert answer.headers["Location"] == f"{E}/agents/{made['id']}"
    status, again, answer = await stage.ask("GET", answer.headers["Location"])
    assert (status, again, answer.headers["ETag"]) == (200, made, '"1"')
