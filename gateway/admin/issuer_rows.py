"""Registered issuers as rows: found by id and by what their tokens call them."""

import orjson
from sqlalchemy import Connection as Rows
from sqlalchemy import RowMapping, select

from gateway.admin.rows import Place
from gateway.federation.registration import Registration
from gateway.ledger.schema import issuers, tenants

_LIVE = issuers.c.deleted_at.is_(None)


def read_registration(row: RowMapping) -> Registration:
    """Return a registration from its row (all columns by name)."""
    return Registration(
        id=row["id"],
        tenant=row["tenant"],
        environment=row["environment"],
        issuer=row["issuer"],
        audience=row["audience"],
        agent=row["agent"],
        agent_claim=row["agent_claim"],
        agents=orjson.loads(row["agents"]) if row["agents"] else None,
        actor_claim=row["actor_claim"],
        scope_claim=row["scope_claim"],
    )


def registrations_of(rows: Rows, issuer: str) -> tuple[Registration, ...]:
    """Return the live registrations of an issuer, in all environments."""
    found = rows.execute(select(issuers).where(_LIVE, issuers.c.issuer == issuer)).mappings()
    return tuple(read_registration(row) for row in found)


def registration(rows: Rows, id: str) -> Registration | None:
    """Return a live registration."""
    row = rows.execute(select(issuers).where(_LIVE, issuers.c.id == id)).mappings().first()
    return read_registration(row) if row is not None else None


def told_of(rows: Rows, place: Place | None) -> list[RowMapping]:
    """Return what clients may be told of: a place's live issuers, oldest first, at most 100.

    Without a place, those of the one tenant and environment that has any: among several tenants none may speak for
    an address that they share.
    """
    if place is None:
        places = rows.execute(select(issuers.c.tenant, issuers.c.environment).where(_LIVE).distinct().limit(2)).all()
        shared = len(rows.execute(select(tenants.c.id).limit(2)).all()) > 1
        if len(places) != 1 or shared:
            return []
        place = Place(*places[0])
    query = select(issuers).where(_LIVE, issuers.c.tenant == place.tenant, issuers.c.environment == place.environment)
    return list(rows.execute(query.order_by(issuers.c.id).limit(100)).mappings().all())
