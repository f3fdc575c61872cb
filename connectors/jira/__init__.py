"""Jira Cloud: issues and their way through a workflow, comments, files, links, work, watchers, projects, people."""

from connectors.jira import (
    attachment,
    comment,
    create_meta,
    field,
    issue,
    issue_batch,
    issue_link,
    issue_search,
    issue_state,
    project,
    user,
    watcher,
    worklog,
)
from connectors.jira.connector import jira

__all__ = [
    "attachment",
    "comment",
    "create_meta",
    "field",
    "issue",
    "issue_batch",
    "issue_link",
    "issue_search",
    "issue_state",
    "jira",
    "project",
    "user",
    "watcher",
    "worklog",
]
