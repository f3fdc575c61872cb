"""One replica as a process: killed, stopped in the middle of what it does, its clock moved, its memory looked at."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from bench.chaos.replicas.servers import DidNotStart, free_port

_START_SECONDS, _STOP_SECONDS = 60.0, 40.0
_FAKETIME = (
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
)
_PAGE = os.sysconf("SC_PAGE_SIZE")


def clock_library() -> str | None:
    """Return where libfaketime is, None where it is not installed."""
    return next((path for path in _FAKETIME if Path(path).exists()), None)


@dataclass(slots=True)
class Memory:
    """Resident bytes of one replica over its lives. `growth` is that of the life that grew most, after it was warm."""

    most: int = 0
    growth: int = 0
    _warm: int = field(default=0, repr=False)

    def born(self) -> None:
        """A new life begins."""
        self._warm = 0

    def take(self, resident: int, age_seconds: float, warm_after: float) -> None:
        """Take a sample in."""
        self.most = max(self.most, resident)
        if age_seconds < warm_after:
            self._warm = max(self._warm, resident)
        elif self._warm:
            self.growth = max(self.growth, resident - self._warm)


class Replica:
    """`gatehouse serve` on one port, over several lives."""

    def __init__(self, name: str, environment: Mapping[str, str], session: aiohttp.ClientSession, folder: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.memory = Memory()
        self.log = folder / f"{name}.log"
        self._session = session
        self._clock = folder / f"{name}.clock"
        self._environment = {**environment, "GATEHOUSE_PORT": str(port), "GATEHOUSE_METRICS_PORT": "0"}
        self._process: asyncio.subprocess.Process | None = None
        self._started = 0.0
        self.movable_clock = False
        self.step_clock(0)

    async def start(self) -> None:
        """Start, and return when it is ready. Raises `DidNotStart`."""
        self.memory.born()
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "gateway", "serve"), env=self._with_clock(), stdout=log, stderr=log
            )
        self._started = time.monotonic()
        until = self._started + _START_SECONDS
        while time.monotonic() < until and self._process.returncode is None:
            if await self.ready():
                return
            await asyncio.sleep(0.05)
        raise DidNotStart(f"a replica did not start: {self.log.read_text()[-800:]}")

    async def ready(self) -> bool:
        """Whether it says that it takes calls."""
        try:
            async with self._session.get(f"{self.url}/readyz", timeout=aiohttp.ClientTimeout(total=2)) as answer:
                return answer.status == 200
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False

    @property
    def ended(self) -> bool:
        """Whether it has ended by itself."""
        return self._process is not None and self._process.returncode is not None

    async def kill(self) -> None:
        """End it with SIGKILL."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        self._process = None

    def freeze(self) -> None:
        """Stop it in the middle of whatever it does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on as if nothing had been."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGCONT)

    def step_clock(self, seconds: float) -> None:
        """Move its wall clock to so many seconds from the machine's. The monotonic one goes on."""
        fresh = self._clock.with_suffix(".new")
        fresh.write_text(f"{seconds:+.1f}")
        fresh.replace(self._clock)

    def look(self, warm_after: float) -> None:
        """Take a sample of its memory."""
        if self._process is None or self._process.returncode is not None:
            return
        try:
            pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        except (OSError, IndexError):
            return
        self.memory.take(pages * _PAGE, time.monotonic() - self._started, warm_after)

    async def stop(self) -> None:
        """Drain it; kill what does not end."""
        self.thaw()
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), _STOP_SECONDS)
            except TimeoutError:
                await self.kill()
        self._process = None

    def _with_clock(self) -> dict[str, str]:
        library = clock_library()
        if library is None or not self.movable_clock:
            return dict(self._environment)
        return self._environment | {
            "LD_PRELOAD": library,
            "FAKETIME_TIMESTAMP_FILE": str(self._clock),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }
