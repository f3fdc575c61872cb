"""Runs a gateway in the foreground until it is told to stop."""

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from gateway.app import Gateway
from gateway.channel import WorkerSide
from gateway.http.listener import inherited
from gateway.installation import Home, NotSetUp, check_not_moved, read_meta
from gateway.ledger.sqlite import take_lock
from gateway.sandbox import how_to_try, prepare, sandbox_settings, seed, write_private
from gateway.settings import Settings
from gateway.simulators import Simulators

_log = structlog.get_logger("gatehouse.serve")
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


@dataclass(frozen=True, slots=True)
class Handed:
    """The descriptors that a supervisor handed to this worker: of listening sockets, and of the channel to it."""

    listening: tuple[int, ...]
    channel: int


def serve(settings: Settings, *, sandbox: bool, arguments: Sequence[str] = (), handed: Handed | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Raises `NotSetUp`, `KeyRefused`, `LedgerInUse`, `WorkersEnded`.

    With more than one worker this process supervises; `arguments` are those of the command, for the workers.
    """
    configure_logs(settings.log_level)
    _run(_chosen(settings, sandbox=sandbox, arguments=arguments, handed=handed))


def _chosen(
    settings: Settings, *, sandbox: bool, arguments: Sequence[str], handed: Handed | None
) -> Coroutine[Any, Any, None]:
    if handed is None and settings.workers > 1:
        if sandbox:
            raise NotSetUp("a sandbox is one process: serve it without --workers")
        if settings.database_url is None:
            raise NotSetUp(
                f"the embedded ledger serves one process, not {settings.workers} workers: name a PostgreSQL ledger that"
                " they share (GATEHOUSE_DATABASE_URL), or serve with one worker"
            )
        return _supervised(settings, arguments)
    return _sandbox(sandbox_settings(settings)) if sandbox else _production(settings, handed)


def _run(work: Coroutine[Any, Any, None]) -> None:
    try:
        import uvloop
    except ImportError:
        asyncio.run(work)
    else:
        uvloop.run(work)


def configure_logs(level: str) -> None:
    """Write logs as JSON lines to standard error."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def spare_collector() -> None:
    """Take what start-up made out of the garbage collector's sight, and let it look less often.

    Without this a full collection walks every model and schema, and stops all calls for tens of milliseconds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


async def _supervised(settings: Settings, arguments: Sequence[str]) -> None:
    from gateway.supervisor import Supervisor, worker_command

    check_not_moved(await read_meta(settings, Home(settings.home)))  # said once, and not by each worker
    if settings.redis_url is None:
        _log.warning("limits_per_worker", workers=settings.workers, remedy="GATEHOUSE_REDIS_URL")
    await Supervisor(settings, worker_command(arguments)).run()


async def _production(settings: Settings, handed: Handed | None) -> None:
    home = Home(settings.home)
    meta = await read_meta(settings, home)
    check_not_moved(meta)
    if meta.get("kind") == "sandbox":
        raise NotSetUp(f"{home.path} holds a sandbox; serve it with --sandbox, or name another folder (GATEHOUSE_HOME)")
    gateway = Gateway(settings, listening=inherited(handed.listening) if handed else ())
    await gateway.start()
    spare_collector()
    work = []
    if handed is not None:
        channel = WorkerSide(handed.channel, gateway.telemetry.metrics.text)
        work.append(asyncio.create_task(channel.serve()))
    await _told_to_stop(gateway, *work)


async def _sandbox(settings: Settings) -> None:
    home = Home(settings.home)
    await prepare(settings, home)
    os.close(take_lock(home.ledger))  # before anything else: the simulators of a gateway that runs are not ours to end
    gateway = Gateway(settings)
    simulators = Simulators(home, {c.id: f"{c.package}.simulator" for c in gateway.registry.connectors.values()})
    urls = await simulators.start()
    keeping = asyncio.create_task(simulators.keep_alive())
    try:
        await gateway.start()
        try:
            told = await seed(gateway, home, urls)
        except BaseException:
            await gateway.stop()
            raise
        write_private(home.sandbox, told)
        sys.stdout.write(how_to_try(told) + "\n")
        sys.stdout.flush()
        spare_collector()
        await _told_to_stop(gateway)
    finally:
        keeping.cancel()
        await simulators.stop()


async def _told_to_stop(gateway: Gateway, *lives: "asyncio.Task[None]") -> None:
    """Serve until a signal comes, or what it `lives` on ends; then drain. A second signal cuts that short."""
    stopped = asyncio.Event()

    def told() -> None:
        if stopped.is_set():
            gateway.hurry()
        stopped.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told)
    for life in lives:
        life.add_done_callback(lambda _: stopped.set())
    try:
        await stopped.wait()
    finally:
        await gateway.stop()
        for life in lives:
            life.cancel()
        await asyncio.gather(*lives, return_exceptions=True)
