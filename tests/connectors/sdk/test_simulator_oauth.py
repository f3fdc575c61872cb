"""The plain authorization server of simulated vendors: RFC 6749 with PKCE, and pairs that rotate."""

import base64
import hashlib
from urllib.parse import parse_qs, urlencode, urlsplit

import orjson
import pytest

from connectors.sdk.simulator import Call, Client, OAuthServer

CLIENT = Client("app", "hush")
BACK = "https://gatehouse.example/callback"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server(clock: Clock) -> OAuthServer:
    return OAuthServer(CLIENT, clock)


def asked(server: OAuthServer, **fields: str) -> tuple[int, dict[str, str]]:
    form = {"client_id": CLIENT.id, "client_secret": CLIENT.secret, **fields}
    answer = server.token(Call("POST", "/token", body=urlencode(form).encode()))
    return answer.status, orjson.loads(answer.body)


def consented(server: OAuthServer, **more: str) -> str:
    query = {
        "client_id": CLIENT.id,
        "response_type": "code",
        "redirect_uri": BACK,
        "state": "s",
        "scope": "a b",
        **more,
    }
    answer = server.authorize(Call("GET", "/authorize", query=query))
    found = parse_qs(urlsplit(answer.headers["location"]).query)
    assert (answer.status, found["state"]) == (302, ["s"])
    return found["code"][0]


def test_a_code_gives_a_pair_once(server: OAuthServer) -> None:
    code = consented(server)

    status, pair = asked(server, grant_type="authorization_code", code=code, redirect_uri=BACK)

    assert (status, pair["scope"]) == (200, "a b")
    assert server.knows(pair["access_token"])
    assert asked(server, grant_type="authorization_code", code=code, redirect_uri=BACK)[0] == 400


def test_a_code_with_a_challenge_needs_its_verifier(server: OAuthServer) -> None:
    challenge = base64.urlsafe_b64encode(hashlib.sha256(b"verifier").digest()).rstrip(b"=").decode()

    wrong = asked(server, code=consented(server, code_challenge=challenge), redirect_uri=BACK, code_verifier="guess")
    right = asked(server, code=consented(server, code_challenge=challenge), redirect_uri=BACK, code_verifier="verifier")

    assert (wrong[0], right[0]) == (400, 200)


def test_a_refresh_ends_the_old_pair(server: OAuthServer) -> None:
    old = server.issue("a")

    _, new = asked(server, grant_type="refresh_token", refresh_token=old["refresh_token"])

    assert server.knows(new["access_token"])
    assert not server.knows(old["access_token"])
    assert asked(server, grant_type="refresh_token", refresh_token=old["refresh_token"])[1] == {
        "error": "invalid_grant"
    }


def test_a_token_ends_with_its_time(server: OAuthServer, clock: Clock) -> None:
    pair = server.issue()

    clock.now += 3601

    assert not server.knows(pair["access_token"])


def test_a_client_that_is_none_is_refused(server: OAuthServer) -> None:
    assert asked(server, client_secret="guess", code=consented(server))[0] == 401


def test_a_code_is_not_sent_elsewhere(server: OAuthServer) -> None:
    assert asked(server, code=consented(server), redirect_uri="https://elsewhere.example")[0] == 400
