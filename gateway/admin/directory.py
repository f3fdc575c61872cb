"""Who may call, kept in memory: keys, agents, grants, connections, freezes, as the last change left them.

A change of the control plane forgets everything here before it is answered, so what was taken back is taken back
at once. Only what is asked for is read, so the number of agents and grants does not matter to a call.
"""

import hmac
import ipaddress
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

import orjson
from sqlalchemy import Connection as Rows
from sqlalchemy import text

from connectors.sdk.errors import IpNotAllowed, KeyExpired, Unauthenticated
from connectors.sdk.hosts import Network
from gateway.call import Agent, Connection, Principal
from gateway.clock import Clock, moment, stamp
from gateway.freeze import Freezes
from gateway.ledger.database import Database
from gateway.signal import Signal
from scopes.constraint import Constraints
from scopes.grant import Autonomy, Grant

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

    async def principal(self, key: str) -> Principal:
        """Return who a key's id means, for calls that waited. Raises `Unauthenticated`, `KeyExpired`."""
        known = await self._find(key)
        if known is None:
            raise refused()
        self._check(known)
        return known.principal

    async def refresh(self) -> None:
        """Forget all that is remembered, and read the freezes in force. Called after every change."""
        self._generation += 1
        self._known.clear()
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
        if known is not None and generation == self._generation:
            self._known[key] = known
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return known


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
    found = rows.execute(
        text(
            "SELECT k.digest, k.cidrs, k.expires_at, k.revoked_at, a.id, a.tenant, a.environment, a.name, a.limits,"
            " a.disabled_at, t.domains, t.when_state_is_gone FROM agent_keys k JOIN agents a ON a.id = k.agent"
            " JOIN tenants t ON t.id = a.tenant WHERE k.id=:key"
        ),
        {"key": key},
    ).first()
    if found is None:
        return None
    digest, cidrs, expires, revoked, id, tenant, environment, name, limits, disabled, domains, gone = found
    agent = Agent(
        id,
        tenant,
        environment,
        name,
        orjson.loads(limits),
        tuple(orjson.loads(domains)),
        stops_without_state=gone == "stop",
    )
    grants = [
        read_grant(row)
        for row in rows.execute(
            text("SELECT * FROM grants WHERE agent=:agent AND revoked_at IS NULL"), {"agent": id}
        ).mappings()
    ]
    connections = {
        row["id"]: read_connection(row)
        for row in rows.execute(
            text(
                "SELECT DISTINCT c.* FROM connections c JOIN grants g ON g.connection = c.id"
                " WHERE g.agent=:agent AND g.revoked_at IS NULL AND c.deleted_at IS NULL"
            ),
            {"agent": id},
        ).mappings()
    }
    return _Known(
        digest=digest,
        cidrs=tuple(ipaddress.ip_network(cidr) for cidr in orjson.loads(cidrs)),
        expires_at=moment(expires) if expires else None,
        revoked=revoked is not None or disabled is not None,
        principal=Principal(key, agent, tuple(grants), connections),
    )


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
