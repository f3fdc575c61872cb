"""Zendesk Support as a whole: where it is, how one connects, what its errors and limits look like.

Ticketing API v2. A connection's base URL is its account, `https://SUBDOMAIN.zendesk.com`, also where the help centre
has a name of its own. Ladder: gold. Requests are checked against Zendesk's own OpenAPI description, Zenpy passes
against the simulator, every fault of the contract suite is run.
"""

from connectors.sdk import Account, BasicToken, Connector, OAuthUser, Output, Upstream
from connectors.sdk.errors import ConnectionUnhealthy
from connectors.zendesk import answers, permissions

SCOPES = {
    "zendesk:attachment:read": "Download files that are attached to tickets",
    "zendesk:attachment:write": "Upload files for comments on tickets",
    "zendesk:audit:read": "Read who changed what on a ticket, and when",
    "zendesk:comment:read": "Read the conversations on tickets, internal notes too",
    "zendesk:comment:write": "Write internal notes on tickets, which only agents see",
    "zendesk:group:read": "See the groups that agents work in",
    "zendesk:job:read": "See how a change of many tickets is getting on",
    "zendesk:macro:read": "See macros and what they would change",
    "zendesk:organization:read": "See the customers' organizations",
    "zendesk:reply:write": "Answer customers publicly, which e-mails them and cannot be taken back",
    "zendesk:ticket:admin": "Change many tickets at once",
    "zendesk:ticket:delete": "Delete tickets",
    "zendesk:ticket:read": "Read and search tickets",
    "zendesk:ticket:write": "Open tickets, change, tag and assign them, which can set off e-mails",
    "zendesk:ticket_field:read": "See which fields tickets have",
    "zendesk:user:read": "See customers and agents",
    "zendesk:user:write": "Create customers and change what is known of them",
    "zendesk:view:read": "See the agents' views and the tickets in them",
}


class _User(Output):
    id: int | None = None
    name: str = ""
    email: str | None = None


class _Me(Output):
    user: _User


async def account(api: Upstream, method: str) -> Account:
    """Return the user behind the credential. OAuth's token endpoint tells the scopes.

    Zendesk answers without a valid credential too, with an anonymous user: then `ConnectionUnhealthy` is raised.
    """
    del method
    user = api.read(_Me, await api.get("/api/v2/users/me")).user
    if user.id is None:
        raise ConnectionUnhealthy("Zendesk takes this credential for nobody's.", hint="Connect again.")
    return Account(str(user.id), user.email or user.name)


zendesk = Connector(
    id="zendesk",
    title="Zendesk",
    version="1.0.0",
    # No account: every connection has to name its own, and this one is refused.
    base_url="https://subdomain.zendesk.invalid",
    hosts=["*.zendesk.com"],
    download_hosts=["*.zdusercontent.com"],
    headers={"Accept": "application/json"},
    auth=[
        OAuthUser(
            authorize_url="{origin}/oauth/authorizations/new",
            token_url="{origin}/oauth/tokens",
            revoke_url="{origin}/api/v2/oauth/tokens/current",
            revoke_form="by_token",
            client_auth="json",
            oauth_scopes=permissions.oauth_scopes,
        ),
        BasicToken(title="API token of a user, whose username is EMAIL/token"),
    ],
    scopes=SCOPES,
    account=account,
    problem=answers.problem,
    quota=answers.quota,
    throttled=answers.throttled,
    missing_scopes=permissions.missing,
)
