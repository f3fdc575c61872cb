"""Owners, repositories and times as GitHub writes them."""

import base64
from datetime import UTC, datetime
from typing import Any

from connectors.github.simulator.ask import Site
from connectors.github.simulator.world import Owner, Repository

Json = dict[str, Any]


def when(seconds: float | None) -> str | None:
    """Return a time to the second, as GitHub does."""
    return None if seconds is None else stamp(seconds)


def stamp(seconds: float) -> str:
    """Return a time that is there."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def node(kind: str, number: int) -> str:
    """Return a GraphQL id."""
    return base64.b64encode(f"{kind}:{number}".encode()).decode()


def user(owner: Owner, site: Site) -> Json:
    """Return a `simple-user`."""
    url = f"{site.api}/users/{owner.login}"
    return {
        "login": owner.login,
        "id": owner.id,
        "node_id": node("User", owner.id),
        "avatar_url": f"{site.web}/avatars/{owner.id}",
        "gravatar_id": "",
        "url": url,
        "html_url": f"{site.web}/{owner.login}",
        "followers_url": f"{url}/followers",
        "following_url": f"{url}/following{{/other_user}}",
        "gists_url": f"{url}/gists{{/gist_id}}",
        "starred_url": f"{url}/starred{{/owner}}{{/repo}}",
        "subscriptions_url": f"{url}/subscriptions",
        "organizations_url": f"{url}/orgs",
        "repos_url": f"{url}/repos",
        "events_url": f"{url}/events{{/privacy}}",
        "received_events_url": f"{url}/received_events",
        "type": owner.kind,
        "user_view_type": "public",
        "site_admin": False,
    }


def maybe_user(owner: Owner | None, site: Site) -> Json | None:
    """Return a user, or null."""
    return None if owner is None else user(owner, site)


_BELOW = {
    "archive_url": "/{archive_format}{/ref}",
    "assignees_url": "/assignees{/user}",
    "blobs_url": "/git/blobs{/sha}",
    "branches_url": "/branches{/branch}",
    "collaborators_url": "/collaborators{/collaborator}",
    "comments_url": "/comments{/number}",
    "commits_url": "/commits{/sha}",
    "compare_url": "/compare/{base}...{head}",
    "contents_url": "/contents/{+path}",
    "contributors_url": "/contributors",
    "deployments_url": "/deployments",
    "downloads_url": "/downloads",
    "events_url": "/events",
    "forks_url": "/forks",
    "git_commits_url": "/git/commits{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "hooks_url": "/hooks",
    "issue_comment_url": "/issues/comments{/number}",
    "issue_events_url": "/issues/events{/number}",
    "issues_url": "/issues{/number}",
    "keys_url": "/keys{/key_id}",
    "labels_url": "/labels{/name}",
    "languages_url": "/languages",
    "merges_url": "/merges",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "pulls_url": "/pulls{/number}",
    "releases_url": "/releases{/id}",
    "stargazers_url": "/stargazers",
    "statuses_url": "/statuses/{sha}",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "tags_url": "/tags",
    "teams_url": "/teams",
    "trees_url": "/git/trees{/sha}",
}


def repo_url(repository: Repository, site: Site) -> str:
    """Return where a repository is in the API."""
    return f"{site.api}/repos/{repository.full_name}"


def repo_page(repository: Repository, site: Site) -> str:
    """Return a repository's page."""
    return f"{site.web}/{repository.full_name}"


def minimal_repository(repository: Repository, site: Site) -> Json:
    """Return a `minimal-repository`: what stands inside other things."""
    url = repo_url(repository, site)
    return {
        "id": repository.id,
        "node_id": node("Repository", repository.id),
        "name": repository.name,
        "full_name": repository.full_name,
        "private": repository.private,
        "owner": user(repository.owner, site),
        "html_url": repo_page(repository, site),
        "description": repository.description,
        "fork": False,
        "url": url,
        **{name: url + tail for name, tail in _BELOW.items()},
    }


def full_repository(repository: Repository, site: Site) -> Json:
    """Return a `full-repository`, which is also a `repository` and a search result but for its score."""
    page = repo_page(repository, site)
    created = stamp(repository.created_at)
    issues = repository.open_issues
    return {
        **minimal_repository(repository, site),
        "clone_url": f"{page}.git",
        "git_url": f"git:{page.split(':', 1)[1]}.git",
        "ssh_url": f"git@{site.web.split('//', 1)[1]}:{repository.full_name}.git",
        "svn_url": page,
        "mirror_url": None,
        "homepage": None,
        "language": None,
        "license": None,
        "default_branch": repository.default_branch,
        "visibility": "private" if repository.private else "public",
        "topics": [],
        "permissions": {"admin": True, "maintain": True, "push": True, "triage": True, "pull": True},
        **dict.fromkeys(("forks", "forks_count", "stargazers_count", "watchers", "watchers_count"), 0),
        **dict.fromkeys(("size", "network_count", "subscribers_count"), 0),
        **dict.fromkeys(("has_projects", "has_wiki", "has_downloads"), True),
        **dict.fromkeys(("has_pages", "has_discussions", "disabled", "is_template"), False),
        "has_issues": repository.has_issues,
        "archived": repository.archived,
        "open_issues": issues,
        "open_issues_count": issues,
        "created_at": created,
        "updated_at": created,
        "pushed_at": created,
    }
