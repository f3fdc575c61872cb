"""The connector's OAuth, as it is declared, carried out against the simulator: consent, code, refresh, revocation."""

import ipaddress
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from credentials import Road, authorize, oauth
from credentials.authorize import Asked, Exchanged
from credentials.token import Target, TokenRefused, Where

from connectors.sdk import OAuthUser
from connectors.zendesk import zendesk
from connectors.zendesk.simulator import OAuthClient, ZendeskSimulator

BACK = "https://gate.example/oauth/callback"
CLIENT = {"client_id": "gate", "client_secret": "hush"}
ROAD = Road(opened=(ipaddress.ip_network("127.0.0.1/32"),), plain_http_loopback=True)
SCOPES = frozenset({"tickets:read", "tickets:write"})


@pytest.fixture
async def vendor() -> AsyncIterator[ZendeskSimulator]:
    made = ZendeskSimulator(clients=[OAuthClient("gate", "hush", BACK)])
    await made.start()
    yield made
    await made.stop()


def method() -> OAuthUser:
    found = zendesk.auth["oauth"]
    assert isinstance(found, OAuthUser)
    return found


def target(vendor: ZendeskSimulator) -> Target:
    where = Where("acme", "production", "zendesk/main")
    root, origin = vendor.url + zendesk.base_path, zendesk.web_origin(vendor.url)
    return Target(where=where, title="Zendesk", api_root=root, origin=origin)


async def consented(vendor: ZendeskSimulator, session: aiohttp.ClientSession) -> Exchanged:
    asked = Asked(BACK, method().oauth_scopes(SCOPES), state="s", verifier=authorize.new_verifier())
    url = authorize.authorize_url(target(vendor), method(), "gate", asked)
    async with session.get(url, allow_redirects=False) as answer:
        back = parse_qs(urlsplit(answer.headers["location"]).query)
    assert back["state"] == ["s"]
    code = back["code"][0]
    return await authorize.exchange(ROAD, target(vendor), method(), CLIENT, code, asked, now=datetime.now(UTC))


async def reads(vendor: ZendeskSimulator, session: aiohttp.ClientSession, token: str) -> int:
    headers = {"authorization": f"Bearer {token}"}
    async with session.get(f"{vendor.url}/api/v2/tickets/1", headers=headers) as answer:
        return answer.status


async def test_a_code_becomes_a_pair_of_tokens_with_the_scopes_that_were_asked_for(
    vendor: ZendeskSimulator, session: aiohttp.ClientSession
) -> None:
    got = await consented(vendor, session)

    assert vendor.access.tokens[got.fields["access_token"]].scopes == SCOPES
    assert await reads(vendor, session, got.fields["access_token"]) == 200


async def test_a_refresh_gives_a_new_pair_and_ends_the_old_one(
    vendor: ZendeskSimulator, session: aiohttp.ClientSession
) -> None:
    fields = {**CLIENT, **(await consented(vendor, session)).fields}

    fresh = await oauth.refresh(ROAD, target(vendor), method(), fields, now=datetime.now(UTC))

    assert method().single_use_refresh
    assert await reads(vendor, session, fresh.access_token) == 200
    assert await reads(vendor, session, fields["access_token"]) == 401
    with pytest.raises(TokenRefused):
        await oauth.refresh(ROAD, target(vendor), method(), fields, now=datetime.now(UTC))


async def test_a_revoked_token_is_dead(vendor: ZendeskSimulator, session: aiohttp.ClientSession) -> None:
    fields = {**CLIENT, **(await consented(vendor, session)).fields}

    assert await oauth.revoke(ROAD, target(vendor), method(), fields)
    assert await reads(vendor, session, fields["access_token"]) == 401
