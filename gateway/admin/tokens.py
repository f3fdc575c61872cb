"""Admin tokens: `gha_<id>_<secret>`, shown once, stored as a keyed hash."""

import hmac
import secrets
from typing import Any

from sqlalchemy import Connection as Rows
from sqlalchemy import RowMapping, or_, select

from connectors.sdk.errors import Conflict, KeyExpired, ScopeDenied, Unauthenticated
from gateway.admin.control import By, Control, check_version
from gateway.admin.data_keys import OPERATORS, DataKeys
from gateway.admin.directory import Directory, refused, split_credential
from gateway.admin.roles import Admin, Role
from gateway.admin.rows import Page, Shown, Slice, missing, newest, update
from gateway.admin.wanted import Moment, Reference, Title, Wanted, future
from gateway.admin.wanted import refused as refused_member
from gateway.clock import moment, stamp
from gateway.ids import new_id
from gateway.ledger.schema import admin_tokens, environments, tenants

_LAST = {Role.OWNER, Role.OPERATOR}


class NewToken(Wanted):
    """An admin token. A role holds in one tenant, and where an environment is named, in that one only."""

    name: Title
    role: Role
    tenant: Reference | None = None
    environment: Reference | None = None
    expires_at: Moment | None = None


def at_start(name: str) -> By:
    """Return who acts where the gateway's own command makes the first things: no token, all rights."""
    return By(Admin("", name, Role.OPERATOR, None, None), "")


class AdminTokens:
    """Makes, lists, checks and revokes admin tokens."""

    def __init__(self, control: Control, directory: Directory, data_keys: DataKeys) -> None:
        self._control = control
        self._directory = directory
        self._data_keys = data_keys

    async def authenticate(self, bearer: str) -> Admin:
        """Return who shows a token. Raises `Unauthenticated`, `KeyExpired`."""
        id, secret = split_credential(bearer, "gha")
        row = await self._row(f"tok_{id}")
        if row is None or not hmac.compare_digest(row["digest"], self._directory.digest(secret)):
            raise refused()
        return self._live(row)

    async def admin(self, id: str) -> Admin:
        """Return whom a token's id means, as it is now. Raises `Unauthenticated`, `KeyExpired`."""
        row = await self._row(id)
        if row is None:
            raise refused()
        return self._live(row)

    async def create(self, by: By, wanted: NewToken) -> Shown:
        """Return a new token with its secret under `token`, shown this once."""
        await self._check(by.admin, wanted)
        await self._data_keys.ensure(wanted.tenant or OPERATORS)
        id, secret = new_id("tok"), secrets.token_urlsafe(32)
        now = self._control.clock.now()
        row: dict[str, Any] = {
            "id": id,
            "tenant": wanted.tenant,
            "environment": wanted.environment,
            "name": wanted.name,
            "role": wanted.role.value,
            "expires_at": future(wanted.expires_at, self._control.clock),
            "revoked_at": None,
            "version": 1,
            "created_at": stamp(now),
        }
        after = shown(row)
        values = {**row, "digest": self._directory.digest(secret)}
        await self._control.change(
            lambda rows: rows.execute(admin_tokens.insert().values(**values)).rowcount,
            by,
            "token.create",
            id,
            tenant=wanted.tenant or OPERATORS,
            environment=wanted.environment or "",
            after=after,
        )
        return {**after, "token": f"gha_{id.removeprefix('tok_')}_{secret}"}

    async def page(self, admin: Admin, part: Slice) -> Page:
        """Return the tokens of the admin's tenant; an operator sees all."""
        query = select(admin_tokens)
        if admin.tenant is not None:
            query = query.where(admin_tokens.c.tenant == admin.tenant)

        def job(rows: Rows) -> Page:
            found, after = newest(rows, query, admin_tokens.c.id, part)
            return Page([shown(row) for row in found], after)

        return await self._control.database.read(job)

    async def get(self, admin: Admin, id: str) -> Shown:
        """Return one token, without its secret. Raises `NotFound`."""
        return shown(await self._visible(admin, id))

    async def revoke(self, by: By, id: str, version: int | None) -> Shown:
        """End a token at once. Raises `Conflict` for the last owner's or operator's."""
        row = await self._visible(by.admin, id)
        check_version(row["version"], version)
        if row["revoked_at"] is not None:
            return shown(row)
        at = stamp(self._control.clock.now())

        def job(rows: Rows) -> None:
            _check_not_last(rows, row, at)
            update(rows, admin_tokens, row, {"revoked_at": at})

        await self._control.change(
            job,
            by,
            "token.revoke",
            id,
            tenant=row["tenant"] or OPERATORS,
            environment=row["environment"] or "",
            before=shown(row),
            after={**shown(row), "revoked_at": at, "version": row["version"] + 1},
        )
        return shown(await self._visible(by.admin, id))

    async def _check(self, admin: Admin, wanted: NewToken) -> None:
        if wanted.tenant is None:
            if wanted.role is not Role.OPERATOR:
                raise refused_member("/tenant", f"is needed for the role {wanted.role}")
            if admin.role is not Role.OPERATOR:
                raise ScopeDenied("Only an operator makes operators.", hint="Name a tenant and another role.")
        elif wanted.role is Role.OPERATOR:
            raise refused_member("/role", "operator holds everywhere and names no tenant")
        if wanted.environment is not None and (wanted.tenant is None or wanted.role is Role.OWNER):
            raise refused_member("/environment", f"cannot be named for the role {wanted.role}")
        await self._control.database.read(lambda rows: _check_place(rows, wanted))

    async def _visible(self, admin: Admin, id: str) -> RowMapping:
        row = await self._row(id)
        if row is None or (admin.tenant is not None and row["tenant"] != admin.tenant):
            raise missing("token", id)
        return row

    async def _row(self, id: str) -> RowMapping | None:
        query = select(admin_tokens).where(admin_tokens.c.id == id)
        return await self._control.database.read(lambda rows: rows.execute(query).mappings().first())

    def _live(self, row: RowMapping) -> Admin:
        if row["revoked_at"] is not None:
            raise refused()
        if row["expires_at"] is not None and moment(row["expires_at"]) <= self._control.clock.now():
            raise KeyExpired("This admin token has expired.", hint="An owner makes a new one.")
        try:
            role = Role(row["role"])
        except ValueError as error:
            raise Unauthenticated("This token's role is not known here.") from error
        return Admin(row["id"], row["name"], role, row["tenant"], row["environment"])


def shown(row: "RowMapping | dict[str, Any]") -> Shown:
    """Return a token's public form."""
    names = ("id", "name", "role", "tenant", "environment", "expires_at", "revoked_at", "version", "created_at")
    return {name: row[name] for name in names}


def _check_place(rows: Rows, wanted: NewToken) -> None:
    if wanted.tenant is None:
        return
    if rows.execute(select(tenants.c.id).where(tenants.c.id == wanted.tenant)).first() is None:
        raise refused_member("/tenant", "is no tenant")
    if wanted.environment is not None:
        query = select(environments.c.environment).where(
            environments.c.tenant == wanted.tenant, environments.c.environment == wanted.environment
        )
        if rows.execute(query).first() is None:
            raise refused_member("/environment", "is no environment of the tenant")


def _check_not_last(rows: Rows, row: RowMapping, now: str) -> None:
    if Role(row["role"]) not in _LAST:
        return
    c = admin_tokens.c
    others = select(c.id).where(
        c.id != row["id"],
        c.role == row["role"],
        c.tenant.is_(None) if row["tenant"] is None else c.tenant == row["tenant"],
        c.revoked_at.is_(None),
        or_(c.expires_at.is_(None), c.expires_at > now),
    )
    if rows.execute(others.limit(1)).first() is None:
        raise Conflict(
            f"This is the last {row['role']} token; without it nobody could make another.",
            hint=f"Make another {row['role']} token first.",
        )
