"""The composition root: everything gets its collaborators here, and nowhere else."""

import asyncio
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
from aiohttp import web
from credentials import EmbeddedStore, Tokens
from credentials import Road as TokenRoad
from sqlalchemy import Connection as Rows
from sqlalchemy import text

from connectors.sdk.errors import SecretStoreUnavailable, StateUnavailable
from gateway.admin.access_requests import AccessRequests
from gateway.admin.agents import Agents
from gateway.admin.audit import Audit
from gateway.admin.authorizing import AuthorizationLinks
from gateway.admin.calls import Calls
from gateway.admin.code_exchange import CodeExchange
from gateway.admin.connections import Connections
from gateway.admin.consents import Consents
from gateway.admin.control import Control
from gateway.admin.data_keys import DataKeys
from gateway.admin.decisions import Decisions
from gateway.admin.device_rounds import DeviceRounds
from gateway.admin.directory import Directory
from gateway.admin.freezes import FreezeSwitch
from gateway.admin.generation import Generation
from gateway.admin.grants import Grants
from gateway.admin.health import ConnectionHealth
from gateway.admin.issuers import Issuers
from gateway.admin.keys import Keys
from gateway.admin.probe import Prober
from gateway.admin.probing import Probing
from gateway.admin.records import Records
from gateway.admin.resolution import Resolver as CallResolver
from gateway.admin.rounds import Rounds
from gateway.admin.tenants import Tenants
from gateway.admin.timelines import Timelines
from gateway.admin.tokens import AdminTokens
from gateway.admin.usage import Usage
from gateway.allowance import Allowances, Defaults
from gateway.answers import Answers
from gateway.approvals import Approvals
from gateway.call import Answer
from gateway.clock import Clock, SystemClock
from gateway.cursor import Cursors
from gateway.custom_fields import CustomFieldBook
from gateway.doors import Doors
from gateway.errand import Errands
from gateway.evidence.timeline import Timeline
from gateway.execute import Executor
from gateway.fault import log_fault
from gateway.federation.discovery import discover
from gateway.federation.federation import Federation
from gateway.federation.issuer_keys import IssuerKeys
from gateway.files import Files
from gateway.freeze import Freezes
from gateway.freshness import Freshness
from gateway.http.admin.door import Services
from gateway.http.edge import edge, sign_answer
from gateway.http.listener import bind, turn_away, url_of
from gateway.http.server import Runner
from gateway.http.tls import listener_tls, only_certified
from gateway.idempotency import Idempotency
from gateway.installation import Derived, Home, ledger_of
from gateway.invoke import Pipeline
from gateway.journal import Journal
from gateway.keys import Keys as InstallationKeys
from gateway.keys import keys_of
from gateway.leave import Hurry
from gateway.ledger.bodies import Bodies
from gateway.ledger.checkpoint import Checkpoints
from gateway.ledger.events import Events
from gateway.ledger.verify import verify
from gateway.limits import Limiter, Policy
from gateway.looks import Looks
from gateway.observe import Observer
from gateway.parse import Parser
from gateway.policy.decide import AutonomyRule
from gateway.queue import Queue, Reopener
from gateway.reconcile import Reconciler
from gateway.recovery import Recovery
from gateway.registry import Registry, load
from gateway.resolve import Resolver
from gateway.runs import Runs
from gateway.settings import Settings
from gateway.state.memory import MemoryLimiter
from gateway.state.messages import CHANGED
from gateway.state.shared import SharedState
from gateway.sweep import Sweeper
from gateway.telemetry import Telemetry, otlp_exporter
from gateway.upstream.breaker import Breaker
from gateway.upstream.budget import VendorQuota
from gateway.upstream.road import Road
from gateway.upstream.tokens import ConnectionTokens
from gateway.upstream.transport import AiohttpTransport, Transport, opens_loopback
from gateway.waiters import Waiters
from gateway.waiting import Waiting

_log = structlog.get_logger("gatehouse.app")
_LEAST_DRAIN_SECONDS = 0.01  # aiohttp waits for ever where it is told to wait for 0 seconds
_EMPTYING_SECONDS = 0.1  # what has begun to connect is connected by then, and accepted
_DISMISSAL_SECONDS = 1.0
_ISSUER_SECONDS = 5.0


class Gateway:
    """One gateway process. `start` opens it, `stop` drains and closes it.

    `listening` are sockets that it was handed by a supervisor, which has the metrics' listener too.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        registry: Registry | None = None,
        transport: Transport | None = None,
        telemetry: Telemetry | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        listening: Sequence[socket.socket] = (),
    ) -> None:
        self.settings = settings
        self.home = Home(settings.home)
        self._clock = clock or SystemClock()
        self._sleep = sleep
        self.registry = registry or load(settings.connectors)
        self.telemetry = telemetry or Telemetry(ratio=settings.trace_ratio, exporter=otlp_exporter())
        self._transport = transport or AiohttpTransport(
            opened=settings.opened(),
            tls=tls_of(settings),
            limit=settings.connections_per_host,
            proxy=settings.outbound_proxy,
        )
        self._tasks: set[asyncio.Task[Any]] = set()
        self._answering: set[asyncio.Task[Answer]] = set()
        self._handed = list(listening)
        self._listening: list[socket.socket] = []
        self._tls = listener_tls(settings)
        self._hurry = Hurry()
        self._runner: Runner | None = None
        self._doors: Doors | None = None
        self._metrics_runner: web.AppRunner | None = None
        self.url = ""
        self.metrics_url = ""
        self.draining = False
        self._wire(keys_of(settings, self.home))

    def _wire(self, keys: InstallationKeys) -> None:
        derived, clock, settings = keys.derived, self._clock, self.settings
        self._ledger = ledger_of(settings, self.home)
        self.database = self._ledger.database()
        self.telemetry.metrics.ledger_ready.set_function(lambda: float(self.database.ready))
        self.bodies = Bodies()
        self.events = Events(self.bodies)
        self._wire_state(clock, settings)
        # By the machine's own clock: it is about what really passed, whatever time the gateway is told.
        self.freshness = Freshness(time.monotonic, alone=self.alone)
        self.freezes = Freezes(self.freshness)
        self.directory = Directory(self.database, self.freezes, clock, derived.credentials_digest)
        self.data_keys = DataKeys(self.database, self.bodies, keys.wrapper, clock)
        self.generation = Generation(
            self.database,
            self.freshness,
            [self.directory.refresh] if self.alone else [self.data_keys.load, self.directory.refresh],
            time.monotonic,
            self._announce,
        )
        if self.shared is not None:
            self.shared.on_change(self.generation.poke)
        self.control = Control(self.database, self.events, self.generation, clock)
        self.vault = keys.vault
        self.store = self.vault.store if self.vault is not None else EmbeddedStore(self.home.credentials, keys.master)
        self.cursors = Cursors(derived.cursors, lambda: clock.now().timestamp())
        self.signer = keys.signer
        self._checkpoints = Checkpoints(self.database, self.signer, clock, self.home.checkpoint)
        self._wire_road(clock, settings)
        self._wire_pipeline(clock, settings, derived)
        self._wire_work(clock, settings)
        self._wire_admin(clock, settings, derived)

    @property
    def alone(self) -> bool:
        """Whether no other process can change the control plane: the embedded ledger refuses a second one."""
        return not self.database.shared

    def _wire_state(self, clock: Clock, settings: Settings) -> None:
        """What replicas share for speed, through Redis where there is one."""
        self.intake_limiter = MemoryLimiter(clock.monotonic)  # each replica guards itself
        self.quota = VendorQuota(lambda: clock.now().timestamp())
        self.limiter: Limiter = MemoryLimiter(clock.monotonic, self.quota)
        self.waiters = Waiters()
        self.shared: SharedState | None = None
        address = settings.redis()
        if address is not None:
            self.shared = SharedState(address, settings, clock, self.telemetry.metrics)
            self.quota, self.limiter, self.waiters = self.shared.quota, self.shared.limiter, self.shared.waiters

    def _announce(self) -> None:
        """Tell other replicas that the control plane changed."""
        if self.shared is not None:
            self.shared.messages.post(CHANGED)

    def _wire_road(self, clock: Clock, settings: Settings) -> None:
        self.token_road = TokenRoad(
            opened=settings.opened(),
            plain_http_loopback=opens_loopback(settings.opened()),
            tls=tls_of(settings),
            proxy=settings.outbound_proxy,
        )
        self._discover = partial(discover, replace(self.token_road, timeout_seconds=_ISSUER_SECONDS))
        issuer_keys = IssuerKeys(self._discover, clock.monotonic, self._spawn)
        self.federation = Federation(self.directory, issuer_keys, clock)
        self.tokens = Tokens(self.store, road=self.token_road, clock=clock.now)
        self.connection_tokens = ConnectionTokens(self.tokens)
        self.road = Road(
            self._transport,
            self.connection_tokens,
            Breaker(clock.monotonic),
            self.quota,
            mark_unhealthy=ConnectionHealth(self.database, self.events, self.generation, clock).mark_unhealthy,
            answered=self.telemetry.metrics.vendor_answered,
            monotonic=clock.monotonic,
            wall=lambda: clock.now().timestamp(),
            sleep=self._sleep,
        )

    def _wire_pipeline(self, clock: Clock, settings: Settings, derived: Derived) -> None:
        self.journal = Journal(self.database, self.bodies, self.events, clock, self.waiters)
        idempotency = Idempotency(self.database, derived.markers)
        self.answers = Answers(clock, self.cursors)
        self.runs = Runs(self.database, self.bodies, self.events, clock)
        self.files = Files(self.database, self.bodies, clock)
        self.looks = Looks(self.database, self.bodies, self.registry, self.freezes, clock)
        self.reconciler = Reconciler(self.road, clock.monotonic, self._sleep)
        self.custom_fields = CustomFieldBook(clock.monotonic)
        self.allowances = Allowances(self.limiter, _defaults(settings))
        self.executor = Executor(
            clock=clock,
            journal=self.journal,
            idempotency=idempotency,
            road=self.road,
            reconciler=self.reconciler,
            freezes=self.freezes,
            files=self.files,
            answers=self.answers,
            spawn=self._spawn,
            sleep=self._sleep,
        )
        self.approvals = Approvals(
            self.database,
            self.bodies,
            self.events,
            self.journal,
            self.answers,
            idempotency,
            clock,
            timedelta(hours=settings.approval_hours),
        )
        self.pipeline = Pipeline(
            clock=clock,
            freezes=self.freezes,
            runs=self.runs,
            resolver=Resolver(self.registry),
            parser=Parser(self.cursors, idempotency),
            custom_fields=self.custom_fields,
            idempotency=idempotency,
            policies=[AutonomyRule()],
            approvals=self.approvals,
            allowances=self.allowances,
            executor=self.executor,
            road=self.road,
            journal=self.journal,
            looks=self.looks,
            answers=self.answers,
            files=self.files,
            metrics=self.telemetry.metrics,
            observer=Observer(self.telemetry.metrics),
            check_room=self._check_room,
            submit=self._submit,
            spawn=self._spawn_answer,
        )

    def _wire_work(self, clock: Clock, settings: Settings) -> None:
        self.reopener = Reopener(self.directory.principal, self.telemetry, clock)
        self.queue = Queue(
            database=self.database,
            pipeline=self.pipeline,
            approvals=self.approvals,
            looks=self.looks,
            reopener=self.reopener,
            journal=self.journal,
            answers=self.answers,
            spawn=self._spawn,
            sleep=self._sleep,
            most=settings.queued_in_memory,
        )
        self.recovery = Recovery(
            database=self.database,
            pipeline=self.pipeline,
            executor=self.executor,
            reconciler=self.reconciler,
            reopener=self.reopener,
            looks=self.looks,
            journal=self.journal,
            answers=self.answers,
            queue=self.queue,
            approvals=self.approvals,
            clock=clock,
            sleep=self._sleep,
        )
        self.sweeper = Sweeper(
            self.approvals, self.files, self.looks, self.reopener, self.journal, self.answers, self.database, clock
        )
        self.waiting = Waiting(self.looks, self.waiters)
        self.timeline = Timeline(self.database, self.bodies, self.looks)
        self.errands = Errands(self.registry, self.road, self.freezes, self.database, self.events, clock)
        self.prober = Prober(self.registry, self.errands, self.connection_tokens)

    def _wire_admin(self, clock: Clock, settings: Settings, derived: Derived) -> None:
        data_keys, records = self.data_keys, Records(self.bodies)
        grants = Grants(self.control, self.registry)
        probing = Probing(self.store, self.tokens, self.prober, self.freezes, settings.opened())

        async def check_ledger() -> dict[str, object]:
            await self.data_keys.load()  # what other replicas made
            await self.signer.open()  # a key that was rotated
            kept, bodies = self.home.checkpoint, self.bodies
            report = await self.database.read(lambda rows: verify(rows, self.signer, kept, bodies))
            return report.shown()

        tokens, opened = AdminTokens(self.control, self.directory, data_keys), settings.opened()
        self.links = AuthorizationLinks(self.control, self.store, self.directory.digest, settings.public_url)
        connections = Connections(self.control, self.registry, self.store, self.tokens, probing, self.links, opened)
        exchange = CodeExchange(self.store, self.tokens, probing, self.token_road, opened, clock)
        rounds = Rounds(self.control, self.registry, exchange, tokens, self.freezes, self.directory.digest)
        self.consents = Consents(self.control, rounds, self.store, exchange, connections, self.bodies)
        self.device_rounds = DeviceRounds(self.control, rounds, exchange, self.token_road, self.bodies)
        self.admin = Services(
            tokens=tokens,
            tenants=Tenants(self.control, data_keys),
            agents=Agents(self.control, self.registry),
            keys=Keys(self.control, self.directory),
            connections=connections,
            grants=grants,
            issuers=Issuers(self.control, self._discover, opens_loopback(opened)),
            access_requests=AccessRequests(self.control, grants),
            freezes=FreezeSwitch(self.control, self.registry),
            decisions=Decisions(self.database, self.approvals, self.queue, clock),
            calls=Calls(self.database, records),
            resolver=CallResolver(self.database, self.bodies, self.looks, self.journal, self.registry, clock),
            timelines=Timelines(self.database, records),
            audit=Audit(self.database, records, check_ledger),
            usage=Usage(self.database, records, self.quota),
        )

    async def start(self) -> None:
        """Open the ledger, settle what a crash left in the background, and listen."""
        await self._ledger.upgrade()
        await self.database.open()
        await self.store.open()
        await self.data_keys.load()
        await self.generation.look()
        for connector in await self.database.read(_connectors_in_use):
            self.registry.connectors.get(connector)  # imported now, so that no call waits for it
        if self.vault is not None:
            self._spawn(self.vault.session.run())
        if self.shared is not None:
            await self.shared.open()
            for work in self.shared.work():
                self._spawn(work)
        if not self.alone:
            self._spawn(self.generation.follow(lambda: self.shared is not None and self.shared.client.up))
        self._spawn(self._checkpoints.run())
        self._spawn(self.data_keys.run())
        self._spawn(self.sweeper.run())
        self._spawn(self.consents.run())
        self.recovering = self._spawn(self.recovery.run())
        await self._listen()

    async def stop(self) -> None:
        """Drain: take no more work, finish what runs, write what waits, close. `hurry` cuts it short."""
        self.draining = True
        if self._runner is not None:
            await self._leave(self._runner)
            await self._runner.cleanup()
        if self._metrics_runner is not None:
            await self._metrics_runner.cleanup()
        if self.shared is not None:
            await self.shared.give_back()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.shared is not None:
            await self.shared.close()
        await self._last_checkpoint()
        await self.tokens.close()
        await self._transport.close()
        await self.store.close()
        await self.database.close()
        self.telemetry.close()

    async def _last_checkpoint(self) -> None:
        try:
            await self._checkpoints.sign()
        except (SecretStoreUnavailable, StateUnavailable) as error:
            # What follows the last checkpoint is signed by the next process.
            _log.warning("stopped_without_checkpoint", reason=error.detail)

    def hurry(self) -> None:
        """Wait for nothing any more while draining."""
        self._hurry.say()

    async def _leave(self, runner: Runner) -> None:
        """Let callers go, as `gateway/leave.py` says."""
        hurry, settings = self._hurry, self.settings
        self.waiting.leave()
        if self._doors is not None:
            await self._doors.leave(_DISMISSAL_SECONDS)
        self.queue.leave()
        self.recovery.leave()
        await hurry.wait(settings.drain_delay_seconds)
        if settings.drain_seconds and (self._handed or turn_away(self._listening)):
            await hurry.wait(_EMPTYING_SECONDS)
        await runner.stop_listening()
        idle = min(settings.drain_idle_seconds, settings.drain_seconds)
        left = settings.drain_seconds - idle + await hurry.until(lambda: not runner.connections(), idle)
        runner.close_idle()
        await hurry.until(lambda: not (runner.connections() or self._busy()), left)
        self.pipeline.leave()
        if self._doors is not None and self._doors.agents.dismiss():
            await Hurry().until(lambda: not runner.connections(), _DISMISSAL_SECONDS)

    def _busy(self) -> bool:
        """Whether calls run behind their callers' backs."""
        return bool(self._answering) or self.queue.busy or self.recovery.busy

    def application(self) -> web.Application:
        """Return the application with all routes."""
        intake = Policy("intake", self.settings.intake_per_second, 1)
        passing = edge(self.intake_limiter, intake, self.settings.proxies(), self.telemetry.metrics)
        certified = only_certified(self._tls is not None and self._tls.asks)
        application = web.Application(middlewares=[passing, certified], client_max_size=0)
        self._doors = Doors(self, self._clock, intake)
        application.add_routes(self._doors.routes())
        application.on_response_prepare.append(sign_answer(lambda: self.draining))
        application.on_response_prepare.append(self._doors.origins.sign)
        return application

    def keys_state(self) -> dict[str, bool]:
        """Whether Vault lets checkpoints be signed and every tenant's data key be used."""
        return {"checkpoints": not self._checkpoints.behind, "data_keys": self.data_keys.complete}

    async def _listen(self) -> None:
        settings, tls = self.settings, self._tls
        self._runner = Runner(
            self.application(),
            access_log=None,
            shutdown_timeout=max(settings.drain_seconds, _LEAST_DRAIN_SECONDS),
            max_field_size=16_384,
            max_line_size=16_384,
        )
        await self._runner.setup()
        self._listening = self._handed or bind(settings.host, settings.port)
        for one in self._listening:
            await web.SockSite(self._runner, one, backlog=1024, ssl_context=tls.context if tls else None).start()
        self.url = url_of(self._listening[0], "https" if tls else "http")
        if tls is not None:
            self._spawn(tls.follow())
        if self._handed:
            _log.info("listening", url=self.url)
            return
        metrics = web.Application()
        metrics.add_routes([web.get("/metrics", self._metrics)])
        self._metrics_runner = web.AppRunner(metrics, access_log=None)
        self.metrics_url = await _serve(self._metrics_runner, settings.metrics_host, settings.metrics_port)
        _log.info("listening", url=self.url, metrics=self.metrics_url)

    async def _metrics(self, request: web.Request) -> web.Response:
        del request
        return web.Response(body=self.telemetry.metrics.text(), content_type="text/plain", charset="utf-8")

    def _spawn(self, work: Awaitable[None]) -> asyncio.Task[None]:
        """Own a task: it ends with the gateway, and its fault is logged."""
        task: asyncio.Task[None] = asyncio.ensure_future(_guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _check_room(self) -> None:
        self.queue.check_room()

    def _submit(self, call: str) -> None:
        # The pipeline and the queue need each other; the queue is made second.
        self.queue.submit(call)

    def _spawn_answer(self, work: Coroutine[Any, Any, Answer]) -> asyncio.Task[Answer]:
        task = asyncio.create_task(work)
        for owned in (self._tasks, self._answering):
            owned.add(task)
            task.add_done_callback(owned.discard)
        return task


async def _guarded(work: Awaitable[None]) -> None:
    try:
        await work
    except asyncio.CancelledError:
        raise
    except Exception as error:
        log_fault(error, "")


async def _serve(runner: web.AppRunner, host: str, port: int) -> str:
    await runner.setup()
    site = web.TCPSite(runner, host, port, backlog=1024)
    await site.start()
    bound = runner.addresses[0]
    shown = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
    return f"http://{shown}:{bound[1]}"


def tls_of(settings: Settings) -> ssl.SSLContext | None:
    """Return a context that also trusts the operator's certificate authorities, None for the system's alone."""
    if settings.ca_file is None:
        return None
    context = ssl.create_default_context()
    context.load_verify_locations(settings.ca_file)
    return context


def _defaults(settings: Settings) -> Defaults:
    return Defaults(
        agent=settings.agent_per_minute,
        writes=settings.writes_per_minute,
        connection=settings.connection_per_minute,
        tenant=settings.tenant_per_minute,
    )


def _connectors_in_use(rows: Rows) -> list[str]:
    return [row[0] for row in rows.execute(text("SELECT DISTINCT connector FROM connections WHERE deleted_at IS NULL"))]
