"""Access requests: somebody asks for scopes on an agent's behalf, an admin grants or refuses."""

from typing import Annotated, Any

import orjson
from pydantic import Field
from sqlalchemy import Connection as Rows
from sqlalchemy import RowMapping

from connectors.sdk.errors import Conflict
from gateway.admin.agents import find_agent
from gateway.admin.connection_rows import find_connection
from gateway.admin.control import By, Control, check_version
from gateway.admin.grants import Grants, GrantTerms, NewGrant, Patterns, insert_grant
from gateway.admin.grants import shown as grant_shown
from gateway.admin.rows import Page, Place, Shown, Slice, find, newest, scoped, update
from gateway.admin.wanted import Reference, Text, Wanted, refused
from gateway.clock import stamp
from gateway.ids import new_id
from gateway.ledger.schema import access_requests


class NewAccessRequest(Wanted):
    """What an agent's owner asks for, and why."""

    agent: Reference
    connection: Reference
    scopes: Patterns
    reason: Annotated[str, Field(min_length=1, max_length=2000)]


class AccessDecision(Wanted):
    """An admin's answer. `terms` is how the grant holds; fewer `scopes` than asked for may be granted."""

    decision: Annotated[str, Field(pattern="^(grant|refuse)$")]
    comment: Text | None = None
    scopes: Patterns | None = None
    terms: GrantTerms | None = None


class AccessRequests:
    """Takes requests and decisions on them. A decision is made once."""

    def __init__(self, control: Control, grants: Grants) -> None:
        self._control = control
        self._grants = grants

    async def create(self, place: Place, by: By, wanted: NewAccessRequest) -> Shown:
        """Ask. Raises `NotFound` for agent or connection, `InvalidInput` for scopes that do not exist."""

        def look(rows: Rows) -> tuple[str, str]:
            agent = find_agent(rows, place, wanted.agent)
            connection = find_connection(rows, place, wanted.connection)
            self._grants.expanded(connection["connector"], wanted.scopes)
            return agent["id"], connection["id"]

        agent, connection = await self._control.database.read(look)
        row: dict[str, Any] = {
            "id": new_id("acr"),
            "tenant": place.tenant,
            "environment": place.environment,
            "agent": agent,
            "connection": connection,
            "scopes": orjson.dumps(wanted.scopes).decode(),
            "reason": wanted.reason,
            "requested_by": by.admin.token,
            "status": "pending",
            "decided_by": None,
            "comment": None,
            "grant": None,
            "version": 1,
            "created_at": stamp(self._control.clock.now()),
        }
        await self._control.change(
            lambda rows: rows.execute(access_requests.insert().values(**row)).rowcount,
            by,
            "access_request.create",
            row["id"],
            tenant=place.tenant,
            environment=place.environment,
            after=shown(row),
        )
        return shown(row)

    async def get(self, place: Place, id: str) -> Shown:
        """Return a request. Raises `NotFound`."""
        return shown(await self._found(place, id))

    async def page(self, place: Place, part: Slice, *, status: str | None = None) -> Page:
        """Return the requests, newest first."""
        query = scoped(access_requests, place)
        if status is not None:
            query = query.where(access_requests.c.status == status)

        def job(rows: Rows) -> Page:
            found, after = newest(rows, query, access_requests.c.id, part)
            return Page([shown(row) for row in found], after)

        return await self._control.database.read(job)

    async def decide(self, place: Place, by: By, id: str, decision: AccessDecision, version: int | None) -> Shown:
        """Grant or refuse, once. Raises `Conflict` where it was decided, `InvalidInput`, `PreconditionFailed`."""
        row = await self._found(place, id)
        check_version(row["version"], version)
        if row["status"] != "pending":
            raise Conflict(f"This request is {row['status']}.", hint="A decision is made once; ask again.")
        granted = decision.decision == "grant"
        grant = await self._granted(place, row, decision) if granted else None
        values: dict[str, Any] = {
            "status": "granted" if granted else "refused",
            "decided_by": by.admin.token,
            "comment": decision.comment,
            "grant": grant["id"] if grant else None,
        }
        after = shown({**row, **values, "version": row["version"] + 1})

        def job(rows: Rows) -> None:
            update(rows, access_requests, row, values)
            if grant is not None:
                insert_grant(rows, place, grant)

        await self._control.change(
            job,
            by,
            "access_request.decide",
            id,
            tenant=place.tenant,
            environment=place.environment,
            before=shown(row),
            after=after if grant is None else {**after, "granted": grant_shown(grant)},
        )
        return after

    async def _granted(self, place: Place, row: RowMapping, decision: AccessDecision) -> dict[str, Any]:
        asked: list[str] = orjson.loads(row["scopes"])
        terms = (decision.terms or GrantTerms()).model_dump(exclude={"expires_at"})

        def job(rows: Rows) -> dict[str, Any]:
            connector = find_connection(rows, place, row["connection"])["connector"]
            given = decision.scopes or asked
            beyond = set(self._grants.expanded(connector, given)) - set(self._grants.expanded(connector, asked))
            if beyond:
                raise refused("/scopes", f"{', '.join(sorted(beyond))} was not asked for")
            wanted = NewGrant.model_validate(
                {**terms, "agent": row["agent"], "connection": row["connection"], "scopes": given}
            )
            if decision.terms is not None:
                wanted = wanted.model_copy(update={"expires_at": decision.terms.expires_at})
            return self._grants.row(rows, place, wanted)

        return await self._control.database.read(job)

    async def _found(self, place: Place, id: str) -> RowMapping:
        return await self._control.database.read(lambda rows: find(rows, access_requests, place, id, "access request"))


def shown(row: "RowMapping | dict[str, Any]") -> Shown:
    """Return a request's public form."""
    names = ("id", "agent", "connection", "reason", "requested_by", "status", "decided_by", "comment", "grant")
    return {
        **{name: row[name] for name in names},
        "scopes": orjson.loads(row["scopes"]),
        "version": row["version"],
        "created_at": row["created_at"],
    }
