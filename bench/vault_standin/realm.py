"""One namespace: its mounts, policies, tokens and roles, and who may do what at a path."""

import fnmatch
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from bench.vault_standin.clock import Clock
from bench.vault_standin.kv import KeyValue
from bench.vault_standin.logins import AppRole, Kubernetes, seconds, words
from bench.vault_standin.policy import Rule, allowed, parse
from bench.vault_standin.refusal import denied, invalid, missing
from bench.vault_standin.tokens import Token, Tokens
from bench.vault_standin.transit import Transit

_DEFAULT_POLICY = """
path "auth/token/lookup-self" { capabilities = ["read"] }
path "auth/token/renew-self" { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }
path "sys/wrapping/unwrap" { capabilities = ["update"] }
"""
_ENGINES = {"kv": KeyValue, "transit": Transit}
_WAYS_IN = {"approle": AppRole, "kubernetes": Kubernetes}
Engine = KeyValue | Transit
MountT = TypeVar("MountT")
WayIn = AppRole | Kubernetes


@dataclass(frozen=True, slots=True)
class Wrapped:
    """An answer that waits for the one who may unwrap it, once."""

    body: Mapping[str, Any]
    path: str
    made_at: float
    ttl: float


class Realm:
    """A namespace of the stand-in."""

    def __init__(self, clock: Clock, root: str) -> None:
        self._clock = clock
        self.tokens = Tokens(clock)
        self.tokens.issue(("root",), "auth/token/root", id=root)
        self.accessor = f"auth_token_{secrets.token_hex(4)}"
        self.engines: dict[str, Engine] = {}
        self.ways_in: dict[str, WayIn] = {}
        self.policies: dict[str, tuple[Rule, ...]] = {"default": parse(_DEFAULT_POLICY)}
        self.roles: dict[str, dict[str, Any]] = {}
        self.wrapped: dict[str, Wrapped] = {}

    def check(self, token: Token, path: str, method: str) -> None:
        """Refuse what no policy of a token allows."""
        if "root" in token.policies:
            return
        known = [self.policies[name] for name in token.policies if name in self.policies]
        capabilities = allowed(known, path, token.aliases)
        needed = {"GET": "read", "LIST": "list", "DELETE": "delete"}.get(method)
        if needed is None:
            needed = "update" if self._exists(path) else "create"
        if needed not in capabilities or (path == "sys/seal" and "sudo" not in capabilities):
            raise denied()

    def engine(self, path: str) -> tuple[Engine, str] | None:
        """Return the mount that a path leads to, and the rest of the path."""
        return _routed(self.engines, path)

    def way_in(self, path: str) -> tuple[WayIn, str, str] | None:
        """Return the way in that a path below `auth/` leads to, the rest of the path, and the mount."""
        found = _routed(self.ways_in, path.removeprefix("auth/")) if path.startswith("auth/") else None
        return (*found, path.removeprefix("auth/").removesuffix(f"/{found[1]}")) if found else None

    def _exists(self, path: str) -> bool:
        """Whether a write updates. Paths without such a check always update, as in Vault."""
        found = self.engine(path)
        return found is None or not _checked(found[0], found[1]) or found[0].exists(found[1])

    def system(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """Serve `sys/` but for the seal, which the server keeps."""
        parts = path.split("/")
        match method, parts:
            case "POST", ["mounts", *mount]:
                kind = str(body.get("type"))
                if kind not in _ENGINES:
                    raise invalid(f'plugin not found in the catalog: "{kind}"')
                return _mount(self.engines, "/".join(mount), _ENGINES[kind](self._clock))
            case "POST", ["auth", *mount]:
                kind = str(body.get("type"))
                if kind not in _WAYS_IN:
                    raise invalid(f'plugin not found in the catalog: "{kind}"')
                return _mount(self.ways_in, "/".join(mount), _WAYS_IN[kind](self._clock, self.tokens))
            case "GET", ["auth"]:
                return {"token/": {"accessor": self.accessor, "type": "token"}}
            case "POST", ["policies", "acl", name] | ["policy", name]:
                self.policies[name] = parse(str(body.get("policy") or ""))
                return None
            case _:
                raise missing()

    def token(self, method: str, path: str, body: dict[str, Any], caller: Token) -> dict[str, Any] | Token | None:
        """Serve `auth/token/`. A token that is returned is a login's answer."""
        parts = path.split("/")
        match method, parts:
            case "GET", ["lookup-self"]:
                return self.tokens.shown(caller)
            case "POST", ["renew-self"]:
                return self.tokens.renew(caller, seconds(body.get("increment")))
            case "POST", ["revoke-self"]:
                self.tokens.revoke(caller.id)
                return None
            case "POST", ["revoke"]:
                self.tokens.revoke(str(body.get("token")))
                return None
            case "POST", ["roles", name]:
                self.roles[name] = dict(body)
                return None
            case "POST", ["create"]:
                return self._child(caller, body)
            case "POST", ["create", role]:
                return self._child_by(role, caller, body)
            case _:
                raise missing()

    def _child(self, caller: Token, body: dict[str, Any]) -> Token:
        policies = words(body.get("policies")) or caller.policies
        if body.get("entity_alias"):
            raise invalid("'entity_alias' is only allowed in combination with token role")
        if "root" not in caller.policies and not set(policies) <= set(caller.policies):
            raise invalid("child policies must be subset of parent")
        if "root" not in policies and not body.get("no_default_policy") and {"root", "default"} & set(caller.policies):
            policies = tuple(dict.fromkeys((*policies, "default")))
        renewable = bool(body.get("renewable", True))
        longest = seconds(body.get("explicit_max_ttl"))
        ttl = seconds(body.get("ttl"))
        path = "auth/token/create"
        return self.tokens.issue(policies, path, ttl=ttl, max_ttl=longest, parent=caller, renewable=renewable)

    def _child_by(self, name: str, caller: Token, body: dict[str, Any]) -> Token:
        role = self.roles.get(name)
        if role is None:
            raise invalid(f"unknown role {name}")
        allowed_policies = words(role.get("allowed_policies"))
        policies = words(body.get("policies")) or allowed_policies
        if not set(policies) <= set(allowed_policies):
            raise invalid(f"token policies ({policies}) must be subset of the role's allowed policies")
        if not role.get("token_no_default_policy"):
            policies = (*policies, "default")
        alias = str(body.get("entity_alias") or "")
        patterns = words(role.get("allowed_entity_aliases"))
        if alias and not any(fnmatch.fnmatchcase(alias.lower(), pattern.lower()) for pattern in patterns):
            raise invalid("invalid 'entity_alias' value")
        return self.tokens.issue(
            policies,
            f"auth/token/create/{name}",
            ttl=seconds(body.get("ttl")),
            max_ttl=seconds(role.get("token_explicit_max_ttl")),
            parent=None if role.get("orphan") else caller,
            aliases={self.accessor: alias} if alias else {},
            renewable=bool(role.get("renewable", True)),
        )

    def wrap(self, body: Mapping[str, Any], path: str, ttl: float) -> dict[str, Any]:
        """Keep an answer, and return who may have it."""
        token, now = f"hvs.wrap.{secrets.token_urlsafe(18)}", self._clock.now()
        self.wrapped[token] = Wrapped(body, path, now, ttl)
        return {
            "token": token,
            "accessor": secrets.token_urlsafe(18),
            "ttl": int(ttl),
            "creation_time": self._clock.text(now),
            "creation_path": path,
        }

    def find_wrapped(self, token: str, *, take: bool) -> Wrapped:
        """Return what waits under a wrapping token; taking it is possible once."""
        found = self.wrapped.get(token)
        if found is None or found.made_at + found.ttl <= self._clock.now():
            raise invalid("wrapping token is not valid or does not exist")
        if take:
            del self.wrapped[token]
        return found


def _checked(engine: Engine, rest: str) -> bool:
    """Whether Vault asks before a write if it creates: KV's data, transit's keys."""
    return rest.startswith("data/") if isinstance(engine, KeyValue) else rest.count("/") == 1 and "keys/" in rest


def _mount(mounts: dict[str, MountT], path: str, made: MountT) -> None:
    if path.rstrip("/") in mounts:
        raise invalid(f"path is already in use at {path.rstrip('/')}/")
    mounts[path.rstrip("/")] = made


def _routed(mounts: dict[str, MountT], path: str) -> tuple[MountT, str] | None:
    for mount in sorted(mounts, key=len, reverse=True):
        if path.startswith(f"{mount}/"):
            return mounts[mount], path.removeprefix(f"{mount}/")
    return None
