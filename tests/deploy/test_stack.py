"""What compose.yaml starts, started as processes: the same scripts, configurations and settings, in the same order.

No engine runs containers here, so images, users, mounts and networks are not tried; addresses and paths are replaced.
"""

import json
import os
import re
import signal
import stat
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.servers import Servers, free_port, listens, postgres, servers
from tests.deploy.tools import ROOT, run, tool

DEPLOY = ROOT / "deploy"
GATEHOUSE = [sys.executable, "-m", "gateway"]


@dataclass
class Stack:
    """Where things are."""

    folder: Path
    servers: Servers
    ports: dict[str, int]
    environments: dict[str, dict[str, str]]

    @property
    def door(self) -> str:
        return f"http://127.0.0.1:{self.ports['door']}"

    @property
    def token(self) -> str:
        return (self.folder / "keys/operator/token").read_text().strip()

    def ask(self, path: str, body: object = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.door + path, data, headers)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as refused:
            return refused.code, json.loads(refused.read() or b"null")

    def gateway(self, name: str) -> None:
        self.servers.start(name, [*GATEHOUSE, "serve"], self.environments[name])
        self.servers.wait(name, listens(self.ports[name]))

    def ready(self, name: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[name]}/readyz", timeout=5) as answer:
            found: dict[str, Any] = json.loads(answer.read())
        return found


def config() -> dict[str, Any]:
    """Return compose.yaml as Compose reads it."""
    found: dict[str, Any] = json.loads(
        run(
            tool("docker-compose"), "-f", str(DEPLOY / "compose.yaml"), "--profile", "cli", "config", "--format", "json"
        )
    )
    return found


def replaced(text: str, places: dict[str, str]) -> str:
    """Put addresses and paths of this machine in the place of those of the containers."""
    for there, here in places.items():
        assert there in text, there
        text = text.replace(there, here)
    return text


def environment(stack: Stack, name: str, home: str) -> dict[str, str]:
    """Return the settings of a service, with this machine's addresses."""
    keys = stack.folder / "keys"
    known = {
        "/run/keys": str(keys / "gateway"),
        "@postgres/": f"@127.0.0.1:{stack.ports['postgres']}/",
        "redis:6379": f"127.0.0.1:{stack.ports['redis']}",
        "https://vault:8200": f"https://127.0.0.1:{stack.ports['vault']}",
        "172.31.250.0/24": "127.0.0.0/8",
    }
    given = dict(config()["services"][name]["environment"])
    for variable, value in given.items():
        for there, here in known.items():
            value = value.replace(there, here)
        given[variable] = value
    port = str(stack.ports.get(name, 0))
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{ROOT}:{ROOT / 'secrets'}",
        "GATEHOUSE_HOME": str(keys / home),
        "GATEHOUSE_PORT": port,
        "GATEHOUSE_METRICS_PORT": "0",
        **given,
    }


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    run(sys.executable, str(DEPLOY / "compose/make_keys.py"), str(folder / "keys"))
    own_all(folder / "keys")
    with servers(folder) as started, postgres(folder) as port:
        ports = {name: free_port() for name in ("redis", "vault", "gateway-1", "gateway-2", "door")} | {
            "postgres": port
        }
        made = Stack(folder, started, ports, {})
        made.environments |= {f"gateway-{n}": environment(made, f"gateway-{n}", f"home-{n}") for n in (1, 2)}
        made.environments["init"] = environment(made, "init", "home-1")
        create_database(made)
        start_redis(made)
        start_vault(made)
        open_vault(made)
        run_init(made)
        made.gateway("gateway-1")
        made.gateway("gateway-2")
        start_door(made)
        yield made


def own_all(folder: Path) -> None:
    """Take the files from the users of the containers, who do not exist here."""
    for path in folder.rglob("*"):
        if os.geteuid() == 0:
            os.chown(path, 0, 0)


def create_database(stack: Stack) -> None:
    password = stack.folder / "keys/postgres/gatehouse.password"
    run(
        "env", f"GATEHOUSE_DATABASE_PASSWORD_FILE={password}", f"PGHOST={stack.folder / 'socket'}",
        f"PGPORT={stack.ports['postgres']}", "psql", "-U", "postgres", "-v", "ON_ERROR_STOP=1", "--no-psqlrc",
        "-f", str(DEPLOY / "postgres/create.sql"),
    )  # fmt: skip


def start_redis(stack: Stack) -> None:
    text = (DEPLOY / "compose/redis.conf").read_text()
    (stack.folder / "redis.conf").write_text(replaced(text, {"/run/keys": str(stack.folder / "keys/redis")}))
    port = str(stack.ports["redis"])
    command = [tool("redis-server"), str(stack.folder / "redis.conf"), "--port", port, "--bind", "127.0.0.1"]
    stack.servers.start("redis", command)
    stack.servers.wait("redis", listens(stack.ports["redis"]))


def start_vault(stack: Stack) -> None:
    port = stack.ports["vault"]
    places = {
        "/openbao/file": str(stack.folder / "vault"),
        "/run/keys": str(stack.folder / "keys/vault"),
        "0.0.0.0:8200": f"127.0.0.1:{port}",
        "https://vault:8200": f"https://127.0.0.1:{port}",
        "https://vault:8201": f"https://127.0.0.1:{port + 1}",
    }
    (stack.folder / "vault").mkdir(exist_ok=True)
    text = replaced((DEPLOY / "compose/vault.hcl").read_text(), places)
    (stack.folder / "vault.hcl").write_text(text)
    _, *words = config()["services"]["vault"]["entrypoint"]
    command = [tool("bao"), *(word.replace("/etc/vault.hcl", str(stack.folder / "vault.hcl")) for word in words)]
    stack.servers.start("vault", command, {"HOME": str(stack.folder), "PATH": os.environ["PATH"]})
    stack.servers.wait("vault", listens(port))


def open_vault(stack: Stack) -> None:
    keys = stack.folder / "keys/gateway"
    run(
        sys.executable, str(DEPLOY / "compose/open_vault.py"), f"--address=https://127.0.0.1:{stack.ports['vault']}",
        f"--ca={keys / 'vault-ca.pem'}", f"--keys={stack.folder / 'unseal.json'}",
        f"--policies={ROOT / 'secrets/policies'}", f"--secret-id={keys / 'secret-id'}",
    )  # fmt: skip


def run_init(stack: Stack) -> str:
    words = config()["services"]["init"]["command"]
    here = [word.replace("/operator", str(stack.folder / "keys/operator")) for word in words]
    given = stack.environments["init"]
    return run("env", "-i", *(f"{name}={value}" for name, value in given.items()), *GATEHOUSE, *here)


def start_door(stack: Stack) -> None:
    scratch = stack.folder / "nginx"
    scratch.mkdir()
    places = {
        "gateway-1:8080": f"127.0.0.1:{stack.ports['gateway-1']}",
        "gateway-2:8080": f"127.0.0.1:{stack.ports['gateway-2']}",
        "listen 8080": f"listen 127.0.0.1:{stack.ports['door']}",
        "/tmp/": f"{scratch}/",
    }
    (stack.folder / "nginx.conf").write_text(replaced((DEPLOY / "compose/nginx.conf").read_text(), places))
    command = [tool("nginx"), "-c", str(stack.folder / "nginx.conf"), "-g", "daemon off;"]
    stack.servers.start("door", command)
    stack.servers.wait("door", listens(stack.ports["door"]))


def test_the_stack_comes_up_and_each_replica_says_that_all_is_there(stack: Stack) -> None:
    for name in ("gateway-1", "gateway-2"):
        found = stack.ready(name)

        assert found["status"] == "ready"
        assert set(found["checks"]) >= {"ledger", "redis"}
    assert stack.ask("/readyz")[0] == 200


def test_what_one_replica_was_told_the_other_one_knows_and_credentials_lie_in_vault(stack: Stack) -> None:
    assert stack.ask("/v1/admin/tenants", {"id": "bank", "title": "The Bank"})[0] == 201

    shown = [stack.ask("/v1/admin/tenants")[1]["items"] for _ in range(6)]

    assert [[item["id"] for item in items] for items in shown] == [["bank"]] * 6
    assert not (stack.folder / "keys/home-1/credentials.db").exists()
    assert not (stack.folder / "keys/home-1/ledger.db").exists()


def test_a_second_start_changes_nothing(stack: Stack) -> None:
    before = {path: path.read_bytes() for path in (stack.folder / "keys").rglob("*") if path.is_file()}

    run(sys.executable, str(DEPLOY / "compose/make_keys.py"), str(stack.folder / "keys"))
    open_vault(stack)
    said = run_init(stack)

    assert "Nothing to do" in said
    assert {path: path.read_bytes() for path in before} == before
    assert stack.token not in said


def test_a_replica_that_is_killed_is_not_missed(stack: Stack) -> None:
    stack.servers.stop("gateway-1", signal.SIGKILL)

    answers = [stack.ask("/v1/admin/tenants")[0] for _ in range(6)]

    assert answers == [200] * 6
    stack.gateway("gateway-1")
    assert stack.ready("gateway-1")["status"] == "ready"


def test_a_vault_that_restarts_is_opened_again_by_the_same_script(stack: Stack) -> None:
    stack.servers.stop("vault")
    start_vault(stack)
    url = f"https://127.0.0.1:{stack.ports['vault']}"
    ask = ["env", f"BAO_ADDR={url}", f"BAO_CACERT={stack.folder / 'keys/vault/ca.pem'}", f"HOME={stack.folder}"]
    with pytest.raises(AssertionError, match=r"Sealed +true"):
        run(*ask, tool("bao"), "status")

    open_vault(stack)

    assert re.search(r"Sealed +false", run(*ask, tool("bao"), "status"))


def test_keys_are_for_their_owner_alone(stack: Stack) -> None:
    found = (stack.folder / "keys").rglob("*")
    files = [path for path in found if path.is_file() and path.name != "checkpoint.json"]

    assert len(files) > 10
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
