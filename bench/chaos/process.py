"""A gateway as a process of its own, in a sandbox home that it finds again after it was killed."""

import asyncio
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp
import orjson

_START_SECONDS, _STOP_SECONDS = 40.0, 40.0


class GatewayDied(RuntimeError):
    """The gateway ended by itself. The message has the end of its log."""


class GatewayProcess:
    """`gatehouse serve --sandbox` on one port and one home, over several lives."""

    def __init__(self, home: Path, session: aiohttp.ClientSession) -> None:
        self.home = home
        self._session = session
        self._port = _free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._log = home.with_suffix(".log")
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start, and return when it is ready. Raises `GatewayDied`."""
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("GATEHOUSE_", "OTEL_"))
        }
        environment |= {
            "GATEHOUSE_HOME": str(self.home),
            "GATEHOUSE_PORT": str(self._port),
            "GATEHOUSE_METRICS_PORT": "0",
        }
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "gateway", "serve", "--sandbox"), env=environment, stdout=log, stderr=log
            )
        await self._ready()

    async def kill(self) -> None:
        """End it with SIGKILL: no handler, no flush, no goodbye."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        self._process = None

    async def stop(self) -> None:
        """Drain it, and its simulators with it; kill what does not end."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), _STOP_SECONDS)
            except TimeoutError:
                await self.kill()
        self._process = None
        self._end_simulators()

    def told(self) -> dict[str, Any]:
        """Return what the sandbox says to programs: keys and simulators."""
        value: dict[str, Any] = orjson.loads((self.home / "sandbox.json").read_bytes())
        return value

    async def _ready(self) -> None:
        assert self._process is not None
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until and self._process.returncode is None:
            try:
                async with self._session.get(f"{self.url}/readyz") as answer:
                    if answer.status == 200 and (self.home / "sandbox.json").exists():
                        return
            except (aiohttp.ClientError, OSError):
                pass
            await asyncio.sleep(0.05)
        raise GatewayDied(f"the gateway did not start: {self._log.read_text()[-800:]}")

    def _end_simulators(self) -> None:
        """End simulators that a killed gateway left behind: those alone, by the ids that it wrote down."""
        try:
            left = orjson.loads((self.home / "simulators.json").read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return
        for simulated in left.values():
            try:
                if b"connectors.sdk.simulate" in Path(f"/proc/{simulated['pid']}/cmdline").read_bytes():
                    os.kill(simulated["pid"], signal.SIGTERM)
            except OSError:
                continue


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
