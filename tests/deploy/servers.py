"""Servers of a test's own: PostgreSQL in a new cluster, OpenBao, Redis, nginx, gateways; each on loopback."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.deploy.tools import run, tool

_POSTGRES = Path("/usr/lib/postgresql")


def free_port() -> int:
    """Return a port that is free, and whose neighbour is too: OpenBao speaks to its cluster there."""
    while True:
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            port: int = one.getsockname()[1]
            try:
                two.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


class Servers:
    """Starts processes, each with its output in a file of the folder, and ends them all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: dict[str, subprocess.Popen[bytes]] = {}

    def start(
        self, name: str, command: list[str], env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> None:
        """Start one."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self._started[name] = subprocess.Popen(
                command, env=dict(env) if env is not None else None, cwd=cwd or self.folder, stdout=log, stderr=log
            )

    def wait(self, name: str, there: Callable[[], bool], seconds: float = 30) -> None:
        """Wait until one answers; it must not end meanwhile."""
        until = time.monotonic() + seconds
        while not there():
            log = self.folder / f"{name}.log"
            assert self._started[name].poll() is None, f"{name} ended\n{log.read_text()}"
            assert time.monotonic() < until, f"{name} does not answer\n{log.read_text()}"
            time.sleep(0.05)

    def stop(self, name: str, number: int = signal.SIGTERM) -> int:
        """End one and return its exit code."""
        process = self._started.pop(name)
        process.send_signal(number)
        try:
            return process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            raise

    def stop_all(self) -> None:
        """End what still runs, the last one first."""
        for name in reversed(list(self._started)):
            self.stop(name)


def listens(port: int) -> Callable[[], bool]:
    """Return a look whether a port of loopback takes connections."""

    def look() -> bool:
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", port)) == 0

    return look


@contextmanager
def servers(folder: Path) -> Iterator[Servers]:
    """Give servers that end with the block."""
    made = Servers(folder)
    try:
        yield made
    finally:
        made.stop_all()


def postgres_program(name: str) -> str:
    """Return a program of the newest PostgreSQL here: Debian leaves the server's own out of the path."""
    found = sorted(_POSTGRES.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    return str(found[-1]) if found else tool(name)


@contextmanager
def postgres(folder: Path) -> Iterator[int]:
    """Give the port of a new cluster. Passwords are asked for over TCP; `postgres` has none over the socket."""
    with ExitStack() as ending:
        # A server refuses to run as root, and another user cannot enter a test's own folder.
        data = Path(tempfile.mkdtemp(prefix="gatehouse-postgres-"))
        ending.callback(shutil.rmtree, data, ignore_errors=True)
        as_user: list[str] = []
        if os.geteuid() == 0:
            shutil.chown(data, "postgres", "postgres")
            as_user = [tool("setpriv"), "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        port = free_port()
        run(
            *as_user, postgres_program("initdb"), "--pgdata", str(data / "db"), "--username=postgres", "--no-sync",
            "--auth-local=trust", "--auth-host=scram-sha-256", "--locale=C.UTF-8", cwd=data,
        )  # fmt: skip
        made = ending.enter_context(servers(folder))
        settings = {"listen_addresses": "127.0.0.1", "port": str(port), "unix_socket_directories": str(data)}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        made.start("postgres", [*as_user, postgres_program("postgres"), "-D", str(data / "db"), *options], cwd=data)
        made.wait("postgres", listens(port))
        # Its polite end waits for all clients; the fast one does not.
        ending.callback(made.stop, "postgres", signal.SIGINT)
        data.chmod(0o755)
        (folder / "socket").symlink_to(data)
        yield port
