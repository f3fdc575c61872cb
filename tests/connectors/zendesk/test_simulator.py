"""The simulated Zendesk itself: credentials, OAuth, limits, idempotency keys, pages, searches."""

import base64
import hashlib
from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from connectors.sdk.simulator import Answer, Call, Refusal
from connectors.zendesk.simulator import Limits, OAuthClient, Token, ZendeskSimulator

BASIC = "Basic " + base64.b64encode(b"agent@acme.example/token:zendesk_sandbox").decode()
CLIENT = OAuthClient("gate", "hush", "https://gate.example/back")
NEW = {"ticket": {"subject": "x", "comment": {"body": "y"}}}


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def ask(
    simulator: ZendeskSimulator,
    method: str,
    path: str,
    body: object = None,
    *,
    authorization: str = BASIC,
    query: dict[str, str] | None = None,
    **headers: str,
) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    given = {"content-type": "application/json", **named} | ({"authorization": authorization} if authorization else {})
    raw = b"" if body is None else orjson.dumps(body)
    try:
        return simulator.respond(Call(method, path, query=query or {}, headers=given, body=raw))
    except Refusal as refusal:
        return refusal.answer


def said(answer: Answer) -> Any:
    return orjson.loads(answer.body)


def world(**options: Any) -> ZendeskSimulator:
    return ZendeskSimulator(**{"clock": Clock(), **options})


def token(simulator: ZendeskSimulator, **fields: str) -> Answer:
    given = {"client_id": "gate", "client_secret": "hush", "redirect_uri": CLIENT.redirect_uri, **fields}
    return ask(simulator, "POST", "/oauth/tokens", given, authorization="")


def code(simulator: ZendeskSimulator, **query: str) -> str:
    given = {"client_id": "gate", "redirect_uri": CLIENT.redirect_uri, "response_type": "code", **query}
    answer = ask(simulator, "GET", "/oauth/authorizations/new", query=given, authorization="")
    assert answer.status == 302
    return answer.headers["location"].partition("code=")[2].partition("&")[0]


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer zendesk_sandbox",
        "Bearer nothing",
        "Basic " + base64.b64encode(b"agent@acme.example:zendesk_sandbox").decode(),
        "Basic " + base64.b64encode(b"other@acme.example/token:zendesk_sandbox").decode(),
        "Basic ???",
    ],
)
def test_a_credential_that_is_not_as_it_should_be_is_refused(authorization: str) -> None:
    answer = ask(world(), "GET", "/api/v2/users/me", authorization=authorization)

    assert (answer.status, said(answer)) == (401, {"error": "Couldn't authenticate you"})


def test_without_a_credential_one_is_the_anonymous_user_and_sees_nothing() -> None:
    simulator = world()

    assert said(ask(simulator, "GET", "/api/v2/users/me", authorization=""))["user"]["id"] is None
    assert ask(simulator, "GET", "/api/v2/tickets", authorization="").status == 401


@pytest.mark.parametrize(
    ("scopes", "method", "path", "status"),
    [
        ({"read"}, "GET", "/api/v2/tickets", 200),
        ({"tickets:read"}, "GET", "/api/v2/tickets", 200),
        ({"tickets:read"}, "POST", "/api/v2/tickets", 403),
        ({"tickets:write"}, "POST", "/api/v2/tickets", 201),
        ({"tickets:read"}, "GET", "/api/v2/tickets/1/audits", 403),
        ({"tickets:read"}, "GET", "/api/v2/users", 403),
        ({"read"}, "GET", "/api/v2/tickets/1/audits", 200),
    ],
)
def test_a_token_may_what_its_scopes_say(scopes: set[str], method: str, path: str, status: int) -> None:
    simulator = world(tokens=[Token("t", scopes=frozenset(scopes))])

    assert ask(simulator, method, path, NEW if method == "POST" else None, authorization="Bearer t").status == status


def test_a_refresh_ends_both_old_tokens() -> None:
    simulator = world(clients=[CLIENT])
    first = said(token(simulator, grant_type="authorization_code", code=code(simulator, scope="read")))

    second = said(token(simulator, grant_type="refresh_token", refresh_token=first["refresh_token"]))

    assert (second["scope"], second["token_type"], second["expires_in"]) == ("read", "bearer", 1800)
    assert ask(simulator, "GET", "/api/v2/tickets", authorization=f"Bearer {first['access_token']}").status == 401
    assert ask(simulator, "GET", "/api/v2/tickets", authorization=f"Bearer {second['access_token']}").status == 200
    again = token(simulator, grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert (again.status, said(again)["error"]) == (400, "invalid_grant")


def test_an_access_token_expires_and_a_code_is_good_once_for_two_minutes() -> None:
    clock = Clock()
    simulator = world(clients=[CLIENT], clock=clock)
    late, used = code(simulator), code(simulator)
    tokens = said(token(simulator, grant_type="authorization_code", code=used))

    assert token(simulator, grant_type="authorization_code", code=used).status == 400
    clock.now += 121
    assert token(simulator, grant_type="authorization_code", code=late).status == 400
    clock.now += 1800
    assert ask(simulator, "GET", "/api/v2/tickets", authorization=f"Bearer {tokens['access_token']}").status == 401


def test_a_code_is_bound_to_its_verifier_and_its_client() -> None:
    simulator = world(clients=[CLIENT])
    verifier = "v" * 43
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    proof = {"code_challenge": challenge, "code_challenge_method": "S256"}

    wrong = token(simulator, grant_type="authorization_code", code=code(simulator, **proof), code_verifier="w" * 43)
    right = token(simulator, grant_type="authorization_code", code=code(simulator, **proof), code_verifier=verifier)
    stolen = token(simulator, grant_type="authorization_code", code=code(simulator), client_secret="guess")

    assert (wrong.status, right.status, stolen.status) == (400, 200, 401)


def test_a_client_cannot_ask_for_more_than_it_may() -> None:
    simulator = world(clients=[OAuthClient("gate", "hush", CLIENT.redirect_uri, scopes=frozenset({"read"}))])
    query = {"client_id": "gate", "redirect_uri": CLIENT.redirect_uri, "response_type": "code", "scope": "write"}

    answer = ask(simulator, "GET", "/oauth/authorizations/new", query=query, authorization="")

    assert (answer.status, said(answer)["error"]) == (400, "invalid_scope")


def test_a_revoked_token_is_dead() -> None:
    simulator = world(tokens=[Token("t", scopes=frozenset({"read"}))])

    assert ask(simulator, "DELETE", "/api/v2/oauth/tokens/current", authorization="Bearer t").status == 204
    assert ask(simulator, "GET", "/api/v2/tickets", authorization="Bearer t").status == 401


def test_the_same_key_and_body_give_the_stored_answer() -> None:
    simulator = world()

    first = ask(simulator, "POST", "/api/v2/tickets", NEW, idempotency_key="k")
    second = ask(simulator, "POST", "/api/v2/tickets", NEW, idempotency_key="k")

    assert (first.status, first.headers["x-idempotency-lookup"]) == (201, "miss")
    assert (second.status, second.body, second.headers["x-idempotency-lookup"]) == (201, first.body, "hit")
    assert len(simulator.world.tickets) == 4


def test_the_same_key_and_another_body_are_refused() -> None:
    simulator = world()
    ask(simulator, "POST", "/api/v2/tickets", NEW, idempotency_key="k")

    other = {"ticket": {"subject": "z", "comment": {"body": "y"}}}
    answer = ask(simulator, "POST", "/api/v2/tickets", other, idempotency_key="k")

    assert (answer.status, said(answer)["error"]) == (400, "IdempotentRequestError")
    assert len(simulator.world.tickets) == 4


def test_a_key_is_forgotten_after_two_hours_and_a_refusal_at_once() -> None:
    clock = Clock()
    simulator = world(clock=clock)
    ask(simulator, "POST", "/api/v2/tickets", NEW, idempotency_key="k")
    clock.now += 7200

    assert ask(simulator, "POST", "/api/v2/tickets", NEW, idempotency_key="k").headers["x-idempotency-lookup"] == "miss"
    assert ask(simulator, "POST", "/api/v2/tickets", {"ticket": {}}, idempotency_key="l").status == 422
    assert ask(simulator, "POST", "/api/v2/tickets", NEW, idempotency_key="l").status == 201


def test_a_key_means_nothing_for_other_writes() -> None:
    simulator = world()
    note = {"ticket": {"comment": {"body": "n", "public": False}}}

    for _ in range(2):
        ask(simulator, "PUT", "/api/v2/tickets/1", note, idempotency_key="k")

    assert [comment.body for comment in simulator.world.tickets[1].comments].count("n") == 2


def test_a_limit_that_is_used_up_is_refused_in_plain_text_until_the_minute_is_over() -> None:
    clock = Clock()
    simulator = world(clock=clock, limits=Limits(account=2))

    first = ask(simulator, "GET", "/api/v2/tickets")
    ask(simulator, "GET", "/api/v2/tickets")
    refused = ask(simulator, "GET", "/api/v2/tickets")
    clock.now += int(refused.headers["retry-after"])

    assert (first.headers["ratelimit-remaining"], first.headers["x-rate-limit"]) == ("1", "2")
    assert first.headers["zendesk-ratelimit-tickets-index"].startswith("total=10000000; remaining=9999999; resets=")
    assert (refused.status, refused.headers["content-type"]) == (429, "text/plain; charset=utf-8")
    assert ask(simulator, "GET", "/api/v2/tickets").status == 200


def test_one_ticket_takes_so_many_changes_in_ten_minutes() -> None:
    clock = Clock()
    simulator = world(clock=clock, limits=Limits(changes=1))
    change = {"ticket": {"priority": "low"}}

    assert ask(simulator, "PUT", "/api/v2/tickets/1", change).status == 200
    refused = ask(simulator, "PUT", "/api/v2/tickets/1", change)
    assert (refused.status, ask(simulator, "PUT", "/api/v2/tickets/2", change).status) == (429, 200)
    clock.now += int(refused.headers["retry-after"])
    assert ask(simulator, "PUT", "/api/v2/tickets/1", change).status == 200


def test_paths_end_in_json_or_not() -> None:
    simulator = world()

    assert ask(simulator, "GET", "/api/v2/tickets/1.json").body == ask(simulator, "GET", "/api/v2/tickets/1").body


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"page[size]": "0"}, 400),
        ({"page[size]": "2", "page[after]": "xyz"}, 400),
        ({"page[size]": "2", "sort": "subject"}, 400),
        ({"page": "101", "per_page": "100"}, 400),
        ({"page": "9"}, 200),
    ],
)
def test_a_page_that_cannot_be_is_refused(query: dict[str, str], status: int) -> None:
    assert ask(world(), "GET", "/api/v2/tickets", query=query).status == status


def test_the_last_page_says_so_and_still_has_a_cursor() -> None:
    simulator = world()
    first = said(ask(simulator, "GET", "/api/v2/tickets", query={"page[size]": "2"}))
    query = {"page[size]": "2", "page[after]": first["meta"]["after_cursor"]}
    last = said(ask(simulator, "GET", "/api/v2/tickets", query=query))

    assert (first["meta"]["has_more"], last["meta"]["has_more"]) == (True, False)
    assert last["meta"]["after_cursor"]
    assert [ticket["id"] for ticket in first["tickets"] + last["tickets"]] == [1, 2, 3]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("type:ticket printer", [1]),
        ('type:ticket "wrong invoice"', [2]),
        ("type:ticket -printer", [2, 3]),
        ("type:ticket status:new", [1, 2, 3]),
        ("type:ticket status>new", []),
        ("type:ticket group:billing", [2]),
        ("type:ticket requester:ana@globex.example assignee:none", [1, 2, 3]),
        ("type:ticket tags:vip", []),
        ("type:ticket created>2020-01-01", [1, 2, 3]),
        ("type:ticket created<2020-01-01", []),
    ],
)
def test_a_search_finds_what_its_terms_say(query: str, found: Sequence[int]) -> None:
    results = said(ask(world(), "GET", "/api/v2/search", query={"query": query}))["results"]

    assert sorted(result["id"] for result in results) == list(found)


def test_a_search_beyond_a_thousand_results_is_refused() -> None:
    query = {"query": "type:ticket x", "page": "11", "per_page": "100"}

    assert ask(world(), "GET", "/api/v2/search", query=query).status == 422


def test_an_index_that_lags_does_not_show_what_was_just_written() -> None:
    clock = Clock()
    simulator = world(clock=clock, index_lag=120)
    clock.now += 120
    ask(simulator, "POST", "/api/v2/tickets", NEW)

    before = said(ask(simulator, "GET", "/api/v2/search", query={"query": "type:ticket"}))["count"]
    clock.now += 120
    after = said(ask(simulator, "GET", "/api/v2/search", query={"query": "type:ticket"}))["count"]

    assert (before, after) == (3, 4)


def test_a_comment_without_a_word_is_as_public_as_the_first_one() -> None:
    simulator = world()
    simulator.world.tickets[1].comments[0].public = False

    for number in (1, 2):
        ask(simulator, "PUT", f"/api/v2/tickets/{number}", {"ticket": {"comment": {"body": "x"}}})

    assert [simulator.world.tickets[number].comments[-1].public for number in (1, 2)] == [False, True]


def test_a_safe_update_with_another_stamp_is_a_collision_whatever_it_says() -> None:
    simulator = world()
    change = {"ticket": {"priority": "low", "safe_update": False, "updated_stamp": "2020-01-01T00:00:00Z"}}

    assert ask(simulator, "PUT", "/api/v2/tickets/1", change).status == 409
    assert simulator.world.tickets[1].priority is None


def test_a_change_that_changes_nothing_leaves_no_audit_and_no_time() -> None:
    clock = Clock()
    simulator = world(clock=clock)
    before = simulator.world.tickets[1].updated_at
    clock.now += 60

    ask(simulator, "PUT", "/api/v2/tickets/1", {"ticket": {"status": "new"}})

    assert (simulator.world.tickets[1].updated_at, len(simulator.world.tickets[1].audits)) == (before, 1)


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"ticket": 1}', b""])
async def test_a_body_that_cannot_be_read_is_refused(body: bytes) -> None:
    call = Call("POST", "/api/v2/tickets", headers={"authorization": BASIC}, body=body)

    with pytest.raises(Refusal) as caught:
        world().respond(call)

    assert caught.value.answer.status == 400
