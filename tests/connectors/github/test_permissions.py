"""Least privilege at the vendor: what is missing is known before anything is sent."""

import pytest

from connectors.github import github
from connectors.github.permissions import missing, oauth_scopes

NEEDS = frozenset(need for action in github.actions.values() for need in action.vendor_scopes)


def test_every_action_needs_a_permission_that_github_apps_know() -> None:
    known = {"metadata", "issues", "pull_requests", "contents", "actions", "checks", "members", "notifications"}

    assert {need.partition(":")[0] for need in NEEDS} <= known
    assert {need.partition(":")[2] for need in NEEDS} <= {"read", "write"}


def test_reads_need_read_and_writes_need_write() -> None:
    for action in github.actions.values():
        assert all(need.endswith(":write" if action.writes else ":read") for need in action.vendor_scopes)


@pytest.mark.parametrize(
    ("granted", "lacks"),
    [
        ({"issues:write"}, set()),
        ({"issues:admin"}, set()),
        ({"issues:read"}, {"issues:write"}),
        ({"contents:write"}, {"issues:write", "issues:read"}),
        (set(), {"issues:write", "issues:read"}),
    ],
)
def test_for_an_app_write_implies_read(granted: set[str], lacks: set[str]) -> None:
    needed = frozenset({"issues:write", "issues:read", "metadata:read"})

    assert missing("app", frozenset(granted), needed) == lacks


@pytest.mark.parametrize(
    ("granted", "lacks"),
    [
        ({"repo"}, {"members:read", "workflows:write"}),
        ({"repo", "read:org", "workflow"}, set()),
        ({"repo", "admin:org", "workflow"}, set()),
        ({"public_repo", "read:org", "workflow"}, {"notifications:read"}),
        ({"gist"}, {"members:read", "workflows:write", "issues:write", "notifications:read"}),
    ],
)
def test_for_oauth_repo_covers_what_concerns_repositories(granted: set[str], lacks: set[str]) -> None:
    needed = frozenset({"issues:write", "members:read", "workflows:write", "notifications:read"})

    assert missing("oauth", frozenset(granted), needed) == lacks


def test_a_pasted_token_whose_scopes_are_not_told_lacks_nothing() -> None:
    assert missing("token", frozenset(), NEEDS) == frozenset()
    assert missing("token", frozenset({"gist"}), frozenset({"issues:read"})) == {"issues:read"}


def test_an_authorization_asks_for_the_least_scopes_that_give_the_permissions() -> None:
    assert oauth_scopes(frozenset({"issues:read", "contents:write"})) == {"repo"}
    assert oauth_scopes(frozenset({"members:read"})) == {"read:org"}
    assert oauth_scopes(frozenset({"workflows:write", "notifications:read"})) == {"workflow", "notifications"}


@pytest.mark.parametrize(
    ("base_url", "origin"),
    [
        ("https://api.github.com", "https://github.com"),
        ("https://api.octo.ghe.com", "https://octo.ghe.com"),
        ("https://git.example.com/api/v3", "https://git.example.com"),
        ("http://127.0.0.1:8900", "http://127.0.0.1:8900"),
    ],
)
def test_people_log_in_where_the_pages_are(base_url: str, origin: str) -> None:
    assert github.web_origin(base_url) == origin
