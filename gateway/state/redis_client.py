"""The one module that speaks to Redis: a script, a message, and a circuit that keeps requests from waiting for it.

Redis 6.2 or newer, or Valkey; one server, Sentinel or Cluster. Nothing is sent twice: a script whose answer was lost
may have run, and giving units back a second time would make units out of nothing.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from hashlib import sha1
from importlib.resources import files
from typing import Any

import structlog
from redis.asyncio import Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError, ResponseError

from gateway.state.address import Form, RedisAddress

_log: Any = structlog.get_logger("gatehouse.redis")
_AT_ONCE = 16
_TRY_AGAIN_SECONDS = 0.25
_TRY_SECONDS = 1.0
_LISTEN_SECONDS = 1.0
_HELD_UP = 1.5
_OF_THE_SERVER = ("OOM", "READONLY", "MISCONF", "NOPERM", "NOREPLICAS", "MASTERDOWN")

Sleep = Callable[[float], Awaitable[None]]


class Script:
    """A script by its name in this package."""

    def __init__(self, name: str) -> None:
        self.text = (files("gateway.state") / f"{name}.lua").read_text()
        # Redis names scripts by this digest; nothing rests on its strength.
        self.digest = sha1(self.text.encode(), usedforsecurity=False).hexdigest()


@dataclass(slots=True)
class Told:
    """Who hears of round trips, and of the circuit opening and closing."""

    asked: Callable[[str], None] = field(default=lambda what: None)
    turned: Callable[[bool], None] = field(default=lambda up: None)


class RedisClient:
    """Runs scripts and carries messages. `up` says whether it is worth asking; while it is not, nobody waits.

    `timeout` (seconds) bounds each request, connecting included. A failure opens the circuit; a task of its own tries
    again in the background until Redis answers.
    """

    def __init__(
        self, address: RedisAddress, *, timeout: float, told: Told | None = None, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._address = address
        self._timeout = timeout
        self._told = told or Told()
        self._sleep = sleep
        self._client: Any = None
        self._sentinel: Sentinel | None = None
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._failed = asyncio.Event()
        self._losses = 0
        self.up = False

    async def open(self) -> None:
        """Make the client and ask once. Redis may be away: then it is tried again by `keep`."""
        self._client = self._made()
        await self._try()

    async def close(self) -> None:
        """Give all connections back."""
        self.up = False
        if self._client is not None:
            await self._client.aclose()
        if self._sentinel is not None:
            for one in self._sentinel.sentinels:
                await one.aclose()

    async def keep(self) -> None:
        """Try again whenever Redis was lost, until cancelled."""
        while True:
            if self.up:
                self._failed.clear()
                await self._failed.wait()
            await self._sleep(_TRY_AGAIN_SECONDS)
            await self._try()

    async def run(self, script: Script, keys: Sequence[str], *arguments: bytes | str) -> Any | None:
        """Run a script once and return its answer, None where Redis is away. Never waits longer than the timeout."""
        if not self.up:
            return None
        return await self._guarded(lambda: script_call(self._client, script, keys, arguments), "script")

    async def publish(self, channel: str, message: str) -> bool:
        """Send a message to all who listen now. Returns whether Redis took it."""
        if not self.up:
            return False
        return await self._guarded(lambda: self._client.publish(channel, message), "publish") is not None

    async def messages(self, channel: str) -> AsyncGenerator[bytes | None]:
        """Give messages until the connection ends; None first, when the channel is listened to.

        What is published while nobody listens is lost: after the None everything may have changed.
        """
        pubsub, losses = self._client.pubsub(), self._losses
        try:
            await pubsub.subscribe(channel)
            while losses == self._losses:  # a server that was lost may keep its connection open and say nothing
                message = await pubsub.get_message(timeout=_LISTEN_SECONDS)
                if message is not None and message["type"] == "subscribe":
                    yield None
                elif message is not None and message["type"] == "message":
                    yield message["data"]
        finally:
            await pubsub.aclose()

    async def listen(self, channel: str, heard: Callable[[bytes | None], None]) -> None:
        """Hand on messages until cancelled, and listen again whenever the connection ends."""
        while True:
            try:
                async with aclosing(self.messages(channel)) as messages:
                    async for message in messages:
                        heard(message)
            except (RedisError, OSError) as error:
                _log.debug("redis_listening_ended", address=self._address.shown, error=type(error).__name__)
            await self._sleep(_TRY_AGAIN_SECONDS)

    async def _guarded(self, work: Callable[[], Awaitable[Any]], what: str) -> Any | None:
        """Wait for an answer as long as requests may wait; open the circuit where none comes."""
        self._told.asked(what)
        task = asyncio.ensure_future(self._in_turn(work))
        try:
            begun = asyncio.get_running_loop().time()
            await asyncio.wait({task}, timeout=self._timeout)
            held_up = asyncio.get_running_loop().time() - begun > self._timeout * _HELD_UP
            if not task.done() and held_up:
                # This process itself stood still: the answer may be here, and only has to be read.
                await asyncio.wait({task}, timeout=self._timeout)
            if not task.done():
                raise TimeoutError
            return task.result()
        except ResponseError as error:
            if _is_of_the_keys(error):  # one tenant's: no reason to leave Redis for all others
                _log.error("redis_script_failed", address=self._address.shown)
            else:
                self._lost(error)
            return None
        except (TimeoutError, RedisError, OSError) as error:
            self._lost(error)
            return None
        finally:
            if not task.done():
                task.cancel()  # which closes its connection: the answer must not be taken for another's

    async def _in_turn(self, work: Callable[[], Awaitable[Any]]) -> Any:
        async with self._slots:
            return await work()

    async def _try(self) -> None:
        try:
            async with asyncio.timeout(max(self._timeout, _TRY_SECONDS)):
                await self._client.ping()
        except (TimeoutError, RedisError, OSError) as error:
            _log.debug("redis_away", address=self._address.shown, error=type(error).__name__)
            return
        if not self.up:
            _log.info("redis_answers", address=self._address.shown)
            self.up = True
            self._told.turned(True)

    def _lost(self, error: BaseException) -> None:
        self._failed.set()
        if self.up:
            # Not the error's text: Redis quotes keys, and keys name tenants.
            _log.warning("redis_lost", address=self._address.shown, error=type(error).__name__)
            self.up = False
            self._losses += 1
            self._told.turned(False)

    def _made(self) -> Any:
        address = self._address
        shared: dict[str, Any] = {
            "username": address.username,
            "password": address.password,
            "retry": Retry(NoBackoff(), 0),
            "protocol": 2,
            "driver_info": None,
            "socket_timeout": None,
            "socket_connect_timeout": _TRY_SECONDS,
            **_tls(address),
        }
        if address.form is Form.CLUSTER:
            nodes = [ClusterNode(host, port) for host, port in address.hosts]
            return RedisCluster(startup_nodes=nodes, **shared)
        if address.form is Form.SENTINEL:
            watcher = {**shared, "username": None, "password": address.sentinel_password}
            self._sentinel = Sentinel(list(address.hosts), sentinel_kwargs=watcher)  # type: ignore[no-untyped-call]
            return self._sentinel.master_for(address.master, db=address.database, **shared)
        host, port = address.hosts[0]
        return Redis(host=host, port=port, db=address.database, **shared)


async def script_call(client: Any, script: Script, keys: Sequence[str], arguments: Sequence[bytes | str]) -> Any:
    """Run a script by its digest; send its text where the server does not have it yet."""
    try:
        return await client.evalsha(script.digest, len(keys), *keys, *arguments)
    except NoScriptError:  # before anything of it ran
        return await client.eval(script.text, len(keys), *keys, *arguments)


def _is_of_the_keys(error: ResponseError) -> bool:
    """Whether a script failed at what its keys hold, rather than at what the server refuses to all."""
    said = str(error)
    return "user_script" in said and not any(code in said for code in _OF_THE_SERVER) and type(error) is ResponseError


def _tls(address: RedisAddress) -> dict[str, Any]:
    if not address.tls:
        return {}
    given: dict[str, Any] = {"ssl": True, "ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True}
    return given | ({"ssl_ca_certs": str(address.ca_file)} if address.ca_file is not None else {})
