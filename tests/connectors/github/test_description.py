"""GitHub's own description as a judge: it refuses what is wrong, and the simulator's other answers fit it too."""

import time
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt
from joserfc.jwk import RSAKey

from connectors.github.connector import account
from connectors.github.simulator import App, GitHubSimulator, Installation

pytestmark = pytest.mark.needs_shared


@pytest.mark.parametrize(
    ("method", "path", "query", "body", "fault"),
    [
        ("GET", "/repos/a/b/issue", "", None, "describes no"),
        ("PUT", "/repos/a/b/issues", "", None, "describes no"),
        ("GET", "/repos/a/b/issues", "statee=open", None, "unknown parameters"),
        ("GET", "/repos/a/b/issues", "state=opened", None, "does not fit"),
        ("GET", "/search/issues", "sort=created", None, "lacks"),
        ("GET", "/repos/a/b/branches", "protected=yes", None, "does not fit"),
        ("POST", "/repos/a/b/issues", "", None, "lacks its body"),
        ("POST", "/repos/a/b/issues", "", b'{"title": "x", "labels": "bug"}', "labels"),
        ("POST", "/repos/a/b/issues/1/comments", "", b"{}", "body"),
        ("DELETE", "/repos/a/b/issues/1/lock", "", b"{}", "takes no body"),
    ],
)
def test_a_request_that_github_does_not_describe_is_refused(
    method: str, path: str, query: str, body: bytes | None, fault: str, description: Any
) -> None:
    with pytest.raises(AssertionError, match=fault):
        description.check_request(method, path, query, body)


def test_an_answer_that_lacks_a_field_is_refused(description: Any) -> None:
    operation = description.operation("GET", "/repos/a/b/labels/bug")

    with pytest.raises(AssertionError, match="color"):
        description.check_response(operation, 200, b'{"id": 1, "name": "bug"}')


@pytest.mark.parametrize("method", ["token", "oauth", "app"])
async def test_what_names_the_account_fits_the_description(
    method: str, session: Any, driver_for: Any, description: Any
) -> None:
    simulator, assertion = app_and_assertion()
    url = await simulator.start()
    token = await bought(session, url, assertion) if method == "app" else "ghp_sandbox"
    driver = driver_for(url, token)

    await driver.do(account(driver.api(), method))
    await simulator.stop()

    check(driver, description)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("github.repository.list", {}),
        ("github.pull.list", {"owner": "acme", "repo": "web", "limit": 1, "cursor": "page=2"}),
        ("github.issue.search", {"q": "x OR y", "kind": "pull_request", "cursor": "page=2"}),
        ("github.content.list", {"owner": "acme", "repo": "web"}),
        (
            "github.release.create",
            {"owner": "acme", "repo": "web", "tag_name": "v2", "draft": True, "generate_release_notes": True},
        ),
        ("github.pull.request_review", {"owner": "acme", "repo": "web", "number": 2, "team_reviewers": ["core"]}),
    ],
)
async def test_other_shapes_of_an_input_fit_the_description(
    name: str, given: dict[str, Any], simulator: GitHubSimulator, arrange: Any, driver: Any, description: Any
) -> None:
    from connectors.sdk import UpstreamRejected

    arrange(simulator)
    try:
        await driver.run(name, given)
    except UpstreamRejected:
        assert "team_reviewers" in given  # the simulator has no teams

    for request in driver.sent:
        if request.path != "/repos/acme/web/contents":  # described with its path alone
            description.check_request(request.method, request.path, request.query, request.body)


async def test_the_simulators_app_endpoints_fit_the_description(session: Any, description: Any) -> None:
    simulator, assertion = app_and_assertion()
    url = await simulator.start()

    for method, path in (
        ("GET", "/app"),
        # The list of installations is described as accounts that are a user and an enterprise at once.
        ("GET", "/app/installations/5001"),
        ("POST", "/app/installations/5001/access_tokens"),
        ("GET", "/rate_limit"),
    ):
        headers = {"authorization": f"Bearer {assertion}"}
        async with session.request(method, url + path, headers=headers) as answer:
            description.check_response(description.operation(method, path), answer.status, await answer.read())
    await simulator.stop()


def app_and_assertion() -> tuple[GitHubSimulator, str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    claims = {"iss": "7", "iat": int(time.time()) - 60, "exp": int(time.time()) + 500}
    app = App(7, public.decode(), (Installation(5001, "acme"),))
    return GitHubSimulator(apps=[app]), jwt.encode({"alg": "RS256"}, claims, RSAKey.import_key(private))


async def bought(session: Any, url: str, assertion: str) -> str:
    path = f"{url}/app/installations/5001/access_tokens"
    async with session.post(path, headers={"authorization": f"Bearer {assertion}"}) as answer:
        token: str = (await answer.json())["token"]
        return token


def check(driver: Any, description: Any) -> None:
    assert driver.exchanges
    for request, response in driver.exchanges:
        operation = description.check_request(request.method, request.path, request.query, request.body)
        description.check_response(operation, response.status, response.body)
