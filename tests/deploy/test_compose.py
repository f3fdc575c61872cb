"""compose.yaml as Compose itself reads it: what its services may do, and what they are told."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from gateway.settings import Settings
from tests.deploy.tools import ROOT, run, tool

FILE = ROOT / "deploy" / "compose.yaml"
REPLICAS = ("gateway-1", "gateway-2")
# They hand new files and a new volume to the users that may have them, and have no network.
AS_ROOT = {"keys", "unseal-folder"}


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        run(tool("docker-compose"), "-f", str(FILE), "--profile", "*", "config", "--format", "json")
    )
    return found


def test_every_service_is_shut_in(config: dict[str, Any]) -> None:
    for name, service in config["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["pids_limit"], name
        assert service["mem_limit"], name
        assert not service.get("privileged"), name
        assert ("cap_add" in service) == (name in AS_ROOT), name


def test_root_has_no_network_and_leaves_again(config: dict[str, Any]) -> None:
    as_root = {name for name, service in config["services"].items() if str(service.get("user")).startswith("0")}

    assert as_root == AS_ROOT
    for name in as_root:
        assert config["services"][name]["network_mode"] == "none"
        assert config["services"][name]["restart"].startswith("on-failure")


def test_no_secret_is_in_the_file_and_each_service_sees_its_own_alone(config: dict[str, Any]) -> None:
    text = FILE.read_text()
    keys = {
        name: {v["source"] for v in service["volumes"] if v["source"].startswith(("keys-", "operator", "unseal"))}
        for name, service in config["services"].items()
        if name != "keys"
    }

    assert not re.search(r"(PASSWORD|TOKEN|SECRET_ID|MASTER_KEY): ", text)
    assert "://gatehouse:" not in text
    assert keys == {
        "postgres": {"keys-postgres"},
        "redis": {"keys-redis"},
        "vault": {"keys-vault"},
        "open-vault": {"keys-gateway", "unseal-for-trying-only"},
        "unseal-folder": {"unseal-for-trying-only"},
        "init": {"keys-gateway", "operator-for-trying-only"},
        "gateway-1": {"keys-gateway"},
        "gateway-2": {"keys-gateway"},
        "door": set(),
        "cli": {"operator-for-trying-only"},
    }


def test_the_door_alone_is_open_and_to_this_machine_alone(config: dict[str, Any]) -> None:
    ports = {name: service["ports"] for name, service in config["services"].items() if service.get("ports")}

    assert list(ports) == ["door"]
    assert [port["host_ip"] for port in ports["door"]] == ["127.0.0.1"]
    assert config["networks"]["back"]["internal"] is True
    assert set(config["services"]["door"]["networks"]) == {"front"}
    for name in ("postgres", "redis", "vault", "open-vault", "init"):
        assert set(config["services"][name]["networks"]) == {"back"}


def test_replicas_differ_in_their_homes_alone(config: dict[str, Any]) -> None:
    one, two = (config["services"][name] for name in REPLICAS)

    homes = [
        [v.pop("source") for v in service["volumes"] if v["target"] == "/var/lib/gatehouse"] for service in (one, two)
    ]
    assert homes == [["home-1"], ["home-2"]]
    assert one == two


def test_a_replica_gets_longer_than_it_drains(config: dict[str, Any]) -> None:
    for name in REPLICAS:
        service = config["services"][name]

        grace = int(service["stop_grace_period"].removesuffix("s"))
        assert grace >= float(service["environment"]["GATEHOUSE_DRAIN_SECONDS"]) + 10


def test_services_start_in_an_order_in_which_each_finds_what_it_needs(config: dict[str, Any]) -> None:
    needs = {name: dict(service.get("depends_on") or {}) for name, service in config["services"].items()}

    def all_of(name: str) -> set[str]:
        return set(needs[name]) | {far for near in needs[name] for far in all_of(near)}

    assert all_of("door") >= {*REPLICAS, "init", "open-vault", "vault", "postgres", "redis", "keys"}
    for there in needs.values():
        for name, how in there.items():
            job = config["services"][name]["restart"].startswith("on-failure")
            assert how["condition"] == ("service_completed_successfully" if job else "service_healthy"), name


def test_the_settings_of_a_replica_are_ones_that_the_gateway_starts_with(
    config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = config["services"]["gateway-1"]["environment"]
    (tmp_path / "file").write_text("x")
    for name, value in given.items():
        monkeypatch.setenv(name, str(tmp_path / "file") if name.endswith("_FILE") else value)

    settings = Settings()

    assert given.keys() <= {f"GATEHOUSE_{name.upper()}" for name in Settings.model_fields}
    assert settings.vault_login == "approle"
    assert settings.redis() is not None
    assert str(config["networks"]["front"]["ipam"]["config"][0]["subnet"]) == str(settings.proxies()[0])


def test_redis_grants_the_same_everywhere() -> None:
    rights = re.compile(r"~gatehouse:\* &gatehouse:\* (?:-@all )?([^()]*?\+expire)", re.DOTALL)
    page, script = (ROOT / name for name in ("docs/operations.md", "deploy/compose/make_keys.py"))

    found = [
        set(one.replace("\\\n", " ").split()) for path in (page, script) for one in rights.findall(path.read_text())
    ]

    assert len(found) == 3
    assert all(one == found[0] for one in found)
