"""Sends one request of a handler, guarded: credential, host, quota, breaker, retry by phase.

Retry by phase, not by verb. Not connected, or refused before processing (401 once, the vendor's limits): safe for
all. Sent and unanswered: a read is sent again; an effect is handed back as `EffectUnanswered`, and the action's
declared strategy decides.
"""

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from credentials.certificate import ClientCertificate
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt

from connectors.sdk import Connector
from connectors.sdk.auth import AuthMethod
from connectors.sdk.errors import (
    ActionError,
    ConnectionUnhealthy,
    UpstreamConflict,
    UpstreamInvalidResponse,
    UpstreamProblem,
    UpstreamQuota,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from connectors.sdk.exchange import Request, Response
from gateway.call import Connection
from gateway.resolve import reconnect_hint
from gateway.upstream.breaker import Breaker
from gateway.upstream.budget import VendorQuota
from gateway.upstream.destination import download_target, url_of
from gateway.upstream.recording import failure_data, request_data, response_data, scrub
from gateway.upstream.transport import (
    AddressRefused,
    AnswerTooLarge,
    NotSent,
    Outbound,
    Transport,
    Unanswered,
)

_ATTEMPTS = 4
_LONGEST_WAIT = 10.0
_CONNECT_SECONDS = 5.0
_ATTEMPT_SECONDS = 30.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Token(Protocol):
    """A credential in the form that a request carries."""

    @property
    def header(self) -> str:
        """The header's name."""
        ...

    @property
    def value(self) -> str:
        """The bare secret."""
        ...

    @property
    def certificate(self) -> ClientCertificate | None:
        """What TLS shows along with it."""
        ...

    def header_value(self) -> str:
        """The header's whole value."""
        ...


class TokenSource(Protocol):
    """Gives tokens for a connection, refreshing them when needed."""

    async def token(self, connector: Connector, connection: Connection, method: AuthMethod) -> Token:
        """Return a token good for the next minute. Raises `ConnectionUnhealthy`, `SecretStoreUnavailable`."""
        ...

    def rejected(self, connector: Connector, connection: Connection, token: Any) -> None:
        """Say that the vendor refused a token: the next one must be fresh."""
        ...


class EffectUnanswered(Exception):
    """An effect was sent, and its answer is missing or says nothing. `status` is set where a head came."""

    def __init__(self, detail: str, *, timeout: bool, status: int | None) -> None:
        """Say what is known."""
        super().__init__(detail)
        self.detail = detail
        self.timeout = timeout
        self.status = status


def _wait(state: RetryCallState) -> float:
    """Wait as the vendor asked, else a little longer each time, spread so that callers do not march in step."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, _Again) and error.wait is not None:
        return error.wait
    return random.uniform(0.5, 1.5) * 0.1 * 2.0 ** (state.attempt_number - 1)  # noqa: S311 - no secret


Note = Callable[[str, dict[str, object]], None]


@dataclass(slots=True)
class Trip:
    """All requests of one call: over which connection, until when (monotonic seconds), and who writes them down.

    `check` raises `Frozen`; `record` makes the noted events durable before an attempt leaves. `handed_over` says that
    an effect may have reached the vendor; `withheld` keeps answers out of the record, where an output holds secrets.
    """

    connector: Connector
    connection: Connection
    deadline: float
    check: Callable[[], None]
    note: Note
    record: Callable[[], Awaitable[None]]
    traceparent: str | None = None
    withheld: bool = False
    attempts: int = 0
    handed_over: bool = False


class _Again(Exception):
    """This attempt may be followed by another, after `wait` seconds; else `error` is the answer."""

    def __init__(self, error: ActionError, *, wait: float | None = None) -> None:
        super().__init__(error.detail)
        self.error = error
        self.wait = wait


MarkUnhealthy = Callable[[str, str, int], Awaitable[object]]


class Road:
    """The way to all vendors. `mark_unhealthy` tells all others of a connection that only a person can mend.
    `answered` counts a vendor's answers by status; `monotonic` and `wall` are seconds; `sleep` waits.
    """

    def __init__(
        self,
        transport: Transport,
        tokens: TokenSource,
        breaker: Breaker,
        quota: VendorQuota,
        *,
        mark_unhealthy: MarkUnhealthy,
        answered: Callable[[str, int], None],
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._transport = transport
        self._tokens = tokens
        self.breaker = breaker
        self.quota = quota
        self._mark_unhealthy = mark_unhealthy
        self._answered = answered
        self._monotonic = monotonic
        self._wall = wall
        self._sleep = sleep

    def forget_failures(self) -> None:
        """Forget failures and quotas: the vendor is another one than before. For the contract suite."""
        self.breaker.clear()
        self.quota.clear()

    async def send(self, trip: Trip, request: Request, *, recorded: bool = False) -> Response:
        """Return the vendor's answer below status 500. Raises an `ActionError`, or `EffectUnanswered`.

        `recorded` says that the first attempt is durable already: it went in with the intent.
        """
        try:
            try:
                return await self._attempt(trip, request, recorded=recorded)
            except _Again as again:
                return await self._retry(trip, request, again)
        except ConnectionUnhealthy as error:
            error.hint = reconnect_hint(trip.connection)
            await self._mark_unhealthy(trip.connection.id, error.detail, trip.connection.version)
            raise

    async def _retry(self, trip: Trip, request: Request, first: _Again) -> Response:
        """Let tenacity drive the further attempts, beginning with the wait after the first."""
        pending: _Again | None = first

        async def once() -> Response:
            nonlocal pending
            if pending is not None:
                again, pending = pending, None
                raise again
            return await self._attempt(trip, request, recorded=False)

        retrying = AsyncRetrying(
            stop=stop_after_attempt(_ATTEMPTS),
            wait=_wait,
            retry=retry_if_exception(lambda error: isinstance(error, _Again) and self._in_time(trip, error)),
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return await retrying(once)
        except _Again as again:
            raise again.error from again

    def _in_time(self, trip: Trip, again: _Again) -> bool:
        """Whether the wait is short enough, and ends before the call's deadline."""
        wait = again.wait or 0.0
        return wait <= _LONGEST_WAIT and self._monotonic() + wait < trip.deadline

    async def _attempt(self, trip: Trip, request: Request, *, recorded: bool, fresh: bool = False) -> Response:
        trip.check()
        url = url_of(trip.connector, trip.connection, request)
        trip.attempts += 1
        if not recorded:
            trip.note("upstream_request", request_data(request, url, trip.attempts))
            await trip.record()
        method = trip.connector.auth[trip.connection.method]
        token = await self._tokens.token(trip.connector, trip.connection, method)
        trip.check()
        response = await self._exchange(trip, request, self._signed(trip, request, url, token), token.value.encode())
        self._learn(trip, response)
        if response.status == 401 and not fresh:
            self._tokens.rejected(trip.connector, trip.connection, token)
            return await self._attempt(trip, request, recorded=False, fresh=True)
        return await self._judge(trip, request, response)

    def _signed(self, trip: Trip, request: Request, url: str, token: Token) -> Outbound:
        headers = [*request.headers, (token.header, token.header_value())]
        if trip.traceparent:
            headers.append(("traceparent", trip.traceparent))
        left = max(trip.deadline - self._monotonic(), 0.1)
        return Outbound(
            method=request.method,
            url=url,
            headers=tuple(headers),
            body=request.body,
            connect_seconds=min(_CONNECT_SECONDS, left),
            total_seconds=min(_ATTEMPT_SECONDS, left),
            max_bytes=request.max_bytes,
            certificate=token.certificate,
        )

    async def _exchange(self, trip: Trip, request: Request, outbound: Outbound, secret: bytes) -> Response:
        """Send once and note what came of it, without the credential should the vendor echo it."""
        started = self._monotonic()
        try:
            response = await self._transport.send(outbound)
        except NotSent as error:
            self._note_failure(trip, str(error), started, sent=False)
            raise self._not_sent(trip, error) from error
        except Unanswered as error:
            self._note_failure(trip, str(error), started, sent=True)
            raise self._unanswered(trip, request, error) from error
        response = scrub(response, secret) if secret else response
        milliseconds = (self._monotonic() - started) * 1000
        trip.note("upstream_response", response_data(response, trip.attempts, milliseconds, withheld=trip.withheld))
        return response

    def _note_failure(self, trip: Trip, detail: str, started: float, *, sent: bool) -> None:
        self.breaker.failed(trip.connection.id)
        milliseconds = (self._monotonic() - started) * 1000
        trip.note("upstream_response", failure_data(detail, trip.attempts, milliseconds, sent=sent))

    def _not_sent(self, trip: Trip, error: NotSent) -> Exception:
        problem = UpstreamUnavailable(
            f"{trip.connector.title} could not be reached: {error}; nothing was sent.", retry_after_ms=1000
        )
        if isinstance(error, AddressRefused):
            problem.hint = "The address is not public. An operator opens networks with GATEHOUSE_OPENED_NETWORKS."
            problem.retryable = False
            return problem
        return _Again(problem)

    def _unanswered(self, trip: Trip, request: Request, error: Unanswered) -> Exception:
        if request.effect:
            trip.handed_over = True
            return EffectUnanswered(str(error), timeout=error.timeout, status=error.status)
        if isinstance(error, AnswerTooLarge):
            return UpstreamInvalidResponse(
                f"{trip.connector.title}: {error}.", hint="Ask for less: a smaller page, or a narrower query."
            )
        kind = UpstreamTimeout if error.timeout else UpstreamUnavailable
        return _Again(
            kind(f"{trip.connector.title} did not answer: {error}. Nothing was changed.", retry_after_ms=1000)
        )

    def _learn(self, trip: Trip, response: Response) -> None:
        self._answered(trip.connector.id, response.status)
        self.quota.learn(trip.connection.tenant, trip.connection.id, trip.connector.quota_of(response))
        if response.status >= 500:
            self.breaker.failed(trip.connection.id)
        else:
            self.breaker.succeeded(trip.connection.id)

    async def _judge(self, trip: Trip, request: Request, response: Response) -> Response:
        """Return an answer that the handler may read, or raise."""
        status = response.status
        if status < 300:
            trip.handed_over = trip.handed_over or request.effect
            return response
        if status in _REDIRECTS:
            return await self._redirected(trip, request, response)
        if status == 401:
            raise ConnectionUnhealthy(
                f"{trip.connector.title} refused the credential of {trip.connection.name}.",
                hint=reconnect_hint(trip.connection),
                upstream=UpstreamProblem(401),
            )
        throttled = trip.connector.throttled_by(response, self._wall())
        if throttled is not None:
            self.quota.refused(trip.connection.tenant, trip.connection.id, throttled.seconds, throttled.reason)
            raise _Again(
                UpstreamQuota(
                    f"{trip.connector.title} refused for its limits: {throttled.reason}. Nothing was changed.",
                    retry_after_ms=int(throttled.seconds * 1000) + 1,
                    upstream=UpstreamProblem(status),
                    hint="Wait, then send the same call with the same key.",
                ),
                wait=throttled.seconds,
            )
        if status >= 500:
            problem = trip.connector.error_of(response)
            if request.effect:
                trip.handed_over = True
                raise EffectUnanswered(problem.detail, timeout=False, status=status)
            problem.retryable, problem.retry_after_ms = True, 1000
            raise _Again(problem)
        return response

    async def _redirected(self, trip: Trip, request: Request, response: Response) -> Response:
        """Follow a declared download without the credential; refuse any other redirect."""
        location = response.headers.get("location", "")
        if not (request.download and request.method == "GET"):
            raise UpstreamConflict(
                f"{trip.connector.title} answered {response.status}: what was named has moved; it was not followed.",
                upstream=UpstreamProblem(response.status, message="moved"),
                hint="Use the thing's present name.",
            )
        target = download_target(trip.connector, trip.connection, location)
        trip.attempts += 1
        trip.note("upstream_request", request_data(request, target, trip.attempts) | {"redirected": True})
        await trip.record()
        outbound = Outbound(
            method="GET",
            url=target,
            headers=tuple(pair for pair in request.headers if pair[0] in {"user-agent", "accept-encoding"}),
            body=None,
            connect_seconds=_CONNECT_SECONDS,
            total_seconds=max(min(_ATTEMPT_SECONDS, trip.deadline - self._monotonic()), 0.1),
            max_bytes=request.max_bytes,
        )
        plain = await self._exchange(trip, request, outbound, b"")
        if plain.status != 200:
            raise UpstreamUnavailable(f"The download host answered {plain.status}.", retry_after_ms=1000)
        return plain
