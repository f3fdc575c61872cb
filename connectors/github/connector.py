"""GitHub as a whole: where it is, how one connects, what its errors and limits look like.

REST API 2022-11-28; only fields that 2026-03-10 has too are read (`assignees`, never `assignee`). GitHub Enterprise
Server is the same API below `https://HOST/api/v3`. Ladder: gold. Requests are checked against GitHub's own OpenAPI
description, PyGithub passes against the simulator, every fault of the contract suite is run.
"""

from urllib.parse import urlsplit

from pydantic import Field

from connectors.github import answers, permissions
from connectors.sdk import (
    Account,
    AppInstallation,
    Connector,
    OAuthUser,
    Output,
    StaticToken,
    Upstream,
    UpstreamForbidden,
    UpstreamNotFound,
)

API_VERSION = "2022-11-28"

SCOPES = {
    "github:branch:delete": "Delete branches",
    "github:branch:read": "See branches and the commits they point to",
    "github:branch:write": "Create branches",
    "github:check_run:read": "See the results of checks on commits",
    "github:comment:delete": "Delete comments on issues and pull requests",
    "github:comment:read": "Read comments on issues and pull requests",
    "github:comment:write": "Write and edit comments on issues and pull requests, which notifies people",
    "github:content:delete": "Delete files from branches",
    "github:content:read": "Read files and directories",
    "github:content:write": "Create and change files on branches",
    "github:issue:admin": "Lock and unlock conversations",
    "github:issue:read": "Read and search issues",
    "github:issue:write": "Open issues, edit, close, label and assign them, which notifies people",
    "github:label:delete": "Delete labels from repositories, and so from all their issues",
    "github:label:read": "See a repository's labels",
    "github:label:write": "Create labels in repositories",
    "github:member:read": "See who belongs to an organization",
    "github:notification:read": "Read the notifications of the connected user",
    "github:notification:write": "Mark notifications of the connected user as read",
    "github:pull:admin": "Merge pull requests",
    "github:pull:read": "Read pull requests and the files they change",
    "github:pull:write": "Open and edit pull requests and ask people to review them",
    "github:release:delete": "Delete releases",
    "github:release:read": "Read releases",
    "github:release:write": "Publish releases, which notifies watchers",
    "github:repository:read": "See repositories and their settings",
    "github:review:read": "Read reviews of pull requests",
    "github:review:write": "Review pull requests: approve, comment or request changes",
    "github:workflow:read": "See the workflows of GitHub Actions",
    "github:workflow:write": "Start workflows of GitHub Actions, which runs code",
    "github:workflow_run:read": "See runs of workflows and how they ended",
}


class _User(Output):
    id: int
    login: str


class _Repository(Output):
    owner: _User


class _Installation(Output):
    repositories: list[_Repository] = Field(max_length=100)


async def account(api: Upstream, method: str) -> Account:
    """Return the user behind a token, or the account in which an app is installed.

    An installation's token may not read `/user`, and only the app itself may ask for its installation; the owner of
    the repositories it reaches is the account. Raises `UpstreamNotFound` where it reaches none.
    """
    if method == "app":
        response = await api.get("/installation/repositories", params={"per_page": 1})
        found = api.read(_Installation, response).repositories
        if not found:
            raise UpstreamNotFound(
                "The GitHub App's installation reaches no repository.",
                hint="Give the installation at least one repository, then connect again.",
            )
        owner = found[0].owner
        return Account(str(owner.id), owner.login)
    response = await api.get("/user")
    user = api.read(_User, response)
    told = response.headers.get("x-oauth-scopes", "")
    # Absent or empty for fine-grained tokens and for users of a GitHub App: then GitHub does not tell.
    granted = frozenset(scope.strip() for scope in told.split(",") if scope.strip()) or None
    return Account(str(user.id), user.login, granted)


def web_origin(base_url: str) -> str:
    """Return where people log in: `api.github.com` and `api.NAME.ghe.com` have their pages a label higher."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    if host == "api.github.com" or host.endswith(".ghe.com"):
        return f"{parts.scheme}://{parts.netloc.removeprefix('api.')}"
    return f"{parts.scheme}://{parts.netloc}"


github = Connector(
    id="github",
    title="GitHub",
    version="1.0.0",
    base_url="https://api.github.com",
    hosts=["api.github.com", "*.ghe.com"],
    headers={"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": API_VERSION},
    auth=[
        AppInstallation(
            title="GitHub App",
            exchange_path="/app/installations/{installation_id}/access_tokens",
            revoke_path="/installation/token",
        ),
        OAuthUser(
            authorize_url="{origin}/login/oauth/authorize",
            token_url="{origin}/login/oauth/access_token",
            error_in_success=True,
            oauth_scopes=permissions.oauth_scopes,
            revoke_url="{api_root}/applications/{client_id}/token",
            revoke_form="by_client",
            device_url="{origin}/login/device/code",
            device_proof=False,
        ),
        StaticToken(title="Personal access token"),
    ],
    scopes=SCOPES,
    account=account,
    # 451: taken down for legal reasons.
    errors={451: UpstreamForbidden},
    problem=answers.problem,
    quota=answers.quota,
    throttled=answers.throttled,
    missing_scopes=permissions.missing,
    web_origin=web_origin,
)
