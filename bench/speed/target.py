"""The processes that are measured: started, watched through /proc, and ended by their ids."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_START_SECONDS = 60.0


@dataclass(slots=True)
class Running:
    """A process under measurement, with its children."""

    process: subprocess.Popen[bytes]
    url: str
    start_s: float
    children: list[int] = field(default_factory=list[int])

    def cpu_seconds(self) -> float:
        """Return the processor time that it and its children have used."""
        return sum(_cpu(pid) for pid in (self.process.pid, *self.children))

    def rss_mib(self) -> float:
        """Return the memory that it and its children hold."""
        return sum(_rss(pid) for pid in (self.process.pid, *self.children))

    def stop(self) -> None:
        """End it."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start_module(module: str, *arguments: str) -> Running:
    """Start one of the bench's own servers, which print their port."""
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE)
    assert process.stdout is not None
    port = int(process.stdout.readline())
    return Running(process, f"http://127.0.0.1:{port}", time.monotonic() - began)


def start_gateway(home: Path, collector: str, settings: Mapping[str, str] | None = None) -> Running:
    """Start a production gateway with everything on, and wait until it is ready."""
    port = _free_port()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GATEHOUSE_", "OTEL_"))}
    environment = kept | {
        "GATEHOUSE_HOME": str(home),
        "GATEHOUSE_PORT": str(port),
        "GATEHOUSE_METRICS_PORT": "0",
        "GATEHOUSE_OPENED_NETWORKS": "127.0.0.0/8",
        "GATEHOUSE_TRACE_RATIO": "0.1",
        "GATEHOUSE_LOG_LEVEL": "warning",
        "GATEHOUSE_INTAKE_PER_SECOND": "1000000",
        "GATEHOUSE_AGENT_PER_MINUTE": "60000000",
        "GATEHOUSE_WRITES_PER_MINUTE": "60000000",
        "GATEHOUSE_CONNECTION_PER_MINUTE": "60000000",
        "GATEHOUSE_TENANT_PER_MINUTE": "60000000",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector,
        **(settings or {}),
    }
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "gateway", "serve"], env=environment, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    _wait_ready(process, f"{url}/readyz", began)
    return Running(process, url, time.monotonic() - began)


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def start_nginx(folder: Path, upstream: str) -> Running | None:
    """Start nginx with one worker as a proxy, where it is installed."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        return None
    folder.mkdir(parents=True)
    port = _free_port()
    (folder / "nginx.conf").write_text(
        _NGINX.format(folder=folder, port=port, upstream=upstream.removeprefix("http://"))
    )
    began = time.monotonic()
    process = subprocess.Popen(
        [program, "-c", str(folder / "nginx.conf"), "-p", str(folder), "-e", str(folder / "log")]
    )
    _wait_ready(process, f"http://127.0.0.1:{port}/", began)
    started = time.monotonic() - began
    return Running(process, f"http://127.0.0.1:{port}", started, children_of(process.pid))


_NGINX = """daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/log;
events {{ worker_connections 2048; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  upstream vendor {{ server {upstream}; keepalive 256; }}
  server {{
    listen 127.0.0.1:{port} backlog=1024; keepalive_requests 100000000;
    location / {{ proxy_pass http://vendor; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""


def _wait_ready(process: subprocess.Popen[bytes], url: str, began: float) -> None:
    while time.monotonic() - began < _START_SECONDS and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.01)
    process.kill()
    process.wait()
    raise RuntimeError(f"{url} was not ready in time")


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def _rss(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
