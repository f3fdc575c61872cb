"""Runs the workers of one machine: owns the socket that all accept from, starts them, and starts again what died.

The socket is bound once and inherited, so a worker that is replaced leaves nothing in a queue of its own: with
`SO_REUSEPORT` each would have one, and the kernel resets what waits there when it closes.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from gateway.channel import SupervisorSide
from gateway.http.listener import bind, close, turn_away, url_of
from gateway.scrape import merge
from gateway.settings import Settings

_STEADY_SECONDS = 10.0
_LEAST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0
_TRIES = 5
_START_SECONDS = 60.0
_LEAVE_SECONDS = 10.0
_log = structlog.get_logger("gatehouse.supervisor")


class WorkersEnded(Exception):
    """The workers ended as soon as they were started, again and again."""


@dataclass(slots=True, eq=False)
class Worker:
    """One worker process."""

    number: int
    process: asyncio.subprocess.Process
    channel: SupervisorSide
    started: float
    starting: "asyncio.Task[bool]" = field(init=False)

    def __post_init__(self) -> None:
        """Listen for its being ready from the start."""
        self.starting = asyncio.create_task(self.channel.until_ready())

    @property
    def ready(self) -> bool:
        """Whether it serves."""
        return self.process.returncode is None and self.starting.done() and self.starting.result()

    def signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.process.returncode is None:
            self.process.send_signal(number)

    async def ended(self) -> int:
        """Wait for its end and return how it ended."""
        code = await self.process.wait()
        self.channel.close()
        return code


class Supervisor:
    """`command` is what a worker is started with; it is told its descriptors in two more options."""

    def __init__(self, settings: Settings, command: Sequence[str]) -> None:
        self._settings = settings
        self._command = list(command)
        self._listening: list[socket.socket] = []
        self._current: dict[int, Worker] = {}
        self._leaving: set[Worker] = set()
        self._stopping = asyncio.Event()
        self._early = 0
        self._rolling: asyncio.Task[None] | None = None
        self._registry = CollectorRegistry()
        self._restarts = Counter("gatehouse_worker_restarts", "Workers that died.", registry=self._registry)
        ready = Gauge("gatehouse_workers_ready", "Workers that serve.", registry=self._registry)
        ready.set_function(lambda: sum(worker.ready for worker in self._current.values()))
        self.url = ""

    async def run(self) -> None:
        """Serve until a signal ends it and all workers have ended. Raises `WorkersEnded`, `OSError`."""
        settings = self._settings
        self._listening = bind(settings.host, settings.port)
        self.url = url_of(self._listening[0], "https" if settings.tls_certificate_file else "http")
        metrics = web.AppRunner(self._metrics_app(), access_log=None)
        await metrics.setup()
        await web.TCPSite(metrics, settings.metrics_host, settings.metrics_port).start()
        host, port = metrics.addresses[0][:2]
        self._hear_signals()
        workers = settings.workers
        _log.info("supervising", url=self.url, workers=workers, metrics=f"http://{host}:{port}", pid=os.getpid())
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(workers):
                    group.create_task(self._keep(number))
                group.create_task(self._turn_away_at_the_end())
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        finally:
            await self._end_all()
            close(self._listening)
            await metrics.cleanup()
        _log.info("supervisor_ended")

    def _hear_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._restart)

    def _stop(self) -> None:
        """Let all workers drain; told again, let them end now."""
        self._stopping.set()
        for worker in {*self._current.values(), *self._leaving}:
            worker.signal(signal.SIGTERM)

    def _restart(self) -> None:
        if self._stopping.is_set() or (self._rolling is not None and not self._rolling.done()):
            _log.warning("restart_under_way")
            return
        self._rolling = asyncio.create_task(self._roll())

    async def _turn_away_at_the_end(self) -> None:
        """When all leave, let no connection begin while they still accept those that have begun."""
        await self._stopping.wait()
        await asyncio.sleep(self._settings.drain_delay_seconds)
        turn_away(self._listening)

    async def _keep(self, number: int) -> None:
        """Have one worker at its place, until the end. Raises `WorkersEnded`."""
        pause = _LEAST_PAUSE
        while not self._stopping.is_set():
            worker = self._current.get(number) or await self._start(number)
            self._current[number] = worker
            code = await worker.ended()
            if self._current.get(number) is not worker or self._stopping.is_set():
                continue  # another took its place
            del self._current[number]
            self._restarts.inc()
            lived = asyncio.get_running_loop().time() - worker.started
            _log.error("worker_died", worker=number, pid=worker.process.pid, code=code, lived=round(lived, 1))
            self._count(worker)
            pause = _LEAST_PAUSE if lived >= _STEADY_SECONDS else min(pause * 2, _LONGEST_PAUSE)
            await self._unless_stopped(pause)

    def _count(self, worker: Worker) -> None:
        """Give up where workers do not even come to serve, and none does. Raises `WorkersEnded`."""
        came_up = worker.starting.done() and worker.starting.result()
        self._early = 0 if came_up else self._early + 1
        if self._early >= _TRIES and not any(other.ready for other in self._current.values()):
            raise WorkersEnded(
                f"{self._early} workers in a row ended before they served; their reason is in the log above"
            )

    async def _start(self, number: int) -> Worker:
        ours, theirs = socket.socketpair()
        try:
            sockets = [one.fileno() for one in self._listening]
            process = await asyncio.create_subprocess_exec(
                *self._command,
                *("--listening", ",".join(map(str, sockets)), "--channel", str(theirs.fileno())),
                pass_fds=[*sockets, theirs.fileno()],
                start_new_session=True,  # what is typed at a terminal is for the supervisor
            )
        finally:
            theirs.close()
        _log.info("worker_started", worker=number, pid=process.pid)
        return Worker(number, process, await SupervisorSide.open(ours), asyncio.get_running_loop().time())

    async def _roll(self) -> None:
        """Replace the workers one after the other: each by one that serves already."""
        for number in sorted(self._current):
            fresh, old = await self._start(number), self._current.get(number)
            if not await self._comes_up(fresh):
                _log.error("restart_given_up", worker=number, reason="the new worker does not come up")
                return
            self._current[number] = fresh
            if old is not None:
                await self._let_go(old)
        _log.info("restarted", workers=len(self._current))

    async def _comes_up(self, fresh: Worker) -> bool:
        self._leaving.add(fresh)  # not at its place yet, but to be ended with the others
        try:
            async with asyncio.timeout(_START_SECONDS):
                up = await asyncio.shield(fresh.starting)
        except TimeoutError:
            up = False
        self._leaving.discard(fresh)
        if not up or self._stopping.is_set():
            fresh.signal(signal.SIGKILL if not up else signal.SIGTERM)
            await fresh.ended()
            return False
        return True

    async def _let_go(self, worker: Worker) -> None:
        """Let a worker drain, and end it where it takes longer than it may."""
        self._leaving.add(worker)
        if not self._stopping.is_set():
            worker.signal(signal.SIGTERM)
        most = self._settings.drain_delay_seconds + self._settings.drain_seconds + _LEAVE_SECONDS
        try:
            async with asyncio.timeout(most):
                await worker.ended()
        except TimeoutError:
            _log.error("worker_killed", worker=worker.number, pid=worker.process.pid)
            worker.signal(signal.SIGKILL)
            await worker.ended()
        self._leaving.discard(worker)

    async def _end_all(self) -> None:
        """End what is still there: after a stop nothing is, after a failure the others are."""
        if not self._stopping.is_set():
            self._stop()
        if self._rolling is not None:
            await asyncio.gather(self._rolling, return_exceptions=True)
        await asyncio.gather(*(self._let_go(worker) for worker in {*self._current.values(), *self._leaving}))

    async def _unless_stopped(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass

    def _metrics_app(self) -> web.Application:
        application = web.Application()
        application.add_routes([web.get("/metrics", self._metrics)])
        return application

    async def _metrics(self, request: web.Request) -> web.Response:
        del request
        workers = dict(self._current)
        texts = await asyncio.gather(*(worker.channel.metrics() for worker in workers.values()))
        body = generate_latest(self._registry) + merge(dict(zip(workers, texts, strict=True)))
        return web.Response(body=body, content_type="text/plain", charset="utf-8")


def worker_command(arguments: Sequence[str]) -> list[str]:
    """Return the command that starts a worker: this one again, in this interpreter."""
    return [sys.executable, "-m", "gateway", *arguments]
