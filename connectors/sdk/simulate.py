"""Run a connector's simulator as a process: `python -m connectors.sdk.simulate github --port 8900`.

Prints one line of JSON, `{"url": ..., "pid": ...}`, when it listens. Ends on SIGTERM and SIGINT, and with
`--linger SECONDS` by itself when nobody asked `POST /_sim/keepalive` for so long: so it outlives a crash of
whoever started it, and is not orphaned for ever.
"""

import argparse
import asyncio
import os
import re
import signal
import ssl
import sys
import time
from collections.abc import Sequence
from importlib import import_module

import orjson

from connectors.sdk.simulator import Simulator

_NAME = re.compile(r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$")


class NoSimulator(LookupError):
    """No simulator goes by that name. The message says what was looked for."""


def find(name: str) -> type[Simulator]:
    """Return the class that `connectors.<name>.simulator` (or a dotted module) exports as `SIMULATOR`."""
    if not _NAME.match(name):
        raise NoSimulator(f"{name!r} is no connector's name")
    path = name if "." in name else f"connectors.{name}.simulator"
    try:
        found = getattr(import_module(path), "SIMULATOR", None)
    except ModuleNotFoundError as error:
        raise NoSimulator(f"there is no module {path}: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Simulator)):
        raise NoSimulator(f"{path} exports no `SIMULATOR`")
    return found


async def run(simulator: Simulator, port: int, linger: float | None) -> None:
    """Serve until a signal comes, or until `linger` seconds have passed without a sign of life."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    url = await simulator.start(port)
    sys.stdout.write(orjson.dumps({"url": url, "pid": os.getpid()}).decode() + "\n")
    sys.stdout.flush()
    simulator.kept_alive_at = time.monotonic()
    try:
        while not ended.is_set():
            left = None if linger is None else simulator.kept_alive_at + linger - time.monotonic()
            if left is not None and left <= 0:
                break
            try:
                await asyncio.wait_for(ended.wait(), left)
            except TimeoutError:
                continue
    finally:
        await simulator.stop()


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m connectors.sdk.simulate", description="Run a vendor's stand-in.")
    parser.add_argument("connector", help="a connector's name, such as github, or a dotted module")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--linger", type=float, help="end after so many seconds without POST /_sim/keepalive")
    parser.add_argument("--certificate", help="PEM chain and key for TLS")
    given = parser.parse_args(arguments)
    try:
        kind = find(given.connector)
    except NoSimulator as error:
        parser.error(str(error))
    context: ssl.SSLContext | None = None
    if given.certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(given.certificate)
    try:
        asyncio.run(run(kind(ssl_context=context), given.port, given.linger))
    except OSError as error:
        sys.stderr.write(f"cannot listen on port {given.port}: {error.strerror}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
