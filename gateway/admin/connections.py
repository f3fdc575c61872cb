"""Connections: authorised accounts at vendors. Their credentials live in the store only.

An address and the credential that was accepted there belong together: what changes one never leaves the other.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from weakref import WeakValueDictionary

import orjson
from credentials.store import Credential, CredentialStore, VersionConflict
from credentials.supplied import CLIENT_FIELDS
from sqlalchemy import Connection as Rows
from sqlalchemy import RowMapping

from connectors.sdk import Account, Connector
from connectors.sdk.auth import AuthMethod, OAuthUser
from connectors.sdk.errors import (
    ActionError,
    Conflict,
    ConnectionUnhealthy,
    Frozen,
    SecretStoreUnavailable,
    TryLater,
)
from connectors.sdk.hosts import Network
from gateway.admin.authorizing import AuthorizationLinks, Link, waiting_for
from gateway.admin.code_exchange import AUTHORIZATION, PENDING
from gateway.admin.connection_rows import Row, find_connection, needed_scopes, recorded, shown
from gateway.admin.connection_terms import (
    ConnectionChange,
    NewConnection,
    Reconnection,
    check_name,
    check_nobody_asked,
    client_of,
    credential_of,
    flow_of,
    method_of,
    needed_for,
    scopes_of,
    with_scope,
)
from gateway.admin.control import By, Control, check_version
from gateway.admin.directory import read_connection
from gateway.admin.probing import Probing, Tried, check_same_account
from gateway.admin.rows import Page, Place, Shown, Slice, insert, newest, scoped, update
from gateway.admin.vendor import TokenKeeper
from gateway.admin.wanted import refused
from gateway.call import Connection
from gateway.clock import stamp
from gateway.ids import new_id
from gateway.ledger.schema import connections, grants
from gateway.registry import Registry
from gateway.upstream.destination import check_base_url
from gateway.upstream.tokens import target_of, where_of

_TRIES = 5
_MOVED = "the address changed; reconnect"


@dataclass(frozen=True, slots=True)
class Accepted:
    """An account that somebody authorized and accepted. `settle` runs in the transaction that takes it.

    `before` is the connection's address as it was when they were asked, `base_url` where the account turned out to be.
    """

    method: str
    credential: Credential = field(repr=False)
    account: Account
    before: str
    base_url: str
    settle: Callable[[Rows], None]


class Connections:
    """Makes, tests, reconnects and deletes connections. `opened` are networks that base URLs may name."""

    def __init__(
        self,
        control: Control,
        registry: Registry,
        store: CredentialStore,
        tokens: TokenKeeper,
        probing: Probing,
        links: AuthorizationLinks,
        opened: Sequence[Network],
    ) -> None:
        self._control = control
        self._registry = registry
        self._store = store
        self._tokens = tokens
        self._probing = probing
        self._links = links
        self._opened = opened
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def create(self, place: Place, by: By, wanted: NewConnection, root: str = "") -> Shown:
        """Make a connection, tested at once unless asked otherwise.

        With an OAuth client alone for a credential it waits for somebody to authorize it: the answer has their link,
        below `root` where the gateway was told no public address. Raises `InvalidInput` for what does not fit or what
        the vendor refuses, `Conflict` for a name in use. Where the vendor cannot be reached the connection is made,
        untested.
        """
        connector = self._connector(wanted.connector)
        check_name(connector, wanted.name)
        method = method_of(connector, wanted.method)
        client = client_of(method, wanted.credential)
        scopes = scopes_of(connector, wanted.scopes)
        base_url = check_base_url(connector, wanted.base_url or connector.base_url, self._opened)
        row = self._new_row(place, wanted, base_url)
        if isinstance(method, OAuthUser) and client is not None:
            row |= {"health": PENDING, "health_reason": waiting_for(connector)}
            flow = flow_of(method, wanted.flow)
            link = await self._links.prepare(by, dict(row), method, client, scopes, root, flow)
            return await self._linked(place, by, link, "connection.create", row, lambda rows: _insert(rows, row))
        check_nobody_asked(wanted.flow)
        credential = credential_of(method, wanted.credential)
        credential = with_scope(method, credential, needed_for(connector, scopes))
        connection = read_connection(row)
        tried = Tried(credential, None, base_url)
        if wanted.test:
            tried = await self._probing.attempt(connector, connection, credential)
        row |= {"base_url": tried.base_url, **self._standing(tried.account, tried.reason)}
        await self._store.put(where_of(connection), tried.credential, expected=0)
        try:
            await self._change(lambda rows: _insert(rows, row), place, by, "connection.create", None, row)
        except BaseException:
            await self._store.erase(where_of(connection))  # no row will ever lead to it
            raise
        return await self.get(place, row["id"])

    async def get(self, place: Place, reference: str) -> Shown:
        """Return a connection by id or name, with its health. Raises `NotFound`."""
        return await self._control.database.read(
            lambda rows: self._shown(rows, find_connection(rows, place, reference))
        )

    async def page(self, place: Place, part: Slice, *, connector: str | None = None) -> Page:
        """Return the connections, newest first."""
        query = scoped(connections, place, connections.c.deleted_at.is_(None))
        if connector is not None:
            query = query.where(connections.c.connector == connector)

        def job(rows: Rows) -> Page:
            found, after = newest(rows, query, connections.c.id, part)
            return Page([self._shown(rows, row) for row in found], after)

        return await self._control.database.read(job)

    async def update(
        self, place: Place, by: By, reference: str, change: ConnectionChange, version: int | None
    ) -> Shown:
        """Change name, owner or address. Raises `NotFound`, `PreconditionFailed`, `Conflict`, `InvalidInput`."""
        async with self._lock(await self._found(place, reference)):
            row = await self._found(place, reference)
            check_version(row["version"], version)
            connector = self._connector(row["connector"])
            values = self._changed(connector, row, change)
            if "base_url" in values:
                # Before the new address is known to anyone: a credential must not be sent where it was not made for.
                await self._discard(row)
            await self._change(
                lambda rows: update(rows, connections, row, values), place, by, "connection.update", row, values
            )
        return await self.get(place, row["id"])

    async def test(self, place: Place, by: By, reference: str) -> Shown:
        """Ask the vendor whose the credential is, and return the connection with its health now.

        Raises `Conflict` for another account than the one it remembers; the connection is unhealthy then. Where the
        vendor moved the same account to another host of its own, the connection's address follows.
        """
        async with self._lock(await self._found(place, reference)):
            row = await self._found(place, reference)
            connection = read_connection(row)
            if connection.health == PENDING:
                raise Conflict(f"{connection.name} has no credential: {connection.health_reason}.")
            try:
                connector = self._connector(row["connector"])
                located = await self._probing.located(connector, connection)
                account = await self._probing.account(located)
                check_same_account(connection, account)
            except (TryLater, Frozen):
                raise
            except ActionError as error:
                await self._note_health(place, by, row, {"health": "unhealthy", "health_reason": error.detail})
                if isinstance(error, ConnectionUnhealthy) or error.upstream is not None:
                    return await self.get(place, row["id"])
                raise
            if located.base_url != row["base_url"]:
                values = {"base_url": located.base_url, **self._standing(account, None)}
                await self._change(
                    lambda rows: update(rows, connections, row, values), place, by, "connection.moved", row, values
                )
            else:
                await self._note_health(place, by, row, self._standing(account, None))
        return await self.get(place, row["id"])

    async def reconnect(
        self, place: Place, by: By, reference: str, wanted: Reconnection, version: int | None, root: str = ""
    ) -> Shown:
        """Take a new credential of the same account. Raises `Conflict` for another account's, `InvalidInput`.

        Until the vendor accepted it and named the account, the old credential stays in use. With an OAuth client
        alone, or with nothing where the old credential has one, the answer has a link for somebody to authorize it.
        """
        async with self._lock(await self._found(place, reference)):
            row = await self._found(place, reference)
            check_version(row["version"], version)
            connector = self._connector(row["connector"])
            method = method_of(connector, wanted.method or row["method"])
            connection = replace(read_connection(row), method=method.id)
            client = await self._client(connection, method, wanted)
            if isinstance(method, OAuthUser) and client is not None:
                scopes, flow = scopes_of(connector, wanted.scopes), flow_of(method, wanted.flow)
                link = await self._links.prepare(by, dict(row), method, client, scopes, root, flow)
                return await self._linked(place, by, link, "connection.authorize", row, None)
            check_nobody_asked(wanted.flow)
            credential = credential_of(method, wanted.credential)
            needed = await self._needed(row) | needed_for(connector, scopes_of(connector, wanted.scopes))
            tried = await self._probing.attempt(connector, connection, with_scope(method, credential, needed))
            if tried.account is None:
                raise ConnectionUnhealthy(
                    f"{connector.title} could not be asked whose this credential is, so it was not taken:"
                    f" {tried.reason}",
                    hint="Reconnect again when the vendor answers.",
                )
            check_same_account(connection, tried.account)
            values = {"method": method.id, "base_url": tried.base_url, **self._standing(tried.account, None)}
            await self._replace(connection, tried.credential)
            await self._change(
                lambda rows: update(rows, connections, row, values), place, by, "connection.reconnect", row, values
            )
        return await self.get(place, row["id"])

    async def accept(self, place: Place, by: By, id: str, accepted: Accepted) -> Shown:
        """Take the credential of an account that somebody authorized. Safe to repeat after a crash.

        Raises `Conflict` for another account's, and where the connection changed since they were asked.
        """
        async with self._lock(await self._found(place, id)):
            row = await self._found(place, id)
            connection = replace(read_connection(row), method=accepted.method)
            check_same_account(connection, accepted.account)
            moved = accepted.base_url != row["base_url"] and row["health"] != PENDING
            if moved or row["base_url"] != accepted.before:
                raise Conflict("The connection's address changed meanwhile.", hint="An admin makes a new link.")
            values = {"method": accepted.method, "base_url": accepted.base_url}
            values |= self._standing(accepted.account, None)
            await self._replace(connection, accepted.credential)

            def job(rows: Rows) -> None:
                update(rows, connections, row, values)
                accepted.settle(rows)

            await self._change(job, place, by, "connection.authorized", row, values)
        return await self.get(place, row["id"])

    async def delete(self, place: Place, by: By, reference: str, version: int | None) -> Shown:
        """Revoke at the vendor as far as it lets us, destroy the credential, revoke the grants.

        The answer's `revoked_at_vendor` says whether the vendor confirmed. Raises `NotFound`, `PreconditionFailed`.
        """
        async with self._lock(await self._found(place, reference)):
            row = await self._found(place, reference)
            check_version(row["version"], version)
            revoked = await self._revoke(row)
            await self._erase(row)
            at = stamp(self._control.clock.now())
            ended = await self._control.change(
                lambda rows: _delete(rows, row, at),
                by,
                "connection.delete",
                row["id"],
                tenant=place.tenant,
                environment=place.environment,
                before=recorded(row),
                after={"deleted_at": at, "revoked_at_vendor": revoked},
            )
        return {"id": row["id"], "deleted": True, "revoked_at_vendor": revoked, "revoked_grants": ended}

    def _changed(self, connector: Connector, row: RowMapping, change: ConnectionChange) -> dict[str, Any]:
        values: dict[str, Any] = {}
        if change.name is not None:
            check_name(connector, change.name)
            values["name"] = change.name
        if "owner_actor" in change.model_fields_set:
            values["owner_actor"] = change.owner_actor
        if change.base_url is not None:
            base_url = check_base_url(connector, change.base_url, self._opened)
            if base_url != row["base_url"]:
                values |= {"base_url": base_url, "granted": None, "health": "unhealthy", "health_reason": _MOVED}
        return values

    def _new_row(self, place: Place, wanted: NewConnection, base_url: str) -> dict[str, Any]:
        return {
            "id": new_id("conn"),
            "tenant": place.tenant,
            "environment": place.environment,
            "connector": wanted.connector,
            "name": wanted.name,
            "method": wanted.method,
            "base_url": base_url,
            "owner_actor": wanted.owner_actor,
            "account": None,
            "account_label": None,
            "granted": None,
            "health": "untested",
            "health_reason": None,
            "checked_at": None,
            "version": 1,
            "created_at": stamp(self._control.clock.now()),
            "deleted_at": None,
        }

    def _standing(self, account: Account | None, reason: str | None) -> dict[str, Any]:
        """Return the columns that say how a connection stands after a try."""
        if account is None:
            return {"health": "untested", "health_reason": reason}
        return {
            "account": account.id,
            "account_label": account.label,
            "granted": orjson.dumps(sorted(account.granted)).decode() if account.granted is not None else None,
            "health": "healthy",
            "health_reason": None,
            "checked_at": stamp(self._control.clock.now()),
        }

    async def _note_health(self, place: Place, by: By, row: RowMapping, values: dict[str, Any]) -> None:
        """Write what a test found. The version stays: approvals and cursors are bound to it, not to health."""
        values = {"checked_at": stamp(self._control.clock.now()), **values}
        statement = (
            connections.update()
            .where(connections.c.id == row["id"], connections.c.version == row["version"])
            .values(**values)
        )
        await self._change(
            lambda rows: rows.execute(statement).rowcount, place, by, "connection.test", row, values, counted=False
        )

    async def _linked(
        self, place: Place, by: By, link: Link, what: str, row: Row, also: Callable[[Rows], object] | None
    ) -> Shown:
        """Let a link be used, with the change that it belongs to."""

        def job(rows: Rows) -> None:
            if also is not None:
                also(rows)
            self._links.open(rows, link)

        before, after = (None, recorded(row)) if also is not None else (recorded(row), recorded(row))
        where = {"tenant": place.tenant, "environment": place.environment}
        try:
            await self._control.change(
                job, by, what, row["id"], before=before, after={**after, "authorize": link.recorded()}, **where
            )
        except BaseException:
            await self._links.drop(link)
            raise
        return {**await self.get(place, row["id"]), **link.shown()}

    async def _client(self, connection: Connection, method: AuthMethod, wanted: Reconnection) -> dict[str, str] | None:
        """Return the OAuth client to ask with, None where a whole credential was sent."""
        if wanted.credential or not isinstance(method, OAuthUser):
            return client_of(method, wanted.credential)
        stored = await self._store.get(where_of(connection))
        known = stored.fields if stored is not None and stored.method == method.id else {}
        return client_of(method, {name: known[name] for name in CLIENT_FIELDS if name in known})

    async def _replace(self, connection: Connection, credential: Credential) -> None:
        where = where_of(connection)
        mark = credential.fields.get(AUTHORIZATION)
        for attempt in range(_TRIES):
            stored = await self._store.get(where)
            if stored is not None and mark is not None and stored.fields.get(AUTHORIZATION) == mark:
                break  # it is there since before a crash, and may have been refreshed: what is stored is newer
            try:
                await self._store.put(where, credential, expected=stored.version if stored is not None else 0)
                break
            except VersionConflict:  # a refresh of the old credential was written in between
                if attempt == _TRIES - 1:
                    raise SecretStoreUnavailable("The old credential is being refreshed; reconnect again.") from None
        self._tokens.forget(where)

    async def _discard(self, row: RowMapping) -> None:
        where = where_of(read_connection(row))
        await self._store.delete(where)
        self._tokens.forget(where)

    async def _erase(self, row: RowMapping) -> None:
        where = where_of(read_connection(row))
        await self._store.erase(where)
        self._tokens.forget(where)

    async def _revoke(self, row: RowMapping) -> bool:
        connection = read_connection(row)
        connector = self._registry.connectors.get(connection.connector)
        method = connector.auth.get(connection.method) if connector is not None else None
        if connector is None or method is None:
            return False
        try:
            return await self._tokens.revoke(target_of(connector, connection), method=method)
        except ActionError:
            return False

    async def _change(
        self,
        job: Callable[[Rows], object],
        place: Place,
        by: By,
        what: str,
        row: RowMapping | None,
        values: dict[str, Any],
        *,
        counted: bool = True,
    ) -> None:
        before = recorded(row) if row is not None else None
        base: dict[str, Any] = dict(row) if row is not None else {}
        if row is not None and counted:
            base["version"] = row["version"] + 1
        after = recorded({**base, **values})
        where = {"tenant": place.tenant, "environment": place.environment}
        await self._control.change(job, by, what, after["id"], before=before, after=after, **where)

    def _shown(self, rows: Rows, row: RowMapping) -> Shown:
        connector = self._registry.connectors.get(row["connector"])
        return shown(row, connector, needed_scopes(rows, connector, row["id"], self._control.clock.now()))

    async def _found(self, place: Place, reference: str) -> RowMapping:
        return await self._control.database.read(lambda rows: find_connection(rows, place, reference))

    async def _needed(self, row: RowMapping) -> frozenset[str]:
        """Return the vendor scopes that what is granted on a connection needs."""
        connector, now = self._registry.connectors.get(row["connector"]), self._control.clock.now()
        return await self._control.database.read(lambda rows: needed_scopes(rows, connector, row["id"], now))

    def _lock(self, row: RowMapping) -> asyncio.Lock:
        """One change of a connection and its credential at a time."""
        return self._locks.setdefault(row["id"], asyncio.Lock())

    def _connector(self, id: str) -> Connector:
        connector = self._registry.connectors.get(id)
        if connector is None:
            known = ", ".join(sorted(self._registry.connectors))
            raise refused("/connector", "is not installed", hint=f"Installed are {known}.")
        return connector


def _insert(rows: Rows, row: dict[str, Any]) -> None:
    insert(rows, connections, row, f"A connection is called {row['name']} already.")


def _delete(rows: Rows, row: RowMapping, at: str) -> list[str]:
    """Delete a connection and revoke its grants. Returns the grants' ids."""
    live = (grants.c.connection == row["id"], grants.c.revoked_at.is_(None))
    ended = list(rows.execute(grants.select().where(*live)).mappings())
    rows.execute(grants.update().where(*live).values(revoked_at=at, version=grants.c.version + 1))
    changed = connections.update().where(connections.c.id == row["id"], connections.c.deleted_at.is_(None))
    rows.execute(changed.values(deleted_at=at, version=connections.c.version + 1))
    return [grant["id"] for grant in ended]


__all__ = ["Accepted", "ConnectionChange", "Connections", "NewConnection", "Reconnection"]
