"""Records what a real account answers, as fixtures that the tests replay: through a whole gateway, then redacted.

The exchanges are those of the ledger, which holds no credential. A fixture is kept only where it replays: what was
redacted must still be asked for in the same way, and type.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
import orjson
from pydantic import ValidationError

from connectors.sdk import Connector
from connectors.sdk.contract.replay import Unlike, replay
from connectors.sdk.errors import ActionError
from gateway.admin.agents import NewAgent
from gateway.admin.connections import NewConnection
from gateway.admin.grants import NewGrant
from gateway.admin.keys import NewKey
from gateway.admin.rows import Place
from gateway.admin.tenants import NewEnvironment, NewTenant
from gateway.admin.tokens import at_start
from gateway.app import Gateway
from gateway.fixture import exchanges_of, redacted_fixture
from gateway.installation import Home, set_up
from gateway.redaction import Redactor
from gateway.registry import Registry
from gateway.sandbox import EMBEDDED
from gateway.settings import Settings
from gateway.telemetry import Telemetry
from gateway.vocabulary import names_of, words_of
from scopes.grant import Autonomy

_PLACE = Place("recording", "once")
_BY = at_start("recorder")
_LOOPBACK = ("http://127.0.0.1:", "http://localhost:")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One call to record."""

    action: str
    value: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RealAccount:
    """Whose answers are recorded."""

    method: str
    credential: Mapping[str, Any] = field(repr=False)
    base_url: str


@dataclass(slots=True)
class Recording:
    """Fixtures by file name, what was left out and why, and what the redaction did."""

    fixtures: dict[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    left_out: list[str] = field(default_factory=list[str])
    replaced: Mapping[str, int] = field(default_factory=dict[str, int])
    kept: tuple[str, ...] = ()


class CannotRecord(ValueError):
    """Nothing was recorded. The message says what to do."""


async def record(connector: Connector, account: RealAccount, wanted: Sequence[Wanted], *, writes: bool) -> Recording:
    """Run the calls once and return their fixtures. Raises `CannotRecord` before anything is sent where one does not
    fit; writes are run only where `writes` says so.
    """
    _check(connector, wanted, writes=writes)
    redactor = Redactor(words_of(connector), names_of(connector), connector.hosts)
    recording = Recording()
    async with _caller(connector, account) as caller:
        for one in wanted:
            recorded = await caller.call(one)
            await _take(connector, account, recording, redactor, recorded)
    recording.replaced, recording.kept = dict(redactor.replaced), tuple(sorted(redactor.kept))
    return recording


def write(recording: Recording, folder: Path) -> list[Path]:
    """Write the fixtures, each a file, and return them."""
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for name, fixture in recording.fixtures.items():
        path = folder / f"{name}.json"
        path.write_bytes(orjson.dumps(fixture, option=orjson.OPT_INDENT_2) + b"\n")
        written.append(path)
    return written


def _check(connector: Connector, wanted: Sequence[Wanted], *, writes: bool) -> None:
    for one in wanted:
        action = connector.actions.get(one.action)
        if action is None:
            raise CannotRecord(f"{one.action} is no action of {connector.id}; it has {', '.join(connector.actions)}")
        if action.writes and not writes:
            raise CannotRecord(f"{one.action} changes something at {connector.title}: add --writes to run it")
        if action.secrets:
            raise CannotRecord(f"{one.action} answers with secrets, which are on no record; leave it out")
        try:
            action.input.model_validate_json(orjson.dumps(one.value))
        except ValidationError as error:
            raise CannotRecord(f"{one.action}: its input does not fit: {error.errors()[0]['msg']}") from error


async def _take(
    connector: Connector, account: RealAccount, recording: Recording, redactor: Redactor, recorded: "_Recorded"
) -> None:
    """Keep a call's fixture where it is whole, free of the credential, and replays."""
    name = recorded.wanted.action.removeprefix(f"{connector.id}.")
    count = sum(one == name or one.startswith(f"{name}-") for one in recording.fixtures)
    try:
        exchanges = exchanges_of(recorded.events, account.base_url)
        fixture = redacted_fixture(redactor, recorded.wanted.action, recorded.wanted.value, exchanges, recorded.outcome)
        _check_free(orjson.dumps(fixture), account)
        await replay(connector, fixture)
    except (Unlike, ValidationError, ValueError, ActionError) as error:
        recording.left_out.append(f"{recorded.wanted.action}: {str(error).splitlines()[0]}")
        return
    recording.fixtures[f"{name}-{count + 1}" if count else name] = fixture


def _check_free(fixture: bytes, account: RealAccount) -> None:
    """Raise `ValueError` where a part of the credential stands in a fixture: the redaction leaves none."""
    for name, value in account.credential.items():
        if len(str(value)) >= 6 and str(value).encode() in fixture:
            raise ValueError(f"the credential's {name} stands in an answer; it was not kept")


@dataclass(frozen=True, slots=True)
class _Recorded:
    wanted: Wanted
    outcome: str
    events: Sequence[Mapping[str, Any]]


class _Caller:
    """An agent that may do everything over one connection."""

    def __init__(self, gateway: Gateway, session: aiohttp.ClientSession, key: str) -> None:
        self._gateway = gateway
        self._session = session
        self._key = key
        self._count = 0

    async def call(self, wanted: Wanted) -> _Recorded:
        """Run a call in a run of its own, and return what is on record of it."""
        self._count += 1
        headers = {"Authorization": f"Bearer {self._key}", "Idempotency-Key": f"record-{self._count}"}
        url = f"{self._gateway.url}/v1/actions/{wanted.action}"
        async with self._session.post(url, json=wanted.value, headers=headers) as answer:
            body: Mapping[str, Any] = await answer.json(content_type=None)
        call = str(body.get("id") or body.get("call"))
        moments = await self._gateway.timeline.of_call(_PLACE.tenant, _PLACE.environment, call)
        events = [{"type": one.type, "data": one.data} for one in moments]
        return _Recorded(wanted, str(body.get("code") or body.get("status")), events)


@asynccontextmanager
async def _caller(connector: Connector, account: RealAccount) -> AsyncGenerator[_Caller]:
    """Open a gateway in a folder that is removed afterwards, ledger, credential and all."""
    opened = ["127.0.0.0/8", "::1/128"] if account.base_url.startswith(_LOOPBACK) else []
    with TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder)).model_copy(
            update={**EMBEDDED, "port": 0, "metrics_port": 0, "drain_seconds": 0, "opened_networks": opened}
        )
        await set_up(settings, Home(settings.home), sandbox=True)
        gateway = Gateway(settings, registry=Registry([connector]), telemetry=Telemetry(ratio=0, exporter=None))
        await gateway.start()
        try:
            key = await _admitted(gateway, connector, account)
            async with aiohttp.ClientSession() as session:
                yield _Caller(gateway, session, key)
        finally:
            await gateway.stop()


async def _admitted(gateway: Gateway, connector: Connector, account: RealAccount) -> str:
    """Make the connection, which asks the vendor whose the credential is, and an agent. Returns its key."""
    admin, name = gateway.admin, f"{connector.id}/recorded"
    await admin.tenants.create(_BY, NewTenant(id=_PLACE.tenant))
    await admin.tenants.create_environment(_BY, _PLACE.tenant, NewEnvironment(id=_PLACE.environment))
    wanted = NewConnection(
        connector=connector.id,
        name=name,
        method=account.method,
        credential=dict(account.credential),
        base_url=account.base_url,
    )
    try:
        made = await admin.connections.create(_PLACE, _BY, wanted)
    except ActionError as error:
        raise CannotRecord(error.detail) from error
    if made["health"]["status"] != "healthy":
        raise CannotRecord(f"{connector.title} could not be asked whose the credential is: {made['health']}")
    await admin.agents.create(_PLACE, _BY, NewAgent(name="recorder"))
    scopes = [f"{connector.id}:*:*"]
    await admin.grants.create(
        _PLACE, _BY, NewGrant(agent="recorder", connection=name, scopes=scopes, autonomy=Autonomy.AUTO)
    )
    return str((await admin.keys.create(_PLACE, _BY, "recorder", NewKey()))["key"])
