"""A sandbox as its user has it: a gateway process with vendors' simulators. Needs httpx alone."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]
GATEHOUSE = ROOT / ".venv" / "bin" / "gatehouse"
_SECONDS = 90


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox: what its `sandbox.json` says."""

    home: Path
    told: dict[str, Any]

    @property
    def url(self) -> str:
        return str(self.told["url"])

    @property
    def key(self) -> str:
        return str(self.told["agent_key"])

    def applied(self, vendor: str) -> list[str]:
        """Return what was changed at a vendor, as `METHOD path`."""
        url = self.told["simulators"][vendor]["url"]
        return [f"{one['method']} {one['path']}" for one in httpx.get(f"{url}/_sim/applied").json()["items"]]

    def admin(self, method: str, path: str, body: object = None) -> Any:
        """Ask the admin API below the sandbox's environment."""
        below = f"/v1/admin/tenants/{self.told['tenant']}/environments/{self.told['environment']}/{path}"
        headers = {"Authorization": f"Bearer {self.told['admin_token']}"}
        answer = httpx.request(method, self.url + below, json=body, headers=headers)
        assert answer.is_success, answer.text
        return answer.json()

    def agent(self, name: str, connection: str, **terms: Any) -> str:
        """Make an agent with a grant on a connection, and return its key."""
        self.admin("POST", "agents", {"name": name})
        vendor = connection.partition("/")[0]
        grant = {"agent": name, "connection": connection, "scopes": [f"{vendor}:*:*"], "autonomy": "auto", **terms}
        self.admin("POST", "grants", grant)
        return str(self.admin("POST", f"agents/{name}/keys", {})["key"])


@contextmanager
def sandbox(home: Path) -> Iterator[Sandbox]:
    """Run a sandbox in a folder of its own until the block ends."""
    told = home / "sandbox.json"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GATEHOUSE_")}
    environment |= {"GATEHOUSE_HOME": str(home)}
    with (home.parent / "sandbox.log").open("wb") as log:
        command = [str(GATEHOUSE), "serve", "--sandbox", "--port", "0"]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        yield Sandbox(home, _ready(told, process))
    finally:
        process.terminate()
        process.wait(_SECONDS)


def _ready(told: Path, process: "subprocess.Popen[bytes]") -> dict[str, Any]:
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"the sandbox ended: {(told.parent.parent / 'sandbox.log').read_text()}")
        if told.exists():
            found: dict[str, Any] = json.loads(told.read_bytes())
            return found
        time.sleep(0.05)
    raise TimeoutError(f"no sandbox within {_SECONDS} seconds on {sys.platform}")
