"""A simulated vendor on real HTTP, on 127.0.0.1 only."""

import asyncio
import ssl
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import ClassVar

import orjson
from aiohttp import web

from connectors.sdk.simulator import breakage
from connectors.sdk.simulator.answer import Answer, Call, Refusal
from connectors.sdk.simulator.faults import Fault, Faults, UnknownFault
from connectors.sdk.simulator.record import Applied, Received, digest, trailing_comment

HOST = "127.0.0.1"
MAX_RECEIVED = 200_000
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
# Nothing of any vendor: every member that a model asks for is missing, and those that it has are of another type.
_MISFIT = {"unfitting": [True]}
_BEFORE = {"429", "500", "html", "redirect", "reset_before", "never", "status", "throttle"}


@dataclass(frozen=True, slots=True)
class Throttle:
    """One way in which a vendor refuses for its limits, and the seconds that it asks to wait with it."""

    answer: Answer
    seconds: float


@dataclass(frozen=True, slots=True)
class Consent:
    """What somebody's consent gave: an OAuth credential, and the path of the API's root where it is another."""

    credential: Mapping[str, str] = field(repr=False)
    root: str = ""


class Simulator(ABC):
    """A stateful stand-in of a vendor. A vendor's subclass gives `seed` and `respond`.

    `respond` is a plain function, so requests are applied one after the other and every read sees every write.
    State lives in memory and ends with the process. `method` and `credential` are those of an account that the seeded
    state knows: the sandbox and the contract suite connect with them.
    """

    method: ClassVar[str] = "token"
    credential: ClassVar[Mapping[str, str]] = {}

    def __init__(self, *, ssl_context: ssl.SSLContext | None = None, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.faults = Faults()
        self.applied: list[Applied] = []
        self.received: deque[Received] = deque(maxlen=MAX_RECEIVED)
        self.kept_alive_at = time.monotonic()
        self.url = ""
        self._ssl = ssl_context
        self._runner: web.ServerRunner | None = None
        self._count = 0

    @abstractmethod
    def seed(self) -> None:
        """Put the vendor into its first state. Called at the start and by a reset."""

    @abstractmethod
    def respond(self, call: Call) -> Answer:
        """Answer one request, applying it. Says `call.applied()` when state has changed; may raise `Refusal`."""

    def vendor_path(self, path: str) -> str:
        """Return the path that faults are matched with, where a vendor answers under several prefixes."""
        return path

    def marker_of(self, call: Call) -> str | None:
        """Return what tells whose request this was, where a client left something: a trailing HTML comment."""
        return trailing_comment(call.body)

    def broken(self, status: int) -> Answer:
        """Return the answer of any status of 400 and over, in the vendor's own words and shape."""
        headers = {"retry-after": "1"} if status == 429 else {}
        return Answer.of({"message": _PHRASES.get(status, "Refused")}, status, headers)

    def throttles(self) -> Sequence[Throttle]:
        """Return every way in which the vendor refuses for its limits: each header and each status that it uses."""
        answer = self.broken(429)
        return [Throttle(Answer(429, answer.body, {**answer.headers, "retry-after": "7"}), 7)]

    def consent(self) -> Consent | None:
        """Give an OAuth pair as somebody's consent does, with its client; None where the vendor has no OAuth.

        Asked again after a reset, which forgets what was given. The account is that of `credential`.
        """
        return None

    async def start(self, port: int = 0) -> str:
        """Listen, and return the root URL. Port 0 takes a free one."""
        self.reset()
        self._runner = web.ServerRunner(web.Server(self._serve, access_log=None), shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, port, ssl_context=self._ssl)
        await site.start()
        bound = self._runner.addresses[0][1]
        self.url = f"{'https' if self._ssl else 'http'}://{HOST}:{bound}"
        return self.url

    async def stop(self) -> None:
        """Stop listening and drop what is open."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def reset(self) -> None:
        """Forget effects, requests and faults, and go back to the seeded state."""
        self.faults.clear()
        self.applied.clear()
        self.received.clear()
        self._count = 0
        self.seed()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path.startswith("/_sim/"):
            return await self._control(request)
        body = await request.read()
        raw_path = request.rel_url.raw_path
        fault = self.faults.take(request.method, self.vendor_path(raw_path))
        self._count += 1
        self.received.append(
            Received(
                self._count,
                self.clock(),
                request.method,
                request.raw_path,
                request.headers,
                digest(body),
                fault.kind if fault else None,
            )
        )
        call = Call(
            request.method,
            raw_path,
            query=request.query,
            headers=request.headers,
            body=body,
            host=request.host,
            scheme=request.scheme,
        )
        if fault is None:
            return _sent(self._apply(call))
        return await self._break(request, call, fault)

    def _apply(self, call: Call) -> Answer:
        try:
            answer = self.respond(call)
        except Refusal as refusal:
            return refusal.answer
        if call.changed:
            self.applied.append(
                Applied(
                    len(self.applied) + 1,
                    self.clock(),
                    call.method,
                    call.path,
                    self.marker_of(call),
                    digest(call.body),
                )
            )
        return answer

    async def _break(self, request: web.BaseRequest, call: Call, fault: Fault) -> web.StreamResponse:
        if fault.kind in _BEFORE:
            return await self._unapplied(request, fault)
        if fault.kind == "slow":
            await asyncio.sleep(fault.delay_ms / 1000)
        if fault.kind == "loop":
            return _sent(self._looped(call, fault))
        answer = self._apply(call)
        if fault.kind == "misfit":
            return _sent(Answer.of(_MISFIT, answer.status if answer.body else 200))
        if fault.kind == "reset_after":
            return breakage.reset(request)
        if fault.kind == "half_body":
            return await breakage.half(request, answer)
        if fault.kind == "huge":
            return await breakage.flood(request, answer)
        if fault.kind == "gzip_bomb":
            return breakage.bomb(answer)
        if fault.kind == "late":
            await asyncio.sleep(fault.delay_ms / 1000)
        return _sent(answer)

    def _looped(self, call: Call, fault: Fault) -> Answer:
        """Answer as the first time, so that the next page's cursor is the one that was just used."""
        key = (call.method, self.vendor_path(call.path))
        if key not in fault.first:
            fault.first[key] = self._apply(call)
        return fault.first[key]

    async def _unapplied(self, request: web.BaseRequest, fault: Fault) -> web.StreamResponse:
        if fault.kind in {"429", "500"}:
            return _sent(self.broken(int(fault.kind)))
        if fault.kind == "status":
            return _sent(self.broken(fault.status))
        if fault.kind == "throttle":
            return _sent(self.throttles()[fault.shape].answer)
        if fault.kind == "html":
            return web.Response(body=breakage.PAGE, headers={"content-type": "text/html; charset=utf-8"})
        if fault.kind == "redirect":
            return breakage.redirect(fault)
        return breakage.reset(request) if fault.kind == "reset_before" else await breakage.silence(request)

    async def _control(self, request: web.BaseRequest) -> web.StreamResponse:
        route = (request.method, request.path)
        if route == ("GET", "/_sim/applied"):
            return _json({"items": [effect.shown() for effect in self.applied]})
        if route == ("GET", "/_sim/requests"):
            return _json({"items": [received.shown() for received in self.received]})
        if route == ("POST", "/_sim/reset"):
            self.reset()
            return _json({"reset": True})
        if route == ("POST", "/_sim/keepalive"):
            self.kept_alive_at = time.monotonic()
            return _json({"alive": True})
        if request.path == "/_sim/faults":
            return await self._fault_control(request)
        return _json({"error": f"no such control: {request.method} {request.path}"}, 404)

    async def _fault_control(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "POST":
            try:
                wanted = orjson.loads(await request.read())
                if not isinstance(wanted, dict):
                    raise UnknownFault("the body is no JSON object")
                return _json(self.faults.add(wanted).shown(), 201)
            except (UnknownFault, orjson.JSONDecodeError) as error:
                return _json({"error": str(error)}, 400)
        if request.method == "DELETE":
            self.faults.clear()
        elif request.method != "GET":
            return _json({"error": "GET, POST or DELETE"}, 405)
        return _json({"items": self.faults.shown()})


def _sent(answer: Answer) -> web.Response:
    return web.Response(status=answer.status, body=answer.body or None, headers=answer.headers)


def _json(value: object, status: int = 200) -> web.Response:
    return _sent(Answer.of(value, status))
