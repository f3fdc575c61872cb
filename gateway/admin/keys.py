"""Agents' keys: `ghk_<id>_<secret>`, shown once, rotated with an overlap."""

import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any

import orjson
from pydantic import Field
from sqlalchemy import Connection as Rows
from sqlalchemy import RowMapping

from connectors.sdk.errors import Conflict
from gateway.admin.agents import find_agent
from gateway.admin.control import By, Control, check_version
from gateway.admin.directory import Directory
from gateway.admin.rows import Page, Place, Shown, Slice, missing, newest, scoped, update
from gateway.admin.wanted import Change, Cidrs, Moment, Wanted, Whole, future
from gateway.clock import moment, stamp
from gateway.ids import new_id
from gateway.ledger.schema import agent_keys


class NewKey(Wanted):
    """A key. Empty `cidrs` allow every address."""

    cidrs: Cidrs = Field(default_factory=list)
    expires_at: Moment | None = None


class KeyChange(Change):
    """What may change of a key."""

    cidrs: Cidrs | None = None
    expires_at: Moment | None = None


class Rotation(Wanted):
    """How long the old key goes on to work beside the new one."""

    overlap_seconds: Annotated[Whole, Field(ge=0, le=30 * 86400)] = 86400


class Keys:
    """Makes, rotates and revokes the keys of agents."""

    def __init__(self, control: Control, directory: Directory) -> None:
        self._control = control
        self._directory = directory

    async def create(self, place: Place, by: By, agent: str, wanted: NewKey) -> Shown:
        """Return a new key with its secret under `key`, shown this once. Raises `NotFound` for the agent."""
        owner = await self._agent(place, agent)
        row = self._row(place, owner["id"], wanted.cidrs, future(wanted.expires_at, self._control.clock), None)
        values, secret = self._with_secret(row)
        await self._change(lambda rows: _insert(rows, values), place, by, "key.create", row["id"], None, shown(row))
        return {**shown(row), "key": secret}

    async def page(self, place: Place, agent: str, part: Slice) -> Page:
        """Return an agent's keys without secrets, newest first."""

        def job(rows: Rows) -> Page:
            owner = find_agent(rows, place, agent)
            query = scoped(agent_keys, place, agent_keys.c.agent == owner["id"])
            found, after = newest(rows, query, agent_keys.c.id, part)
            return Page([shown(row) for row in found], after)

        return await self._control.database.read(job)

    async def get(self, place: Place, agent: str, id: str) -> Shown:
        """Return a key without its secret. Raises `NotFound`."""
        return shown(await self._found(place, agent, id))

    async def update(self, place: Place, by: By, agent: str, id: str, change: KeyChange, version: int | None) -> Shown:
        """Change addresses or expiry. Raises `NotFound`, `PreconditionFailed`, `Conflict` for a revoked key."""
        row = await self._found(place, agent, id)
        check_version(row["version"], version)
        _check_not_revoked(row)
        values: dict[str, Any] = {}
        if change.cidrs is not None:
            values["cidrs"] = orjson.dumps(change.cidrs).decode()
        if "expires_at" in change.model_fields_set:
            values["expires_at"] = future(change.expires_at, self._control.clock)
        after = shown({**row, **values, "version": row["version"] + 1})
        await self._change(
            lambda rows: update(rows, agent_keys, row, values), place, by, "key.update", id, shown(row), after
        )
        return after

    async def rotate(self, place: Place, by: By, agent: str, id: str, rotation: Rotation, version: int | None) -> Shown:
        """Return a key that takes the old one's place; the old one works for the overlap. Raises `Conflict`."""
        row = await self._found(place, agent, id)
        check_version(row["version"], version)
        _check_not_revoked(row)
        now = self._control.clock.now()
        if row["expires_at"] is not None and moment(row["expires_at"]) <= now:
            raise Conflict("This key has expired.", hint="Make a new key.")
        lifetime = moment(row["expires_at"]) - moment(row["created_at"]) if row["expires_at"] else None
        expires_at = stamp(now + lifetime) if lifetime is not None else None
        fresh = self._row(place, row["agent"], orjson.loads(row["cidrs"]), expires_at, id)
        until = stamp(now + timedelta(seconds=rotation.overlap_seconds))
        until = min(until, row["expires_at"] or until)
        values, secret = self._with_secret(fresh)

        def job(rows: Rows) -> None:
            update(rows, agent_keys, row, {"expires_at": until})
            _insert(rows, values)

        old = shown({**row, "expires_at": until, "version": row["version"] + 1})
        after = {"old": old, "new": shown(fresh)}
        await self._change(job, place, by, "key.rotate", id, {"old": shown(row)}, after)
        return {**shown(fresh), "key": secret, "old": old}

    async def revoke(self, place: Place, by: By, agent: str, id: str, version: int | None) -> Shown:
        """End a key at once. Raises `NotFound`, `PreconditionFailed`."""
        row = await self._found(place, agent, id)
        check_version(row["version"], version)
        if row["revoked_at"] is not None:
            return shown(row)
        values = {"revoked_at": stamp(self._control.clock.now())}
        after = shown({**row, **values, "version": row["version"] + 1})
        await self._change(
            lambda rows: update(rows, agent_keys, row, values), place, by, "key.revoke", id, shown(row), after
        )
        return after

    async def _change(
        self,
        job: Callable[[Rows], object],
        place: Place,
        by: By,
        what: str,
        id: str,
        before: Shown | None,
        after: Shown,
    ) -> None:
        where = {"tenant": place.tenant, "environment": place.environment}
        await self._control.change(job, by, what, id, before=before, after=after, **where)

    async def _agent(self, place: Place, agent: str) -> RowMapping:
        return await self._control.database.read(lambda rows: find_agent(rows, place, agent))

    async def _found(self, place: Place, agent: str, id: str) -> RowMapping:
        def job(rows: Rows) -> RowMapping:
            owner = find_agent(rows, place, agent)
            query = scoped(agent_keys, place, agent_keys.c.id == id, agent_keys.c.agent == owner["id"])
            found = rows.execute(query).mappings().first()
            if found is None:
                raise missing("key", id)
            return found

        return await self._control.database.read(job)

    def _row(
        self, place: Place, agent: str, cidrs: list[str], expires_at: str | None, replaces: str | None
    ) -> dict[str, Any]:
        return {
            "id": new_id("key"),
            "tenant": place.tenant,
            "environment": place.environment,
            "agent": agent,
            "cidrs": orjson.dumps(cidrs).decode(),
            "expires_at": expires_at,
            "revoked_at": None,
            "replaces": replaces,
            "version": 1,
            "created_at": stamp(self._control.clock.now()),
        }

    def _with_secret(self, row: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """Return what is stored, and the whole key that is shown once."""
        secret = secrets.token_urlsafe(32)
        key = f"ghk_{str(row['id']).removeprefix('key_')}_{secret}"
        return {**row, "digest": self._directory.digest(secret)}, key


def shown(row: "RowMapping | dict[str, Any]") -> Shown:
    """Return a key's public form."""
    names = ("id", "agent", "expires_at", "revoked_at", "replaces", "version", "created_at")
    return {**{name: row[name] for name in names}, "cidrs": orjson.loads(row["cidrs"])}


def _insert(rows: Rows, values: dict[str, Any]) -> None:
    rows.execute(agent_keys.insert().values(**values))


def _check_not_revoked(row: RowMapping) -> None:
    if row["revoked_at"] is not None:
        raise Conflict("This key was revoked.", hint="Make a new key.")
