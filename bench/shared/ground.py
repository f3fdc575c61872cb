"""The servers that a shared gateway stands on: a database of its own, a Redis and a stand-in for Vault as processes."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import orjson
import redis

SERVER = os.environ.get("GATEHOUSE_BENCH_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")


@dataclass(frozen=True, slots=True)
class Ground:
    """Where they are, as settings, and what they counted."""

    settings: Mapping[str, str]
    database: str
    redis_port: int

    @property
    def environment(self) -> dict[str, str]:
        """The settings as a process gets them."""
        return {f"GATEHOUSE_{name.upper()}": value for name, value in self.settings.items()}

    def commits(self) -> int:
        """Return the transactions that the database has committed for gateways as writers.

        Every process counts its own in `writers`; the database's own count has the readers' snapshots in it too.
        """
        rows = asyncio.run(
            run(self.database, "SELECT xact_commit FROM pg_stat_database WHERE datname=current_database()")
        )
        return int(rows[0][0])

    def commands(self) -> int:
        """Return the commands that Redis has carried out."""
        with redis.Redis(port=self.redis_port) as client:
            told: Any = client.info("stats")
        return int(told["total_commands_processed"])


@contextmanager
def ground(folder: Path) -> Iterator[Ground]:
    """Start the servers; end them and drop the database at the end."""
    with ExitStack() as stack:
        name = f"gatehouse_bench_{uuid4().hex}"
        asyncio.run(run(None, f'CREATE DATABASE "{name}"'))
        stack.callback(lambda: asyncio.run(run(None, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')))
        port = free_port()
        stack.enter_context(_redis(port))
        vault = stack.enter_context(_vault())
        secret = folder / "secret-id"
        secret.write_text(vault["secret_id"])
        settings = {
            "database_url": url_of(name),
            "redis_url": f"redis://127.0.0.1:{port}/0",
            "vault_addr": vault["url"],
            "vault_login": "approle",
            "vault_role_id": vault["role_id"],
            "vault_secret_id_file": str(secret),
        }
        yield Ground(settings, url_of(name), port)


def url_of(name: str) -> str:
    """Return the URL of a database."""
    return SERVER.rpartition("/")[0] + "/" + name


async def run(url: str | None, statement: str) -> list[Any]:
    """Run one statement over a connection of its own."""
    connection = await asyncpg.connect(url or SERVER)
    try:
        rows: list[Any] = await connection.fetch(statement)
        return rows
    finally:
        await connection.close()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _redis(port: int) -> Iterator[None]:
    program = shutil.which("redis-server")
    if program is None:
        raise SystemExit("redis-server is needed: apt-get install redis-server")
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 10
        while time.monotonic() < until:
            try:
                with redis.Redis(port=port) as client:
                    client.ping()
                break
            except redis.ConnectionError:
                time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def _vault() -> Iterator[Mapping[str, str]]:
    process = subprocess.Popen([sys.executable, "-m", "bench.vault_standin", "--prepared"], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        told: Mapping[str, str] = orjson.loads(process.stdout.readline())
        yield told
    finally:
        process.terminate()
        process.wait(10)
