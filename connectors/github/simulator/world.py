"""What GitHub keeps: owners, repositories and what is in them. State only; the resources' modules change it."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Literal


@dataclass(frozen=True, slots=True)
class Owner:
    """A user, an organization or an app's bot."""

    id: int
    login: str
    kind: Literal["User", "Organization", "Bot"]
    name: str | None = None


@dataclass(slots=True)
class Label:
    """A label of a repository."""

    id: int
    name: str
    color: str
    description: str | None = None
    default: bool = False


@dataclass(slots=True)
class Milestone:
    """A milestone of a repository."""

    id: int
    number: int
    title: str
    creator: Owner
    created_at: float


@dataclass(slots=True)
class Comment:
    """A comment on an issue or on a pull request's conversation."""

    id: int
    issue: int
    user: Owner
    body: str
    created_at: float
    updated_at: float


@dataclass(slots=True)
class Review:
    """A review of a pull request."""

    id: int
    user: Owner
    body: str
    state: str
    commit_id: str
    submitted_at: float | None


@dataclass(slots=True)
class Pull:
    """The part of a pull request that an issue does not have."""

    id: int
    head_ref: str
    head_sha: str
    base_ref: str
    base_sha: str
    draft: bool = False
    maintainer_can_modify: bool = True
    merged_at: float | None = None
    merged_by: Owner | None = None
    merge_sha: str | None = None
    reviewers: list[Owner] = field(default_factory=list[Owner])
    reviews: list[Review] = field(default_factory=list[Review])


@dataclass(slots=True)
class Issue:
    """An issue; with `pull` it is a pull request."""

    id: int
    number: int
    user: Owner
    title: str
    body: str | None
    created_at: float
    updated_at: float
    state: Literal["open", "closed"] = "open"
    state_reason: str | None = None
    closed_at: float | None = None
    closed_by: Owner | None = None
    labels: list[Label] = field(default_factory=list[Label])
    assignees: list[Owner] = field(default_factory=list[Owner])
    milestone: Milestone | None = None
    locked: bool = False
    lock_reason: str | None = None
    pull: Pull | None = None
    comments: list[Comment] = field(default_factory=list[Comment])


Tree = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit. `tree` maps every path to its blob."""

    sha: str
    message: str
    tree: Tree
    parents: tuple[str, ...]
    author: Owner
    at: float


@dataclass(slots=True)
class Release:
    """A release; a draft has no tag yet."""

    id: int
    tag_name: str
    target: str
    name: str | None
    body: str | None
    draft: bool
    prerelease: bool
    author: Owner
    created_at: float
    published_at: float | None


@dataclass(slots=True)
class Workflow:
    """A workflow file that Actions runs. `inputs` are those it declares for a manual start."""

    id: int
    name: str
    path: str
    created_at: float
    inputs: tuple[str, ...] = ()


@dataclass(slots=True)
class WorkflowRun:
    """One run of a workflow."""

    id: int
    number: int
    workflow: Workflow
    branch: str
    sha: str
    event: str
    actor: Owner
    created_at: float
    status: str = "queued"
    conclusion: str | None = None
    inputs: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(slots=True)
class CheckRun:
    """A check on a commit."""

    id: int
    name: str
    sha: str
    status: str
    conclusion: str | None
    started_at: float


@dataclass(slots=True)
class Thread:
    """A notification of one user about one issue or pull request."""

    id: int
    user: str
    repository: int
    issue: int
    reason: str
    updated_at: float
    unread: bool = True
    last_read_at: float | None = None


@dataclass(slots=True)
class Repository:
    """A repository and all that is in it. Names are looked up in lower case."""

    id: int
    owner: Owner
    name: str
    private: bool
    created_at: float
    description: str | None = None
    default_branch: str = "main"
    has_issues: bool = True
    archived: bool = False
    issues: dict[int, Issue] = field(default_factory=dict[int, Issue])
    comments: dict[int, Comment] = field(default_factory=dict[int, Comment])
    labels: dict[str, Label] = field(default_factory=dict[str, Label])
    milestones: dict[int, Milestone] = field(default_factory=dict[int, Milestone])
    branches: dict[str, str] = field(default_factory=dict[str, str])
    tags: dict[str, str] = field(default_factory=dict[str, str])
    protected: set[str] = field(default_factory=set[str])
    commits: dict[str, Commit] = field(default_factory=dict[str, Commit])
    blobs: dict[str, bytes] = field(default_factory=dict[str, bytes])
    releases: dict[int, Release] = field(default_factory=dict[int, Release])
    workflows: dict[int, Workflow] = field(default_factory=dict[int, Workflow])
    runs: dict[int, WorkflowRun] = field(default_factory=dict[int, WorkflowRun])
    checks: list[CheckRun] = field(default_factory=list[CheckRun])
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    open_issues: int = 0

    @property
    def full_name(self) -> str:
        """`owner/name` as it was spelt when created."""
        return f"{self.owner.login}/{self.name}"

    def keep_blob(self, content: bytes) -> str:
        """Store a file's content and return its Git id."""
        sha = hashlib.sha1(b"blob %d\x00" % len(content) + content, usedforsecurity=False).hexdigest()
        self.blobs[sha] = content
        return sha

    def commit(self, branch: str, message: str, tree: Tree, author: Owner, at: float, *merged: str) -> Commit:
        """Add a commit to a branch (and create the branch if need be)."""
        parents = tuple(filter(None, (self.branches.get(branch), *merged)))
        seed = f"{self.id}\0{message}\0{sorted(tree.items())}\0{parents}\0{author.login}\0{at}"
        sha = hashlib.sha1(seed.encode(), usedforsecurity=False).hexdigest()
        made = self.commits[sha] = Commit(sha, message, dict(tree), parents, author, at)
        self.branches[branch] = sha
        return made

    def resolve(self, ref: str) -> str | None:
        """Return the commit that a branch, a tag, a full ref or a commit id names."""
        short = ref.removeprefix("refs/").removeprefix("heads/").removeprefix("tags/")
        return self.branches.get(short) or self.tags.get(short) or (ref if ref in self.commits else None)

    def ancestors(self, sha: str) -> dict[str, Commit]:
        """Return a commit and all before it, newest first."""
        found: dict[str, Commit] = {}
        waiting = [sha]
        while waiting:
            commit = self.commits[waiting.pop(0)]
            if commit.sha not in found:
                found[commit.sha] = commit
                waiting.extend(commit.parents)
        return found


class World:
    """All of GitHub."""

    def __init__(self) -> None:
        self.owners: dict[str, Owner] = {}
        self.members: dict[str, dict[str, str]] = {}
        self.repositories: dict[str, Repository] = {}
        self.by_id: dict[int, Repository] = {}
        self.moved: dict[str, int] = {}
        self.threads: dict[int, Thread] = {}
        self._ids = count(1001)

    def next_id(self) -> int:
        """Return an id that nothing has."""
        return next(self._ids)

    def add_owner(self, login: str, kind: Literal["User", "Organization", "Bot"], name: str | None = None) -> Owner:
        """Add a user, an organization or a bot."""
        owner = self.owners[login.lower()] = Owner(self.next_id(), login, kind, name)
        if kind == "Organization":
            self.members[login.lower()] = {}
        return owner

    def add_repository(self, owner: Owner, name: str, at: float, *, private: bool = True) -> Repository:
        """Add an empty repository."""
        repository = Repository(self.next_id(), owner, name, private, at)
        self.repositories[repository.full_name.lower()] = self.by_id[repository.id] = repository
        return repository

    def rename(self, repository: Repository, name: str) -> None:
        """Give a repository another name; the old one leads to it until somebody takes it."""
        old = repository.full_name.lower()
        del self.repositories[old]
        repository.name = name
        self.repositories[repository.full_name.lower()] = repository
        self.moved[old] = repository.id
        self.moved.pop(repository.full_name.lower(), None)

    def notify(self, user: str, repository: Repository, issue: Issue, reason: str, at: float) -> Thread:
        """Tell a user of an issue."""
        thread = Thread(self.next_id(), user.lower(), repository.id, issue.number, reason, at)
        self.threads[thread.id] = thread
        return thread
