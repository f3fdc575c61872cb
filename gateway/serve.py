"""Runs a gateway in the foreground until it is told to stop."""

import asyncio
import gc
import logging
import os
import signal
import sys

import structlog

from gateway.app import Gateway
from gateway.installation import Home, NotSetUp, check_not_moved, read_meta
from gateway.ledger.sqlite import take_lock
from gateway.sandbox import how_to_try, prepare, sandbox_settings, seed, write_private
from gateway.settings import Settings
from gateway.simulators import Simulators

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def serve(settings: Settings, *, sandbox: bool) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Raises `NotSetUp`, `KeyRefused`, `LedgerInUse`."""
    configure_logs(settings.log_level)
    run = _sandbox(sandbox_settings(settings)) if sandbox else _production(settings)
    try:
        import uvloop
    except ImportError:
        asyncio.run(run)
    else:
        uvloop.run(run)


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


async def _production(settings: Settings) -> None:
    home = Home(settings.home)
    meta = await read_meta(settings, home)
    check_not_moved(meta)
    if meta.get("kind") == "sandbox":
        raise NotSetUp(f"{home.path} holds a sandbox; serve it with --sandbox, or name another folder (GATEHOUSE_HOME)")
    gateway = Gateway(settings)
    await gateway.start()
    spare_collector()
    try:
        await _told_to_stop()
    finally:
        await gateway.stop()


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
            write_private(home.sandbox, told)
            sys.stdout.write(how_to_try(told) + "\n")
            sys.stdout.flush()
            spare_collector()
            await _told_to_stop()
        finally:
            await gateway.stop()
    finally:
        keeping.cancel()
        await simulators.stop()


async def _told_to_stop() -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    await stopped.wait()
