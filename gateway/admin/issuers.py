"""Issuers: whose tokens agents may call with, and what a token of theirs proves.

What an issuer and its audience are never changes under one id, so that an id in the record always means the same.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

import orjson
from pydantic import AfterValidator, Field
from sqlalchemy import Connection as Rows
from sqlalchemy import RowMapping

from connectors.sdk.errors import NotFound
from connectors.sdk.hosts import is_loopback
from gateway.admin.agents import find_agent
from gateway.admin.control import By, Control, check_version
from gateway.admin.rows import Page, Place, Shown, Slice, find, insert, missing, newest, scoped, update
from gateway.admin.wanted import Change, Reference, Wanted, refused
from gateway.body import escape
from gateway.clock import stamp
from gateway.federation.discovery import Undiscovered
from gateway.federation.keyring import Keyring
from gateway.federation.registration import LONGEST_VALUE
from gateway.ids import new_id
from gateway.ledger.schema import issuers
from scopes.scope import ScopeSyntaxError, parse

_MOST_AGENTS = 1000
_LIVE = issuers.c.deleted_at.is_(None)


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("must be printable")
    return value


def _visible(value: str) -> str:
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise ValueError("must be visible ASCII characters")
    return value


def _scope(value: str) -> str:
    try:
        return str(parse(value))
    except ScopeSyntaxError as error:
        raise ValueError(str(error)) from error


Url = Annotated[str, Field(min_length=1, max_length=512), AfterValidator(_visible)]
Claim = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable)]
Value = Annotated[str, Field(min_length=1, max_length=LONGEST_VALUE), AfterValidator(_printable)]
AgentMap = Annotated[dict[Value, Reference], Field(min_length=1, max_length=_MOST_AGENTS)]
Scopes = Annotated[list[Annotated[str, AfterValidator(_scope)]], Field(min_length=1, max_length=200)]


class NewIssuer(Wanted):
    """An issuer. Its tokens mean the `agent`, or the agent that the value of `agent_claim` names, as `agents` maps it.

    Claims are named, or lie where a JSON pointer leads. `actor_claim` proves for whom the agent acts; the scopes in
    `scope_claim` cut the agent's grants down; `scopes_supported` are told to clients.
    """

    issuer: Url
    audience: Url
    agent: Reference | None = None
    agent_claim: Claim | None = None
    agents: AgentMap | None = None
    actor_claim: Claim | None = None
    scope_claim: Claim | None = None
    scopes_supported: Scopes | None = None


class IssuerChange(Change):
    """What may change of an issuer: whom its tokens mean, and what they prove."""

    agent: Reference | None = None
    agent_claim: Claim | None = None
    agents: AgentMap | None = None
    actor_claim: Claim | None = None
    scope_claim: Claim | None = None
    scopes_supported: Scopes | None = None


class Issuers:
    """Registers, changes and deletes issuers. `plain_http` lets one on loopback be without TLS."""

    def __init__(
        self, control: Control, discover: Callable[[str], Awaitable[Keyring]], plain_http: bool = False
    ) -> None:
        self._control = control
        self._discover = discover
        self._plain_http = plain_http

    async def create(self, place: Place, by: By, wanted: NewIssuer) -> Shown:
        """Register an issuer. Raises `NotFound` for an agent, `InvalidInput`, `Conflict`."""
        self._check_url(wanted.issuer)
        members = {name: value for name, value in wanted.model_dump().items() if name not in {"issuer", "audience"}}
        row: dict[str, Any] = {
            "id": new_id("iss"),
            "tenant": place.tenant,
            "environment": place.environment,
            "issuer": wanted.issuer,
            "audience": wanted.audience,
            **await self._checked(place, members),
            "version": 1,
            "created_at": stamp(self._control.clock.now()),
            "deleted_at": None,
        }
        taken = "This issuer is registered for this audience already."
        await self._change(lambda rows: insert(rows, issuers, row, taken), place, by, "issuer.create", None, row)
        return shown(row)

    async def get(self, place: Place, id: str) -> Shown:
        """Return an issuer. Raises `NotFound`."""
        return shown(await self._found(place, id))

    async def page(self, place: Place, part: Slice) -> Page:
        """Return the issuers, newest first."""

        def job(rows: Rows) -> Page:
            found, after = newest(rows, scoped(issuers, place, _LIVE), issuers.c.id, part)
            return Page([shown(row) for row in found], after)

        return await self._control.database.read(job)

    async def test(self, place: Place, id: str) -> Shown:
        """Ask an issuer for its keys, and say what came of it. Raises `NotFound`."""
        row = await self._found(place, id)
        try:
            keyring = await self._discover(row["issuer"])
        except Undiscovered as error:
            return {"id": id, "reached": False, "reason": str(error)}
        return {"id": id, "reached": True, "keys": keyring.shown()}

    async def update(self, place: Place, by: By, id: str, change: IssuerChange, version: int | None) -> Shown:
        """Change an issuer. Raises `NotFound`, `PreconditionFailed`, `Conflict`, `InvalidInput`."""
        row = await self._found(place, id)
        check_version(row["version"], version)
        values = await self._checked(place, {**_members(row), **change.given()})
        after = {**row, **values, "version": row["version"] + 1}
        await self._change(lambda rows: update(rows, issuers, row, values), place, by, "issuer.update", row, after)
        return shown(after)

    async def delete(self, place: Place, by: By, id: str, version: int | None) -> Shown:
        """Forget an issuer: its tokens are refused at once. Raises `NotFound`, `PreconditionFailed`."""
        row = await self._found(place, id)
        check_version(row["version"], version)
        values = {"deleted_at": stamp(self._control.clock.now())}
        after = {**row, **values, "version": row["version"] + 1}
        await self._change(lambda rows: update(rows, issuers, row, values), place, by, "issuer.delete", row, after)
        return shown(after)

    async def _found(self, place: Place, id: str) -> RowMapping:
        row = await self._control.database.read(lambda rows: find(rows, issuers, place, id, "issuer"))
        if row["deleted_at"] is not None:
            raise missing("issuer", id)
        return row

    async def _checked(self, place: Place, members: Mapping[str, Any]) -> dict[str, Any]:
        """Return the members as columns, with agents by their ids. Raises `NotFound`, `InvalidInput`."""
        if (members["agent"] is None) == (members["agent_claim"] is None):
            raise refused("/agent", "or agent_claim says whom a token means: name one of them")
        if members["agents"] is not None and members["agent_claim"] is None:
            raise refused("/agents", "maps the values of agent_claim, which is not there")
        if members["scopes_supported"] is not None and members["scope_claim"] is None:
            raise refused("/scopes_supported", "needs scope_claim: without it no scope of a token is looked at")

        def job(rows: Rows) -> dict[str, Any]:
            agent = find_agent(rows, place, members["agent"])["id"] if members["agent"] is not None else None
            mapped = _mapped(rows, place, members["agents"]) if members["agents"] is not None else None
            return {**members, "agent": agent, "agents": _dumped(mapped)}

        found = await self._control.database.read(job)
        return {**found, "scopes_supported": _dumped(members["scopes_supported"])}

    def _check_url(self, url: str) -> None:
        """Raise `InvalidInput` for an issuer that cannot be asked (OpenID Connect Discovery 1.0, section 3)."""
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError as error:
            raise refused("/issuer", "is no URL") from error
        if parts.scheme != "https" and not (parts.scheme == "http" and self._plain_http and is_loopback(host or "")):
            raise refused("/issuer", "must be https", hint="Plain http is for loopback that the operator opened.")
        if not host or parts.username or parts.password or parts.query or parts.fragment or "?" in url or "#" in url:
            raise refused("/issuer", "must be a scheme, a host and perhaps a port and a path")

    async def _change(
        self,
        job: Callable[[Rows], object],
        place: Place,
        by: By,
        what: str,
        before: "RowMapping | None",
        after: Mapping[str, Any],
    ) -> None:
        await self._control.change(
            job,
            by,
            what,
            after["id"],
            tenant=place.tenant,
            environment=place.environment,
            before=shown(before) if before is not None else None,
            after=shown(after),
        )


def shown(row: Mapping[str, Any] | RowMapping) -> Shown:
    """Return an issuer's public form."""
    return {
        "id": row["id"],
        "issuer": row["issuer"],
        "audience": row["audience"],
        **_members(row),
        "version": row["version"],
        "created_at": row["created_at"],
    }


def _members(row: Mapping[str, Any] | RowMapping) -> dict[str, Any]:
    return {
        "agent": row["agent"],
        "agent_claim": row["agent_claim"],
        "agents": orjson.loads(row["agents"]) if row["agents"] else None,
        "actor_claim": row["actor_claim"],
        "scope_claim": row["scope_claim"],
        "scopes_supported": orjson.loads(row["scopes_supported"]) if row["scopes_supported"] else None,
    }


def _mapped(rows: Rows, place: Place, agents: Mapping[str, str]) -> dict[str, str]:
    """Return a map with the ids of its agents: a name may change hands. Raises `InvalidInput`."""
    found: dict[str, str] = {}
    for value, reference in agents.items():
        try:
            found[value] = find_agent(rows, place, reference)["id"]
        except NotFound as error:
            raise refused(f"/agents/{escape(value)}", f"names no agent here: {reference!r}") from error
    return found


def _dumped(value: object) -> str | None:
    return orjson.dumps(value).decode() if value is not None else None
