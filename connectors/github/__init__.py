"""GitHub: issues, pull requests, reviews, branches, files, releases, workflows, members and notifications."""

from connectors.github import (
    branch,
    check_run,
    comment,
    content,
    issue,
    issue_search,
    issue_state,
    label,
    member,
    notification,
    pull,
    release,
    repository,
    review,
    workflow,
    workflow_run,
)
from connectors.github.connector import github

__all__ = [
    "branch",
    "check_run",
    "comment",
    "content",
    "github",
    "issue",
    "issue_search",
    "issue_state",
    "label",
    "member",
    "notification",
    "pull",
    "release",
    "repository",
    "review",
    "workflow",
    "workflow_run",
]
