"""Single facts of an issue: its labels, who it is assigned to, and whether its conversation is locked.

Works on pull requests too. Source: GitHub REST API 2022-11-28, "Labels", "Assignees", "Issues".
"""

from typing import Literal

from pydantic import Field, TypeAdapter

from connectors.github.connector import github
from connectors.github.issue import ISSUE, Issue
from connectors.github.names import REPOSITORY, Login, Named, OfIssue, holds_names
from connectors.github.tracing import SETTLE
from connectors.sdk import Done, Effect, Output, Reconcile, Response, Undo, Upstream


class Labels(Output):
    """All labels that the issue has now."""

    labels: list[str]


class AddLabels(OfIssue):
    """Labels to add."""

    labels: list[str] = Field(min_length=1, max_length=100, description="Unknown ones are created.")


class RemoveLabel(OfIssue):
    """The label to remove."""

    label: str = Field(min_length=1, max_length=256, description="Name of the label.")


class Assign(OfIssue):
    """Whom to assign."""

    assignees: list[Login] = Field(min_length=1, max_length=10, description="Logins.")


class LockIssue(OfIssue):
    """The conversation to lock."""

    reason: Literal["off-topic", "too heated", "resolved", "spam"] | None = Field(
        default=None, description="Why the conversation is locked."
    )


_LABELS = TypeAdapter(list[Named])


def _labels(api: Upstream, response: Response) -> Labels:
    return Labels(labels=[label.name for label in api.read(_LABELS, response)])


async def _now(api: Upstream, what: OfIssue) -> Issue:
    return api.read(Issue, await api.get(ISSUE, what))


async def find_labels_added(api: Upstream, what: AddLabels) -> Labels | None:
    """Return the issue's labels if the added ones are among them, else None."""
    issue = await _now(api, what)
    return Labels(labels=issue.labels) if holds_names(issue.labels, what.labels) else None


@github.action(
    "issue.add_label",
    scopes={"github:issue:write"},
    effect=Effect.UPDATE,
    resource=REPOSITORY,
    vendor_scopes={"issues:write"},
    idempotency=Reconcile(find_labels_added, settle=SETTLE, consistent=True),
    undo=Undo("github.issue.remove_label"),
    examples=[{"owner": "acme", "repo": "web", "number": 1, "labels": ["bug"]}],
)
async def add_labels(api: Upstream, what: AddLabels) -> Labels:
    """Add labels to an issue or pull request and keep those it has.

    Labels that the repository does not know are created; see `github.label.list` for those it knows.
    """
    return _labels(api, await api.post(ISSUE + "/labels", what, json={"labels": what.labels}))


async def find_label_removed(api: Upstream, what: RemoveLabel) -> Labels | None:
    """Return the issue's labels if the removed one is not among them, else None."""
    issue = await _now(api, what)
    return None if holds_names(issue.labels, [what.label]) else Labels(labels=issue.labels)


@github.action(
    "issue.remove_label",
    scopes={"github:issue:write"},
    effect=Effect.UPDATE,
    resource=REPOSITORY,
    vendor_scopes={"issues:write"},
    idempotency=Reconcile(find_label_removed, settle=SETTLE, consistent=True),
    undo=Undo("github.issue.add_label"),
    examples=[{"owner": "acme", "repo": "web", "number": 1, "label": "bug"}],
)
async def remove_label(api: Upstream, what: RemoveLabel) -> Labels:
    """Remove one label from an issue or pull request. Fails with `upstream_not_found` where it does not have it."""
    return _labels(api, await api.delete(ISSUE + "/labels/{label}", what))


async def find_assigned(api: Upstream, what: Assign) -> Issue | None:
    """Return the issue if all are assigned, else None."""
    issue = await _now(api, what)
    return issue if holds_names(issue.assignees, what.assignees) else None


@github.action(
    "issue.assign",
    scopes={"github:issue:write"},
    effect=Effect.UPDATE,
    resource=REPOSITORY,
    vendor_scopes={"issues:write"},
    idempotency=Reconcile(find_assigned, settle=SETTLE, consistent=True),
    undo=Undo("github.issue.unassign", note="The person was notified."),
    examples=[{"owner": "acme", "repo": "web", "number": 1, "assignees": ["octavia"]}],
)
async def assign(api: Upstream, what: Assign) -> Issue:
    """Assign people to an issue or pull request and keep those who are assigned; at most ten in all.

    They are notified. GitHub leaves out people who cannot be assigned without a word: compare the answer.
    """
    response = await api.post(ISSUE + "/assignees", what, json={"assignees": what.assignees})
    return api.read(Issue, response)


async def find_unassigned(api: Upstream, what: Assign) -> Issue | None:
    """Return the issue if none of them is assigned, else None."""
    issue = await _now(api, what)
    left = any(holds_names(issue.assignees, [login]) for login in what.assignees)
    return None if left else issue


@github.action(
    "issue.unassign",
    scopes={"github:issue:write"},
    effect=Effect.UPDATE,
    resource=REPOSITORY,
    vendor_scopes={"issues:write"},
    idempotency=Reconcile(find_unassigned, settle=SETTLE, consistent=True),
    undo=Undo("github.issue.assign"),
    examples=[{"owner": "acme", "repo": "web", "number": 1, "assignees": ["octavia"]}],
)
async def unassign(api: Upstream, what: Assign) -> Issue:
    """Take people off an issue or pull request. Those who are not assigned are ignored."""
    response = await api.delete(ISSUE + "/assignees", what, json={"assignees": what.assignees})
    return api.read(Issue, response)


async def find_locked(api: Upstream, what: LockIssue) -> Done | None:
    """Return `Done` if the conversation is locked as asked, else None."""
    issue = await _now(api, what)
    return Done() if issue.locked and what.reason in {None, issue.lock_reason} else None


@github.action(
    "issue.lock",
    scopes={"github:issue:admin"},
    effect=Effect.UPDATE,
    resource=REPOSITORY,
    vendor_scopes={"issues:write"},
    idempotency=Reconcile(find_locked, settle=SETTLE, consistent=True),
    undo=Undo("github.issue.unlock"),
    examples=[{"owner": "acme", "repo": "web", "number": 1, "reason": "resolved"}],
)
async def lock(api: Upstream, what: LockIssue) -> Done:
    """Lock a conversation: only people with write access can comment from then on."""
    return api.done(await api.put(ISSUE + "/lock", what, json={"lock_reason": what.reason} if what.reason else None))


async def find_unlocked(api: Upstream, what: OfIssue) -> Done | None:
    """Return `Done` if the conversation is not locked, else None."""
    return None if (await _now(api, what)).locked else Done()


@github.action(
    "issue.unlock",
    scopes={"github:issue:admin"},
    effect=Effect.UPDATE,
    resource=REPOSITORY,
    vendor_scopes={"issues:write"},
    idempotency=Reconcile(find_unlocked, settle=SETTLE, consistent=True),
    undo=Undo("github.issue.lock"),
    examples=[{"owner": "acme", "repo": "web", "number": 1}],
)
async def unlock(api: Upstream, what: OfIssue) -> Done:
    """Unlock a conversation, so that everybody who can read it can comment again."""
    return api.done(await api.delete(ISSUE + "/lock", what))
