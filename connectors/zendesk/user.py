"""Users: customers (end users) and agents. Source: Zendesk Ticketing API v2, "Users"."""

from typing import Annotated

from pydantic import AwareDatetime, Field, model_validator

from connectors.sdk import Effect, Input, Irreversible, Output, Page, PageQuery, Reconcile, Resource, Undo, Upstream
from connectors.zendesk.connector import zendesk
from connectors.zendesk.names import Id, listed
from connectors.zendesk.paging import Numbered, by_number, numbered
from connectors.zendesk.permissions import READ_USERS, WRITE_USERS
from connectors.zendesk.ticket_create import Email
from connectors.zendesk.tracing import SETTLE, is_before

USERS = "/api/v2/users"
USER = USERS + "/{user_id}"
THE_USER = Resource("user/{user_id}")
Text = Annotated[str, Field(min_length=1, max_length=255)]


class User(Output):
    """A user. `role` is `end-user`, `agent` or `admin`."""

    id: int
    name: str
    email: str | None = None
    role: str | None = None
    organization_id: int | None = None
    external_id: str | None = None
    phone: str | None = None
    notes: str | None = None
    tags: list[str] = Field(default_factory=list[str])
    active: bool = True
    suspended: bool = False
    verified: bool = False
    created_at: AwareDatetime
    updated_at: AwareDatetime


class OneUser(Input):
    """One user."""

    user_id: Id = Field(description="The user's id, from `zendesk.user.search`.")


class SearchUsers(PageQuery):
    """Whom to look for: by words, or by the exact id in another system."""

    query: Text | None = Field(default=None, description="A name, an e-mail address, or a property: `role:agent`.")
    external_id: Text | None = Field(default=None, description="Id in another system.")

    @model_validator(mode="after")
    def _one_of_two(self) -> "SearchUsers":
        if (self.query is None) == (self.external_id is None):
            raise ValueError("name either `query` or `external_id`")
        return self


class CreateUser(Input):
    """The customer to create."""

    name: Text = Field(description="The full name.")
    email: Email = Field(description="No other user may have it.")
    organization_id: Id | None = Field(default=None, description="From `zendesk.organization.search`.")
    external_id: Text | None = Field(default=None, description="Id in another system.")
    phone: Text | None = Field(default=None, description="With the country, as `+4930123456`.")
    notes: str | None = Field(default=None, max_length=10_000, description="What agents should know.")


class UpdateUser(OneUser):
    """What to change; fields left out stay as they are."""

    name: Text | None = Field(default=None, description="The full name.")
    organization_id: Id | None = Field(default=None, description="From `zendesk.organization.search`.")
    external_id: Text | None = Field(default=None, description="Id in another system.")
    phone: Text | None = Field(default=None, description="With the country, as `+4930123456`.")
    notes: str | None = Field(default=None, max_length=10_000, description="Replaces what agents should know.")

    @model_validator(mode="after")
    def _changes_something(self) -> "UpdateUser":
        if not _fields(self):
            raise ValueError("name at least one field to change")
        return self


class _One(Output):
    user: User


class _Users(Numbered):
    users: list[User]


def _fields(given: Input) -> dict[str, object]:
    found: dict[str, object] = given.model_dump(exclude={"user_id"}, exclude_none=True)
    return found


def _identity(user: User) -> str:
    return f"user/{user.id}"


@zendesk.action(
    "user.get",
    scopes={"zendesk:user:read"},
    effect=Effect.READ,
    resource=THE_USER,
    vendor_scopes=READ_USERS,
)
async def get_user(api: Upstream, what: OneUser) -> User:
    """Read one user, customer or agent, by the id that tickets and comments name."""
    return api.read(_One, await api.get(USER, what)).user


@zendesk.action(
    "user.search",
    scopes={"zendesk:user:read"},
    effect=Effect.READ,
    resource=listed(_identity),
    vendor_scopes=READ_USERS,
)
async def search_users(api: Upstream, query: SearchUsers) -> Page[User]:
    """Find users by name, e-mail address or id in another system."""
    params = numbered(query, query=query.query, external_id=query.external_id)
    found = api.read(_Users, await api.get(USERS + "/search", params=params))
    return by_number(found, query, found.users)


async def find_created(api: Upstream, new: CreateUser) -> User | None:
    """Return the user with that address, if it was made since the call and as asked, else None."""
    params = {"query": f'email:"{new.email}"', "page": 1, "per_page": 100}
    for user in api.read(_Users, await api.get(USERS + "/search", params=params)).users:
        same = all(getattr(user, name) == value for name, value in _fields(new).items() if name != "email")
        if same and (user.email or "").lower() == new.email.lower() and not is_before(api, user.created_at):
            return user
    return None


@zendesk.action(
    "user.create",
    scopes={"zendesk:user:write"},
    effect=Effect.CREATE,
    resource=Resource("user/{email}", canonical=str.lower),
    vendor_scopes=WRITE_USERS | READ_USERS,
    # Zendesk refuses a second user with the address, but the search that finds the first one lags.
    idempotency=Reconcile(find_created, settle=SETTLE, consistent=False),
    undo=Irreversible("No action deletes users; administrators do, at Zendesk."),
    examples=[{"name": "Ana Silva", "email": "ana@example.com"}],
)
async def create_user(api: Upstream, new: CreateUser) -> User:
    """Create a customer (end user), without a mail to verify the address. Search first: addresses are unique."""
    user = {**_fields(new), "role": "end-user", "skip_verify_email": True}
    return api.read(_One, await api.post(USERS, json={"user": user})).user


async def find_updated(api: Upstream, update: UpdateUser) -> User | None:
    """Return the user if every field that was sent is there as sent, else None."""
    user = api.read(_One, await api.get(USER, update)).user
    same = all((getattr(user, name) or "") == value for name, value in _fields(update).items())
    return user if same else None


@zendesk.action(
    "user.update",
    scopes={"zendesk:user:write"},
    effect=Effect.UPDATE,
    resource=THE_USER,
    vendor_scopes=WRITE_USERS | READ_USERS,
    idempotency=Reconcile(find_updated, settle=SETTLE, consistent=False),
    undo=Undo("zendesk.user.update", note="Send the former values; read them before."),
    examples=[{"user_id": 235323, "phone": "+4930123456"}],
)
async def update_user(api: Upstream, update: UpdateUser) -> User:
    """Change what is known of a user: name, organization, phone, notes. Zendesk takes five changes a minute for one.

    Roles and e-mail addresses are not changed here: they decide who may do what.
    """
    return api.read(_One, await api.put(USER, update, json={"user": _fields(update)})).user
