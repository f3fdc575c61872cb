"""What replicas stand on, processes of a run's own: PostgreSQL, Redis, the stand-in for Vault."""

import asyncio
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import orjson

_START_SECONDS = 30.0


class DidNotStart(RuntimeError):
    """A server is not there, or did not come up. The message says which."""


class Server:
    """One process, that can be killed, ended and started again at the same address."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self._command = command
        self._log = log
        self.process: asyncio.subprocess.Process | None = None

    async def start(self, *, told: bool = False) -> dict[str, Any]:
        """Start it, and return the line of JSON that it prints where it tells one."""
        with self._log.open("ab") as log:
            out = asyncio.subprocess.PIPE if told else log
            self.process = await asyncio.create_subprocess_exec(*self._command, stdout=out, stderr=log)
        if not told:
            return {}
        assert self.process.stdout is not None
        try:
            line = await asyncio.wait_for(self.process.stdout.readline(), _START_SECONDS)
            return dict(orjson.loads(line))
        except (TimeoutError, orjson.JSONDecodeError) as error:
            raise DidNotStart(f"{' '.join(self._command)}: {self._log.read_text()[-400:]}") from error

    async def end(self, number: int = signal.SIGTERM) -> None:
        """End it by a signal, and wait until it has."""
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(number)
            await self.process.wait()
        self.process = None


class Postgres:
    """A PostgreSQL server in a folder of its own, from the binaries of this machine."""

    def __init__(self) -> None:
        self._bin = _postgres_binaries()
        self._port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="gatehouse-chaos-pg-"))
        self.url = f"postgresql://postgres@127.0.0.1:{self._port}/gatehouse"

    async def start(self) -> None:
        """Make a cluster, start it, make the database."""
        if os.getuid() == 0:
            shutil.chown(self._folder, "postgres", "postgres")
        data = str(self._folder / "data")
        await self._run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
        await self._run("pg_ctl", "-w", "-D", data, "-l", str(self._folder / "log"), "-o", self._options(), "start")
        server = await asyncpg.connect(self.url.replace("/gatehouse", "/postgres"))
        try:
            await server.execute("CREATE DATABASE gatehouse")
        finally:
            await server.close()

    async def restart(self, mode: str) -> None:
        """Restart it: `fast` ends all sessions, `immediate` is a crash with a recovery after it."""
        data, log = str(self._folder / "data"), str(self._folder / "log")
        await self._run("pg_ctl", "-w", "-D", data, "-l", log, "-o", self._options(), "-m", mode, "restart")

    async def stop(self) -> None:
        """Stop it and forget all that it kept."""
        try:
            await self._run("pg_ctl", "-w", "-D", str(self._folder / "data"), "-m", "immediate", "stop")
        except DidNotStart:
            pass  # it had not started
        shutil.rmtree(self._folder, ignore_errors=True)

    def _options(self) -> str:
        return f"-p {self._port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=100"

    async def _run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs, which refuse to be run by root, as the user `postgres`."""
        command = [str(self._bin / program), *arguments]
        if os.getuid() == 0:
            command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]
        quiet = asyncio.subprocess.DEVNULL  # a pipe would stay open as long as the server has it
        with tempfile.TemporaryFile() as said:
            process = await asyncio.create_subprocess_exec(*command, stdin=quiet, stdout=quiet, stderr=said, cwd="/")
            if await process.wait() != 0:
                said.seek(0)
                raise DidNotStart(f"{program} {arguments[-1]}: {said.read()[-400:].decode(errors='replace')}")


class Redis:
    """A Redis server that keeps nothing on disk."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.url = f"redis://127.0.0.1:{port}/0"
        program = shutil.which("redis-server")
        if program is None:
            raise DidNotStart("redis-server is not installed")
        kept = ("--save", "", "--appendonly", "no", "--dir", str(folder))
        self._server = Server((program, "--port", str(port), "--bind", "127.0.0.1", *kept), folder / "redis.log")

    async def start(self) -> None:
        """Start it, empty."""
        await self._server.start()

    async def stop(self) -> None:
        """Kill it: there is nothing to lose."""
        await self._server.end(signal.SIGKILL)


class Vault:
    """The stand-in for Vault, prepared for a gateway. `secret_id_file` is what a gateway logs in with."""

    def __init__(self, folder: Path, session: aiohttp.ClientSession) -> None:
        self._session = session
        self.secret_id_file = folder / "secret-id"
        command = (sys.executable, "-m", "bench.vault_standin", "--prepared")
        self._server = Server(command, folder / "vault.log")
        self._told: dict[str, Any] = {}

    async def start(self) -> None:
        """Start it, prepared and unsealed."""
        self._told = await self._server.start(told=True)
        self.secret_id_file.write_text(self._told["secret_id"])
        self.secret_id_file.chmod(0o600)

    @property
    def environment(self) -> dict[str, str]:
        """What a gateway is told of it."""
        return {
            "GATEHOUSE_VAULT_ADDR": self._told["url"],
            "GATEHOUSE_VAULT_ROLE_ID": self._told["role_id"],
            "GATEHOUSE_VAULT_SECRET_ID_FILE": str(self.secret_id_file),
        }

    async def seal(self) -> None:
        """Seal it: it refuses everything until it is unsealed."""
        await self._ask("sys/seal", {})

    async def unseal(self) -> None:
        """Unseal it."""
        await self._ask("sys/unseal", {"key": self._told["unseal_key"]})

    async def stop(self) -> None:
        """End it."""
        await self._server.end()

    async def _ask(self, path: str, body: dict[str, str]) -> None:
        headers = {"X-Vault-Token": self._told["root_token"]}
        async with self._session.put(f"{self._told['url']}/v1/{path}", json=body, headers=headers) as answer:
            answer.raise_for_status()


def free_port() -> int:
    """Return a port of loopback that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _postgres_binaries() -> Path:
    on_path = shutil.which("pg_ctl")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[-3]))
    if on_path is None and not found:
        raise DidNotStart("PostgreSQL is not installed: pg_ctl is neither on the path nor in /usr/lib/postgresql")
    return Path(on_path).resolve().parent if on_path is not None and not found else found[-1].parent
