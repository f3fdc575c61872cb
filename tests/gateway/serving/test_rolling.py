"""Replicas behind nginx, restarted one after the other while calls come in: not one is lost, and none is done twice.

The short form takes less than a minute. `GATEHOUSE_TESTS_ROLLS` restarts all replicas so many times.
"""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.conftest import REQUIRED
from tests.gateway.serving.fleet import ISSUE, Fleet, within
from tests.gateway.state.conftest import need_redis
from tests.gateway.state.servers import Server, free_ports

CONF = Path(__file__).resolve().parents[3] / "deploy" / "nginx.conf"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
ROLLS = int(os.environ.get("GATEHOUSE_TESTS_ROLLS", "1"))
_ALONE = """worker_processes 1;
daemon off;
error_log {folder}/error.log warn;
pid {folder}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  include {folder}/gatehouse.conf;
}}
"""


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Server]:
    need_redis()
    server = Server(tmp_path / "redis", free_ports(1)[0]).start()
    yield server
    server.stop()


class Nginx:
    """nginx with the configuration that `deploy` shows, over ports of its own."""

    def __init__(self, folder: Path, replicas: list[str]) -> None:
        if NGINX is None:
            if REQUIRED:
                pytest.fail("nginx is not installed, and GATEHOUSE_TESTS_REQUIRE_ALL=1 asks for all tests")
            pytest.skip("needs nginx")
        folder.mkdir()
        self.port = free_ports(1)[0]
        shown = CONF.read_text().replace("listen 8080;", f"listen 127.0.0.1:{self.port};")
        for number, url in enumerate(replicas, 1):
            assert f"127.0.0.1:808{number}" in shown
            shown = shown.replace(f"127.0.0.1:808{number}", url.removeprefix("http://"))
        (folder / "gatehouse.conf").write_text(shown)
        (folder / "nginx.conf").write_text(_ALONE.format(folder=folder))
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "error.log"
        self.process = subprocess.Popen([NGINX, "-c", str(folder / "nginx.conf"), "-p", str(folder)])

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


class Load:
    """Reads and writes through the door, one after the other in each of a few lanes."""

    def __init__(self, fleet: Fleet, url: str) -> None:
        self._fleet = fleet
        self._url = url
        self._ended = asyncio.Event()
        self.written: list[str] = []
        self.failed: list[object] = []
        self.reads = 0

    async def run(self, lanes: int) -> None:
        await asyncio.gather(*(self._lane(number) for number in range(lanes)))

    def end(self) -> None:
        self._ended.set()

    async def _lane(self, lane: int) -> None:
        number = 0
        while not self._ended.is_set():
            key = f"lane-{lane}-{number}"
            try:
                status, body = await self._fleet.create(self._url, key)
                (self.written if (status, body.get("status")) == (200, "succeeded") else self.failed).append(
                    key if status == 200 else (key, status, body)
                )
                status, body, _ = await self._fleet.ask(
                    "POST", f"{self._url}/v1/actions/github.issue.get", ISSUE | {"number": 1}
                )
                self.reads += status == 200
                if status != 200:
                    self.failed.append((status, body))
            except (aiohttp.ClientError, ValueError) as error:
                self.failed.append((key, repr(error)))
            number += 1


async def test_a_rolling_restart_behind_nginx_loses_no_request_and_repeats_none(
    fleet: Fleet, redis: Server, tmp_path: Path
) -> None:
    replicas = await fleet.replicas(3, GATEHOUSE_REDIS_URL=redis.url)
    nginx = Nginx(tmp_path / "nginx", [one.url for one in replicas])
    load = Load(fleet, nginx.url)
    async with within(10, lambda: nginx.log.read_text()):
        while True:
            try:
                await fleet.ask("GET", f"{nginx.url}/v1/actions")
                break
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)
    try:
        running = asyncio.create_task(load.run(6))
        for _ in range(ROLLS):
            for replica in replicas:
                before = len(load.written)
                assert await replica.stop() == 0
                await replica.start()
                async with within(30, lambda: str(load.failed)):
                    while len(load.written) < before + 12:
                        await asyncio.sleep(0.02)
        load.end()
        await running
    finally:
        nginx.stop()

    assert load.failed == [], nginx.log.read_text()[-2000:]
    assert load.reads >= len(load.written)
    assert len(load.written) >= 36
    created = [path for path in fleet.effects() if path == "POST /repos/acme/web/issues"]
    assert len(created) == len(load.written)
