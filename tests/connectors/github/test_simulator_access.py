"""Who may do what at the simulated GitHub: tokens, apps, OAuth, permissions and limits."""

import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt
from joserfc.jwk import RSAKey

from connectors.github import github
from connectors.github.connector import account
from connectors.github.simulator import App, GitHubSimulator, Installation, Limits, OAuthApp, Token

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PRIVATE = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
PUBLIC = (
    KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
)
APP = App(
    1001,
    PUBLIC,
    (
        Installation(5001, "acme"),
        Installation(5002, "acme", repositories=("api",), permissions={"issues": "read"}),
    ),
    client_id="Iv1.app",
)
OAUTH = OAuthApp("Iv1.user", "shh", redirect_uri="https://gateway.example/oauth/callback")
NARROW = Token("ghp_narrow", "octavia", frozenset({"repo"}))
FINE = Token("github_pat_fine", "octavia", permissions={"issues": "read"})
OLD = Token("ghp_old", "octavia", expires_at=1.0)


@pytest.fixture
async def simulator() -> AsyncIterator[GitHubSimulator]:
    made = GitHubSimulator(tokens=[NARROW, FINE, OLD], apps=[APP], oauth_apps=[OAUTH])
    await made.start()
    yield made
    await made.stop()


def assertion(*, issuer: str = "Iv1.app", issued: float = -60, expires: float = 540, key: str = PRIVATE) -> str:
    now = int(time.time())
    claims = {"iss": issuer, "iat": int(now + issued), "exp": int(now + expires)}
    return jwt.encode({"alg": "RS256"}, claims, RSAKey.import_key(key))


async def ask(
    session: aiohttp.ClientSession, method: str, url: str, token: str | None = None, body: Any = None, **headers: str
) -> tuple[int, Any, Any]:
    own = {name.replace("_", "-"): value for name, value in headers.items()}
    if token is not None:
        own["authorization"] = f"Bearer {token}"
    async with session.request(method, url, json=body, headers=own, allow_redirects=False) as answer:
        text = await answer.text()
        found = await answer.json() if answer.content_type == "application/json" else text
        return answer.status, found, answer.headers


async def installed(session: aiohttp.ClientSession, url: str, number: int = 5001, body: Any = None) -> Any:
    path = f"{url}/app/installations/{number}/access_tokens"
    return (await ask(session, "POST", path, assertion(), body))[1]


@pytest.mark.parametrize("issuer", ["Iv1.app", "1001"])
async def test_an_apps_assertion_buys_a_token_of_its_installation(
    issuer: str, simulator: GitHubSimulator, session: Any
) -> None:
    path = f"{simulator.url}/app/installations/5001/access_tokens"
    status, bought, _ = await ask(session, "POST", path, assertion(issuer=issuer))

    assert status == 201
    assert bought["token"].startswith("ghs_")
    assert bought["permissions"]["issues"] == "write"
    assert bought["repository_selection"] == "all"
    status, found, _ = await ask(session, "GET", f"{simulator.url}/installation/repositories", bought["token"])
    assert (status, [repository["full_name"] for repository in found["repositories"]]) == (
        200,
        ["acme/web", "acme/api"],
    )
    assert simulator.applied == []


STRANGE = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "Iv1.other"},
        {"expires": -1},
        {"expires": 900},
        {"issued": 120},
        {"key": STRANGE.decode()},
    ],
)
async def test_a_wrong_assertion_buys_nothing(wrong: dict[str, Any], simulator: GitHubSimulator, session: Any) -> None:
    path = f"{simulator.url}/app/installations/5001/access_tokens"

    status, _, _ = await ask(session, "POST", path, assertion(**wrong))

    assert status == 401


async def test_an_installations_token_is_cut_to_what_was_asked(simulator: GitHubSimulator, session: Any) -> None:
    asked = {"repositories": ["api"], "permissions": {"issues": "read"}}
    bought = await installed(session, simulator.url, body=asked)
    issues = f"{simulator.url}/repos/acme/api/issues"

    assert bought["permissions"] == {"metadata": "read", "issues": "read"}
    assert (await ask(session, "GET", issues, bought["token"]))[0] == 200
    assert (await ask(session, "GET", f"{simulator.url}/repos/acme/web/issues", bought["token"]))[0] == 404
    status, refused, headers = await ask(session, "POST", issues, bought["token"], {"title": "x"})
    assert (status, refused["message"]) == (403, "Resource not accessible by integration")
    assert headers["x-accepted-github-permissions"] == "issues=write"


@pytest.mark.parametrize("asked", [{"permissions": {"administration": "write"}}, {"repositories": ["site"]}])
async def test_an_installation_gives_no_more_than_it_has(asked: Any, simulator: GitHubSimulator, session: Any) -> None:
    path = f"{simulator.url}/app/installations/5001/access_tokens"

    assert (await ask(session, "POST", path, assertion(), asked))[0] == 422


async def test_an_installations_token_ends_when_it_expires_or_is_revoked(session: Any) -> None:
    now = [time.time()]
    simulator = GitHubSimulator(apps=[APP], clock=lambda: now[0])
    url = await simulator.start()
    repositories = f"{url}/installation/repositories"
    first, second = [(await installed(session, url))["token"] for _ in range(2)]

    revoked = await ask(session, "DELETE", f"{url}/installation/token", first)
    statuses = [(await ask(session, "GET", repositories, token))[0] for token in (first, second)]
    now[0] += 3601
    expired = (await ask(session, "GET", repositories, second))[0]
    await simulator.stop()

    assert (revoked[0], statuses, expired) == (204, [401, 200], 401)


async def test_the_account_of_an_installation_is_the_owner_of_its_repositories(
    simulator: GitHubSimulator, session: Any, driver_for: Any
) -> None:
    token = (await installed(session, simulator.url))["token"]
    driver = driver_for(simulator.url, token)

    found = await driver.do(account(driver.api(), "app"))

    assert (found.label, found.id) == ("acme", str(simulator.world.owners["acme"].id))


async def test_an_installation_lists_its_repositories_though_it_is_no_user(
    simulator: GitHubSimulator, session: Any, driver_for: Any
) -> None:
    token = (await installed(session, simulator.url, 5002))["token"]

    page = await driver_for(simulator.url, token).run("github.repository.list", {})

    assert [repository.full_name for repository in page.items] == ["acme/api"]


async def code_of(session: Any, url: str, **more: str) -> str:
    path = f"{url}/login/oauth/authorize?client_id=Iv1.user&state=s1" + "".join(f"&{k}={v}" for k, v in more.items())
    status, _, headers = await ask(session, "GET", path)
    back = urlsplit(headers["location"])
    assert (status, back.netloc, parse_qs(back.query)["state"]) == (302, "gateway.example", ["s1"])
    return parse_qs(back.query)["code"][0]


async def token_of(session: Any, url: str, **fields: str) -> Any:
    body = {"client_id": "Iv1.user", "client_secret": "shh", **fields}
    path = f"{url}/login/oauth/access_token"
    status, answer, _ = await ask(session, "POST", path, None, body, accept="application/json")
    assert status == 200
    return answer


async def test_a_refresh_gives_a_new_pair_and_ends_the_old_one(simulator: GitHubSimulator, session: Any) -> None:
    url = simulator.url
    first = await token_of(session, url, code=await code_of(session, url))

    second = await token_of(session, url, grant_type="refresh_token", refresh_token=first["refresh_token"])
    again = await token_of(session, url, grant_type="refresh_token", refresh_token=first["refresh_token"])
    statuses = [(await ask(session, "GET", f"{url}/user", pair["access_token"]))[0] for pair in (first, second)]

    assert first["expires_in"] == 28800
    assert again["error"] == "bad_refresh_token"
    assert statuses == [401, 200]


async def test_a_code_is_good_once_and_only_for_who_can_prove_it(simulator: GitHubSimulator, session: Any) -> None:
    url = simulator.url
    challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    code = await code_of(session, url, code_challenge=challenge, code_challenge_method="S256")
    stolen = await code_of(session, url, code_challenge=challenge, code_challenge_method="S256")

    good = await token_of(session, url, code=code, code_verifier=verifier)
    again = await token_of(session, url, code=code, code_verifier=verifier)
    unproved = await token_of(session, url, code=stolen)

    assert good["access_token"].startswith("ghu_")
    assert [again["error"], unproved["error"]] == ["bad_verification_code"] * 2


async def test_a_wrong_client_secret_is_an_error_with_status_200(simulator: GitHubSimulator, session: Any) -> None:
    answer = await token_of(session, simulator.url, client_secret="wrong", code="x")

    assert answer["error"] == "incorrect_client_credentials"


async def test_the_token_endpoint_answers_as_a_form_unless_json_is_accepted(
    simulator: GitHubSimulator, session: Any
) -> None:
    body = {"client_id": "Iv1.user", "client_secret": "shh", "code": "wrong"}

    _, answer, headers = await ask(session, "POST", f"{simulator.url}/login/oauth/access_token", None, body)

    assert headers["content-type"].startswith("application/x-www-form-urlencoded")
    assert answer.startswith("error=bad_verification_code")


async def test_a_revoked_token_is_a_bad_credential(simulator: GitHubSimulator, session: Any) -> None:
    url = simulator.url
    pair = await token_of(session, url, code=await code_of(session, url))
    path = f"{url}/applications/Iv1.user/token"
    body = {"access_token": pair["access_token"]}

    right, wrong = ({"authorization": aiohttp.encode_basic_auth("Iv1.user", secret)} for secret in ("shh", "wrong"))

    async with session.delete(path, json=body, headers=wrong) as answer:
        assert answer.status == 401
    async with session.delete(path, json=body, headers=right) as answer:
        assert answer.status == 204

    assert (await ask(session, "GET", f"{url}/user", pair["access_token"]))[0] == 401


@pytest.mark.parametrize(
    ("token", "method", "path", "status"),
    [
        (None, "GET", "/repos/acme/web", 404),
        (None, "GET", "/user", 401),
        ("wrong", "GET", "/user", 401),
        (OLD.value, "GET", "/user", 401),
        (NARROW.value, "GET", "/repos/acme/web", 200),
        (NARROW.value, "GET", "/repos/globex/site", 404),
        (NARROW.value, "GET", "/orgs/acme/members", 403),
        (NARROW.value, "PUT", "/repos/acme/web/contents/.github/workflows/x.yml", 403),
        (FINE.value, "GET", "/repos/acme/web/issues", 200),
        (FINE.value, "POST", "/repos/acme/web/issues", 403),
        (FINE.value, "GET", "/notifications", 403),
        ("ghp_sandbox", "GET", "/repos/globex/site", 200),
        ("ghp_sandbox", "GET", "/repos/acme/web/", 404),
    ],
)
async def test_a_credential_opens_what_it_is_for(
    token: str | None, method: str, path: str, status: int, simulator: GitHubSimulator, session: Any
) -> None:
    body = {"title": "x", "message": "x", "content": "eA=="} if method != "GET" else None

    assert (await ask(session, method, simulator.url + path, token, body))[0] == status
    assert simulator.applied == []


async def test_a_request_names_its_user_agent_and_a_version_that_exists(
    simulator: GitHubSimulator, session: Any
) -> None:
    url = f"{simulator.url}/user"

    nameless = await ask(session, "GET", url, "ghp_sandbox", User_Agent="")
    future = await ask(session, "GET", url, "ghp_sandbox", x_github_api_version="2099-01-01")

    assert (nameless[0], future[0]) == (403, 400)


async def test_every_answer_counts_down_the_budget_until_it_is_refused(session: Any, driver_for: Any) -> None:
    simulator = GitHubSimulator(limits=Limits(core=2, search=1))
    driver = driver_for(await simulator.start(), "ghp_sandbox")
    for _ in range(2):
        await driver.run("github.repository.get", {"owner": "acme", "repo": "web"})

    status, _, headers = await ask(session, "GET", f"{simulator.url}/repos/acme/web", "ghp_sandbox")
    free = await ask(session, "GET", f"{simulator.url}/rate_limit", "ghp_sandbox")
    await simulator.stop()

    remaining = [quota.remaining for _, response in driver.exchanges for quota in github.quota_of(response)]
    assert remaining == [1, 0]
    assert (status, headers["x-ratelimit-remaining"]) == (403, "0")
    assert (free[0], free[1]["resources"]["core"]["remaining"]) == (200, 0)


@pytest.mark.parametrize("status", [403, 429])
async def test_too_many_writes_are_refused_and_say_when_to_come_back(status: int, session: Any) -> None:
    simulator = GitHubSimulator(limits=Limits(content=1, status=status))
    issues = f"{await simulator.start()}/repos/acme/web/issues"

    first = await ask(session, "POST", issues, "ghp_sandbox", {"title": "one"})
    second = await ask(session, "POST", issues, "ghp_sandbox", {"title": "two"})
    await simulator.stop()

    assert (first[0], second[0], second[2]["retry-after"]) == (201, status, "60")
    assert "secondary rate limit" in second[1]["message"]
    assert len(simulator.applied) == 1
