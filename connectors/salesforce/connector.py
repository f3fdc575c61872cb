"""Salesforce as a whole: where it is, how one connects, what its errors and limits look like.

REST API v67.0 (Summer '26). A connection's base URL is the org's My Domain, `https://ACME.my.salesforce.com`: people
log in there, and the token answer's `instance_url` must be one of Salesforce's hosts. Ladder: gold. Salesforce
publishes no description of its API, since each org has fields of its own: requests are checked by a simulator that
refuses as the documentation says, the Python SDK `simple-salesforce` passes against it, and every fault of the contract
suite is run.
"""

from datetime import timedelta

from pydantic import Field

from connectors.salesforce import answers
from connectors.sdk import (
    Account,
    ClientCredentials,
    Connector,
    JwtBearer,
    OAuthUser,
    Output,
    Response,
    StaticToken,
    Upstream,
    UpstreamInvalidResponse,
)
from connectors.sdk.auth import RootInToken

_TOKEN = "{origin}/services/oauth2/token"
_REVOKE = "{origin}/services/oauth2/revoke"
_ROOT = RootInToken("instance_url")
# No answer tells how long a session lasts: that is a setting of the org, mostly two hours or more. 401 ends it earlier.
_SESSION = timedelta(hours=1)

# The one place that pins the version. Salesforce supports each for three years at least.
API = "/services/data/v67.0"
USERINFO = "/services/oauth2/userinfo"

SCOPES = {
    "salesforce:case:read": "Read cases and their comments",
    "salesforce:case:write": "Open and change cases and comment on them internally, which can set off e-mails",
    "salesforce:feed:write": "Post to the Chatter feeds of records and people, who are notified",
    "salesforce:object:read": "See which objects and fields the org has",
    "salesforce:opportunity:write": "Open opportunities and move them through their stages",
    "salesforce:org:read": "See how much of the org's limits is used",
    "salesforce:record:admin": "Change many records at once",
    "salesforce:record:delete": "Delete records of any object",
    "salesforce:record:read": "Read, query and search records of any object",
    "salesforce:record:write": "Create and change records of any object",
    "salesforce:reply:write": "Publish comments on cases, which customers see and can get by e-mail",
    "salesforce:sales:write": "Keep accounts, contacts and leads up to date",
    "salesforce:task:write": "Give people tasks and complete them",
    "salesforce:user:read": "See who the connected user is",
}

# Salesforce's OAuth has no finer scopes for data: profile, permission sets and sharing decide what the user may.
API_SCOPE = frozenset({"api"})
CHATTER_SCOPE = frozenset({"chatter_api"})


class _Resources(Output):
    sobjects: str


class _Person(Output):
    id: str = Field(validation_alias="user_id")
    org: str = Field(validation_alias="organization_id")
    username: str = Field(default="", validation_alias="preferred_username")
    name: str = ""


async def userinfo(api: Upstream) -> Response:
    """Return the answer about the connected user.

    An access token that has ended is refused there with 403, like one without the scope; the API says 401, which makes
    the gateway refresh it. So the API is asked first.
    """
    api.read(_Resources, await api.get(API))
    return await api.get(USERINFO)


async def account(api: Upstream, method: str) -> Account:
    """Return the user behind the credential. OAuth's token endpoint tells the scopes."""
    del method
    user = api.read(_Person, await userinfo(api))
    return Account(user.id, user.username or user.name, details={"organization_id": user.org})


def missing_scopes(method: str, granted: frozenset[str], needed: frozenset[str]) -> frozenset[str]:
    """Return the needed scopes that were not granted. `full` holds all, and `api` Chatter's too.

    A token that somebody pasted tells none.
    """
    if method == "token" or "full" in granted:
        return frozenset()
    held = granted | CHATTER_SCOPE if "api" in granted else granted
    return needed - held


def _assertion(id: str, audience: str, title: str) -> JwtBearer:
    """Return the JWT bearer flow. The audience is one of Salesforce's login hosts, whatever the org's own domain."""
    return JwtBearer(
        id=id,
        title=title,
        token_url=_TOKEN,
        audience=audience,
        lifetime=_SESSION,
        discover=_ROOT,
        revoke_url=_REVOKE,
        refusals={
            "user hasn't approved this consumer": "an admin of the org has not approved the app for the user",
            "audience is invalid": "production and sandboxes have different audiences: use the other method",
        },
    )


salesforce = Connector(
    id="salesforce",
    title="Salesforce",
    version="1.0.0",
    # No org: every connection has to name its own, and this one is refused.
    base_url="https://mydomain.salesforce.invalid",
    hosts=["*.my.salesforce.com", "*.salesforce.com", "*.my.salesforce.mil", "*.salesforce.mil"],
    headers={"Accept": "application/json"},
    auth=[
        OAuthUser(
            authorize_url="{origin}/services/oauth2/authorize",
            token_url=_TOKEN,
            revoke_url=_REVOKE,
            # Without the first there is no refresh token, without the second nobody can be asked who it is.
            always_scopes=frozenset({"refresh_token", "openid"}),
            # Since 2026 apps of vendors must rotate refresh tokens: the old one is dead at once.
            single_use_refresh=True,
            discover=_ROOT,
        ),
        _assertion("jwt", "https://login.salesforce.com", "JWT of an approved app"),
        _assertion("jwt_sandbox", "https://test.salesforce.com", "JWT of an approved app, sandbox"),
        ClientCredentials(
            token_url=_TOKEN,
            title="Client credentials at My Domain",
            client_auth="post",
            lifetime=_SESSION,
            discover=_ROOT,
            revoke_url=_REVOKE,
            refusals={"no client credentials user enabled": "the app has no user to run as"},
        ),
        StaticToken(title="Access token"),
    ],
    scopes=SCOPES,
    account=account,
    # 410: Salesforce has retired the version, so our model of it is wrong.
    errors={410: UpstreamInvalidResponse},
    problem=answers.problem,
    quota=answers.quota,
    throttled=answers.throttled,
    missing_scopes=missing_scopes,
)
