"""A whole gateway whose credentials are in Vault."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import hvac
import pytest
from pydantic import ValidationError

from bench.vault_standin import VaultStandIn
from connectors.sdk.errors import SecretStoreUnavailable
from gateway.admin.tenants import NewTenant
from gateway.app import Gateway
from gateway.audit import check, exported_keys
from gateway.backup import backup
from gateway.installation import Home
from gateway.ledger.keyring import stored_keys
from gateway.settings import Settings
from tests.credentials.vault.ground import REAL, Ground
from tests.gateway.admin.stage import BY, Stage, staged

READ = {"queue": "it", "number": 1}
NEEDED = {"vault_role_id": "r", "vault_secret_id_file": "s"}


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Ground]:
    standin = None if REAL else VaultStandIn().start()
    yield Ground(tmp_path, standin=standin)
    if standin is not None:
        standin.stop()


@pytest.fixture
def standin(ground: Ground) -> VaultStandIn:
    if ground.standin is None:
        pytest.skip("breaks the server, so it runs against the stand-in only")
    return ground.standin


def settings(ground: Ground) -> dict[str, Any]:
    login = ground.login()
    return {"vault_addr": ground.url, "vault_role_id": login.role_id, "vault_secret_id_file": login.file}


@pytest.fixture
async def stage(ground: Ground, tmp_path: Path) -> AsyncIterator[Stage]:
    made = await staged(tmp_path / "home", **settings(ground))
    yield made
    await made.stop()


def at_vault(ground: Ground, connection: str) -> dict[str, Any] | None:
    try:
        told = ground.root.secrets.kv.v2.read_secret_version(
            f"tenants/acme/prod/connections/{connection}", mount_point="gatehouse", raise_on_deleted_version=True
        )
    except hvac.exceptions.InvalidPath:
        return None
    return dict(told["data"]["data"])


async def test_a_connections_credential_is_at_vault_and_nowhere_here(
    stage: Stage, ground: Ground, tmp_path: Path
) -> None:
    made = await stage.connection()
    assert at_vault(ground, made["id"]) == {"method": "token", "fields": {"token": "token-of-ann"}}
    assert not (tmp_path / "home" / "credentials.db").exists()
    kept = b"".join(file.read_bytes() for file in (tmp_path / "home").iterdir() if file.is_file())
    assert b"token-of-ann" not in kept


async def test_an_agents_call_uses_it(stage: Stage) -> None:
    _, key = await stage.caller()
    stage.desk.tickets.append({"number": 1, "title": "Printer"})
    status, answer = await stage.call(key, "desk.ticket.get", READ)
    assert (status, answer["output"]["title"]) == (200, "Printer")


async def test_deleting_a_connection_leaves_nothing_at_vault(stage: Stage, ground: Ground) -> None:
    made = await stage.connection()
    status, _, _ = await stage.ask("DELETE", "E/connections/desk/main")
    assert status == 200
    assert at_vault(ground, made["id"]) is None
    with pytest.raises(hvac.exceptions.InvalidPath):
        ground.root.secrets.kv.v2.read_secret_metadata(
            f"tenants/acme/prod/connections/{made['id']}", mount_point="gatehouse"
        )


async def test_trying_a_credential_leaves_nothing_at_vault(stage: Stage, ground: Ground) -> None:
    wanted = {"connector": "desk", "name": "desk/main", "method": "token", "credential": {"token": "wrong"}}
    status, _, _ = await stage.ask("POST", "E/connections", wanted | {"base_url": stage.desk.url})
    assert status == 422
    if ground.standin is not None:
        with pytest.raises(hvac.exceptions.InvalidPath):
            ground.root.secrets.kv.v2.list_secrets("tenants/acme/prod/connections", mount_point="gatehouse")


async def test_a_sealed_vault_stops_new_tokens_and_not_those_in_memory(stage: Stage, standin: VaultStandIn) -> None:
    _, key = await stage.caller()
    stage.desk.tickets.append({"number": 1, "title": "Printer"})
    assert (await stage.call(key, "desk.ticket.get", READ))[0] == 200
    standin.sealed = True
    assert (await stage.call(key, "desk.ticket.get", READ))[0] == 200
    stage.gateway.tokens._entries.clear()  # as after a restart
    seen = len(stage.desk.seen)
    status, problem = await stage.call(key, "desk.ticket.get", READ)
    assert (status, problem["code"], problem["retryable"]) == (503, "secret_store_unavailable", True)
    assert len(stage.desk.seen) == seen
    standin.sealed = False
    assert (await stage.call(key, "desk.ticket.get", READ))[0] == 200


async def test_a_gateway_starts_beside_a_sealed_vault_and_serves_when_it_is_unsealed(
    stage: Stage, standin: VaultStandIn
) -> None:
    _, key = await stage.caller()
    stage.desk.tickets.append({"number": 1, "title": "Printer"})
    standin.sealed = True
    await again(stage)
    seen = len(stage.desk.seen)
    status, problem = await stage.call(key, "desk.ticket.get", READ)
    assert (status, problem["code"], problem["retryable"]) == (503, "secret_store_unavailable", True)
    assert len(stage.desk.seen) == seen
    assert (await readiness(stage))["checks"]["data_keys"] == "waits for Vault"
    standin.sealed = False
    await stage.gateway.data_keys.load()
    assert (await stage.call(key, "desk.ticket.get", READ))[0] == 200
    assert (await readiness(stage))["status"] == "ready"


async def test_nothing_is_set_up_with_a_way_in_that_vault_refuses(ground: Ground, tmp_path: Path) -> None:
    given = settings(ground)
    given["vault_secret_id_file"].write_text("0" * 32)
    stage = Stage(tmp_path / "home", **given)
    with pytest.raises(SecretStoreUnavailable, match="does not accept"):
        await stage.start()
    assert not (tmp_path / "home" / "ledger.db").exists()
    await stage.desk.stop()


async def test_a_gateway_does_not_start_with_a_way_in_that_vault_refuses(
    stage: Stage, ground: Ground, tmp_path: Path
) -> None:
    await stage.gateway.stop()
    good = stage.settings.vault_secret_id_file.read_text()  # type: ignore[union-attr]
    stage.settings.vault_secret_id_file.write_text("0" * 32)  # type: ignore[union-attr]
    refused = Gateway(stage.settings, clock=stage.clock, registry=stage.gateway.registry)
    with pytest.raises(SecretStoreUnavailable, match="does not accept"):
        await refused.start()
    assert refused.url == ""
    await refused.stop()
    stage.settings.vault_secret_id_file.write_text(good)  # type: ignore[union-attr]
    await anew(stage)


def test_the_command_says_what_an_operator_has_to_do(ground: Ground, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hvs.wrong")
    told = {
        "GATEHOUSE_HOME": str(tmp_path / "home"),
        "GATEHOUSE_VAULT_ADDR": ground.url,
        "GATEHOUSE_VAULT_LOGIN": "token",
        "GATEHOUSE_VAULT_TOKEN_FILE": str(tmp_path / "token"),
        "GATEHOUSE_PORT": "0",
        "GATEHOUSE_METRICS_PORT": "0",
    }
    environment = {**os.environ, **told}
    gatehouse = [sys.executable, "-m", "gateway"]
    (tmp_path / "token").write_text(ground.root_token)
    subprocess.run([*gatehouse, "init"], env=environment, check=True, capture_output=True)
    (tmp_path / "token").write_text("hvs.wrong")
    ended = subprocess.run([*gatehouse, "serve"], env=environment, capture_output=True, text=True, timeout=30)
    assert ended.returncode == 1
    assert "does not accept the gateway's token. Put a good one into token." in ended.stderr
    assert "hvs.wrong" not in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr


# The ledger's keys


async def test_data_keys_are_wrapped_and_checkpoints_signed_at_vault(stage: Stage, tmp_path: Path) -> None:
    _, key = await stage.caller()
    await stage.call(key, "desk.ticket.get", READ)
    assert await stage.gateway._checkpoints.sign()
    stored = await stage.gateway.database.read(stored_keys)
    assert {tenant for tenant, _, _ in stored} == {"", "acme", "rival"}
    assert all(wrapped.startswith(b"vault:v1:") for _, _, wrapped in stored)
    assert not (tmp_path / "home" / "audit.key").exists()
    _, report, _ = await stage.ask("POST", "E/audit/verify", role="operator", tenant=None)
    assert report["intact"], report
    assert report["checkpoints"] > 0


async def test_a_call_asks_vault_for_no_data_key(stage: Stage, ground: Ground, standin: VaultStandIn) -> None:
    _, key = await stage.caller()
    stage.desk.tickets.append({"number": 1, "title": "Printer"})
    before = ground.count("decrypt"), ground.count("datakey")
    for _ in range(5):
        assert (await stage.call(key, "desk.ticket.get", READ))[0] == 200
    assert (ground.count("decrypt"), ground.count("datakey")) == before


async def test_without_vault_checkpoints_wait_and_nothing_else_does(stage: Stage, standin: VaultStandIn) -> None:
    _, key = await stage.caller()
    stage.desk.tickets.append({"number": 1, "title": "Printer"})
    assert (await stage.call(key, "desk.ticket.get", READ))[0] == 200
    await stage.gateway._checkpoints.sign()
    standin.sealed = True
    assert (await stage.call(key, "desk.ticket.get", READ))[0] == 200
    with pytest.raises(SecretStoreUnavailable):
        await stage.gateway._checkpoints.sign()
    ready = await readiness(stage)
    assert (ready["status"], ready["checks"]["checkpoints"]) == ("degraded", "waits for Vault")
    standin.sealed = False
    await stage.gateway._checkpoints.sign()
    assert (await readiness(stage))["status"] == "ready"
    kept = await stage.gateway.database.fetch("SELECT max(seq) FROM checkpoints WHERE count > ?", (0,))
    assert kept == (stage.gateway.database.head().seq,)


async def test_checkpoints_of_all_versions_of_the_signing_key_check(
    stage: Stage, ground: Ground, tmp_path: Path
) -> None:
    for number in range(3):
        await stage.gateway.tokens.close()
        await stage.services.tenants.create(BY, NewTenant(id=f"more-{number}"))
        await stage.gateway._checkpoints.sign()
        ground.root.secrets.transit.rotate_key("gatehouse-checkpoints", mount_point="gatehouse-transit")
    await stage.gateway.stop()

    report = await check(stage.settings)
    (tmp_path / "keys.pem").write_text(await exported_keys(stage.settings))
    offline = stage.settings.model_copy(update={"vault_addr": "http://127.0.0.1:9", "master_key": "none"})
    alone = await check(offline, tmp_path / "keys.pem")

    assert report.intact, report.findings
    assert report.unread == 0
    assert alone.intact, alone.findings
    assert (alone.events, alone.checkpoints) == (report.events, report.checkpoints)
    await anew(stage)


async def test_an_installation_from_before_vault_goes_on_and_its_record_checks(ground: Ground, tmp_path: Path) -> None:
    before = await staged(tmp_path / "home")
    await before.gateway._checkpoints.sign()
    before.settings = before.settings.model_copy(update=settings(ground))

    await again(before)
    await before.services.tenants.create(BY, NewTenant(id="later"))
    await before.gateway._checkpoints.sign()

    stored = {tenant: wrapped for tenant, _, wrapped in await before.gateway.database.read(stored_keys)}
    assert stored["later"].startswith(b"vault:v1:")
    assert not stored["acme"].startswith(b"vault:")
    await before.gateway.stop()
    report = await check(before.settings)
    assert report.intact, report.findings
    await anew(before)
    await before.stop()


async def again(stage: Stage) -> None:
    """Put another gateway over the stage's home."""
    await stage.gateway.stop()
    await anew(stage)


async def anew(stage: Stage) -> None:
    stage.gateway = Gateway(stage.settings, clock=stage.clock, registry=stage.gateway.registry)
    await stage.gateway.start()
    stage.services, stage.url = stage.gateway.admin, stage.gateway.url


async def readiness(stage: Stage) -> dict[str, Any]:
    async with stage.session.get(stage.url + "/readyz") as answer:
        assert answer.status == 200
        return dict(await answer.json())


async def test_stopping_ends_the_gateways_token(ground: Ground, tmp_path: Path) -> None:
    stage = await staged(tmp_path / "home", **settings(ground))
    assert stage.gateway.vault is not None
    own = stage.gateway.vault.session._own
    assert own is not None
    await stage.stop()
    with pytest.raises(hvac.exceptions.Forbidden):
        hvac.Client(url=ground.url, token=own.lease.token).auth.token.lookup_self()


async def test_a_backup_holds_the_ledger_alone(stage: Stage, tmp_path: Path) -> None:
    manifest = backup(Home(tmp_path / "home"), tmp_path / "backup")
    assert set(manifest["bytes"]) == {"ledger.db"}  # type: ignore[call-overload]
    assert sorted(os.listdir(tmp_path / "backup")) == ["ledger.db", "manifest.json"]


# Settings


@pytest.mark.parametrize(
    "given, fields",
    [
        ({"vault_addr": "http://vault.example:8200"} | NEEDED, {"vault_addr"}),
        ({"vault_addr": "https://vault.example/v1"} | NEEDED, {"vault_addr"}),
        ({"vault_addr": "https://me@vault.example"} | NEEDED, {"vault_addr"}),
        ({"vault_addr": "vault.example"} | NEEDED, {"vault_addr"}),
        ({"vault_addr": "https://vault.example"}, {"vault_role_id", "vault_secret_id_file"}),
        ({"vault_addr": "https://vault.example", "vault_login": "token"}, {"vault_token_file"}),
        ({"vault_addr": "https://vault.example", "vault_login": "kubernetes"}, {"vault_role"}),
        (
            {"vault_addr": "https://vault.example", "vault_login": "token", "vault_timeout_seconds": 0, "port": -1},
            {"vault_token_file", "vault_timeout_seconds", "port"},
        ),
        ({"vault_login": "magic"}, {"vault_login"}),
    ],
)
def test_settings_of_vault_that_do_not_fit_are_named_all_at_once(given: dict[str, Any], fields: set[str]) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(**given)
    assert {str(error["loc"][0]) for error in refused.value.errors()} == fields


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"vault_addr": "https://vault.example:8200/"} | NEEDED,
        {"vault_addr": "http://127.0.0.1:8200", "vault_login": "token", "vault_token_file": "t"},
        {"vault_addr": "https://vault.example", "vault_login": "kubernetes", "vault_role": "gatehouse"},
    ],
)
def test_settings_of_vault_that_fit_are_taken(given: dict[str, Any]) -> None:
    assert Settings(**given).vault_mount == "gatehouse"
