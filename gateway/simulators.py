"""Vendor simulators as processes beside the sandbox.

A simulator is a process of its own, as a vendor would be: it outlives a crash of the gateway, and a gateway that
comes back within some minutes finds it again, with its record of what was applied.
"""

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson

from gateway.installation import Home

_LINGER_SECONDS = 300
_KEEPALIVE_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Simulated:
    """A running simulator. `process` is None where an earlier gateway started it."""

    name: str
    url: str
    pid: int
    process: asyncio.subprocess.Process | None = None


class Simulators:
    """Starts the simulators, keeps them alive, and ends those that this process started."""

    def __init__(self, home: Home, modules: Mapping[str, str]) -> None:
        """Take the module of each connector's simulator, by the connector's id."""
        self._file = home.path / "simulators.json"
        self._log = home.path / "simulators.log"
        self._modules = modules
        self.running: list[Simulated] = []

    async def start(self) -> Mapping[str, str]:
        """Return the root URL of each simulator, started or found again."""
        before = read_json(self._file)

        async def one(name: str) -> Simulated:
            known = before.get(name)
            return await self._found(name, known) or await self._started(name, known)

        self.running += await asyncio.gather(*(one(name) for name in sorted(self._modules)))
        self._file.write_bytes(orjson.dumps({s.name: {"url": s.url, "pid": s.pid} for s in self.running}))
        return {simulated.name: simulated.url for simulated in self.running}

    async def keep_alive(self) -> None:
        """Tell the simulators that the gateway lives, until cancelled."""
        async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
            while True:
                for simulated in self.running:
                    try:
                        await client.post(f"{simulated.url}/_sim/keepalive")
                    except httpx.HTTPError:
                        continue
                await asyncio.sleep(_KEEPALIVE_SECONDS)

    async def stop(self) -> None:
        """End the simulators, also those found again: their gateway stops now."""
        for simulated in self.running:
            if simulated.process is not None:
                simulated.process.terminate()
                await simulated.process.wait()
            else:
                _terminate(simulated.pid)
        self._file.unlink(missing_ok=True)

    async def _found(self, name: str, before: Mapping[str, Any] | None) -> Simulated | None:
        if before is None:
            return None
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=2) as client:
                answer = await client.post(f"{before['url']}/_sim/keepalive")
        except httpx.HTTPError:
            return None
        return Simulated(name, str(before["url"]), int(before["pid"])) if answer.status_code == 200 else None

    async def _started(self, name: str, before: Mapping[str, Any] | None) -> Simulated:
        port = str(before["url"]).rpartition(":")[2] if before is not None else "0"
        try:
            return await self._spawn(name, port)
        except RuntimeError:
            return await self._spawn(name, "0")

    async def _spawn(self, name: str, port: str) -> Simulated:
        command = (
            sys.executable,
            "-m",
            "connectors.sdk.simulate",
            self._modules[name],
            "--port",
            port,
            "--linger",
            str(_LINGER_SECONDS),
        )
        with self._log.open("ab") as log:
            # A session of its own: the terminal's interrupt is for the gateway, which then ends its simulators.
            process = await asyncio.create_subprocess_exec(
                *command, stdout=asyncio.subprocess.PIPE, stderr=log, start_new_session=True
            )
        assert process.stdout is not None
        line = await process.stdout.readline()
        if not line:
            await process.wait()
            raise RuntimeError(f"the {name} simulator did not start; {self._log} says why")
        said = orjson.loads(line)
        return Simulated(name, said["url"], int(said["pid"]), process)


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object from a file, empty where there is none."""
    try:
        value = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return value if isinstance(value, dict) else {}


def _terminate(pid: int) -> None:
    """End a simulator that an earlier gateway started, if the id is still one."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        if b"connectors.sdk.simulate" in command:
            os.kill(pid, 15)
    except OSError:
        return
