"""Jira Cloud as a whole: where it is, how one connects, what its errors and limits look like.

Platform REST API v3. A connection's base URL is its site (`https://acme.atlassian.net`, for API tokens) or the root
of the site at Atlassian's gateway (`https://api.atlassian.com/ex/jira/{cloudid}`, the only one for OAuth). Which
site that is an admin says: a token can reach several. Ladder: gold. Requests are checked against Atlassian's own
OpenAPI description, the Python SDK `jira` passes against the simulator, every fault of the contract suite is run.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import cast
from urllib.parse import urlsplit

from pydantic import Field

from connectors.jira import answers
from connectors.sdk import (
    Account,
    BasicToken,
    Connector,
    OAuthUser,
    Output,
    Upstream,
    UpstreamInvalidResponse,
)
from connectors.sdk.auth import RootInList

SCOPES = {
    "jira:attachment:delete": "Delete attachments of issues",
    "jira:attachment:read": "See and download attachments of issues",
    "jira:attachment:write": "Attach files to issues, which notifies people",
    "jira:comment:delete": "Delete comments on issues",
    "jira:comment:read": "Read comments on issues",
    "jira:comment:write": "Write and edit comments on issues, which notifies people",
    "jira:field:read": "See which fields, labels and types of links the site has",
    "jira:issue:delete": "Delete issues for good",
    "jira:issue:read": "Read and search issues and their history",
    "jira:issue:write": "Open issues, edit, assign and move them through their workflow, which notifies people",
    "jira:issue_link:delete": "Remove links between issues",
    "jira:issue_link:write": "Link issues to each other",
    "jira:project:read": "See projects, their types of issues, versions and components",
    "jira:user:read": "Find people on the site",
    "jira:watcher:read": "See who watches an issue",
    "jira:watcher:write": "Add and remove watchers of issues, who get mail from then on",
    "jira:worklog:delete": "Delete logged work",
    "jira:worklog:read": "Read the work that was logged on issues",
    "jira:worklog:write": "Log work on issues",
}

# Atlassian's classic scopes. The granular ones are finer, but each request needs up to ten of them, and they are beta.
READ = frozenset({"read:jira-work"})
# Whoever writes reads too: where an issue is now, and what became of a request that was not answered.
WRITE = READ | {"write:jira-work"}
PEOPLE = frozenset({"read:jira-user"})


class _Myself(Output):
    id: str = Field(validation_alias="accountId")
    name: str = Field(validation_alias="displayName")


async def account(api: Upstream, method: str) -> Account:
    """Return the user behind the credential. Jira does not tell its scopes; OAuth's token endpoint does."""
    del method
    user = api.read(_Myself, await api.get("/myself"))
    return Account(user.id, user.name)


def _is_jira(site: Mapping[str, object]) -> bool:
    """Whether an accessible resource is Jira's: one cloud id comes once for each product, with its scopes."""
    scopes = site.get("scopes")
    return isinstance(scopes, list) and any("jira" in str(scope) for scope in cast("list[object]", scopes))


def web_origin(base_url: str) -> str:
    """Return where people log in: one place for all of Atlassian's cloud."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    if host == "api.atlassian.com" or host.endswith(".atlassian.net"):
        return "https://auth.atlassian.com"
    return f"{parts.scheme}://{parts.netloc}"


def missing_scopes(method: str, granted: frozenset[str], needed: frozenset[str]) -> frozenset[str]:
    """Return the needed scopes that were not granted. An API token has none: it may what its user may."""
    return frozenset() if method == "token" else needed - granted


jira = Connector(
    id="jira",
    title="Jira",
    version="1.0.0",
    base_url="https://api.atlassian.com",
    base_path="/rest/api/3",
    hosts=["api.atlassian.com", "*.atlassian.net"],
    headers={"Accept": "application/json"},
    auth=[
        OAuthUser(
            authorize_url="{origin}/authorize",
            token_url="{origin}/oauth/token",
            authorize_params={"audience": "api.atlassian.com", "prompt": "consent"},
            # Without the first there is no refresh token, without the second nobody can be asked who it is.
            always_scopes=frozenset({"offline_access", "read:jira-user"}),
            client_auth="json",
            # Atlassian documents none for these apps, which have a secret.
            pkce=False,
            # "Reuse leeway" for processes that refresh at once.
            refresh_grace=timedelta(minutes=10),
            discover=RootInList("{api}/oauth/token/accessible-resources", root="{api}/ex/jira/{id}", suits=_is_jira),
        ),
        BasicToken(title="API token of a user, whose e-mail address is the username"),
    ],
    scopes=SCOPES,
    account=account,
    # 410: Atlassian has removed the endpoint, so our model of it is wrong.
    errors={410: UpstreamInvalidResponse},
    problem=answers.problem,
    quota=answers.quota,
    throttled=answers.throttled,
    missing_scopes=missing_scopes,
    web_origin=web_origin,
)
