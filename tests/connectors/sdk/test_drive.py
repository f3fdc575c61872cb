"""Driving a handler: pages without end are refused, whatever the vendor says."""

from itertools import count
from typing import Any

import pytest

from connectors.sdk import Response, Upstream, UpstreamInvalidResponse
from connectors.sdk.drive import drive
from tests.connectors.sdk.toys.connector import toys


async def ask(steps: Any, effect_after: int | None = None) -> int:
    asked = 0

    async def answer(request: object) -> Response:
        nonlocal asked
        asked += 1
        return Response(200, {}, b"{}")

    async def handler(api: Upstream) -> int:
        for number, step in enumerate(steps):
            if number == effect_after:
                await api.post("/notes", json={})
            await api.get("/notes", params={"after": step})
        return asked

    return await drive(handler(Upstream(toys)), answer)


async def test_the_same_read_is_not_asked_for_ever() -> None:
    with pytest.raises(UpstreamInvalidResponse, match="was read 3 times"):
        await ask(["a"] * 10)


async def test_a_circle_of_several_pages_ends() -> None:
    with pytest.raises(UpstreamInvalidResponse):
        await ask(["a", "b", "c"] * 10)


async def test_reads_that_all_differ_end_too() -> None:
    with pytest.raises(UpstreamInvalidResponse, match="500 times"):
        await ask(count())


async def test_a_read_may_be_repeated_after_an_effect() -> None:
    assert await ask(["a"] * 6, effect_after=3) == 7
