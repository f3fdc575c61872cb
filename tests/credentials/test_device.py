"""The device authorization grant: what a person is told to type and where, and every way a poll can be answered."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import httpx
import orjson
import pytest
import respx
from credentials import Road, Target, device
from credentials.authorize import Exchanged
from credentials.device import DeviceCode, Pending
from credentials.token import NotProcessed, TokenRefused
from credentials.transport import NotSent, Unanswered
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.github.connector import github
from connectors.sdk.auth import OAuthUser, RootInToken
from tests.credentials.standins import OAUTH, TARGET, TOKEN_URL, WHERE, Clock

DEVICE_URL = "https://git.example/login/device/code"
DEVICE = replace(OAUTH, device_url="{origin}/login/device/code")
CLIENT = {"client_id": "id", "client_secret": "hush-secret"}
SCOPES = frozenset({"repo", "read:org"})
SECRET = "3584d83530557fdd1f46af8289938c8ef79f9dc5"
GIVEN: dict[str, Any] = {
    "device_code": SECRET,
    "user_code": "WDJB-MJHT",
    "verification_uri": "https://git.example/login/device",
    "expires_in": 900,
    "interval": 5,
}
PAIR = {"access_token": "new", "refresh_token": "r1", "expires_in": 3600, "token_type": "bearer", "scope": "repo"}
ROAD = Road()
GRANT = "urn:ietf:params:oauth:grant-type:device_code"


async def ask(method: OAuthUser = DEVICE, client: dict[str, str] = CLIENT) -> DeviceCode:
    return await device.ask(ROAD, TARGET, method, client, SCOPES)


async def poll(clock: Clock, method: OAuthUser = DEVICE, *, interval: int = 5, **client: str) -> Exchanged | Pending:
    fields = client or CLIENT
    return await device.poll(ROAD, TARGET, method, fields, SECRET, scopes=SCOPES, interval=interval, now=clock.now)


def sent_to(route: respx.Route) -> dict[str, list[str]]:
    return parse_qs(route.calls.last.request.content.decode())


# Asking for a code


@respx.mock
async def test_a_code_is_asked_for_with_the_scopes_as_the_client() -> None:
    route = respx.post(DEVICE_URL).respond(json=GIVEN)
    assert await ask() == DeviceCode(SECRET, "WDJB-MJHT", "https://git.example/login/device", None, 900, 5)
    request = route.calls.last.request
    assert sent_to(route) == {"scope": ["read:org repo"], "client_id": ["id"], "client_secret": ["hush-secret"]}
    assert request.headers["accept"] == "application/json"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert "authorization" not in request.headers


@respx.mock
@pytest.mark.parametrize("client_auth", ["post", "basic", "json"])
async def test_a_vendor_that_wants_the_id_alone_never_sees_the_secret_there(client_auth: Any) -> None:
    route = respx.post(DEVICE_URL).respond(json=GIVEN)
    await ask(replace(DEVICE, device_proof=False, client_auth=client_auth))
    assert sent_to(route) == {"scope": ["read:org repo"], "client_id": ["id"]}
    assert "authorization" not in route.calls.last.request.headers


@respx.mock
async def test_a_client_proves_itself_where_the_token_endpoint_wants_it() -> None:
    route = respx.post(DEVICE_URL).respond(json=GIVEN)
    await ask(replace(DEVICE, client_auth="basic"))
    assert route.calls.last.request.headers["authorization"] == "Basic aWQ6aHVzaC1zZWNyZXQ="
    await ask(replace(DEVICE, client_auth="json"))
    assert orjson.loads(route.calls.last.request.content) == {"scope": "read:org repo", **CLIENT}


@respx.mock
async def test_without_scopes_none_are_named() -> None:
    route = respx.post(DEVICE_URL).respond(json=GIVEN)
    await device.ask(ROAD, TARGET, DEVICE, {"client_id": "id"}, frozenset())
    assert sent_to(route) == {"client_id": ["id"]}
    assert route.calls.last.request.headers["content-type"] == "application/x-www-form-urlencoded"


@respx.mock
async def test_secrets_do_not_show_themselves() -> None:
    respx.post(DEVICE_URL).respond(json=GIVEN | {"verification_uri_complete": "https://git.example/d?c=WDJB-MJHT"})
    shown = repr(await ask())
    assert SECRET not in shown
    assert "WDJB" not in shown


@respx.mock
@pytest.mark.parametrize(
    ("told", "seconds", "interval"),
    [
        ({"interval": None}, 900, 5),
        ({"interval": "10", "expires_in": "600"}, 600, 10),
        ({"interval": 7.2}, 900, 8),
        ({"interval": 0}, 900, 5),
        ({"interval": 1}, 900, 5),
        ({"interval": -3}, 900, 5),
        ({"interval": True}, 900, 5),
        ({"interval": "soon"}, 900, 5),
        ({"expires_in": 86400}, 1800, 5),
        ({"expires_in": 1e300}, 1800, 5),
    ],
)
async def test_times_are_read_with_the_defaults_and_bounds(told: dict[str, Any], seconds: int, interval: int) -> None:
    respx.post(DEVICE_URL).respond(json={name: value for name, value in (GIVEN | told).items() if value is not None})
    code = await ask()
    assert (code.seconds, code.interval) == (seconds, interval)


@respx.mock
@pytest.mark.parametrize(
    "page",
    [
        "https://git.example/login/device",
        "https://api.git.example/device",
        "https://acme.my.git.example/device",
        "https://short.example/d",
        "https://login.git.example/device",
    ],
)
async def test_a_page_of_the_vendor_is_where_the_code_is_typed(page: str) -> None:
    method = replace(DEVICE, device_hosts=("short.example",), authorize_url="https://login.git.example/authorize")
    respx.post(DEVICE_URL).respond(json=GIVEN | {"verification_uri": page, "verification_uri_complete": f"{page}?c=1"})
    code = await ask(method)
    assert (code.page, code.filled) == (page, f"{page}?c=1")


@respx.mock
async def test_the_older_name_of_the_page_is_read_too() -> None:
    answer = {name: value for name, value in GIVEN.items() if name != "verification_uri"}
    respx.post(DEVICE_URL).respond(json=answer | {"verification_url": "https://git.example/device"})
    assert (await ask()).page == "https://git.example/device"


@respx.mock
@pytest.mark.parametrize("member", ["verification_uri", "verification_uri_complete"])
@pytest.mark.parametrize(
    "page",
    [
        "https://evil.example/login/device",
        "https://git.example.evil.example/",
        "https://git.example@evil.example/",
        "https://evil.example#git.example",
        "https://evil.example\\@git.example/",
        "http://git.example/login/device",
        "http://short.example/",
        "https://short.example:8443/",
        "https://my.git.example/",
        "//git.example/login/device",
        "/login/device",
        "javascript:alert(1)",
        "https://[",
    ],
)
async def test_a_page_elsewhere_is_refused(member: str, page: str) -> None:
    respx.post(DEVICE_URL).respond(json=GIVEN | {member: page})
    with pytest.raises(TokenRefused) as error:
        await ask(replace(DEVICE, device_hosts=("short.example",)))
    assert "does not declare" in error.value.reason


@respx.mock
@pytest.mark.parametrize(
    "told",
    [
        {"device_code": None},
        {"device_code": 7},
        {"device_code": "two words"},
        {"device_code": "x" * 16385},
        {"user_code": None},
        {"user_code": ""},
        {"user_code": 1234},
        {"user_code": "x" * 65},
        {"user_code": "line\nend"},
        {"user_code": "\u202ereversed"},
        {"verification_uri": None},
        {"verification_uri": 7},
        {"verification_uri": "https://git.example/two words"},
        {"verification_uri": "https://git.example/\tx"},
        {"verification_uri": "https://git.example/" + "x" * 2000},
        {"verification_uri_complete": ["https://git.example/"]},
        {"expires_in": None},
        {"expires_in": "soon"},
        {"expires_in": 29},
        {"expires_in": -1},
        {"expires_in": False},
        {"interval": 900},
    ],
)
async def test_an_answer_with_which_nobody_can_go_on_is_none(told: dict[str, Any]) -> None:
    respx.post(DEVICE_URL).respond(json={name: value for name, value in (GIVEN | told).items() if value is not None})
    with pytest.raises(Unanswered):
        await ask()


@respx.mock
@pytest.mark.parametrize(
    "answer",
    [
        {"status_code": 200, "html": "<html>vendor's own words</html>"},
        {"status_code": 200, "json": ["vendor's own words"]},
        {"status_code": 200, "json": None},
        {"status_code": 200, "json": {}},
        {"status_code": 302, "headers": {"location": "https://evil.example"}},
        {"status_code": 500, "html": "oops"},
        {"status_code": 503, "json": {"error": "server_error"}},
        {"status_code": 200, "json": {"error": "server_error"}},
    ],
)
async def test_an_answer_that_cannot_be_read_is_one_that_never_came(answer: dict[str, Any]) -> None:
    route = respx.post(DEVICE_URL).respond(**answer)
    with pytest.raises(Unanswered) as error:
        await ask()
    assert "own words" not in str(error.value)
    assert route.call_count == 1


@respx.mock
@pytest.mark.parametrize("status", [200, 400, 401, 404])
@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("device_flow_disabled", "switched off"),
        ("unauthorized_client", "may not use device codes"),
        ("invalid_client", "client id or secret"),
        ("incorrect_client_credentials", "client id or secret"),
        ("invalid_scope", "scopes"),
        ("Not Found", "does not know the client"),
        ("something_new", "refuses it"),
        (["something"], "refuses it"),
    ],
)
async def test_why_there_is_no_code_is_said_in_our_words(status: int, code: object, why: str) -> None:
    respx.post(DEVICE_URL).respond(status, json={"error": code, "error_description": "vendor's own words"})
    with pytest.raises(TokenRefused) as error:
        await ask()
    assert why in error.value.reason
    assert "own words" not in error.value.reason


@respx.mock
async def test_limits_and_walls_before_the_device_endpoint_are_told_from_refusals() -> None:
    respx.post(DEVICE_URL).respond(429, headers={"retry-after": "7"})
    with pytest.raises(NotProcessed) as limited:
        await ask()
    assert limited.value.seconds == 7
    respx.post(DEVICE_URL).respond(403, html="<html>blocked</html>")
    with pytest.raises(NotProcessed):
        await ask()
    respx.post(DEVICE_URL).mock(side_effect=httpx.ConnectError)
    with pytest.raises(NotSent):
        await ask()


async def test_a_device_endpoint_at_a_private_address_is_not_asked() -> None:
    with pytest.raises(NotSent, match="private"):
        await ask(replace(DEVICE, device_url="https://127.0.0.1:1/device"))


# Asking whether it was typed


@respx.mock
async def test_a_code_that_was_typed_becomes_a_credential(clock: Clock) -> None:
    route = respx.post(TOKEN_URL).respond(json=PAIR)
    assert await poll(clock) == Exchanged(
        {
            **CLIENT,
            "access_token": "new",
            "refresh_token": "r1",
            "expires_at": (clock.now + timedelta(hours=1)).isoformat(),
            "scope": "repo",
        }
    )
    assert sent_to(route) == {
        "grant_type": [GRANT],
        "device_code": [SECRET],
        "client_id": ["id"],
        "client_secret": ["hush-secret"],
    }
    assert SECRET not in str(route.calls.last.request.url)


@respx.mock
async def test_a_client_without_a_secret_polls_by_its_id(clock: Clock) -> None:
    route = respx.post(TOKEN_URL).respond(json=PAIR)
    await poll(clock, client_id="id")
    assert sent_to(route) == {"grant_type": [GRANT], "device_code": [SECRET], "client_id": ["id"]}


@respx.mock
async def test_an_answer_without_scopes_granted_what_was_asked_for_and_may_name_the_root(clock: Clock) -> None:
    respx.post(TOKEN_URL).respond(json={"access_token": "new", "instance_url": "https://acme.my.git.example/"})
    got = await poll(clock, replace(DEVICE, discover=RootInToken("instance_url")))
    assert isinstance(got, Exchanged)
    assert (got.fields["scope"], got.root) == ("read:org repo", "https://acme.my.git.example")


@respx.mock
@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize(
    ("told", "interval"),
    [
        ({"error": "authorization_pending"}, 5),
        ({"error": "authorization_pending", "interval": 60}, 5),
        ({"error": "slow_down"}, 10),
        ({"error": "slow_down", "interval": 10}, 10),
        ({"error": "slow_down", "interval": 25}, 25),
        ({"error": "slow_down", "interval": 6}, 10),
        ({"error": "slow_down", "interval": "never"}, 10),
        ({"error": "slow_down", "interval": 10**9}, 1800),
    ],
)
async def test_while_nobody_has_typed_it_the_vendor_says_how_often_it_may_be_asked(
    clock: Clock, status: int, told: dict[str, Any], interval: int
) -> None:
    respx.post(TOKEN_URL).respond(status, json=told)
    assert await poll(clock) == Pending(interval)


@respx.mock
async def test_every_slow_down_makes_it_slower(clock: Clock) -> None:
    respx.post(TOKEN_URL).respond(json={"error": "slow_down"})
    interval = 5
    for expected in (10, 15, 20):
        told = await poll(clock, interval=interval)
        assert told == Pending(expected)
        interval = expected


@respx.mock
@pytest.mark.parametrize("status", [200, 400, 401, 403])
@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("expired_token", "not typed in time"),
        ("access_denied", "declined"),
        ("device_flow_disabled", "switched off"),
        ("incorrect_device_code", "has expired, was used"),
        ("invalid_grant", "has expired, was used"),
        ("incorrect_client_credentials", "client id or secret"),
        ("unsupported_grant_type", "may not use device codes"),
        ("something_new", "refuses it"),
    ],
)
async def test_what_ends_a_code_is_said_in_our_words(clock: Clock, status: int, code: str, why: str) -> None:
    respx.post(TOKEN_URL).respond(status, json={"error": code, "error_description": f"vendor's own words {SECRET}"})
    with pytest.raises(TokenRefused) as error:
        await poll(clock)
    assert why in error.value.reason
    for secret in ("own words", SECRET, "hush-secret"):
        assert secret not in str(error.value)


@respx.mock
@pytest.mark.parametrize(
    "answer",
    [
        {"status_code": 200, "html": "<html>vendor's own words</html>"},
        {"status_code": 200, "json": ["vendor's own words"]},
        {"status_code": 200, "content": b"[" * 100_000},
        {"status_code": 400, "content": b"[" * 100_000},
        {"status_code": 200, "content": b'{"error": "slow_down", "interval": ' + b"9" * 5000 + b"}"},
        {"status_code": 200, "json": {"token_type": "bearer"}},
        {"status_code": 200, "json": {"access_token": "two words"}},
        {"status_code": 200, "json": {"access_token": "x", "token_type": "mac"}},
        {"status_code": 200, "json": {"error": "server_error"}},
        {"status_code": 302, "headers": {"location": "https://evil.example"}},
        {"status_code": 500, "html": "oops"},
    ],
)
async def test_a_poll_whose_answer_cannot_be_read_was_not_answered(clock: Clock, answer: dict[str, Any]) -> None:
    route = respx.post(TOKEN_URL).respond(**answer)
    with pytest.raises(NotProcessed if answer["status_code"] == 400 else Unanswered):
        await poll(clock)
    assert route.call_count == 1


@respx.mock
async def test_a_lost_answer_a_limit_and_one_that_never_left_are_told_apart(clock: Clock) -> None:
    respx.post(TOKEN_URL).mock(side_effect=httpx.ReadError)
    with pytest.raises(Unanswered):
        await poll(clock)
    respx.post(TOKEN_URL).mock(side_effect=httpx.ConnectError)
    with pytest.raises(NotSent):
        await poll(clock)
    respx.post(TOKEN_URL).respond(429, headers={"retry-after": "30"})
    with pytest.raises(NotProcessed) as limited:
        await poll(clock)
    assert limited.value.seconds == 30


# Whatever a vendor writes

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
URLS = st.sampled_from(["https://git.example/d", "https://evil.example/d", "http://git.example", "https://["])


@settings(max_examples=150, deadline=None)
@given(told=st.dictionaries(st.sampled_from([*GIVEN, "error", "verification_uri_complete"]), JSON | URLS))
async def test_any_answer_is_a_code_that_can_be_used_or_a_reason(told: dict[str, Any]) -> None:
    answer = {**GIVEN, **told}
    with respx.mock:
        respx.post(DEVICE_URL).respond(json=answer)
        try:
            code = await ask()
        except (TokenRefused, NotProcessed, Unanswered):
            return
    assert 30 <= code.seconds <= 1800
    assert 5 <= code.interval < code.seconds
    assert code.typed.isprintable()
    for page in (code.page, code.filled):
        assert page is None or page.startswith("https://git.example/")


@settings(max_examples=150, deadline=None)
@given(told=st.dictionaries(st.sampled_from(["error", "interval", *PAIR]), JSON), interval=st.integers(5, 1800))
async def test_any_answer_to_a_poll_is_tokens_a_wait_or_a_reason(told: dict[str, Any], interval: int) -> None:
    clock = Clock()
    with respx.mock:
        respx.post(TOKEN_URL).respond(json=told)
        try:
            got = await poll(clock, interval=interval)
        except (TokenRefused, NotProcessed, Unanswered):
            return
    if isinstance(got, Pending):
        assert interval <= got.interval <= max(1800, interval + 5)
    else:
        assert got.fields["access_token"] == told["access_token"]


# What connectors declare


def test_a_method_has_a_way_to_ask_and_names_it() -> None:
    assert OAUTH.flows == ("code",)
    assert DEVICE.flows == ("code", "device")
    assert replace(DEVICE, authorize_url="").flows == ("device",)
    with pytest.raises(ValueError, match="authorize_url"):
        OAuthUser(authorize_url="", token_url="{origin}/token")
    with pytest.raises(ValueError, match="host pattern"):
        replace(DEVICE, device_hosts=("https://short.example",))


@respx.mock
@pytest.mark.parametrize(
    ("base_url", "web"),
    [("https://api.github.com", "https://github.com"), ("https://ghe.acme.example/api/v3", "https://ghe.acme.example")],
)
async def test_githubs_code_is_asked_for_by_the_client_id_alone(base_url: str, web: str) -> None:
    method = github.auth["oauth"]
    assert isinstance(method, OAuthUser)
    target = Target(where=WHERE, title="GitHub", api_root=base_url, origin=web, hosts=github.hosts)
    route = respx.post(f"{web}/login/device/code").respond(json=GIVEN | {"verification_uri": f"{web}/login/device"})
    code = await device.ask(ROAD, target, method, CLIENT, frozenset({"repo"}))
    assert code.page == f"{web}/login/device"
    assert sent_to(route) == {"client_id": ["id"], "scope": ["repo"]}
