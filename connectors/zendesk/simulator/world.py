"""What the simulated account holds. Times are Unix seconds."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any


@dataclass(slots=True)
class User:
    id: int
    name: str
    email: str
    role: str
    created_at: float
    updated_at: float
    organization_id: int | None = None
    external_id: str | None = None
    phone: str | None = None
    notes: str = ""
    tags: list[str] = field(default_factory=list[str])
    verified: bool = True


@dataclass(slots=True)
class Organization:
    id: int
    name: str
    created_at: float
    domain_names: list[str] = field(default_factory=list[str])
    external_id: str | None = None
    group_id: int | None = None
    notes: str = ""


@dataclass(slots=True)
class Group:
    id: int
    name: str
    created_at: float
    default: bool = False


@dataclass(slots=True)
class File:
    id: int
    name: str
    media_type: str
    content: bytes
    token: str


@dataclass(slots=True)
class Comment:
    id: int
    audit_id: int
    author_id: int
    body: str
    public: bool
    created_at: float
    files: list[File] = field(default_factory=list[File])


@dataclass(slots=True)
class Audit:
    id: int
    author_id: int
    created_at: float
    custom: dict[str, Any] = field(default_factory=dict[str, Any])
    events: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


@dataclass(slots=True)
class Ticket:
    id: int
    subject: str
    requester_id: int
    submitter_id: int
    brand_id: int
    created_at: float
    updated_at: float
    status: str = "new"
    priority: str | None = None
    type: str | None = None
    assignee_id: int | None = None
    group_id: int | None = None
    organization_id: int | None = None
    external_id: str | None = None
    due_at: str | None = None
    problem_id: int | None = None
    tags: list[str] = field(default_factory=list[str])
    cc_ids: list[int] = field(default_factory=list[int])
    custom: dict[int, Any] = field(default_factory=dict[int, Any])
    comments: list[Comment] = field(default_factory=list[Comment])
    audits: list[Audit] = field(default_factory=list[Audit])
    deleted: bool = False


@dataclass(slots=True)
class TicketField:
    id: int
    type: str
    title: str
    created_at: float
    removable: bool = True
    options: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class View:
    id: int
    title: str
    statuses: tuple[str, ...]
    created_at: float
    active: bool = True


@dataclass(slots=True)
class Macro:
    """`changes` are fields of the ticket; `comment` is the text that it writes."""

    id: int
    title: str
    created_at: float
    changes: dict[str, Any]
    comment: str | None = None
    active: bool = True


@dataclass(slots=True)
class World:
    """One account. Ids come from one sequence, ticket numbers from their own."""

    ids: Iterator[int] = field(default_factory=lambda: count(360_001))
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    brands: dict[int, str] = field(default_factory=dict[int, str])
    users: dict[int, User] = field(default_factory=dict[int, User])
    organizations: dict[int, Organization] = field(default_factory=dict[int, Organization])
    groups: dict[int, Group] = field(default_factory=dict[int, Group])
    tickets: dict[int, Ticket] = field(default_factory=dict[int, Ticket])
    fields: dict[int, TicketField] = field(default_factory=dict[int, TicketField])
    views: dict[int, View] = field(default_factory=dict[int, View])
    macros: dict[int, Macro] = field(default_factory=dict[int, Macro])
    uploads: dict[str, list[File]] = field(default_factory=dict[str, list[File]])
    files: dict[str, File] = field(default_factory=dict[str, File])
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])

    def next_id(self) -> int:
        """Return an id that nothing has."""
        return next(self.ids)

    def user_of(self, email: str) -> User | None:
        """Return the user with an e-mail address, whatever the case."""
        return next((user for user in self.users.values() if user.email.lower() == email.lower()), None)

    def add_user(self, name: str, email: str, role: str, now: float) -> User:
        """Add a user."""
        user = User(self.next_id(), name, email, role, now, now)
        self.users[user.id] = user
        return user
