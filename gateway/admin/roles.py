"""Admins and what they may do.

owner      everything in the tenant
admin      reads and writes in one environment
approver   reads, decides approvals, freezes
auditor    reads
engineer   reads; connections and their tests, no grants
operator   creates tenants; everything everywhere
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from connectors.sdk.errors import NotFound, ScopeDenied


class Role(StrEnum):
    """What an admin token may do."""

    OWNER = "owner"
    ADMIN = "admin"
    APPROVER = "approver"
    AUDITOR = "auditor"
    ENGINEER = "engineer"
    OPERATOR = "operator"


class Right(StrEnum):
    """What an admin route asks for."""

    READ = "read"
    WRITE = "write"
    CONNECT = "connect"
    DECIDE = "decide"
    FREEZE = "freeze"
    OWN = "own"
    OPERATE = "operate"


_ALL = frozenset(Right)
_RIGHTS: Mapping[Role, frozenset[Right]] = {
    Role.OPERATOR: _ALL,
    Role.OWNER: _ALL - {Right.OPERATE},
    Role.ADMIN: frozenset({Right.READ, Right.WRITE, Right.CONNECT, Right.DECIDE, Right.FREEZE}),
    Role.APPROVER: frozenset({Right.READ, Right.DECIDE, Right.FREEZE}),
    Role.AUDITOR: frozenset({Right.READ}),
    Role.ENGINEER: frozenset({Right.READ, Right.CONNECT}),
}


@dataclass(frozen=True, slots=True)
class Admin:
    """Who administers: a token, its role, and where it holds. None stands for everywhere."""

    token: str
    name: str
    role: Role
    tenant: str | None
    environment: str | None

    def check(self, right: Right, tenant: str | None, environment: str | None = None) -> None:
        """Raise `NotFound` outside the admin's tenant or environment, `ScopeDenied` where the role does not reach."""
        elsewhere = self.tenant is not None and tenant != self.tenant
        if elsewhere or (self.environment is not None and environment not in (None, self.environment)):
            raise NotFound("There is nothing here.", hint="A token sees its own tenant and environment only.")
        if right not in _RIGHTS[self.role]:
            able = ", ".join(role for role in Role if right in _RIGHTS[role])
            raise ScopeDenied(f"The role {self.role} may not do this.", hint=f"Roles that may: {able}.")

    def check_whole_tenant(self) -> None:
        """Raise `ScopeDenied` for a token of one environment, where something concerns all of the tenant's."""
        if self.environment is not None:
            raise ScopeDenied(
                f"This token holds in the environment {self.environment} only.", hint="Use a token of the whole tenant."
            )
