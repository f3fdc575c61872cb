"""The simulated GitHub's device flow answers as GitHub's does."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from connectors.github.simulator import GitHubSimulator, OAuthApp
from connectors.github.simulator.device import GRANT

APP = OAuthApp("Iv1.tool", "tool-secret", device_flow=True)
OFF = OAuthApp("Iv1.off", "off-secret")


class Tool:
    """A tool that shows a code and polls, over a clock that it moves."""

    def __init__(self, simulator: GitHubSimulator, session: aiohttp.ClientSession) -> None:
        self.simulator = simulator
        self.session = session
        self.now = 1_767_600_000.0
        simulator.clock = lambda: self.now

    async def post(self, path: str, **form: str) -> tuple[int, Any]:
        headers = {"accept": "application/json"}
        async with self.session.post(self.simulator.url + path, data=form, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def ask(self, client_id: str = APP.client_id) -> Any:
        status, told = await self.post("/login/device/code", client_id=client_id, scope="repo")
        assert status == 200
        return told

    async def poll(self, code: str, *, after: float = 5, **more: str) -> Any:
        self.now += after
        form = {"client_id": APP.client_id, "grant_type": GRANT, "device_code": code} | more
        status, told = await self.post("/login/oauth/access_token", **form)
        assert status == 200  # as all of GitHub's token endpoint
        return told

    async def type(self, code: str, **form: str) -> str:
        url = f"{self.simulator.url}/login/device"
        async with self.session.post(url, data={"user_code": code} | form) as answer:
            return await answer.text()

    async def status(self, token: str) -> int:
        headers = {"authorization": f"Bearer {token}"}
        async with self.session.get(f"{self.simulator.url}/user", headers=headers) as answer:
            return answer.status


@pytest.fixture
async def tool(session: aiohttp.ClientSession) -> AsyncIterator[Tool]:
    simulator = GitHubSimulator(oauth_apps=[APP, OFF])
    await simulator.start()
    yield Tool(simulator, session)
    await simulator.stop()


async def test_a_code_that_was_typed_gives_a_pair_once(tool: Tool) -> None:
    told = await tool.ask()
    assert (told["expires_in"], told["interval"]) == (900, 5)
    assert told["verification_uri"] == f"{tool.simulator.url}/login/device"
    assert len(told["user_code"]) == 9
    assert (await tool.poll(told["device_code"]))["error"] == "authorization_pending"
    assert "now connected" in await tool.type(told["user_code"].lower())
    pair = await tool.poll(told["device_code"])
    assert (pair["access_token"][:4], pair["scope"], pair["token_type"]) == ("ghu_", "repo", "bearer")
    assert await tool.status(pair["access_token"]) == 200
    assert (await tool.poll(told["device_code"]))["error"] == "incorrect_device_code"
    assert tool.simulator.applied == []


async def test_who_polls_too_fast_must_go_slower_from_then_on(tool: Tool) -> None:
    told = await tool.ask()
    await tool.poll(told["device_code"])
    hasty = await tool.poll(told["device_code"], after=4)
    assert (hasty["error"], hasty["interval"]) == ("slow_down", 10)
    assert (await tool.poll(told["device_code"], after=9))["interval"] == 15
    assert (await tool.poll(told["device_code"], after=15))["error"] == "authorization_pending"


async def test_a_code_ends_by_time_by_refusal_and_for_other_clients(tool: Tool) -> None:
    late, denied, foreign = [await tool.ask() for _ in range(3)]
    assert "cancelled" in await tool.type(denied["user_code"], decision="cancel")
    assert (await tool.poll(denied["device_code"]))["error"] == "access_denied"
    assert (await tool.poll(denied["device_code"]))["error"] == "incorrect_device_code"
    other = {"client_id": "Iv1.consented"}
    assert (await tool.poll(foreign["device_code"], **other))["error"] == "incorrect_device_code"
    assert (await tool.poll(late["device_code"], after=900))["error"] == "expired_token"
    assert "not valid" in await tool.type(late["user_code"])


async def test_the_switch_of_the_app_and_its_id_are_looked_at_first(tool: Tool) -> None:
    status, told = await tool.post("/login/device/code", client_id=OFF.client_id)
    assert (status, told["error"]) == (400, "device_flow_disabled")
    assert await tool.post("/login/device/code", client_id="Iv1.nobody") == (404, {"error": "Not Found"})
    assert (await tool.poll("x", client_id=OFF.client_id))["error"] == "device_flow_disabled"
    assert (await tool.poll("x", client_secret="wrong"))["error"] == "incorrect_client_credentials"


async def test_the_pair_of_a_device_is_refreshed_without_a_secret_and_keeps_its_owner(tool: Tool) -> None:
    told = await tool.ask()
    await tool.type(told["user_code"], login="octavia")
    pair = await tool.poll(told["device_code"])
    form = {"grant_type": "refresh_token", "client_id": APP.client_id}
    _, fresh = await tool.post("/login/oauth/access_token", refresh_token=pair["refresh_token"], **form)
    _, again = await tool.post("/login/oauth/access_token", refresh_token=fresh["refresh_token"], **form)
    assert [await tool.status(one["access_token"]) for one in (pair, fresh, again)] == [401, 401, 200]
    assert tool.simulator.access.tokens[again["access_token"]].login == "octavia"


async def test_the_page_shows_what_came_with_its_address_as_text(tool: Tool) -> None:
    async with tool.session.get(f"{tool.simulator.url}/login/device", params={"user_code": '"><b>x'}) as answer:
        html = await answer.text()
    assert (answer.status, "<b>" in html, "&gt;&lt;b&gt;x" in html) == (200, False, True)
