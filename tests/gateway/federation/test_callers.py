"""Callers with tokens, over HTTP: who is let in, as whom, and who is not."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest
from aiohttp import web
from joserfc.jwk import OctKey

from connectors.sdk.errors import Unauthenticated
from gateway.admin.rows import Place
from tests.gateway.caller import Caller, Reply
from tests.gateway.federation.house import House
from tests.gateway.federation.standin import OPENID, ec_key, encoded, signed
from tests.gateway.world import World

READ = ("toy.note.get", {"box": "red", "id": 1})
RIVAL = Place("rival", "prod")
REFUSED = {
    "type": "urn:gatehouse:problem:unauthenticated",
    "title": Unauthenticated.title,
    "status": 401,
    "detail": "No valid credential was shown.",
    "code": "unauthenticated",
    "retryable": False,
    "hint": "Send `Authorization: Bearer <token>` with a token of an issuer and for the audience that are registered"
    " here; an admin finds the reason in the gateway's log.",
}


def refused(reply: Reply) -> None:
    """Check the one answer to every bad token."""
    assert (reply.status, reply.code) == (401, "unauthenticated"), reply.body
    assert reply.body == REFUSED
    assert 'error="invalid_token"' in reply.headers["WWW-Authenticate"]


async def test_a_token_means_the_agent_that_its_claim_names(house: House, bot: Caller) -> None:
    id = await house.register()
    reply = await house.showing(bot).run("toy.note.list", {"box": "red"})
    assert reply.status == 200, reply.body
    type, asked = (await house.world.events(call=reply.call))[0]
    assert (type, asked["agent"], asked["agent_key"]) == ("call_requested", bot.id, f"{id}:{bot.id}")
    assert asked["proved"] == {"issuer": id, "agent": "bot"}
    assert "actor" not in asked


async def test_a_token_means_the_agent_that_its_issuer_is_registered_for(house: House, bot: Caller) -> None:
    await house.register(agent="bot")
    reply = await house.showing(bot, azp="somebody else").run("toy.note.list", {"box": "red"})
    assert reply.status == 200


async def test_a_map_says_which_agent_a_value_means_also_after_it_is_renamed(house: House, bot: Caller) -> None:
    await house.register(agent_claim="/ctx/client", agents={"client-7": "bot"})
    await house.world.update("agents", bot.id, name="renamed")
    known = house.showing(bot, azp=None, ctx={"client": "client-7"})
    assert (await known.run("toy.note.list", {"box": "red"})).status == 200
    for ctx in ({"client": "renamed"}, {"client": bot.id}, {"client": ["client-7"]}, "client-7", None, {}):
        refused(await house.showing(bot, azp=None, ctx=ctx).run(*READ))


BAD: dict[str, Callable[[House], str]] = {
    "signed by another key": lambda house: house.issuer.token(key=ec_key("k1")),
    "signed by a key that is not published": lambda house: house.issuer.token(key=ec_key("k9")),
    "not signed": lambda house: ".".join(
        [encoded(b'{"alg":"none","kid":"k1"}'), house.issuer.token().split(".")[1], "AA"]
    ),
    "signed with the public key as a secret": lambda house: signed(
        OctKey.import_key(str(house.issuer.keys[0].as_dict(private=False))),
        {"alg": "HS256", "kid": "k1"},
        house.issuer.claims(),
    ),
    "with a key of its own in its header": lambda house: house.issuer.token(
        key=(own := ec_key("k1")), header={"jwk": own.as_dict(private=False)}
    ),
    "with a critical header": lambda house: house.issuer.token(header={"crit": ["x"], "x": 1}),
    "changed afterwards": lambda house: _spliced(house.issuer.token(), house.issuer.token(sub="other")),
    "expired": lambda house: house.issuer.token(exp=house.issuer.claims()["iat"] - 61),
    "not yet begun": lambda house: house.issuer.token(nbf=house.issuer.claims()["iat"] + 120),
    "made in the future": lambda house: house.issuer.token(iat=house.issuer.claims()["iat"] + 120),
    "without an end": lambda house: house.issuer.token(exp=None),
    "for another audience": lambda house: house.issuer.token(aud="other"),
    "for two audiences": lambda house: house.issuer.token(aud=["gatehouse", "other"]),
    "for an audience that only begins like ours": lambda house: house.issuer.token(aud="gatehouse/"),
    "of another issuer": lambda house: house.issuer.token(iss="https://other.example"),
    "of an issuer with a slash more": lambda house: house.issuer.token(iss=house.issuer.url + "/"),
    "for an agent that is not there": lambda house: house.issuer.token(azp="nobody"),
    "for an agent of another tenant": lambda house: house.issuer.token(azp="stranger"),
    "without its agent": lambda house: house.issuer.token(azp=None),
    "with a list of agents": lambda house: house.issuer.token(azp=["bot"]),
    "with members twice": lambda house: signed(
        house.issuer.keys[0], {"alg": "ES256", "kid": "k1"}, b'{"iss":"x",' + orjson.dumps(house.issuer.claims())[1:]
    ),
    "far too long": lambda house: house.issuer.token(more="x" * 9000),
    "no token at all": lambda house: "a.b.c",
}  # fmt: skip


def _spliced(one: str, other: str) -> str:
    header, _, signature = one.split(".")
    return f"{header}.{other.split('.')[1]}.{signature}"


@pytest.mark.parametrize("kind", BAD)
async def test_a_bad_token_is_refused_by_the_one_answer(house: House, bot: Caller, kind: str) -> None:
    await house.register()
    await house.world.agent("stranger", tenant="rival")
    assert (await house.showing(bot).run("toy.note.list", {"box": "red"})).status == 200
    before = len(house.world.reached())
    reply = await house.showing(bot, BAD[kind](house)).run(*READ)
    refused(reply)
    assert len(house.world.reached()) == before


async def test_a_disabled_agent_is_refused_at_once_and_a_frozen_one_is_told(house: House, bot: Caller) -> None:
    await house.register()
    caller = house.showing(bot)
    freeze = await house.world.freeze("agent", bot.id)
    assert (await caller.run("toy.note.list", {"box": "red"})).code == "frozen"
    await house.world.lift(freeze)
    assert (await caller.run("toy.note.list", {"box": "red"})).status == 200
    await house.world.update("agents", bot.id, disabled_at="2026-01-01T00:00:00.000Z")
    refused(await caller.run(*READ))


async def test_a_deleted_issuer_lets_nobody_in_any_more(house: House, bot: Caller) -> None:
    id = await house.register()
    caller = house.showing(bot)
    assert (await caller.run("toy.note.list", {"box": "red"})).status == 200
    await house.delete(id)
    before = len(house.world.reached())
    refused(await caller.run(*READ))
    assert len(house.world.reached()) == before
    await house.register()
    assert (await caller.run("toy.note.list", {"box": "red"})).status == 200


async def test_a_changed_issuer_holds_from_the_next_request_on(house: House, bot: Caller) -> None:
    other = await house.world.caller("other")
    id = await house.register(agent="bot")
    caller = house.showing(bot)
    await house.change(id, agent="other")
    reply = await caller.run("toy.note.list", {"box": "red"})
    assert (await house.world.events(call=reply.call))[0][1]["agent"] == other.id


async def test_nothing_is_fetched_for_what_nobody_has_registered(house: House, bot: Caller) -> None:
    refused(await house.showing(bot).run(*READ))
    await house.register()
    refused(await house.showing(bot, aud="other").run(*READ))
    refused(await house.showing(bot, exp=1).run(*READ))
    assert house.issuer.asked == []


async def test_an_issuer_that_is_away_is_said_to_be_and_not_taken_for_a_bad_token(house: House, bot: Caller) -> None:
    await house.register()
    token = house.issuer.token()
    house.issuer.answers[OPENID] = web.Response(status=500)
    reply = await house.showing(bot, token).run(*READ)
    assert (reply.status, reply.code, reply.body["retryable"]) == (503, "issuer_unavailable", True)
    assert reply.headers["Retry-After"] == "5"
    assert "WWW-Authenticate" not in reply.headers
    house.issuer.answers.clear()
    house.world.clock.forward(seconds=6)
    assert (await house.showing(bot, token).run("toy.note.list", {"box": "red"})).status == 200


async def test_a_rotated_key_and_a_thousand_made_up_ones_cost_a_reading_each_minute(house: House, bot: Caller) -> None:
    await house.register()
    assert (await house.showing(bot).run("toy.note.list", {"box": "red"})).status == 200
    house.issuer.keys.insert(0, ec_key("k2"))
    house.world.clock.forward(seconds=61)
    assert (await house.showing(bot).run("toy.note.list", {"box": "red"})).status == 200
    replies = await asyncio.gather(
        *(house.showing(bot, house.issuer.token(header={"kid": f"x{n}"})).run(*READ) for n in range(100))
    )
    for reply in replies:
        refused(reply)
    assert house.issuer.key_sets_read == 2


async def test_a_token_for_two_environments_needs_one_to_be_named(house: House, bot: Caller) -> None:
    stranger = await house.world.agent("stranger", tenant="rival")
    await house.register()
    await house.register(RIVAL, agent="stranger")
    caller = house.showing(bot)
    reply = await caller.run(*READ)
    assert reply.status == 401
    assert "Gatehouse-Environment" in reply.body["hint"]
    for named, agent in (("acme/prod", bot.id), ("rival/prod", stranger.id)):
        run = await caller.ask("POST", "/v1/runs", {}, headers={"Gatehouse-Environment": named})
        assert (run.status, run.body["agent"]) == (201, agent)
    refused(await caller.ask("GET", "/v1/actions", headers={"Gatehouse-Environment": "acme/dev"}))
    wrong = await caller.ask("GET", "/v1/actions", headers={"Gatehouse-Environment": "acme"})
    assert wrong.code == "malformed_request"


async def test_a_key_is_held_to_the_environment_that_its_caller_names(bot: Caller) -> None:
    assert (await bot.get("/v1/actions", **{"Gatehouse-Environment": "acme/prod"})).status == 200
    assert (await bot.get("/v1/actions", **{"Gatehouse-Environment": "acme/dev"})).status == 401


async def test_callers_are_told_where_to_get_a_token(house: House, bot: Caller) -> None:
    nobody = await bot.ask("GET", "/v1/actions", bearer=None)
    url = house.world.gateway.url
    metadata = f'resource_metadata="{url}/.well-known/oauth-protected-resource"'
    assert nobody.headers["WWW-Authenticate"] == f'Bearer realm="gatehouse", {metadata}'
    odd = await bot.ask("GET", "/v1/actions", bearer=None, headers={"Host": 'evil"x'})
    assert odd.headers["WWW-Authenticate"] == 'Bearer realm="gatehouse"'


async def test_tokens_of_one_agent_share_its_intake(make_world: Callable[..., Awaitable[World]], issuer: Any) -> None:
    world = await make_world(intake_per_second=20)
    house, agent = House(world, issuer), await world.caller("bot")
    await house.register()
    replies = await asyncio.gather(
        *(house.showing(agent, house.issuer.token(sub=f"p{n}")).get("/v1/actions") for n in range(60))
    )
    assert {reply.status for reply in replies} == {200, 429}


async def test_scopes_of_a_token_cut_the_grants_down_and_never_add_to_them(house: House) -> None:
    agent = await house.world.caller("narrow", scopes=("toy:note:read", "toy:order:write"))
    await house.register(agent_claim="azp", scope_claim="scope")

    def with_scopes(scope: Any) -> Caller:
        return house.showing(agent, scope=scope)

    everything = with_scopes("openid toy:*:* profile")
    assert (await everything.run("toy.note.list", {"box": "red"})).status == 200
    assert (await everything.run("toy.order.create", {"item": "a"}, key="k")).status == 200
    assert (await everything.run("toy.note.delete", {"box": "red", "id": 1}, key="d")).code == "scope_denied"
    before = len(house.world.reached())
    for scope in ("toy:note:read", ["toy:note:read", 7, "openid"]):
        reader = with_scopes(scope)
        reply = await reader.run("toy.order.create", {"item": "a"}, key="k2")
        assert (reply.status, reply.code, reply.body["needed_scopes"]) == (403, "scope_denied", ["toy:order:write"])
        challenge = reply.headers["WWW-Authenticate"]
        assert 'error="insufficient_scope"' in challenge
        assert 'scope="toy:note:read toy:order:write"' in challenge
        listed = [action["name"] for action in (await reader.get("/v1/actions?limit=200")).body["items"]]
        assert "toy.note.get" in listed
        assert "toy.order.create" not in listed
    for scope in (None, "", "openid"):
        assert (await with_scopes(scope).run("toy.note.list", {"box": "red"})).code == "scope_denied"
    refused(await with_scopes(7).run("toy.note.list", {"box": "red"}))
    assert len(house.world.reached()) == before


async def test_what_a_wider_token_did_is_not_shown_to_a_narrower_one(house: House) -> None:
    agent = await house.world.caller("narrow")
    await house.register(agent_claim="azp", scope_claim="scope")
    made = await house.showing(agent, scope="toy:*:*").run("toy.order.create", {"item": "a"}, key="k")
    assert made.status == 200
    narrow = house.showing(agent, scope="toy:note:read")
    look = await narrow.look(made.call)
    assert look.code == "scope_denied"
    assert 'error="insufficient_scope"' in look.headers["WWW-Authenticate"]
    again = await narrow.run("toy.order.create", {"item": "a"}, key="k")
    assert again.code == "scope_denied"
    assert house.world.applied() == ["POST /orders"]


async def test_the_reason_is_in_the_log_and_the_token_is_not(
    house: House, bot: Caller, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    id = await house.register()
    secret = house.issuer.token(sub="canary-person")
    assert (await house.showing(bot, secret).run("toy.note.list", {"box": "red"})).status == 200
    bad = house.issuer.token(key=ec_key("k1"), sub="canary-person")
    replies = [await house.showing(bot, bad).run(*READ), await house.showing(bot, "x." + bad).run(*READ)]
    told = capsys.readouterr()
    logged = told.out + told.err + caplog.text
    assert "token_refused" in logged
    assert "not signed by a key of its issuer" in logged
    assert id in logged
    found = logged + "".join(reply.raw.decode() + str(reply.headers) for reply in replies)
    for token in (secret, bad):
        for part in (*token.split("."), "canary-person"):
            assert part not in found
