"""Sets Gatehouse up at a Vault, as the operations page says: the stand-in, or a real one in development mode."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hvac

POLICIES = Path(__file__).resolve().parents[2] / "secrets" / "policies"


@dataclass(frozen=True, slots=True)
class Prepared:
    """How a gateway gets in by AppRole."""

    role_id: str
    secret_id: str = field(repr=False)


def prepare(root: Any) -> None:
    """Do what an operator of Vault does with a root token, and then all else with the policy `admin.hcl`."""
    once(lambda: root.sys.enable_auth_method("approle"))
    root.sys.create_or_update_acl_policy("gatehouse-admin", (POLICIES / "admin.hcl").read_text())
    set_up(admin_of(root))


def admin_of(root: Any) -> Any:
    """Return a client with a token that has the policy `admin.hcl` alone."""
    token = root.auth.token.create(policies=["gatehouse-admin"], no_parent=True)["auth"]["client_token"]
    return hvac.Client(url=root.url, token=token)


def way_in(root: Any) -> Prepared:
    """Return the role id and a fresh secret id."""
    admin = admin_of(root)
    role_id = admin.auth.approle.read_role_id("gatehouse")["data"]["role_id"]
    return Prepared(role_id, admin.auth.approle.generate_secret_id("gatehouse")["data"]["secret_id"])


def set_up(admin: Any) -> None:
    """Set Gatehouse up, as an admin with the policy `admin.hcl`."""
    accessor = admin.sys.list_auth_methods()["data"]["token/"]["accessor"]
    tenant = (POLICIES / "tenant.hcl").read_text().replace("TOKEN_ACCESSOR", accessor)
    admin.sys.create_or_update_acl_policy("gatehouse-gateway", (POLICIES / "gateway.hcl").read_text())
    admin.sys.create_or_update_acl_policy("gatehouse-tenant", tenant)
    once(lambda: admin.sys.enable_secrets_engine("kv", path="gatehouse", options={"version": "2"}))
    once(lambda: admin.sys.enable_secrets_engine("transit", path="gatehouse-transit"))
    admin.adapter.post("/v1/gatehouse/config", json={"max_versions": 1, "cas_required": True})
    admin.secrets.transit.create_key("gatehouse-checkpoints", key_type="ed25519", mount_point="gatehouse-transit")
    admin.adapter.post(
        "/v1/auth/token/roles/gatehouse-tenant",
        json={
            "allowed_policies": "gatehouse-tenant",
            "allowed_entity_aliases": "*",
            "token_no_default_policy": True,
            "renewable": False,
            "orphan": False,
        },
    )
    admin.auth.approle.create_or_update_approle(
        "gatehouse", token_policies=["gatehouse-gateway"], token_ttl="1h", token_max_ttl="4h"
    )


def once(make: Callable[[], object]) -> None:
    """Make what may be there already."""
    try:
        make()
    except hvac.exceptions.InvalidRequest as error:
        if "already in use" not in str(error):
            raise
