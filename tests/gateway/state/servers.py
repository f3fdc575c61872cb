"""Redis servers of a test's own: on free ports of loopback, in a folder that goes away, ended by their process id."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import redis

BINARY = shutil.which("redis-server")


def free_ports(count: int) -> list[int]:
    """Return ports that were free a moment ago. A Cluster's bus takes 10,000 more, so they are low ones."""
    found: list[socket.socket] = []
    while len(found) < count:
        one = socket.socket()
        one.bind(("127.0.0.1", 0))
        if one.getsockname()[1] < 55_000:
            found.append(one)
    ports = [one.getsockname()[1] for one in found]
    for one in found:
        one.close()
    return ports


@dataclass
class Server:
    """One server process."""

    folder: Path
    port: int
    settings: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    sentinel: bool = False
    client: Mapping[str, object] = field(default_factory=dict)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> "Server":
        assert BINARY is not None
        self.folder.mkdir(parents=True, exist_ok=True)
        given: dict[str, str | Sequence[str]] = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(self.folder),
            "logfile": str(self.folder / "log"),
        }
        if not self.sentinel:
            given |= {"save": '""', "appendonly": "no"}
        given |= self.settings
        lines = [
            f"{name} {one}" for name, value in given.items() for one in ([value] if isinstance(value, str) else value)
        ]
        config = self.folder / "redis.conf"
        config.write_text("\n".join(lines) + "\n")
        command = [BINARY, str(config), *(["--sentinel"] if self.sentinel else [])]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.wait()
        return self

    def ask(self, *command: object) -> object:
        """Ask the server something, beside everything that is tested."""
        given = {"port": self.port} | dict(self.client)
        with redis.Redis(**given) as one:  # type: ignore[arg-type]
            return one.execute_command(*command)

    def wait(self, seconds: float = 10) -> None:
        until = time.monotonic() + seconds
        while True:
            try:
                self.ask("PING")
            except redis.exceptions.RedisError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.02)
            else:
                return

    def calls(self, command: str) -> int:
        """Return how often a command came in over the wire."""
        given = {"port": self.port} | dict(self.client)
        with redis.Redis(**given) as one:  # type: ignore[arg-type]
            stats = one.info("commandstats")
        return int(stats.get(f"cmdstat_{command}", {}).get("calls", 0))

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        if self.process is not None:
            self._signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()
            self.process = None

    def _signal(self, number: int) -> None:
        assert self.process is not None
        os.kill(self.process.pid, number)
