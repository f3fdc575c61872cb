"""The two clients are one, and neither shows the key."""

import inspect
import logging
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from gatehouse_client import AsyncGatehouse, AsyncRun, Gatehouse, GatehouseError, Run
from tests.gateway.caller import Caller
from tests.gateway.world import World

KEY = "ghk_00000000000000000000000000_secret"


def public(kind: type) -> dict[str, tuple[Any, str]]:
    found: dict[str, tuple[Any, str]] = {}
    for name in dir(kind):
        value = getattr(kind, name)
        if name.startswith("_") or not callable(value):
            continue
        parameters = [(p.name, p.kind, p.default) for p in inspect.signature(value).parameters.values()]
        found[name] = (
            parameters,
            (value.__doc__ or "").replace("`async with`", "`with`").replace("an `with", "a `with"),
        )
    return found


@pytest.mark.parametrize(("one", "other"), [(Gatehouse, AsyncGatehouse), (Run, AsyncRun)])
def test_both_clients_have_the_same_methods_with_the_same_words(one: type, other: type) -> None:
    words = {name: (given, said.replace("An `with", "A `with")) for name, (given, said) in public(other).items()}

    assert words == public(one)


@pytest.mark.parametrize("kind", [Gatehouse, AsyncGatehouse])
def test_a_client_never_shows_its_key(kind: type) -> None:
    gh = kind("https://gatehouse.example/", KEY)

    shown = [repr(gh), str(gh), repr(gh.using(actor="ann")), repr(gh.run()), repr(vars(gh)), repr(gh.github.issue)]

    assert shown[0] == f"<{kind.__name__} https://gatehouse.example>"
    assert not [text for text in shown if "secret" in text]


async def test_an_error_and_its_traceback_never_show_the_key(
    connect: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    async def echo(request: web.Request) -> web.Response:
        problem = {"code": "unauthenticated", "detail": request.headers["Authorization"], "retryable": False}
        return web.json_response(problem, status=401, content_type="application/problem+json")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    caplog.set_level(logging.DEBUG, "httpx")
    caplog.set_level(logging.DEBUG, "httpcore")
    gh = connect(f"http://127.0.0.1:{runner.addresses[0][1]}", KEY)
    try:
        with pytest.raises(GatehouseError) as caught:
            await gh.of(lambda gh: gh.toy.note.get(box="red", id=1))
    finally:
        await runner.cleanup()

    assert caught.value.detail == "Bearer ***"
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value.problem) + caplog.text
    assert "secret" not in told


async def test_a_redirect_is_not_followed_with_the_key(connect: Callable[..., Any]) -> None:
    seen: list[str] = []

    async def away(request: web.Request) -> web.Response:
        seen.append(request.path)
        raise web.HTTPFound("/elsewhere")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", away)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    gh = connect(f"http://127.0.0.1:{runner.addresses[0][1]}", KEY)
    try:
        with pytest.raises(GatehouseError, match="no_gateway"):
            await gh.of(lambda gh: gh.toy.note.get(box="red", id=1))
    finally:
        await runner.cleanup()

    assert seen == ["/v1/actions/toy.note.get"]


@pytest.mark.parametrize(
    ("url", "key", "why"),
    [
        ("http://gatehouse.example", KEY, "not https"),
        ("ftp://127.0.0.1", KEY, "not https"),
        ("https://user:pass@gatehouse.example", KEY, "no user"),
        ("https://gatehouse.example", "", "no agent key"),
        ("https://gatehouse.example", "ghk_\r\nX: y", "characters"),
    ],
)
def test_a_client_is_not_made_where_its_key_would_be_read_or_is_none(url: str, key: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        Gatehouse(url, key)

    assert "secret" not in str(caught.value)


def test_url_and_key_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEHOUSE_URL", "https://gatehouse.example")
    monkeypatch.setenv("GATEHOUSE_KEY", KEY)

    assert repr(Gatehouse()) == "<Gatehouse https://gatehouse.example>"


def test_an_option_that_is_none_is_a_mistake_of_the_program() -> None:
    with pytest.raises(TypeError, match="conection"):
        Gatehouse("https://gatehouse.example", KEY).using(conection="toy/main")


async def test_who_the_agent_acts_for_and_why_is_recorded(gh: Any, bot: Caller, world: World) -> None:
    call = await gh.of(
        lambda gh: gh.using(actor="ann", reason="asked to", confidence=0.5).toy.note.get(box="red", id=1)
    )

    requested = (await bot.timeline(call.run))[0]
    assert requested["data"]["actor"] == "ann"
    assert requested["data"]["reason"] == "asked to"
    assert requested["data"]["confidence"] == 0.5
