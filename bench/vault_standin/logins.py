"""Ways in: AppRole and Kubernetes. Sources: Vault HTTP API, "AppRole auth method" and "Kubernetes auth method"."""

import secrets
from dataclasses import dataclass, field
from typing import Any

from bench.vault_standin.clock import Clock
from bench.vault_standin.refusal import Refusal, denied, invalid, missing
from bench.vault_standin.tokens import Token, Tokens


def seconds(value: object) -> float:
    """Read a duration: a number of seconds, or text such as `30s`, `15m`, `1h`."""
    text = str(value or 0).strip()
    unit = {"s": 1, "m": 60, "h": 3600, "d": 86400}.get(text[-1:])
    try:
        return float(text[:-1]) * unit if unit else float(text)
    except ValueError:
        raise invalid(f"error parsing duration {text!r}") from None


def words(value: object) -> tuple[str, ...]:
    """Read a list that may be written as text with commas."""
    parts = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else []
    return tuple(str(part).strip() for part in parts if str(part).strip())


@dataclass(slots=True)
class _Role:
    policies: tuple[str, ...]
    ttl: float
    max_ttl: float
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    uses: int = 0
    secrets: dict[str, int] = field(default_factory=dict[str, int])

    @classmethod
    def of(cls, body: dict[str, Any]) -> "_Role":
        return cls(
            policies=(*words(body.get("token_policies") or body.get("policies")), "default"),
            ttl=seconds(body.get("token_ttl") or body.get("ttl")),
            max_ttl=seconds(body.get("token_max_ttl") or body.get("max_ttl")),
            uses=int(body.get("secret_id_num_uses") or 0),
        )


class AppRole:
    """One mount of AppRole."""

    def __init__(self, clock: Clock, tokens: Tokens) -> None:
        self._tokens = tokens
        self._roles: dict[str, _Role] = {}

    def login(self, body: dict[str, Any], mount: str) -> Token:
        """Let a role in."""
        role = next((role for role in self._roles.values() if role.id == body.get("role_id")), None)
        secret = str(body.get("secret_id") or "")
        if role is None or secret not in role.secrets:
            raise invalid("invalid role or secret ID")
        if role.uses:
            role.secrets[secret] -= 1
            if role.secrets[secret] == 0:
                del role.secrets[secret]
        return self._tokens.issue(role.policies, f"auth/{mount}/login", ttl=role.ttl, max_ttl=role.max_ttl)

    def handle(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """Serve what manages roles."""
        parts = path.split("/")
        if parts[0] != "role" or len(parts) < 2:
            raise missing()
        if method == "POST" and len(parts) == 2:
            self._roles[parts[1]] = _Role.of(body)
            return None
        role = self._roles.get(parts[1])
        if role is None:
            raise missing() if method == "GET" else invalid(f"role {parts[1]!r} does not exist")
        match method, parts[2:]:
            case "GET", ["role-id"]:
                return {"role_id": role.id}
            case "POST", ["secret-id"]:
                secret = secrets.token_hex(16)
                role.secrets[secret] = role.uses
                return {"secret_id": secret, "secret_id_accessor": secrets.token_hex(8), "secret_id_ttl": 0}
            case _:
                raise Refusal(405, "unsupported operation")


class Kubernetes:
    """One mount of the Kubernetes method. Instead of a cluster it knows the JWTs that it gave out itself."""

    def __init__(self, clock: Clock, tokens: Tokens) -> None:
        self._tokens = tokens
        self._roles: dict[str, tuple[_Role, frozenset[tuple[str, str]]]] = {}
        self._accounts: dict[str, tuple[str, str]] = {}

    def service_account(self, namespace: str, name: str) -> str:
        """Return a JWT of a service account. Older ones of it are no longer good."""
        for jwt in [jwt for jwt, account in self._accounts.items() if account == (namespace, name)]:
            del self._accounts[jwt]
        jwt = f"eyJ.{secrets.token_urlsafe(24)}.{secrets.token_urlsafe(24)}"
        self._accounts[jwt] = (namespace, name)
        return jwt

    def login(self, body: dict[str, Any], mount: str) -> Token:
        """Let a service account in."""
        name = str(body.get("role") or "")
        if name not in self._roles:
            raise invalid(f'invalid role name "{name}"')
        role, bound = self._roles[name]
        account = self._accounts.get(str(body.get("jwt") or ""))
        if account is None or account not in bound:
            raise denied()
        return self._tokens.issue(role.policies, f"auth/{mount}/login", ttl=role.ttl, max_ttl=role.max_ttl)

    def handle(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """Serve what manages roles."""
        parts = path.split("/")
        if method != "POST" or parts[0] not in {"role", "config"}:
            raise Refusal(405, "unsupported operation")
        if parts[0] == "role":
            names = words(body.get("bound_service_account_names"))
            namespaces = words(body.get("bound_service_account_namespaces"))
            bound = frozenset((namespace, name) for namespace in namespaces for name in names)
            self._roles[parts[1]] = (_Role.of(body), bound)
        return None
