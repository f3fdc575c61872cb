"""Open the Vault of compose.yaml: initialize and unseal it, and set Gatehouse up in it. Run again, it only unseals.

FOR TRYING ONLY: one unseal key and the root token stay in a file beside each other. A real Vault is unsealed by its
keepers or by a key service, and its root token is revoked once `admin.hcl` is in place.
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hvac
import orjson
import requests

ROLE_ID = "gatehouse-for-trying"


def main() -> None:
    """Do it."""
    wanted = argparse.ArgumentParser(description=__doc__)
    for name in ("address", "ca", "keys", "policies", "secret-id"):
        wanted.add_argument(f"--{name}", required=True)
    given = wanted.parse_args()
    client = hvac.Client(url=given.address, verify=given.ca)
    opened = open_vault(client, Path(given.keys))
    client.token = opened["root_token"]
    # Not a look-up: a standby that is about to become active answers those too.
    wait_for(lambda: client.adapter.get("/v1/sys/leader").get("is_self"), "an active node")
    policies, secret_id = Path(given.policies), Path(given.secret_id)
    if not secret_id.exists():
        prepare(client, policies)
        write(secret_id, way_in(client).encode())


def open_vault(client: Any, keys: Path) -> dict[str, str]:
    """Return what initializing gave, now or before; the Vault is unsealed then."""
    if not wait_for(lambda: [client.sys.is_initialized()], "Vault")[0]:
        made = client.sys.initialize(secret_shares=1, secret_threshold=1)
        write(keys, orjson.dumps({"unseal_key": made["keys"][0], "root_token": made["root_token"]}))
    opened: dict[str, str] = orjson.loads(keys.read_bytes())
    if client.sys.is_sealed():
        client.sys.submit_unseal_key(opened["unseal_key"])
    return opened


def prepare(root: Any, policies: Path) -> None:
    """Do what an operator of Vault does with a root token, and then all else with the policy `admin.hcl`."""
    once(lambda: root.sys.enable_auth_method("approle"))
    root.sys.create_or_update_acl_policy("gatehouse-admin", (policies / "admin.hcl").read_text())
    token = root.auth.token.create(policies=["gatehouse-admin"], no_parent=True, ttl="10m")["auth"]["client_token"]
    admin = hvac.Client(url=root.url, token=token, verify=root.session.verify)
    set_up(admin, policies)
    admin.auth.token.revoke_self()


def set_up(admin: Any, policies: Path) -> None:
    """Make mounts, policies and roles, as docs/operations.md has it."""
    accessor = admin.sys.list_auth_methods()["data"]["token/"]["accessor"]
    once(lambda: admin.sys.enable_secrets_engine("kv", path="gatehouse", options={"version": "2"}))
    once(lambda: admin.sys.enable_secrets_engine("transit", path="gatehouse-transit"))
    # A KV engine of version 2 is upgraded in the background for a moment after it was mounted.
    wait_for(lambda: admin.adapter.post("/v1/gatehouse/config", json={"max_versions": 1, "cas_required": True}), "KV")
    admin.secrets.transit.create_key("gatehouse-checkpoints", key_type="ed25519", mount_point="gatehouse-transit")
    tenant = (policies / "tenant.hcl").read_text().replace("TOKEN_ACCESSOR", accessor)
    admin.sys.create_or_update_acl_policy("gatehouse-gateway", (policies / "gateway.hcl").read_text())
    admin.sys.create_or_update_acl_policy("gatehouse-tenant", tenant)
    role = {
        "allowed_policies": "gatehouse-tenant",
        "allowed_entity_aliases": "*",
        "token_no_default_policy": True,
        "renewable": False,
        "orphan": False,
    }
    admin.adapter.post("/v1/auth/token/roles/gatehouse-tenant", json=role)
    admin.auth.approle.create_or_update_approle(
        "gatehouse", token_policies=["gatehouse-gateway"], token_ttl="1h", token_max_ttl="24h"
    )


def way_in(root: Any) -> str:
    """Name the role's id, which compose.yaml knows, and return a secret id."""
    root.auth.approle.update_role_id("gatehouse", ROLE_ID)
    secret_id: str = root.auth.approle.generate_secret_id("gatehouse")["data"]["secret_id"]
    return secret_id


def once(make: Callable[[], object]) -> None:
    """Make what may be there already."""
    try:
        make()
    except hvac.exceptions.InvalidRequest as error:
        if "already in use" not in str(error):
            raise


def wait_for(ask: Callable[[], Any], what: str, seconds: float = 60) -> Any:
    """Ask until there is an answer. Raises `SystemExit` where there is none in time."""
    until = time.monotonic() + seconds
    while True:
        try:
            if answer := ask():
                return answer
            said = "no answer yet"
        except (requests.RequestException, hvac.exceptions.VaultError) as error:
            said = type(error).__name__
        if time.monotonic() > until:
            raise SystemExit(f"{what} was not there in {seconds:g} seconds: {said}")
        time.sleep(0.2)


def write(path: Path, content: bytes) -> None:
    """Write a file at once, for its owner alone."""
    half = path.with_name(f".{path.name}")
    half.unlink(missing_ok=True)
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        os.fsync(file.fileno())
    half.replace(path)


if __name__ == "__main__":
    main()
