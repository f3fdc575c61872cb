"""Known secrets are planted everywhere, calls are made to go well and wrong, and then all that left is searched."""

import base64
import logging
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from connectors.github.simulator import App, Installation, OAuthApp
from connectors.sdk.simulator import Answer
from gateway.telemetry import Telemetry
from tests.gateway.caller import Caller, Reply
from tests.gateway.federation.house import House
from tests.gateway.federation.standin import IssuerStandIn
from tests.gateway.world import World

TOY_TOKEN = "toy-canary-token-5f2c9a7e"
PAT = "ghp_canary5f2c9a7eb1d04c6f8e3a2b1c0d9e8f7a6b5"
CLIENT_SECRET = "canary-client-secret-5f2c9a7e"
ISSUE = {"owner": "acme", "repo": "web", "title": "x"}


def app_key() -> tuple[str, str]:
    key = generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return private, public


class Ears(logging.Handler):
    """Hears all logs: structlog's, and what the standard library's logging is told, tracebacks and all."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(logging.Formatter("%(message)s %(exc_text)s").format(record))

    def msg(self, line: str) -> None:
        self.heard.append(line)

    log = debug = info = warning = error = critical = msg


@pytest.fixture
def ears() -> Iterator[Ears]:
    made, root = Ears(), logging.getLogger()
    level = root.level
    root.addHandler(made)
    root.setLevel(logging.DEBUG)
    # As `configure_logs` has it, but into a list; and no logger is bound for the tests that come after.
    structlog.configure(
        processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer()],
        logger_factory=lambda *names: made,
        cache_logger_on_first_use=False,
    )
    yield made
    structlog.reset_defaults()
    root.removeHandler(made)
    root.setLevel(level)


class Planted:
    """A world full of known secrets, and everything that came out of it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.secrets: dict[str, str] = {}
        self.replies: list[Reply] = []
        self.callers: list[Caller] = []
        self.issuer = IssuerStandIn()

    async def plant(self) -> None:
        world = self.world
        world.toy.echo = True
        world.github._tokens[PAT] = world.github._tokens["ghp_sandbox"]
        private, public = app_key()
        world.github._apps["Iv1.canary"] = App(7, public, (Installation(77, "acme"),), client_id="Iv1.canary")
        world.github.seed()
        oauth = await world.authorize(OAuthApp("Iv1.oauth", CLIENT_SECRET, expires_in=28800))
        await self.agent("toy/main", {"token": TOY_TOKEN})
        await self.agent("github/token", {"token": PAT})
        await self.agent("github/user", oauth, method="oauth")
        app = {"app_id": "7", "installation_id": "77", "private_key": private}
        await self.agent("github/app", app, method="app")
        body = "".join(private.splitlines()[1:-1])
        self.secrets |= {
            "toy token": TOY_TOKEN,
            "personal token": PAT,
            "access token": oauth["access_token"],
            "refresh token": oauth["refresh_token"],
            "client secret": CLIENT_SECRET,
            "app key": body[40:100],
            "master key": world.home.master_key.read_bytes().decode().strip(),
        }
        if world.home.audit_key.exists():
            self.secrets["audit key"] = "".join(world.home.audit_key.read_text().splitlines()[1:-1])

    async def agent(self, name: str, credential: dict[str, str], method: str = "token") -> None:
        agent = await self.world.agent(name.replace("/", "-"))
        await self.world.grant(agent, await self.world.connection(name, credential=credential, method=method))
        self.callers.append(agent)
        self.secrets[f"agent key of {name}"] = agent.key.split("_", 2)[2]

    async def federate(self) -> Caller:
        """Return the first agent as it calls with a token of an issuer."""
        await self.issuer.start()
        house, agent = House(self.world, self.issuer), self.callers[0]
        await house.register(agent=agent.id, actor_claim="sub")
        made = house.showing(agent)
        for name, part in zip(("header", "body", "signature"), made.key.split("."), strict=True):
            self.secrets[f"{name} of a federated token"] = part
        return made

    async def keep(self, *replies: Awaitable[Reply]) -> list[Reply]:
        """Take in answers, with the calls and timelines that they lead to."""
        made = [await reply for reply in replies]
        for reply in made:
            self.replies.append(reply)
            if "Gatehouse-Call" not in reply.headers:
                continue
            for caller in self.callers:
                looked = await caller.look(reply.call)
                if looked.status == 200:
                    self.replies += [looked, await caller.get(f"/v1/runs/{looked.body['run']}")]
        return made

    def issued(self) -> None:
        """Know the tokens that the vendor gave since."""
        access = self.world.github.access
        for number, token in enumerate((*access.tokens, *access.installation_tokens)):
            if token not in {"ghp_sandbox", *self.secrets.values()}:
                self.secrets[f"issued token {number}"] = token


async def everything_goes(planted: Planted) -> None:
    """Make calls succeed and fail in as many ways as there are."""
    world, (toy, pat, user, app) = planted.world, planted.callers
    for caller in (pat, user, app):
        made = await planted.keep(
            caller.run("github.issue.create", ISSUE, key="k1"), caller.run("github.issue.list", ISSUE | {"title": 1})
        )
        assert made[0].status == 200, made[0].body
    await planted.keep(
        toy.run("toy.note.get", {"box": "red", "id": 1}),
        toy.run("toy.note.get", {"box": "red", "id": 99}),
        toy.run("toy.order.create", {"item": "a"}, key="k1"),
        toy.run("toy.order.create", {"item": "a"}, key="k1", preview=True),
        toy.run("toy.key.create", {"name": "x"}, key="k2"),
        toy.run("toy.file.link", {"name": "x"}),
        toy.run("toy.file.get", {"name": "x"}),
        toy.run("toy.odd.fail", {"status": 500}),
        toy.run("toy.odd.refuse", {"status": 422}, key="k3"),
        toy.run("toy.odd.stumble", {"name": "x"}, key="k4"),
        toy.run("toy.odd.trip", {"name": "x"}, key="k5"),
        toy.run("toy.nothing", {}),
        toy.ask("GET", "/v1/actions", bearer=toy.key + "x"),
    )
    quoting = {
        "/boxes/red/notes": Answer.of({"message": f"you sent Bearer {TOY_TOKEN}"}, 403),
        "/me": Answer(200, f"<html>{TOY_TOKEN}</html>".encode(), {"content-type": "text/html"}),
        "/orders": Answer.of({"id": 5, "key": TOY_TOKEN, "item": f"{TOY_TOKEN}{TOY_TOKEN}"}, 201),
        "/links/x": Answer.of({"name": TOY_TOKEN, "url": f"https://x.example/?access_token={TOY_TOKEN}"}, 200),
        "/files/x": Answer(302, b"", {"location": f"https://evil.example/?token={TOY_TOKEN}"}),
    }
    world.toy.special = quoting
    await planted.keep(
        toy.run("toy.note.list", {"box": "red"}),
        toy.run("toy.note.create", {"box": "red"}, key="k6"),
        toy.run("toy.odd.wait", {"name": "x"}),
        toy.run("toy.order.create", {"item": "b"}, key="k7"),
        toy.run("toy.file.link", {"name": "x"}),
        toy.run("toy.file.get", {"name": "x"}),
    )
    world.toy.special = {}
    for fault in ("reset_before", "reset_after", "html", "half_body", "429", "redirect"):
        world.toy.faults.clear()
        world.toy.faults.add({"match": "", "fault": fault, "times": 1})
        await planted.keep(toy.run("toy.odd.hurry", {"name": fault}, key=fault))


async def tokens_come(planted: Planted) -> None:
    """Call with a token of an issuer, well and badly."""
    federated = await planted.federate()
    shown = federated.key
    good = await planted.keep(
        federated.run("toy.note.get", {"box": "red", "id": 1}),
        federated.run("toy.order.create", {"item": "a"}, key="f1"),
        federated.run("toy.odd.stumble", {"name": "x"}, key="f2"),
    )
    assert [reply.status for reply in good] == [200, 200, 502]
    for bad in (shown + "x", f"x{shown}", shown[:-4], f".{shown}"):
        await planted.keep(federated.ask("GET", "/v1/actions", bearer=bad))
    await planted.keep(federated.ask("POST", "/mcp/acme/prod", {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}))
    await planted.issuer.stop()
    planted.world.clock.forward(hours=2)
    await planted.keep(federated.ask("GET", "/v1/actions"))


async def credentials_end(planted: Planted) -> None:
    """Let tokens expire, be refused and be taken back."""
    world, (toy, pat, user, app) = planted.world, planted.callers
    world.clock.forward(hours=8)
    await planted.keep(user.run("github.issue.list", {"owner": "acme", "repo": "web"}))
    await planted.keep(app.run("github.issue.list", {"owner": "acme", "repo": "web"}))
    planted.issued()
    world.github.access.tokens.clear()
    world.github.access.installation_tokens.clear()
    world.github.oauth._refreshes.clear()
    world.github._apps.clear()
    world.toy.faults.clear()
    world.toy.dead_tokens.add(TOY_TOKEN)
    where = {"owner": "acme", "repo": "web"}
    replies = await planted.keep(
        pat.run("github.issue.list", where),
        user.run("github.issue.list", where),
        app.run("github.issue.list", where),
        toy.run("toy.note.get", {"box": "red", "id": 1}),
    )
    assert {reply.code for reply in replies} == {"connection_unhealthy"}


def spelled(secret: str) -> Iterator[bytes]:
    """Yield the ways in which a secret could be written down."""
    yield secret.encode()
    yield base64.b64encode(secret.encode())[:-4]
    yield base64.urlsafe_b64encode(secret.encode())[:-4]
    yield quote(secret, safe="").encode()
    yield secret.encode().hex().encode()


def files_of(folder: Path, *, but: set[str]) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in but
    }


async def test_no_secret_is_in_anything_that_leaves(
    make_world: Callable[..., Awaitable[World]], ears: Ears, capsys: pytest.CaptureFixture[str]
) -> None:
    exporter = InMemorySpanExporter()
    telemetry = Telemetry(ratio=1.0, exporter=exporter)
    world = await make_world(telemetry=telemetry)
    planted = Planted(world)
    await planted.plant()
    await tokens_come(planted)
    await everything_goes(planted)
    await credentials_end(planted)
    planted.issued()
    async with world.session.get(f"{world.gateway.metrics_url}/metrics") as answer:
        metrics = await answer.read()
    assert telemetry._spans is not None
    telemetry._spans._processor.force_flush()
    out: dict[str, bytes] = {
        "decrypted events": str(await world.events()).encode(),
        "decrypted calls": str(await opened_calls(world)).encode(),
        "spans": "".join(span.to_json() for span in exporter.get_finished_spans()).encode(),
        "metrics": metrics,
        "logs": "\n".join(ears.heard).encode(),
    }
    for number, reply in enumerate(planted.replies):
        out[f"answer {number}"] = reply.raw + str(dict(reply.headers)).encode()
    out["stored files"] = b"".join(await stored_files(world))
    await world.gateway._checkpoints.sign()
    await world.check()
    out |= files_of(world.home.path, but={"master.key", "audit.key"})
    captured = capsys.readouterr()
    out["printed"] = (captured.out + captured.err).encode()
    assert any(b"[masked]" in reply.raw for reply in planted.replies)
    assert planted.callers[0].key_id.encode() in out["decrypted events"]
    assert len(planted.replies) > 60
    assert len(planted.secrets) > 12
    assert b"toy.odd.stumble" in out["logs"]
    assert b"token_refused" in out["logs"]
    found = [
        (name, where)
        for name, secret in planted.secrets.items()
        for where, content in out.items()
        for text in spelled(secret)
        if text in content
    ]
    assert found == []


async def opened_calls(world: World) -> list[Any]:
    """Return every stored request and answer, opened."""
    bodies, found = world.gateway.bodies, []
    for id, tenant, request, answer in await world.rows("SELECT id, tenant, request, answer FROM calls"):
        found.append(bodies.open(tenant, id, request) if request else None)
        found.append(bodies.open(tenant, f"{id}/answer", answer) if answer else None)
    return found


async def stored_files(world: World) -> list[bytes]:
    rows = await world.rows("SELECT f.tenant, f.id, c.number, c.content FROM files f JOIN file_chunks c ON c.file=f.id")
    return [world.gateway.bodies.open_bytes(row[0], f"{row[1]}/{row[2]}", row[3]) for row in rows]


async def test_handlers_never_see_a_credential(world: World, bot: Caller) -> None:
    seen: list[str] = []
    action = world.registry.action("toy.note.get")
    assert action is not None
    handler = action[1].handler

    def spied(api: Any, what: Any) -> Any:
        seen.append(" ".join(str(getattr(api, name, "")) for name in ("marker", "since", "account", "_connector")))
        return handler(api, what)

    object.__setattr__(action[1], "handler", spied)
    assert (await bot.run("toy.note.get", {"box": "red", "id": 1})).status == 200
    assert seen
    assert "toy-token-9d81c2" not in "".join(seen)
