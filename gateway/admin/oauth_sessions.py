"""OAuth sessions as rows: from a link that an admin made to an account that somebody authorized.

Link, state and browser are random secrets of 256 bits, kept as keyed hashes. The verifier and a device's code are
sealed; tokens are not here but in the credential store, under an id of their own that no call knows.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import orjson
from credentials.store import Where
from sqlalchemy import Connection as Rows
from sqlalchemy import LargeBinary, RowMapping, or_, select
from sqlalchemy.sql.schema import Column

from connectors.sdk import Account
from connectors.sdk.auth import Flow
from gateway.admin.roles import Admin, Role
from gateway.admin.rows import Place
from gateway.clock import stamp
from gateway.ledger.schema import connections, oauth_sessions

T = oauth_sessions.c


class Step(StrEnum):
    """Where a session stands. Any that fails goes back to `waiting`: the link may be used again."""

    MADE = "made"
    WAITING = "waiting"
    SENT = "sent"
    EXCHANGING = "exchanging"
    SHOWN = "shown"
    ACCEPTING = "accepting"
    DONE = "done"


class Moved(Exception):
    """Somebody else moved the session on, or it is gone."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the new token turned out to be for."""

    base_url: str
    id: str
    label: str
    granted: tuple[str, ...] | None

    def account(self) -> Account:
        """Return the account."""
        return Account(self.id, self.label, frozenset(self.granted) if self.granted is not None else None)


@dataclass(frozen=True, slots=True)
class OAuthSession:
    """One session. `client` and `candidate` are ids in the credential store: of the client, and of new tokens.

    `sent` with the flow `device` is a code that somebody is typing. The vendor may be asked for it from `poll_at` on,
    and not again for `poll_seconds`; while it is being asked, `poll_at` is when that is given up.
    """

    id: str
    place: Place
    connection: str
    method: str
    base_url: str
    scopes: frozenset[str] | None
    made_by: Admin
    client: str
    candidate: str | None
    step: Step
    round: int
    browser: bytes | None
    verifier: bytes | None
    redirect_uri: str | None
    asked: frozenset[str]
    found: Found | None
    step_until: str | None
    expires_at: str
    flow: Flow
    device: bytes | None
    poll_at: str | None
    poll_seconds: int | None

    def where(self, id: str) -> Where:
        """Return a place in the credential store."""
        return Where(self.place.tenant, self.place.environment, id)

    def mark(self) -> str:
        """Name this session's present round: what a credential says of where it came from."""
        return f"{self.id}.{self.round}"


def by_secret(rows: Rows, column: "Column[LargeBinary]", digest: bytes, now: datetime) -> OAuthSession | None:
    """Return the session with a link, state or browser, if it has not expired and its connection is there."""
    query = (
        select(oauth_sessions)
        .join(connections, connections.c.id == T.connection)
        .where(column == digest, T.expires_at > stamp(now), T.step != Step.MADE, connections.c.deleted_at.is_(None))
    )
    row = rows.execute(query).mappings().first()
    return read_session(row) if row is not None else None


def lapsed(rows: Rows, now: datetime, most: int) -> list[OAuthSession]:
    """Return sessions that are over: expired, or of a connection that was deleted."""
    query = (
        select(oauth_sessions)
        .outerjoin(connections, connections.c.id == T.connection)
        .where(or_(T.expires_at <= stamp(now), connections.c.deleted_at.is_not(None)))
        .limit(most)
    )
    return [read_session(row) for row in rows.execute(query).mappings()]


def advance(rows: Rows, session: OAuthSession, steps: Collection[Step], values: Mapping[str, Any]) -> None:
    """Change a session that still stands in one of the steps, in the round that was read. Raises `Moved`."""
    statement = oauth_sessions.update().where(
        T.id == session.id, T.round == session.round, T.step.in_([step.value for step in steps])
    )
    if rows.execute(statement.values(**values)).rowcount == 0:
        raise Moved


def claim_poll(rows: Rows, session: OAuthSession, until: str) -> bool:
    """Take the one poll that is due; False where somebody else has. Nobody else polls before `until`."""
    return _polled(rows, session, {"poll_at": until})


def settle_poll(rows: Rows, session: OAuthSession, at: str, seconds: int) -> bool:
    """Say when the vendor may be asked next, after a poll that `claim_poll` took for the session as it is given."""
    return _polled(rows, session, {"poll_at": at, "poll_seconds": seconds})


def _polled(rows: Rows, session: OAuthSession, values: Mapping[str, Any]) -> bool:
    same = (T.id == session.id, T.round == session.round, T.step == Step.SENT.value, T.poll_at == session.poll_at)
    return rows.execute(oauth_sessions.update().where(*same).values(**values)).rowcount > 0


def end_others(rows: Rows, session: str, connection: str, at: str) -> None:
    """End a connection's other sessions: only the newest link is good."""
    others = (T.connection == connection, T.id != session, T.expires_at > at, T.step != Step.DONE)
    rows.execute(oauth_sessions.update().where(*others).values(expires_at=at))


def forget(rows: Rows, session: str) -> None:
    """Delete a session's row."""
    rows.execute(oauth_sessions.delete().where(T.id == session))


def dumped(names: Collection[str]) -> str:
    """Return scopes as they are stored."""
    return orjson.dumps(sorted(names)).decode()


def dumped_found(found: Found) -> str:
    """Return what was found as it is stored."""
    return orjson.dumps(asdict(found)).decode()


def dumped_admin(admin: Admin) -> str:
    """Return who made a link as it is stored."""
    return orjson.dumps(asdict(admin)).decode()


def read_session(row: RowMapping) -> OAuthSession:
    """Return a session from its row."""
    by = orjson.loads(row["made_by"])
    same = ("id", "connection", "method", "base_url", "client", "candidate", "round", "browser", "verifier")
    more = ("redirect_uri", "step_until", "expires_at", "flow", "device", "poll_at", "poll_seconds")
    return OAuthSession(
        **{name: row[name] for name in (*same, *more)},
        place=Place(row["tenant"], row["environment"]),
        scopes=frozenset(orjson.loads(row["scopes"])) if row["scopes"] else None,
        made_by=Admin(**{**by, "role": Role(by["role"])}),
        step=Step(row["step"]),
        asked=frozenset(orjson.loads(row["asked"])) if row["asked"] else frozenset(),
        found=_found(orjson.loads(row["found"])) if row["found"] else None,
    )


def _found(stored: dict[str, Any]) -> Found:
    granted = stored["granted"]
    return Found(stored["base_url"], stored["id"], stored["label"], tuple(granted) if granted is not None else None)
