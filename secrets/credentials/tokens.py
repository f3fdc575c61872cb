"""Access tokens in memory: fetched or refreshed once for all who ask, forgotten when they are taken back."""

import asyncio
import base64
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from connectors.sdk.auth import AuthMethod, BasicToken, Minted, OAuthUser, StaticToken
from connectors.sdk.errors import ConnectionUnhealthy, SecretStoreUnavailable
from credentials import minted, oauth
from credentials.certificate import KeyUnreadable, certificate_of
from credentials.faults import unavailable, unhealthy
from credentials.renewal import Clock, Renewals, Sleep, stored
from credentials.store import Credential, CredentialStore, Where
from credentials.token import AccessToken, NotProcessed, Target, TokenRefused
from credentials.transport import NotSent, Road, Unanswered

_DOUBT = timedelta(minutes=5)
_REFUSAL_HELD = timedelta(seconds=30)


@dataclass(slots=True)
class _Entry:
    """What is known of one connection. `forget` replaces it, so a task from before cannot write into the new one."""

    token: AccessToken | None = None
    task: "asyncio.Task[AccessToken] | None" = None
    rejected: AccessToken | None = None
    renewed_at: datetime | None = None  # when a rejected token was last replaced
    refusal: ConnectionUnhealthy | None = None
    refused_at: datetime | None = None


class Tokens:
    """Gives the pipeline its tokens. Holds them in memory; the store holds what outlives the process."""

    def __init__(self, store: CredentialStore, *, road: Road, clock: Clock, sleep: Sleep = asyncio.sleep) -> None:
        """Take a clock that gives UTC, and a sleep in seconds."""
        self._store = store
        self._road = road
        self._clock = clock
        self._renewals = Renewals(store, road, clock=clock, sleep=sleep, owner=secrets.token_hex(8))
        self._entries: dict[Where, _Entry] = {}
        self._tasks: set[asyncio.Task[AccessToken]] = set()
        self._closed = False

    async def token_for(self, target: Target, *, method: AuthMethod) -> AccessToken:
        """Return a token good for at least the next 60 seconds, refreshing it if need be.

        A vendor that gives shorter tokens gets its newest used. Callers at once cause one refresh, which goes on
        when some or all of them are cancelled. Raises `ConnectionUnhealthy` where a person must reconnect,
        `SecretStoreUnavailable`, and `UpstreamUnavailable`, `UpstreamTimeout` or `UpstreamQuota` where the token
        endpoint did not serve. Does not check vendor scopes, which is the pipeline's work.
        """
        entry = self._entries.get(target.where)
        if entry is None:
            entry = self._entries[target.where] = _Entry()
        now = self._clock()
        if entry.token is not None and entry.token.good_at(now):
            return entry.token
        if entry.refusal is not None and entry.refused_at is not None and now < entry.refused_at + _REFUSAL_HELD:
            raise ConnectionUnhealthy(entry.refusal.detail, hint=entry.refusal.hint)
        if entry.task is None or entry.task.done():
            entry.task = self._start(entry, target, method)
        return await asyncio.shield(entry.task)

    def rejected(self, where: Where, token: AccessToken) -> None:
        """Say that the vendor answered 401 to a token: the next `token_for` gives another one, or raises."""
        entry = self._entries.setdefault(where, _Entry())
        if entry.token is None and entry.rejected is not None:
            return
        if entry.token is None or entry.token.value == token.value:
            entry.token, entry.rejected = None, token

    def forget(self, where: Where) -> None:
        """Drop what is in memory, because the credential was changed, revoked or deleted."""
        self._entries.pop(where, None)

    async def revoke(self, target: Target, *, method: AuthMethod) -> bool:
        """End the connection's tokens at the vendor, as far as it lets us; deletes nothing from the store.

        Returns whether the vendor confirmed it. Raises `UpstreamUnavailable` or `UpstreamTimeout` where it could not
        be asked, `ConnectionUnhealthy` where there is nothing to revoke, `SecretStoreUnavailable`.
        """
        entry = self._entries.pop(target.where, None)
        credential = await stored(self._store, target, method, self._clock())
        try:
            if isinstance(method, OAuthUser):
                return await oauth.revoke(self._road, target, method, credential.fields)
            if isinstance(method, Minted) and entry is not None and entry.token is not None:
                return await minted.revoke(self._road, target, method, credential.fields, entry.token.value)
        except (NotSent, Unanswered) as fault:
            raise unavailable(target, fault) from fault
        return False

    async def close(self) -> None:
        """Let running refreshes finish, for a half one costs the connection, and save what they got."""
        self._closed = True
        if self._tasks:
            await asyncio.wait(self._tasks)  # unlike gather, this does not cancel them when it is cancelled
        await self._renewals.save()
        self._entries.clear()

    def _start(self, entry: _Entry, target: Target, method: AuthMethod) -> "asyncio.Task[AccessToken]":
        if self._closed:
            raise SecretStoreUnavailable("The gateway is shutting down and fetches no more tokens.")
        task = asyncio.get_running_loop().create_task(self._load(entry, target, method))
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: "asyncio.Task[AccessToken]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # everyone who waited may be gone: an error that nobody reads is no warning

    async def _load(self, entry: _Entry, target: Target, method: AuthMethod) -> AccessToken:
        rejected = entry.rejected
        self._doubt(entry, target)
        entry.refusal = entry.refused_at = None
        if isinstance(method, OAuthUser):
            token = await self._renewals.current(target, method, rejected.value if rejected else None)
        elif isinstance(method, Minted):
            token = await self._minted(entry, target, method)
        else:
            token = await self._static(target, method, rejected)
        if rejected is not None:
            entry.renewed_at = self._clock()
        entry.token, entry.rejected = token, None
        return token

    def _doubt(self, entry: _Entry, target: Target) -> None:
        """Stop after one renewal where the vendor refuses the new token too: more of them would not help."""
        if entry.rejected is None or entry.renewed_at is None:
            return
        if self._clock() < entry.renewed_at + _DOUBT:
            raise unhealthy(target, "the vendor refuses a token that it has just given")

    async def _static(
        self, target: Target, method: StaticToken | BasicToken, rejected: AccessToken | None
    ) -> AccessToken:
        credential = await stored(self._store, target, method, self._clock())
        value = credential.fields.get("token", "")
        if isinstance(method, BasicToken):
            value = base64.b64encode(f"{credential.fields.get('username', '')}:{value}".encode()).decode()
        if rejected is not None and rejected.value == value:
            raise unhealthy(target, "its token is no longer accepted")
        return AccessToken(
            value=value,
            header=method.header,
            form=method.form,
            expires_at=None,
            version=credential.version,
            certificate=certificate_of(credential.fields),
        )

    async def _minted(self, entry: _Entry, target: Target, method: Minted) -> AccessToken:
        credential = await stored(self._store, target, method, self._clock())
        try:
            return await self._mint(target, method, credential)
        except ConnectionUnhealthy as refusal:
            # Agents that repeat a call must not have us hammer the vendor with proofs that it refuses.
            entry.refusal, entry.refused_at = refusal, self._clock()
            raise

    async def _mint(self, target: Target, method: Minted, credential: Credential) -> AccessToken:
        try:
            obtained = await minted.mint(self._road, target, method, credential.fields, now=self._clock())
        except (TokenRefused, KeyUnreadable) as fault:
            reason = fault.reason if isinstance(fault, TokenRefused) else f"its private key is no good: {fault}"
            raise unhealthy(target, reason) from fault
        except (NotSent, NotProcessed, Unanswered) as fault:
            raise unavailable(target, fault) from fault
        return AccessToken(
            value=obtained.access_token,
            header=method.header,
            form=method.form,
            expires_at=obtained.expires_at,
            version=credential.version,
            granted=obtained.granted,
            root=obtained.root,
            certificate=certificate_of(credential.fields),
        )
