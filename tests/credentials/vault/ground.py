"""A Vault that is set up as the operations page says: the stand-in, or a real one where the environment names it."""

import os
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import hvac
from credentials import VaultSession, VaultStore, Where
from credentials.vault_calls import VaultAddress, VaultCalls
from credentials.vault_login import AppRoleLogin, Login, TokenLogin

from bench.vault_standin import VaultStandIn
from bench.vault_standin.prepare import admin_of, prepare

REAL = bool(os.environ.get("VAULT_ADDR") and os.environ.get("VAULT_TOKEN"))


class Mono:
    """Monotonic seconds that move when told, and when somebody sleeps by them."""

    def __init__(self) -> None:
        self.at = 1000.0
        self.slept: list[float] = []
        self.when_slept: Callable[[], object] = lambda: None

    def __call__(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds
        self.when_slept()


class Ground:
    """A Vault with its mounts, policies and roles. Each test has tenants of its own, so that a real one can be kept."""

    def __init__(self, folder: Path, *, standin: VaultStandIn | None) -> None:
        self.folder = folder
        self.standin = standin
        self.url = standin.url if standin is not None else os.environ["VAULT_ADDR"]
        self.root_token = standin.root_token if standin is not None else os.environ["VAULT_TOKEN"]
        self.root = hvac.Client(url=self.url, token=self.root_token)
        self.mono = Mono()
        self.sessions: list[VaultSession] = []
        self.tenant, self.other = (f"t-{secrets.token_hex(6)}" for _ in range(2))
        prepare(self.root)

    def where(self, connection: str = "conn_1", tenant: str | None = None) -> Where:
        return Where(tenant or self.tenant, "prod", connection)

    def admin_token(self) -> str:
        return str(admin_of(self.root).token)

    def login(self, *, wrapped: bool = False) -> AppRoleLogin:
        """Return a way in by AppRole, with a fresh secret id in a file."""
        admin = admin_of(self.root)
        role_id = admin.auth.approle.read_role_id("gatehouse")["data"]["role_id"]
        made = admin.auth.approle.generate_secret_id("gatehouse", wrap_ttl="60s" if wrapped else None)
        file = self.folder / f"secret-id-{secrets.token_hex(4)}"
        file.write_text(made["wrap_info"]["token"] if wrapped else made["data"]["secret_id"])
        return AppRoleLogin(role_id, file, wrapped=wrapped)

    def token_login(self, token: str) -> TokenLogin:
        file = self.folder / f"token-{secrets.token_hex(4)}"
        file.write_text(token + "\n")
        return TokenLogin(file)

    def session(
        self,
        login: Login | None = None,
        *,
        at_once: int = 8,
        timeout: float = 5.0,
        namespace: str | None = None,
        sleep: Callable[[float], Awaitable[None]] | None = None,
    ) -> VaultSession:
        address = VaultAddress(self.url, timeout_seconds=timeout, namespace=namespace)
        session = VaultSession(
            VaultCalls(address, at_once=at_once),
            login or self.login(),
            monotonic=self.mono,
            sleep=sleep or self.mono.sleep,
        )
        self.sessions.append(session)
        return session

    def store(self, **more: Any) -> VaultStore:
        return VaultStore(self.session(**more))

    def forward(self, seconds: float) -> None:
        """Let time pass at Vault and here."""
        assert self.standin is not None
        self.standin.clock.forward(seconds)
        self.mono.at += seconds

    def count(self, part: str) -> int:
        """Return how many requests had this in their path."""
        assert self.standin is not None
        return sum(part in path for _, path in self.standin.seen)

    async def close(self) -> None:
        for session in self.sessions:
            await session.close()
