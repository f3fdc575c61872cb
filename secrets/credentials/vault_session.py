"""The gateway's standing with Vault: its own token, renewed before it ends, and a child token for each tenant.

A child is made by a token role with the tenant's id as entity alias, and the policy of the role names the tenant by
that alias: at Vault too one tenant's path is closed to the others, and there is nothing to set up for a new tenant.
Source: Vault HTTP API, "Token auth method" (`entity_alias`); "Templated policies".
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field, replace

import structlog

from connectors.sdk.errors import SecretStoreUnavailable
from credentials.vault_calls import Answer, ConnectionLost, Denied, Invalid, NotThere, VaultCalls, Work, operators_turn
from credentials.vault_login import Lease, Login, lease_of

_log = structlog.get_logger("gatehouse.vault")
_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")
_CHILD_TTL = "1h"
# A token that was just made and is refused is refused for its policy: another one would not help.
_FRESH_SECONDS = 10.0
_RETRY_SECONDS = 5.0
_LONGEST_NAP = 3600.0


@dataclass(frozen=True, slots=True)
class _Held:
    """A token with its times, in monotonic seconds. `replaces` says that it was made because one was refused.

    `tried` is when it was last tried to renew it in vain.
    """

    lease: Lease = field(repr=False)
    since: float
    replaces: bool = False
    tried: float = float("-inf")

    @property
    def renew_at(self) -> float:
        due = self.since + self.lease.seconds * 2 / 3 if self.lease.seconds else float("inf")
        return max(due, self.tried + _RETRY_SECONDS)

    def alive(self, now: float) -> bool:
        return not self.lease.seconds or now < self.since + self.lease.seconds

    def good(self, now: float) -> bool:
        return self.alive(now) and now < self.renew_at

    def same_as(self, other: "_Held | None") -> bool:
        """Whether it is the same token, perhaps renewed."""
        return other is not None and self.lease.token == other.lease.token

    def refused_for_good(self, now: float) -> bool:
        """Whether it was made for one that was refused, just now: then it is the policy, and no other would help."""
        return self.replaces and now - self.since < _FRESH_SECONDS


class VaultSession:
    """Gives requests the token that they are made with, and makes it new where Vault no longer takes it."""

    def __init__(
        self,
        calls: VaultCalls,
        login: Login,
        *,
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        child_role: str = "gatehouse-tenant",
    ) -> None:
        """Log in at nothing yet. `monotonic` and `sleep` are seconds; `child_role` is the token role of children."""
        self._calls = calls
        self._login = login
        self._monotonic = monotonic
        self._sleep = sleep
        self._child_role = child_role
        self._own: _Held | None = None
        self._life = 0.0  # how long the token of the last login lasted, when it was new
        self._children: dict[str, _Held] = {}
        self._making: dict[str, asyncio.Task[_Held]] = {}

    async def open(self) -> None:
        """Log in now, so that what is wrong is found at start. Raises `SecretStoreUnavailable`."""
        await self._own_token()

    async def run(self) -> None:
        """Keep the gateway's own token alive until cancelled."""
        while True:
            own = self._own
            nap = own.renew_at - self._monotonic() if own is not None else _RETRY_SECONDS
            await self._sleep(min(max(nap, 1.0), _LONGEST_NAP))
            try:
                await self._own_token()
            except SecretStoreUnavailable as error:
                _log.warning("vault_login_failed", reason=error.detail)
                self._own = None

    async def close(self) -> None:
        """End the gateway's token, and with it all children, where it is ours to end."""
        if self._making:
            await asyncio.wait(list(self._making.values()))  # else a token would be left behind
        own, self._own = self._own, None
        self._children.clear()
        if own is not None and self._login.revocable:
            try:
                await self._calls.run(own.lease.token, lambda client: client.auth.token.revoke_self())
            except (SecretStoreUnavailable, Denied, Invalid, NotThere):
                pass  # it ends by itself
        await self._calls.close()

    async def as_gateway(self, work: Work, *, reads: bool = False) -> Answer:
        """Run a request with the gateway's own token. Raises `SecretStoreUnavailable`, `NotThere`, `Invalid`.

        `reads` says that it changes nothing, so that it may be sent again where an answer was lost.
        """
        held = await self._own_token()
        try:
            return await self._send(held, work, reads)
        except Denied:
            # Refused before anything was done, so this is safe for writes too.
            held = await self._own_token(instead_of=held)
        return await self._once_more(held, work, reads)

    async def as_tenant(self, tenant: str, work: Work, *, reads: bool = False) -> Answer:
        """Run a request with the tenant's child token, which reaches nothing of another tenant. Raises the same."""
        held = await self._child(segment(tenant))
        try:
            return await self._send(held, work, reads)
        except Denied:
            held = await self._child(tenant, instead_of=held)
        return await self._once_more(held, work, reads)

    async def _once_more(self, held: _Held, work: Work, reads: bool) -> Answer:
        try:
            return await self._send(held, work, reads)
        except Denied:
            raise operators_turn(
                "The secret store denies the gateway what it needs.",
                "Compare the policies at Vault with those that came with this version.",
            ) from None

    async def _send(self, held: _Held, work: Work, reads: bool) -> Answer:
        try:
            return await self._calls.run(held.lease.token, work)
        except ConnectionLost:
            if not reads:
                raise  # it may have been applied
            return await self._calls.run(held.lease.token, work)

    async def _own_token(self, instead_of: _Held | None = None) -> _Held:
        """Return the gateway's token, renewed or made anew where need be."""
        held = self._own
        if held is not None and not held.same_as(instead_of) and held.good(self._monotonic()):
            return held
        return await self._shared("", lambda: self._make_own(instead_of))

    async def _child(self, tenant: str, instead_of: _Held | None = None) -> _Held:
        """Return a tenant's child token, made anew where need be."""
        held = self._children.get(tenant)
        if held is not None and not held.same_as(instead_of) and held.good(self._monotonic()):
            return held
        return await self._shared(tenant, lambda: self._make_child(tenant, instead_of))

    async def _shared(self, key: str, make: Callable[[], Coroutine[None, None, _Held]]) -> _Held:
        """Make one token at a time for a key. All who ask meanwhile get it, or the same error without waiting again."""
        task = self._making.get(key)
        if task is None:
            task = self._making[key] = asyncio.get_running_loop().create_task(make())
            task.add_done_callback(lambda done: self._made(key, done))
        return await asyncio.shield(task)

    def _made(self, key: str, done: "asyncio.Task[_Held]") -> None:
        self._making.pop(key, None)
        if not done.cancelled():
            done.exception()  # whoever asked may be gone

    async def _make_own(self, instead_of: _Held | None) -> _Held:
        held, now = self._own, self._monotonic()
        if held is None or not held.alive(now):
            return await self._logged_in()
        if held.same_as(instead_of):
            return held if held.refused_for_good(now) else await self._logged_in(replaces=True)
        return held if held.good(now) else await self._prolonged(held)

    async def _prolonged(self, held: _Held) -> _Held:
        """Renew a token that is still good; log in where no renewal helps. What is good is used meanwhile."""
        try:
            renewed = await self._renewed(held) if held.lease.renewable else None
            if renewed is None or renewed.lease.seconds < self._life / 2:
                return await self._logged_in()
        except SecretStoreUnavailable as error:
            _log.warning("vault_renewal_failed", reason=error.detail)
            renewed = replace(held, tried=self._monotonic())
        self._own = renewed
        return renewed

    async def _renewed(self, held: _Held) -> _Held | None:
        asked = self._monotonic()
        try:
            told = await self._calls.run(held.lease.token, lambda client: client.auth.token.renew_self())
        except (Denied, Invalid, NotThere):
            return None
        return _Held(lease_of(told), asked)

    async def _logged_in(self, *, replaces: bool = False) -> _Held:
        asked = self._monotonic()
        lease = await self._login.login(self._calls)
        self._own, self._life = _Held(lease, asked, replaces), lease.seconds
        _log.info("vault_logged_in", seconds=lease.seconds, renewable=lease.renewable)
        return self._own

    async def _make_child(self, tenant: str, instead_of: _Held | None) -> _Held:
        held, now = self._children.get(tenant), self._monotonic()
        refused = held is not None and held.same_as(instead_of)
        if held is not None and (held.refused_for_good(now) if refused else held.good(now)):
            return held
        try:
            made = _Held(await self._child_lease(tenant), now, replaces=refused)
        except SecretStoreUnavailable:
            if held is None or refused or not held.alive(self._monotonic()):
                raise
            made = replace(held, tried=self._monotonic())
        self._children[tenant] = made
        return made

    async def _child_lease(self, tenant: str) -> Lease:
        wanted = {"role_name": self._child_role, "entity_alias": tenant, "ttl": _CHILD_TTL, "renewable": False}
        try:
            return lease_of(await self.as_gateway(lambda client: client.auth.token.create(**wanted)))
        except (Invalid, NotThere):
            raise operators_turn(
                "The secret store gives the gateway no token for a tenant.",
                f"Set up the token role {self._child_role} as the operations page says.",
            ) from None


def segment(id: str) -> str:
    """Return an id that is one segment of a path. Raises `SecretStoreUnavailable` for what would be more, or less."""
    if not _ID.fullmatch(id):
        raise operators_turn("An id cannot be part of a path in the secret store.", "Use letters, digits, `-` and `_`.")
    return id
