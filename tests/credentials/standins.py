"""Stand-ins and facts that the tests of credentials share."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from credentials import Credential, Target, Where
from credentials.store import VersionConflict

from connectors.sdk.auth import AppInstallation, OAuthUser, StaticToken
from connectors.sdk.errors import SecretStoreUnavailable
from connectors.sdk.hosts import HostPattern

WHERE = Where("tnt_1", "prod", "conn_1")
TOKEN_URL = "https://git.example/login/oauth/access_token"
OAUTH = OAuthUser(
    authorize_url="{origin}/login/oauth/authorize",
    token_url="{origin}/login/oauth/access_token",
    error_in_success=True,
    revoke_url="{origin}/login/oauth/revoke",
)
REUSABLE = OAuthUser(
    authorize_url="{origin}/a", token_url="{origin}/login/oauth/access_token", single_use_refresh=False
)
APP = AppInstallation(
    exchange_path="/app/installations/{installation_id}/access_tokens", revoke_path="/installation/token"
)
STATIC = StaticToken()
TARGET = Target(
    where=WHERE,
    title="Git",
    api_root="https://api.git.example/v3",
    origin="https://git.example",
    hosts=(HostPattern("api.git.example"), HostPattern("*.my.git.example")),
)


class Clock:
    """A clock that moves when told, and when somebody sleeps by it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, 12, tzinfo=UTC)
        self.slept: list[float] = []
        self.when_slept: Callable[[], object] = lambda: None

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.forward(seconds)
        self.when_slept()
        await asyncio.sleep(0)  # others go on meanwhile


class MemoryStore:
    """A `CredentialStore` in a dict, whose writes can be made to fail."""

    def __init__(self) -> None:
        self.rows: dict[Where, Credential] = {}
        self.writes: list[Credential] = []
        self.before_put: Callable[[int], None] = lambda number: None
        self.after_put: Callable[[int], None] = lambda number: None

    async def get(self, where: Where) -> Credential | None:
        return self.rows.get(where)

    async def put(self, where: Where, credential: Credential, *, expected: int) -> int:
        number = len(self.writes) + 1
        self.before_put(number)
        there = self.rows.get(where)
        if (there.version if there else 0) != expected:
            raise VersionConflict("another version is there")
        stored = Credential(credential.method, dict(credential.fields), expected + 1)
        self.rows[where] = stored
        self.writes.append(stored)
        self.after_put(number)
        return stored.version

    async def delete(self, where: Where) -> None:
        self.rows.pop(where, None)

    async def erase(self, where: Where) -> None:
        self.rows.pop(where, None)

    async def close(self) -> None:
        return None

    def keep(self, method: str, **fields: str) -> None:
        there = self.rows.get(WHERE)
        self.rows[WHERE] = Credential(method, fields, there.version + 1 if there else 1)


def unavailable(number: int) -> None:
    raise SecretStoreUnavailable("The store is gone.")
