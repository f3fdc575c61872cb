"""Refreshing a stored OAuth credential, so that no refresh token is presented twice without knowing it.

The truth is a marker beside the token: *refreshing, generation n, by whom, until when*, written with check-and-set
before the refresh token is presented. The winner writes the new pair with check-and-set before anyone uses it, losers
read again. A lapsed marker means that its process died between: whether the refresh token was spent is not known.
Where the vendor documents a grace in which a spent token is taken again, that is used, counted from the first marker.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from connectors.sdk.auth import AuthMethod, OAuthUser
from connectors.sdk.errors import SecretStoreUnavailable
from credentials import oauth
from credentials.certificate import KeyUnreadable, certificate_of
from credentials.faults import unavailable, unhealthy
from credentials.store import Credential, CredentialCorrupted, CredentialStore, VersionConflict, Where
from credentials.supplied import required_fields
from credentials.token import MARGIN, AccessToken, ForeignAnswer, NotProcessed, Obtained, Target, TokenRefused
from credentials.transport import NotSent, Road, Unanswered

Clock = Callable[[], datetime]
Sleep = Callable[[float], Awaitable[None]]

_BY, _UNTIL, _GENERATION, _REFUSED = "refreshing_by", "refreshing_until", "generation", "refused"
_SINCE = "refreshing_since"
_POLL_SECONDS = 0.1
_WRITE_WAITS = (0.05, 0.25, 1.0)


@dataclass(frozen=True, slots=True)
class _Marker:
    """Who is refreshing, and until when nobody else may draw conclusions. `since` is when the token first left."""

    by: str
    until: datetime
    generation: int
    since: datetime | None


class Renewals:
    """Gives the token of a stored OAuth credential, refreshing it where it must. One call a connection at a time."""

    def __init__(self, store: CredentialStore, road: Road, *, clock: Clock, sleep: Sleep, owner: str) -> None:
        """Take `owner`, a name that no other process has. `clock` gives UTC."""
        self._store = store
        self._road = road
        self._clock = clock
        self._sleep = sleep
        self._owner = owner
        # Longer than an exchange and its writes can take, so that only a process that died leaves a lapsed marker.
        self._lease = timedelta(seconds=2 * road.timeout_seconds + 30)
        self._unsaved: dict[Where, Credential] = {}

    async def current(self, target: Target, method: OAuthUser, rejected: str | None) -> AccessToken:
        """Return a token that is not the `rejected` one. Raises as `Tokens.token_for` says."""
        await self._save_unsaved(target.where)
        while True:
            credential = await stored(self._store, target, method, self._clock())
            token = _token(method, credential)
            if token.value != rejected and token.good_at(self._clock()):
                return token
            marker = self._examine(target, method, credential)
            if marker is not None and self._clock() < marker.until:
                await self._sleep(_POLL_SECONDS)
                continue
            renewed = await self._renew(target, method, credential)
            if renewed is not None:
                return renewed

    async def save(self) -> None:
        """Write what could not be written before. Best effort: what fails again lapses."""
        for where in list(self._unsaved):
            try:
                await self._save_unsaved(where)
            except SecretStoreUnavailable:
                continue

    def _examine(self, target: Target, method: OAuthUser, credential: Credential) -> _Marker | None:
        """Return the marker, if there is one. Raises where the refresh token must not be presented."""
        refused = credential.fields.get(_REFUSED)
        if refused:
            raise unhealthy(target, refused)
        if not credential.fields.get("refresh_token") or not credential.fields.get("client_id"):
            raise unhealthy(target, "its access token is no longer accepted and there is no refresh token")
        marker = _marker(target, credential)
        lapsed = marker is not None and method.single_use_refresh and marker.until <= self._clock()
        if marker is not None and lapsed and not self._in_grace(method, marker.since):
            raise unhealthy(
                target,
                f"refresh number {marker.generation} of its token was begun and never finished, so whether the "
                "refresh token was spent is not known, and it is accepted only once",
            )
        return marker

    async def _renew(self, target: Target, method: OAuthUser, credential: Credential) -> AccessToken | None:
        """Return the new token, or None where somebody else wrote meanwhile."""
        marked = await self._mark(target.where, credential)
        if marked is None:
            return None
        free = replace(marked, fields=_unmarked(marked.fields))
        doubtful = replace(marked, fields={**marked.fields, _UNTIL: self._clock().isoformat()})
        try:
            obtained = await oauth.refresh(self._road, target, method, free.fields, now=self._clock())
        except (NotSent, NotProcessed) as fault:
            # It may have been spent at an earlier presentation, whose grace goes on.
            again = method.single_use_refresh and _SINCE in credential.fields
            await self._write(target.where, doubtful if again else free)
            raise unavailable(target, fault) from fault
        except ForeignAnswer as fault:
            # The new refresh token is kept so that deleting the connection can end it; the access token is not.
            new = fault.obtained.refresh_token or free.fields["refresh_token"]
            kept = replace(free, fields={**free.fields, "refresh_token": new})
            await self._give_up(target, kept, fault.reason, fault)
            return None
        except TokenRefused as fault:
            await self._give_up(target, free, fault.reason, fault)
            return None
        except Unanswered as fault:
            if not method.single_use_refresh:
                await self._write(target.where, free)
                raise unavailable(target, fault) from fault
            if self._in_grace(method, _moment(marked.fields[_SINCE])):
                await self._write(target.where, doubtful)
                raise unavailable(target, fault) from fault
            reason = f"a refresh of its token was sent and {fault}, and the refresh token is accepted only once"
            await self._give_up(target, free, reason, fault)
            return None
        renewed = replace(free, fields=_renewed(free.fields, obtained))
        version = await self._write(target.where, renewed)
        return None if version is None else _token(method, replace(renewed, version=version))

    async def _mark(self, where: Where, credential: Credential) -> Credential | None:
        """Write the marker. Returns the credential as it is stored then, or None where somebody else was first."""
        now = self._clock()
        until = now + self._lease
        fields = {
            **_unmarked(credential.fields),
            _SINCE: credential.fields.get(_SINCE, now.isoformat()),
            _BY: self._owner,
            _UNTIL: until.isoformat(),
            _GENERATION: str(_generation(credential) + 1),
        }
        try:
            version = await self._store.put(where, replace(credential, fields=fields), expected=credential.version)
        except VersionConflict:
            return None
        except SecretStoreUnavailable:
            # It may have been written all the same; nothing was sent, so take it back when the store answers again.
            self._unsaved[where] = replace(credential, fields=_unmarked(fields), version=credential.version + 1)
            raise
        return replace(credential, fields=fields, version=version)

    def _in_grace(self, method: OAuthUser, since: datetime | None) -> bool:
        """Whether the vendor takes a refresh token again that first left then, so that it may be presented again."""
        return method.refresh_grace is not None and since is not None and self._clock() < since + method.refresh_grace

    async def _give_up(self, target: Target, free: Credential, reason: str, fault: Exception) -> None:
        """Store why nobody needs to try again, and raise it; return where somebody else has a newer credential."""
        refused = replace(free, fields={**free.fields, _REFUSED: reason})
        if await self._write(target.where, refused) is not None:
            raise unhealthy(target, reason) from fault

    async def _write(self, where: Where, credential: Credential) -> int | None:
        """Replace the version that `credential` names; return the new one, or None where somebody else wrote.

        A new pair that is lost here is lost for good, so this tries several times, and then remembers it for the
        next call, which writes it before it does anything else.
        """
        for wait in (*_WRITE_WAITS, None):
            try:
                version = await self._put(where, credential)
            except SecretStoreUnavailable:
                self._unsaved[where] = credential
                if wait is None:
                    raise
                await self._sleep(wait)
            else:
                self._unsaved.pop(where, None)
                return version
        return None

    async def _put(self, where: Where, credential: Credential) -> int | None:
        try:
            return await self._store.put(where, credential, expected=credential.version)
        except VersionConflict:
            # An attempt that looked failed may have been applied: then what is there is ours.
            try:
                there = await self._store.get(where)
            except CredentialCorrupted:
                return None
            same = there is not None and dict(there.fields) == dict(credential.fields)
            return there.version if there is not None and same else None

    async def _save_unsaved(self, where: Where) -> None:
        credential = self._unsaved.get(where)
        if credential is not None:
            await self._write(where, credential)


async def stored(store: CredentialStore, target: Target, method: AuthMethod, now: datetime) -> Credential:
    """Return the credential of a connection. Raises `ConnectionUnhealthy` where there is none that fits."""
    try:
        credential = await store.get(target.where)
    except CredentialCorrupted as error:
        raise unhealthy(target, "its stored credential cannot be opened") from error
    if credential is None:
        raise unhealthy(target, "it has no credential")
    if credential.method != method.id:
        raise unhealthy(target, f"its credential is of another method than {method.title}")
    missing = sorted(required_fields(method) - credential.fields.keys())
    if missing:
        raise unhealthy(target, f"its stored credential lacks {', '.join(missing)}")
    _check_certificate(target, credential, now)
    return credential


def _check_certificate(target: Target, credential: Credential, now: datetime) -> None:
    try:
        certificate = certificate_of(credential.fields)
    except KeyUnreadable as fault:
        raise unhealthy(target, f"its client certificate is no good: {fault}") from fault
    if certificate is not None and certificate.until <= now + MARGIN:
        raise unhealthy(target, f"its client certificate ended at {certificate.until.isoformat()}")


def _token(method: OAuthUser, credential: Credential) -> AccessToken:
    fields = credential.fields
    return AccessToken(
        value=fields.get("access_token", ""),
        header=method.header,
        form=method.form,
        expires_at=_moment(fields.get("expires_at")),
        version=credential.version,
        granted=oauth.scopes_of(fields.get("scope")),
        root=fields.get("root"),
        certificate=certificate_of(fields),
    )


def _renewed(fields: Mapping[str, str], obtained: Obtained) -> dict[str, str]:
    """Return the fields with the new pair. What the vendor did not say again (refresh token, scopes) stays."""
    new = {**fields, "access_token": obtained.access_token}
    new.pop("expires_at", None)
    if obtained.refresh_token is not None:
        new["refresh_token"] = obtained.refresh_token
    if obtained.expires_at is not None:
        new["expires_at"] = obtained.expires_at.isoformat()
    if obtained.granted is not None:
        new["scope"] = " ".join(sorted(obtained.granted))
    if obtained.root is not None:
        new["root"] = obtained.root
    return new


def _unmarked(fields: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if name not in {_BY, _UNTIL, _SINCE}}


def _marker(target: Target, credential: Credential) -> _Marker | None:
    if _BY not in credential.fields:
        return None
    until = _moment(credential.fields.get(_UNTIL))
    if until is None:
        raise unhealthy(target, "its stored credential cannot be read")
    return _Marker(credential.fields[_BY], until, _generation(credential), _moment(credential.fields.get(_SINCE)))


def _generation(credential: Credential) -> int:
    text = credential.fields.get(_GENERATION, "0")
    return int(text) if text.isascii() and text.isdigit() else 0


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None
