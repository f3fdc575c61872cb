"""The org and the connected user. Source: REST API Developer Guide v67.0, "Limits"; Salesforce Help, "UserInfo"."""

from pydantic import Field, TypeAdapter

from connectors.salesforce.connector import API, API_SCOPE, salesforce, userinfo
from connectors.sdk import Effect, Input, Output, Page, Unbound, Upstream
from connectors.sdk.facts import ResourceFact


class NoInput(Input):
    """Nothing to say."""


class Limit(Output):
    """A limit of the org and what is left of it."""

    name: str
    limit: int
    remaining: int


class Me(Output):
    """The connected user."""

    id: str = Field(validation_alias="user_id")
    org_id: str = Field(validation_alias="organization_id")
    username: str | None = Field(default=None, validation_alias="preferred_username")
    name: str | None = None
    email: str | None = None
    zone: str | None = Field(default=None, validation_alias="zoneinfo")
    language: str | None = None


class _Usage(Output):
    most: int = Field(validation_alias="Max")
    remaining: int = Field(validation_alias="Remaining")


_LIMITS = TypeAdapter(dict[str, _Usage])
_ORG: ResourceFact = Unbound("It belongs to the org as a whole.")


@salesforce.action(
    "org.get_limits",
    scopes={"salesforce:org:read"},
    effect=Effect.READ,
    resource=_ORG,
    vendor_scopes=API_SCOPE,
)
async def get_limits(api: Upstream, what: NoInput) -> Page[Limit]:
    """Read the org's limits and what is left of them: requests of 24 hours, storage, mails, events."""
    del what
    found = api.read(_LIMITS, await api.get(API + "/limits"))
    return Page[Limit](items=[Limit(name=name, limit=one.most, remaining=one.remaining) for name, one in found.items()])


@salesforce.action(
    "user.me",
    scopes={"salesforce:user:read"},
    effect=Effect.READ,
    resource=Unbound("Whose connection this is, is no choice of the agent."),
    vendor_scopes=API_SCOPE,
)
async def get_me(api: Upstream, what: NoInput) -> Me:
    """Read who the connected user is: id, name, e-mail address, and which org it is."""
    del what
    return api.read(Me, await userinfo(api))
