"""Links with which somebody authorizes a connection in their browser. What they do with one is in `consents`."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from credentials.store import Credential, CredentialStore
from sqlalchemy import Connection as Rows
from sqlalchemy import select

from connectors.sdk import Connector
from connectors.sdk.auth import Flow, OAuthUser
from connectors.sdk.hosts import is_loopback
from gateway.admin.control import By, Control
from gateway.admin.directory import read_grant
from gateway.admin.oauth_sessions import (
    OAuthSession,
    Step,
    advance,
    dumped,
    dumped_admin,
    end_others,
    forget,
    read_session,
)
from gateway.admin.wanted import refused
from gateway.clock import stamp
from gateway.ids import new_id
from gateway.ledger.schema import grants, oauth_sessions

LINK_LIFETIME = timedelta(hours=24)
Digest = Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class Needs:
    """What somebody is asked to authorize: in plain words, and in the vendor's."""

    sentences: tuple[str, ...]
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Link:
    """A link that was made, and its session. It works once `AuthorizationLinks.open` is durable."""

    session: OAuthSession
    url: str = field(repr=False)

    def shown(self) -> dict[str, Any]:
        """Return what the admin who made it gets."""
        return {"authorize_url": self.url, "authorize_expires_at": self.session.expires_at}

    def recorded(self) -> dict[str, Any]:
        """Return what events hold: not the link, which is a secret."""
        scopes = self.session.scopes
        return {
            "session": self.session.id,
            "flow": self.session.flow,
            "scopes": sorted(scopes) if scopes is not None else None,
            "expires_at": self.session.expires_at,
        }


class AuthorizationLinks:
    """Makes links. `public_url` is the gateway's root as people reach it, None for the address that was used."""

    def __init__(self, control: Control, store: CredentialStore, digest: Digest, public_url: str | None) -> None:
        self._control = control
        self._store = store
        self._digest = digest
        self._public_url = public_url

    def root(self, own: str) -> str:
        """Return the root of links. Raises `InvalidInput` where a browser could be overheard on its way to it."""
        root = (self._public_url or own).rstrip("/")
        parts = urlsplit(root)
        if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or "")):
            return root
        raise refused(
            "/method",
            "needs an https address of this gateway to come back to",
            hint="Set GATEHOUSE_PUBLIC_URL, or supply a whole credential.",
        )

    async def prepare(
        self,
        by: By,
        connection: Mapping[str, Any],
        method: OAuthUser,
        client: Mapping[str, str],
        scopes: frozenset[str] | None,
        own_root: str,
        flow: Flow,
    ) -> Link:
        """Make a session and store its client. Nobody can use it before `open`; `drop` takes it back."""
        root, secret = self.root(own_root), secrets.token_urlsafe(32)
        now = self._control.clock.now()
        row: dict[str, Any] = {
            "id": new_id("oas"),
            "tenant": connection["tenant"],
            "environment": connection["environment"],
            "connection": connection["id"],
            "method": method.id,
            "base_url": connection["base_url"],
            "scopes": dumped(scopes) if scopes is not None else None,
            "made_by": dumped_admin(by.admin),
            "link": self._digest(link_secret(secret)),
            "client": new_id("conn"),
            "flow": flow,
            "step": Step.MADE.value,
            "round": 0,
            "expires_at": stamp(now + LINK_LIFETIME),
            "created_at": stamp(now),
        }

        def insert(rows: Rows) -> OAuthSession:
            rows.execute(oauth_sessions.insert().values(**row))
            query = select(oauth_sessions).where(oauth_sessions.c.id == row["id"])
            return read_session(rows.execute(query).mappings().one())

        # The row comes first, so that whatever happens the sweep finds what lies in the store.
        session = await self._control.database.write(insert)
        await self._store.put(session.where(session.client), Credential(method.id, dict(client)), expected=0)
        return Link(session, f"{root}/connect/{secret}")

    def open(self, rows: Rows, link: Link) -> None:
        """Let a link be used, and no older one of the connection."""
        advance(rows, link.session, {Step.MADE}, {"step": Step.WAITING.value})
        end_others(rows, link.session.id, link.session.connection, stamp(self._control.clock.now()))

    async def drop(self, link: Link) -> None:
        """Take back a link that was not opened."""
        await self._store.erase(link.session.where(link.session.client))
        await self._control.database.write(lambda rows: forget(rows, link.session.id))


def needs_of(
    rows: Rows, connector: Connector, method: OAuthUser, connection: str, scopes: frozenset[str] | None, now: datetime
) -> Needs:
    """Return the least that the granted actions need on a connection, and those that `scopes` allow."""
    query = select(grants).where(grants.c.connection == connection, grants.c.revoked_at.is_(None))
    live = [grant for grant in map(read_grant, rows.execute(query).mappings()) if grant.live(now)]
    allowed = [grant.scopes for grant in live] + ([scopes] if scopes is not None else [])
    actions = [action for action in connector.actions.values() if any(action.scopes <= some for some in allowed)]
    named = frozenset[str]().union(*(action.scopes for action in actions))
    needed = frozenset[str]().union(*(action.vendor_scopes for action in actions))
    return Needs(
        tuple(connector.scopes[scope] for scope in sorted(named)), method.oauth_scopes(needed) | method.always_scopes
    )


def link_secret(secret: str) -> str:
    """Return what is hashed of a link; the other secrets are hashed as something else."""
    return f"oauth link {secret}"


def waiting_for(connector: Connector) -> str:
    """Return the health's reason of a connection that nobody has authorized yet."""
    return f"it waits for somebody to authorize it at {connector.title}"
