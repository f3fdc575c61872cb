"""Acme Notes as a whole: where it is, how one connects, what its errors and limits look like.

Source: Acme Notes REST API, version and section here.
"""

from connectors.sdk import Account, Connector, Output, StaticToken, Upstream


class _Me(Output):
    id: str
    name: str


async def account(api: Upstream, method: str) -> Account:
    """Return whose token it is."""
    del method
    me = api.read(_Me, await api.get("/v1/me"))
    return Account(me.id, me.name)


acme_notes = Connector(
    id="acme_notes",
    title="Acme Notes",
    version="0.1.0",
    base_url="https://api.acme-notes.example",
    hosts=["api.acme-notes.example"],
    headers={"Accept": "application/json"},
    auth=[StaticToken(title="API token")],
    scopes={
        "acme_notes:note:read": "Read notes",
        "acme_notes:note:write": "Write notes",
    },
    account=account,
)
