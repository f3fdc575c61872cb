"""Who may call, kept in memory: keys, issuers, agents, grants, connections, freezes, as the last change left them.

A change of the control plane forgets everything here before it is answered, so what was taken back is taken back
at once. Only what is asked for is read, so the number of agents and grants does not matter to a call.
"""

import hmac
import ipaddress
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any, TypeVar

import orjson
from sqlalchemy import Connection as Rows
from sqlalchemy import text

from connectors.sdk.errors import IpNotAllowed, KeyExpired, NotFound, Unauthenticated
from connectors.sdk.hosts import Network
from gateway.admin.agents import find_agent
from gateway.admin.issuer_rows import registration, registrations_of
from gateway.admin.rows import Place
from gateway.call import Agent, Connection, Principal, Proved
from gateway.clock import Clock, moment, stamp
from gateway.federation.narrowing import narrowed
from gateway.federation.refusal import TokenRefused
from gateway.federation.registration import Registration
from gateway.freeze import Freezes
from gateway.ledger.database import Database
from gateway.signal import Signal
from scopes.constraint import Constraints
from scopes.grant import Autonomy, Grant

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")
_REMEMBERED = 20_000


@dataclass(frozen=True, slots=True)
class _Known:
    """A key with everything that hangs on it."""

    digest: bytes
    cidrs: tuple[Network, ...]
    expires_at: datetime | None
    revoked: bool
    principal: Principal


class Directory:
    """Finds callers. `secret` is the key of the HMAC under which credentials are stored.

    `changed` rings after every change of the control plane, wherever it was made.
    """

    def __init__(self, database: Database, freezes: Freezes, clock: Clock, secret: bytes) -> None:
        self._database = database
        self._freezes = freezes
        self._clock = clock
        self._secret = secret
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._registrations: OrderedDict[str, tuple[Registration, ...]] = OrderedDict()
        self._federated: OrderedDict[Proved, Principal] = OrderedDict()
        self._generation = 0
        self.changed = Signal()

    def digest(self, secret: str) -> bytes:
        """Return the form in which a key's or a token's secret is stored."""
        return digest_of(self._secret, secret)

    async def authenticate(self, bearer: str, address: str) -> Principal:
        """Return who shows an agent key. Raises `Unauthenticated`, `KeyExpired`, `IpNotAllowed`."""
        id, secret = split_credential(bearer, "ghk")
        known = await self._find(f"key_{id}")
        if known is None or not hmac.compare_digest(known.digest, self.digest(secret)):
            raise refused()
        self._check(known)
        if known.cidrs and not _inside(address, known.cidrs):
            raise IpNotAllowed("This key does not work from this address.", hint="An admin sets the key's CIDRs.")
        return known.principal

    async def registrations(self, issuer: str) -> tuple[Registration, ...]:
        """Return the registrations of an issuer, of all environments; none of one that nobody has registered."""
        known = self._registrations.get(issuer)
        if known is None:
            generation = self._generation
            known = await self._database.read(lambda rows: registrations_of(rows, issuer))
            if known:  # what is made up by callers must not push out what is real
                self._remember(self._registrations, issuer, known, generation)
        return known

    async def federated(self, proved: Proved) -> Principal:
        """Return whom a token means by what it proved, as its issuer is registered now. Raises `TokenRefused`."""
        principal = self._federated.get(proved)
        if principal is None:
            generation = self._generation
            principal = await self._database.read(lambda rows: _read_federated(rows, proved))
            self._remember(self._federated, proved, principal, generation)
        return principal

    async def again(self, principal: Principal, until: float | None) -> Principal:
        """Return who somebody is now who stays, with a credential that is good until then (Unix seconds).

        Raises `Unauthenticated`, `KeyExpired`.
        """
        if until is not None and until <= self._clock.now().timestamp():
            raise KeyExpired("This token has expired.", hint="Come back with a fresh one.")
        return await self.principal(principal.key, principal.proved)

    async def principal(self, key: str, proved: Proved | None = None) -> Principal:
        """Return who a credential's id means, for calls that waited; `proved` is what its token proved then.

        A token's own expiry does not matter any more. Raises `Unauthenticated`, `KeyExpired`.
        """
        if proved is not None:
            try:
                principal = await self.federated(proved)
            except TokenRefused:
                raise refused() from None
            if principal.key != key:
                raise refused()
            return principal
        known = await self._find(key)
        if known is None:
            raise refused()
        self._check(known)
        return known.principal

    async def refresh(self) -> None:
        """Forget all that is remembered, and read the freezes in force. Called after every change."""
        self._generation += 1
        for remembered in (self._known, self._registrations, self._federated):
            remembered.clear()
        freezes, held = await self._database.read(_switches)
        self._freezes.replace(freezes)
        self._freezes.hold_writes(held)
        self.changed.ring()

    def _check(self, known: _Known) -> None:
        if known.revoked:
            raise refused()
        if known.expires_at is not None and known.expires_at <= self._clock.now():
            raise KeyExpired("This key has expired.", hint="An admin rotates the key.")

    async def _find(self, key: str) -> _Known | None:
        known = self._known.get(key)
        if known is not None:
            return known
        generation = self._generation
        known = await self._database.read(lambda rows: _read_key(rows, key))
        if known is not None:
            self._remember(self._known, key, known, generation)
        return known

    def _remember(self, where: OrderedDict[KeyT, ValueT], key: KeyT, value: ValueT, generation: int) -> None:
        """Keep what was read, unless something was changed since it was begun to be read."""
        if generation == self._generation:
            where[key] = value
            if len(where) > _REMEMBERED:
                where.popitem(last=False)


def digest_of(key: bytes, secret: str) -> bytes:
    """Return the keyed hash of a credential's secret part."""
    return hmac.new(key, secret.encode(), sha256).digest()


def split_credential(bearer: str, kind: str) -> tuple[str, str]:
    """Return id and secret of `ghk_<id>_<secret>`. Raises `Unauthenticated`."""
    parts = bearer.split("_", 2)
    if len(parts) != 3 or parts[0] != kind or len(parts[1]) != 26 or not 16 <= len(parts[2]) <= 128:
        raise refused()
    return parts[1], parts[2]


def refused() -> Unauthenticated:
    """Return the one answer to every bad credential: it says nothing of what was wrong."""
    return Unauthenticated(
        "No valid credential was shown.", hint="Send `Authorization: Bearer <key>` with a key that was not revoked."
    )


def read_connection(row: Any) -> Connection:
    """Return a connection from its row (all columns by name)."""
    return Connection(
        id=row["id"],
        tenant=row["tenant"],
        environment=row["environment"],
        connector=row["connector"],
        name=row["name"],
        method=row["method"],
        base_url=row["base_url"],
        owner_actor=row["owner_actor"],
        account=row["account"],
        granted=frozenset(orjson.loads(row["granted"])) if row["granted"] else None,
        health=row["health"],
        health_reason=row["health_reason"],
        version=row["version"],
    )


def read_grant(row: Any) -> Grant:
    """Return a grant from its row (all columns by name)."""
    return Grant(
        id=row["id"],
        version=row["version"],
        agent=row["agent"],
        connection=row["connection"],
        scopes=frozenset(orjson.loads(row["scopes"])),
        patterns=tuple(orjson.loads(row["patterns"])),
        constraints=Constraints.from_json(orjson.loads(row["constraints"])),
        autonomy=Autonomy(row["autonomy"]),
        rollout=row["rollout"],
        idempotency=row["idempotency"],
        idempotency_days=row["idempotency_days"],
        expires_at=moment(row["expires_at"]) if row["expires_at"] else None,
    )


def _read_key(rows: Rows, key: str) -> _Known | None:
    query = text("SELECT digest, cidrs, expires_at, revoked_at, agent FROM agent_keys WHERE id=:key")
    found = rows.execute(query, {"key": key}).first()
    if found is None:
        return None
    digest, cidrs, expires, revoked, id = found
    agent, disabled = _read_agent(rows, id)
    grants, connections = _granted(rows, id)
    return _Known(
        digest=digest,
        cidrs=tuple(ipaddress.ip_network(cidr) for cidr in orjson.loads(cidrs)),
        expires_at=moment(expires) if expires else None,
        revoked=revoked is not None or disabled,
        principal=Principal(key, agent, grants, connections),
    )


def _read_federated(rows: Rows, proved: Proved) -> Principal:
    """Return whom something proved means. Raises `TokenRefused`."""
    found = registration(rows, proved.issuer)
    if found is None:
        raise TokenRefused("its issuer is not registered any more")
    try:
        id = str(find_agent(rows, Place(found.tenant, found.environment), found.agent_of(proved))["id"])
    except NotFound:
        raise TokenRefused("it names no agent of the environment") from None
    agent, disabled = _read_agent(rows, id)
    if disabled:
        raise TokenRefused("its agent is disabled")
    grants, connections = _granted(rows, id)
    principal = Principal(f"{found.id}:{id}", agent, grants, connections, proved)
    if proved.scopes is None:
        return principal
    return replace(principal, grants=narrowed(grants, proved.scopes), withheld=grants)


def _read_agent(rows: Rows, id: str) -> tuple[Agent, bool]:
    """Return an agent, and whether it is disabled."""
    query = text(
        "SELECT a.tenant, a.environment, a.name, a.limits, a.disabled_at, t.domains, t.when_state_is_gone"
        " FROM agents a JOIN tenants t ON t.id = a.tenant WHERE a.id=:id"
    )
    tenant, environment, name, limits, disabled, domains, gone = rows.execute(query, {"id": id}).one()
    agent = Agent(
        id,
        tenant,
        environment,
        name,
        orjson.loads(limits),
        tuple(orjson.loads(domains)),
        stops_without_state=gone == "stop",
    )
    return agent, disabled is not None


def _granted(rows: Rows, agent: str) -> tuple[tuple[Grant, ...], dict[str, Connection]]:
    """Return an agent's grants that were not revoked, and the connections that they name."""
    query = text("SELECT * FROM grants WHERE agent=:agent AND revoked_at IS NULL")
    grants = tuple(read_grant(row) for row in rows.execute(query, {"agent": agent}).mappings())
    query = text(
        "SELECT DISTINCT c.* FROM connections c JOIN grants g ON g.connection = c.id"
        " WHERE g.agent=:agent AND g.revoked_at IS NULL AND c.deleted_at IS NULL"
    )
    found = rows.execute(query, {"agent": agent}).mappings()
    return grants, {row["id"]: read_connection(row) for row in found}


def _switches(rows: Rows) -> tuple[list[tuple[str, str, str, str]], str | None]:
    freezes = [
        (row[0], "" if row[2] == "tenant" else row[1], row[2], row[3])
        for row in rows.execute(text("SELECT tenant, environment, kind, target FROM freezes WHERE lifted_at IS NULL"))
    ]
    held = rows.execute(text("SELECT value FROM meta WHERE name='writes_held'")).scalar()
    return freezes, held


def _inside(address: str, cidrs: tuple[Network, ...]) -> bool:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return any(ip.version == net.version and ip in net for net in cidrs)


def expired(expires_at: str | None, clock: Clock) -> bool:
    """Whether a stored expiry has passed."""
    return expires_at is not None and expires_at <= stamp(clock.now())
