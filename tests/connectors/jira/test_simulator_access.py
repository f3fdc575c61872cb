"""The simulated Atlassian's doors: API tokens, OAuth with rotating tokens, scopes, sites and what a user sees."""

import base64
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from connectors.jira.simulator import JiraSimulator, OAuthApp, Token
from connectors.jira.simulator.access import CLOUD_ID

APP = OAuthApp("client", "hush", "https://gate.example/oauth/callback", expires_in=3600)
AUTHORIZE = {
    "audience": "api.atlassian.com",
    "client_id": "client",
    "redirect_uri": APP.redirect_uri,
    "response_type": "code",
    "prompt": "consent",
    "state": "s1",
    "scope": "read:jira-work read:jira-user offline_access",
}
SITE = f"/ex/jira/{CLOUD_ID}/rest/api/3"


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def root(clock: Clock) -> Any:
    hidden = Token("only_web", projects=frozenset({"WEB"}))
    simulator = JiraSimulator(oauth_apps=[APP], tokens=[hidden], clock=clock)
    yield await simulator.start()
    assert simulator.applied == []
    await simulator.stop()


async def get(session: Any, url: str, header: str | None = None) -> tuple[int, Any]:
    headers = {"authorization": header} if header else {}
    async with session.get(url, headers=headers, allow_redirects=False) as answer:
        return answer.status, await answer.json() if "json" in answer.headers.get("content-type", "") else None


async def consent(session: Any, root: str, **other: str) -> str:
    query = urlencode({**AUTHORIZE, **other})
    async with session.get(f"{root}/authorize?{query}", allow_redirects=False) as answer:
        assert answer.status == 302
        back = parse_qs(urlsplit(answer.headers["location"]).query)
        assert back["state"] == ["s1"]
        return back["code"][0]


async def token(session: Any, root: str, *, form: bool = False, **fields: str) -> tuple[int, Any]:
    body = {"client_id": "client", "client_secret": "hush", **fields}
    sent: Any = {"data": body} if form else {"json": body}
    async with session.post(f"{root}/oauth/token", **sent) as answer:
        return answer.status, await answer.json()


async def bought(session: Any, root: str, **other: str) -> Any:
    code = await consent(session, root, **other)
    status, pair = await token(session, root, grant_type="authorization_code", code=code, redirect_uri=APP.redirect_uri)
    assert status == 200
    return pair


def basic(name: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (basic("agent@acme.example", "jira_sandbox"), 200),
        (basic("agent", "jira_sandbox"), 200),
        ("Bearer jira_sandbox", 200),
        (basic("ana@acme.example", "jira_sandbox"), 401),
        (basic("agent", "wrong"), 401),
        ("Basic %%%", 401),
        ("Bearer", 401),
        (None, 401),
    ],
)
async def test_an_api_token_goes_with_its_users_name(header: str | None, status: int, session: Any, root: str) -> None:
    assert (await get(session, f"{root}/rest/api/3/myself", header))[0] == status


async def test_an_apps_token_works_at_the_gateway_and_not_at_the_site(session: Any, root: str) -> None:
    pair = await bought(session, root)
    header = f"Bearer {pair['access_token']}"

    assert pair["token_type"] == "Bearer"
    assert (await get(session, f"{root}{SITE}/myself", header))[0] == 200
    assert (await get(session, f"{root}/rest/api/3/myself", header))[0] == 401
    assert (await get(session, f"{root}/ex/jira/other/rest/api/3/myself", header))[0] == 404


async def test_the_sites_that_a_token_reaches_are_told(session: Any, root: str) -> None:
    pair = await bought(session, root)

    status, sites = await get(session, f"{root}/oauth/token/accessible-resources", f"Bearer {pair['access_token']}")

    assert status == 200
    assert [(site["id"], site["scopes"]) for site in sites] == [(CLOUD_ID, sorted(AUTHORIZE["scope"].split()))]


async def test_a_missing_scope_is_a_401_that_says_so(session: Any, root: str) -> None:
    pair = await bought(session, root, scope="read:jira-work")
    url, header = f"{root}{SITE}", f"Bearer {pair['access_token']}"

    assert "refresh_token" not in pair
    assert (await get(session, f"{url}/issue/OPS-1", header))[0] == 200
    assert await get(session, f"{url}/myself", header) == (
        401,
        {"code": 401, "message": "Unauthorized; scope does not match"},
    )
    async with session.post(f"{url}/issue/OPS-1/comment", json={}, headers={"authorization": header}) as answer:
        assert answer.status == 401


@pytest.mark.parametrize("form", [False, True])
async def test_refresh_tokens_rotate_and_a_used_one_dies_after_the_leeway(
    form: bool, session: Any, root: str, clock: Clock
) -> None:
    first = await bought(session, root)
    fields = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}

    status, second = await token(session, root, form=form, **fields)
    again, _ = await token(session, root, form=form, **fields)
    clock.now += 601
    late, said = await token(session, root, form=form, **fields)

    assert (status, again, late) == (200, 200, 403)
    assert second["refresh_token"] != first["refresh_token"]
    assert said == {"error": "invalid_grant", "error_description": "Unknown or invalid refresh token."}


async def test_access_tokens_expire(session: Any, root: str, clock: Clock) -> None:
    pair = await bought(session, root)
    clock.now += 3600

    assert (await get(session, f"{root}{SITE}/myself", f"Bearer {pair['access_token']}"))[0] == 401


async def test_a_code_is_good_once_and_for_its_callback(session: Any, root: str) -> None:
    code = await consent(session, root)
    fields = {"grant_type": "authorization_code", "code": code}

    wrong, _ = await token(session, root, **fields, redirect_uri="https://elsewhere.example")
    after, said = await token(session, root, **fields, redirect_uri=APP.redirect_uri)

    assert (wrong, after, said["error"]) == (403, 403, "invalid_grant")


async def test_a_wrong_secret_is_access_denied(session: Any, root: str) -> None:
    status, said = await token(session, root, client_secret="wrong", grant_type="refresh_token", refresh_token="x")

    assert (status, said["error"]) == (401, "access_denied")


@pytest.mark.parametrize("other", [{"audience": "x"}, {"prompt": "none"}, {"client_id": "x"}, {"redirect_uri": "x"}])
async def test_an_authorization_needs_its_constants(other: dict[str, str], session: Any, root: str) -> None:
    assert (await get(session, f"{root}/authorize?{urlencode({**AUTHORIZE, **other})}"))[0] == 400


async def test_what_a_user_does_not_see_is_not_there(session: Any, root: str) -> None:
    header, url = "Bearer only_web", f"{root}/rest/api/3"

    assert (await get(session, f"{url}/issue/WEB-1", header))[0] == 200
    assert (await get(session, f"{url}/issue/OPS-1", header))[0] == 404
    assert (await get(session, f"{url}/project/OPS", header))[0] == 404
    _, found = await get(session, f"{url}/search/jql?jql=status+is+not+EMPTY&fields=summary", header)
    assert [issue["key"] for issue in found["issues"]] == ["WEB-1"]
    assert (await get(session, f"{url}/search/jql?jql=project+%3D+OPS", header))[0] == 400


@pytest.mark.parametrize("path", ["/rest/api/3/search?jql=project=OPS", "/rest/api/2/search?jql=project=OPS"])
async def test_the_search_of_before_is_gone(path: str, session: Any, root: str) -> None:
    assert (await get(session, root + path, "Bearer jira_sandbox"))[0] == 410


@pytest.mark.parametrize("path", ["/rest/api/4/myself", "/rest/api/3/nothing", "/rest/api/3", "/x"])
async def test_an_unknown_path_is_not_found(path: str, session: Any, root: str) -> None:
    assert (await get(session, root + path, "Bearer jira_sandbox"))[0] == 404
