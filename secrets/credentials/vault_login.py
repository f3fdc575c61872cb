"""How the gateway proves itself to Vault: a token, AppRole or a Kubernetes service account.

Source: Vault HTTP API, "Token auth method", "AppRole auth method", "Kubernetes auth method", "Response wrapping".
"""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from connectors.sdk.errors import SecretStoreUnavailable
from credentials.vault_calls import Answer, Denied, Invalid, NotThere, VaultCalls, Work, operators_turn

_LONGEST_FILE = 64 * 1024
_LOOKUP = "/v1/sys/wrapping/lookup"  # hvac has no method for it; it needs no token


@dataclass(frozen=True, slots=True)
class Lease:
    """A token of Vault's. `seconds` is how long it lasts from when it was given, 0 for ever."""

    token: str = field(repr=False)
    seconds: float
    renewable: bool


class Login(Protocol):
    """A way in. `revocable` says that the token is the login's own, which may be ended at a stop."""

    @property
    def revocable(self) -> bool:
        """Whether a token of this login may be ended."""
        ...

    async def login(self, calls: VaultCalls) -> Lease:
        """Return a fresh token. Raises `SecretStoreUnavailable`, not retryable where an operator has to act."""
        ...


@dataclass(frozen=True, slots=True)
class TokenLogin:
    """A token from a file, which is read at each login, so that an operator can put another one there."""

    file: Path
    revocable: bool = False

    async def login(self, calls: VaultCalls) -> Lease:
        """Look the token up."""
        token = await _content(self.file)
        try:
            told = await calls.run(token, lambda client: client.auth.token.lookup_self())
        except (Denied, Invalid, NotThere):
            raise operators_turn(
                "The secret store does not accept the gateway's token.", f"Put a good one into {self.file.name}."
            ) from None
        found = told.get("data") or {}
        # A root token has a `ttl` of 0 and no end; one that is in its last second has a `ttl` of 0 too.
        seconds = max(float(found.get("ttl") or 0), 1.0) if found.get("expire_time") else 0.0
        return Lease(token, seconds, bool(found.get("renewable")))


@dataclass(slots=True)
class AppRoleLogin:
    """A role id, and a secret id from a file, which is read at each login.

    With `wrapped` the file holds a wrapping token. It opens once: the secret id stays in the memory of this process,
    and a restart needs a new one. One that was opened or made elsewhere is refused, and says so.
    """

    role_id: str
    file: Path
    wrapped: bool = False
    mount: str = "approle"
    revocable: bool = True
    _secret_id: str | None = field(default=None, repr=False, init=False)

    async def login(self, calls: VaultCalls) -> Lease:
        """Prove the role."""
        proof = {"role_id": self.role_id, "secret_id": await self._secret(calls)}
        return await _leased(
            calls,
            lambda client: client.auth.approle.login(**proof, use_token=False, mount_point=self.mount),
            "role id and secret id",
            self.file,
        )

    async def _secret(self, calls: VaultCalls) -> str:
        if not self.wrapped:
            return await _content(self.file)
        if self._secret_id is None:
            self._secret_id = await self._unwrapped(calls, await _content(self.file))
        return self._secret_id

    async def _unwrapped(self, calls: VaultCalls, wrapping: str) -> str:
        try:
            made = await calls.run(None, lambda client: client.adapter.post(_LOOKUP, json={"token": wrapping}))
            path = str((made.get("data") or {}).get("creation_path"))
            if not (path.startswith(f"auth/{self.mount}/role/") and path.endswith("/secret-id")):
                raise _tampered(self.file, "was not made for a secret id")
            told = await calls.run(wrapping, lambda client: client.sys.unwrap())
        except (Denied, Invalid, NotThere):
            raise _tampered(self.file, "was used before, or has expired") from None
        secret_id = (told.get("data") or {}).get("secret_id")
        if not isinstance(secret_id, str):
            raise _tampered(self.file, "holds no secret id")
        return secret_id


@dataclass(frozen=True, slots=True)
class KubernetesLogin:
    """A pod's service account. Kubernetes writes a new JWT into the file long before the old one ends."""

    role: str
    file: Path = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
    mount: str = "kubernetes"
    revocable: bool = True

    async def login(self, calls: VaultCalls) -> Lease:
        """Prove the service account."""
        proof = {"role": self.role, "jwt": await _content(self.file)}
        return await _leased(
            calls,
            lambda client: client.auth.kubernetes.login(**proof, use_token=False, mount_point=self.mount),
            "service account",
            self.file,
        )


def lease_of(told: Answer) -> Lease:
    """Read what a login or a renewal answers."""
    auth = told.get("auth") or {}
    token, seconds = auth.get("client_token"), auth.get("lease_duration")
    if not isinstance(token, str) or not isinstance(seconds, int | float):
        raise SecretStoreUnavailable("The secret store answered a login with what is not Vault's.")
    return Lease(token, float(seconds), bool(auth.get("renewable")))


async def _leased(calls: VaultCalls, work: Work, what: str, file: Path) -> Lease:
    try:
        return lease_of(await calls.run(None, work))
    except (Denied, Invalid, NotThere):
        raise operators_turn(
            f"The secret store does not accept the gateway's {what}.",
            f"Look at {file.name} and at the role that is set up for the gateway.",
        ) from None


async def _content(file: Path) -> str:
    """Return what a file holds, without blocking the loop on a slow disk."""

    def read() -> str:
        with file.open(encoding="ascii") as opened:
            return opened.read(_LONGEST_FILE).strip()

    try:
        content = await asyncio.to_thread(read)
    except (OSError, ValueError) as error:
        raise operators_turn(
            f"The file {file.name}, with which the gateway logs in at the secret store, cannot be read.",
            f"Look at it and its folder: {type(error).__name__}.",
        ) from None
    if not content or not content.isprintable():
        raise operators_turn(
            f"The file {file.name}, with which the gateway logs in at the secret store, holds no proof.",
            "Put one line into it.",
        )
    return content


def _tampered(file: Path, why: str) -> SecretStoreUnavailable:
    return operators_turn(
        f"The wrapping token in {file.name} {why}.",
        "Make a new secret id; if nobody of you opened this one, revoke it, for somebody else has it.",
    )
