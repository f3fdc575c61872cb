"""What Jira keeps: people, projects and issues. State only; the resources' modules change it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class User:
    """Somebody on the site."""

    account_id: str
    name: str
    email: str
    kind: str = "atlassian"
    active: bool = True


@dataclass(frozen=True, slots=True)
class Status:
    """A step of the workflow. `category` is `new`, `indeterminate` or `done`."""

    id: str
    name: str
    category: str


@dataclass(frozen=True, slots=True)
class Transition:
    """A way to a status from any of `sources`."""

    id: str
    name: str
    to: Status
    sources: frozenset[str]


@dataclass(frozen=True, slots=True)
class IssueType:
    """A type of issue."""

    id: str
    name: str
    subtask: bool = False


@dataclass(frozen=True, slots=True)
class LinkType:
    """A type of link and its words."""

    id: str
    name: str
    inward: str
    outward: str


@dataclass(slots=True)
class Comment:
    """A comment on an issue. `body` is ADF."""

    id: str
    author: User
    body: Json
    created: float
    updated: float
    properties: Json = field(default_factory=dict[str, Any])


@dataclass(slots=True)
class Worklog:
    """Work logged on an issue. `comment` is ADF."""

    id: str
    author: User
    seconds: int
    started: str
    comment: Json | None
    created: float
    properties: Json = field(default_factory=dict[str, Any])


@dataclass(slots=True)
class Attachment:
    """A file of an issue."""

    id: str
    author: User
    name: str
    media_type: str
    content: bytes
    created: float


@dataclass(slots=True)
class Link:
    """A link, from the inward issue to the outward one."""

    id: str
    type: LinkType
    inward: str
    outward: str


@dataclass(slots=True)
class Project:
    """A project. `names` are those of its versions and components, by id."""

    id: str
    key: str
    name: str
    lead: User
    versions: dict[str, str] = field(default_factory=dict[str, str])
    components: dict[str, str] = field(default_factory=dict[str, str])
    numbers: Iterator[int] = field(default_factory=lambda: count(1))


@dataclass(slots=True)
class Issue:
    """An issue. Rich texts are ADF; `id` stays when it is moved, `key` does not."""

    id: str
    key: str
    project: Project
    type: IssueType
    summary: str
    status: Status
    creator: User
    reporter: User
    created: float
    updated: float
    description: Json | None = None
    priority: str = "Medium"
    assignee: User | None = None
    labels: list[str] = field(default_factory=list[str])
    components: list[str] = field(default_factory=list[str])
    versions: list[str] = field(default_factory=list[str])
    parent: str | None = None
    due: str | None = None
    resolution: str | None = None
    custom: Json = field(default_factory=dict[str, Any])
    properties: Json = field(default_factory=dict[str, Any])
    comments: list[Comment] = field(default_factory=list[Comment])
    worklogs: list[Worklog] = field(default_factory=list[Worklog])
    attachments: list[Attachment] = field(default_factory=list[Attachment])
    watchers: list[User] = field(default_factory=list[User])
    changes: list[Json] = field(default_factory=list[Json])


TO_DO = Status("10000", "To Do", "new")
IN_PROGRESS = Status("10001", "In Progress", "indeterminate")
DONE = Status("10002", "Done", "done")
TRANSITIONS = (
    Transition("11", "Reopen", TO_DO, frozenset({"In Progress", "Done"})),
    Transition("21", "Start", IN_PROGRESS, frozenset({"To Do"})),
    Transition("31", "Finish", DONE, frozenset({"To Do", "In Progress"})),
)
TYPES = (IssueType("10001", "Task"), IssueType("10002", "Bug"), IssueType("10003", "Subtask", subtask=True))
LINK_TYPES = (
    LinkType("10000", "Blocks", "is blocked by", "blocks"),
    LinkType("10001", "Relates", "relates to", "relates to"),
)
PRIORITIES = {"1": "Highest", "2": "High", "3": "Medium", "4": "Low", "5": "Lowest"}
RESOLUTIONS = {"10000": "Done", "10001": "Won't Do"}
# Custom fields: an option, a text of many lines (ADF), a number.
CUSTOM = {"customfield_10010": "option", "customfield_10011": "textarea", "customfield_10012": "number"}
OPTIONS = ("High", "Low")


class World:
    """The whole site."""

    def __init__(self) -> None:
        self.users: dict[str, User] = {}
        self.projects: dict[str, Project] = {}
        self.issues: dict[str, Issue] = {}
        self.keys: dict[str, str] = {}
        self.links: dict[str, Link] = {}
        self._ids = count(10_001)

    def next_id(self) -> str:
        """Return an id that nothing else has."""
        return str(next(self._ids))

    def add_user(self, user: User) -> User:
        """Add somebody."""
        self.users[user.account_id] = user
        return user

    def add_project(self, key: str, name: str, lead: User) -> Project:
        """Add a project with a version and a component."""
        project = self.projects[key] = Project(self.next_id(), key, name, lead)
        project.versions[self.next_id()] = "1.0"
        project.components[self.next_id()] = "Backend"
        return project

    def add_issue(self, project: Project, summary: str, by: User, now: float, kind: IssueType = TYPES[0]) -> Issue:
        """Add an issue in the first status, under the project's next key."""
        key = f"{project.key}-{next(project.numbers)}"
        issue = Issue(self.next_id(), key, project, kind, summary, TO_DO, by, by, now, now)
        self.issues[issue.id] = issue
        self.keys[key] = issue.id
        return issue

    def find(self, id_or_key: str) -> Issue | None:
        """Return an issue by its id or key, whatever the key's case; also by a key that it had before."""
        return self.issues.get(id_or_key) or self.issues.get(self.keys.get(id_or_key.upper(), ""))

    def move(self, issue: Issue, project: Project) -> None:
        """Give an issue a key of another project. Its former key goes on meaning it."""
        issue.project = project
        issue.key = f"{project.key}-{next(project.numbers)}"
        self.keys[issue.key] = issue.id

    def delete(self, issue: Issue) -> None:
        """Forget an issue and its links."""
        del self.issues[issue.id]
        self.keys = {key: id for key, id in self.keys.items() if id != issue.id}
        self.links = {id: link for id, link in self.links.items() if issue.id not in {link.inward, link.outward}}

    def links_of(self, issue: Issue) -> list[Link]:
        """Return the links from and to an issue."""
        return [link for link in self.links.values() if issue.id in {link.inward, link.outward}]

    def subtasks(self, issue: Issue) -> list[Issue]:
        """Return an issue's children."""
        return [one for one in self.issues.values() if one.parent == issue.id]
