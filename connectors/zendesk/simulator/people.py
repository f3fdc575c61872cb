"""Users, organizations and groups. Source: Zendesk Ticketing API v2, official description."""

from typing import Any

from connectors.sdk.simulator import Answer
from connectors.zendesk.simulator import render
from connectors.zendesk.simulator.ask import Ask, text_of
from connectors.zendesk.simulator.refusals import invalid, malformed, not_found
from connectors.zendesk.simulator.routing import Route
from connectors.zendesk.simulator.world import User

_CHANGED = ("name", "organization_id", "external_id", "phone", "notes", "tags")


def get_me(ask: Ask) -> Answer:
    """GET /users/me of somebody. Without a credential the server answers with the anonymous user."""
    return Answer.of({"user": render.user(ask.user, ask.root)})


def list_users(ask: Ask) -> Answer:
    """GET /users."""
    return ask.page("users", list(ask.world.users.values()), lambda user: render.user(user, ask.root))


def get_user(ask: Ask) -> Answer:
    """GET /users/{user_id}."""
    return Answer.of({"user": render.user(_user(ask), ask.root)})


def search_users(ask: Ask) -> Answer:
    """GET /users/search, from an index that can lag."""
    found = [user for user in ask.world.users.values() if user.created_at <= ask.now - ask.index_lag]
    if "external_id" in ask.query:
        found = [user for user in found if user.external_id == ask.query["external_id"]]
    elif ask.query.get("query"):
        found = [user for user in found if matches(user, ask.query["query"])]
    else:
        raise malformed("Parameter query or external_id is required")
    return ask.by_number("users", found, lambda user: render.user(user, ask.root), 10_000)


def matches(user: User, query: str) -> bool:
    """Whether a user is what a query asks for."""
    for term in query.lower().split():
        name, colon, value = term.partition(":")
        value = value.strip('"')
        if colon and name in {"email", "role", "name"}:
            if value not in str(getattr(user, name)).lower():
                return False
        elif not colon and term.strip('"') not in f"{user.name} {user.email}".lower():
            return False
    return True


def create_user(ask: Ask) -> Answer:
    """POST /users. Addresses are unique."""
    wanted = ask.fields("user")
    name, email = text_of(wanted, "name", required=True), text_of(wanted, "email") or ""
    if email and ask.world.user_of(email):
        raise invalid("email", f"Email: {email} is already being used by another user", "DuplicateValue")
    _check(ask, wanted)
    user = ask.world.add_user(str(name), email, str(wanted.get("role") or "end-user"), ask.now)
    user.verified = False
    _change(user, wanted)
    return ask.applied({"user": render.user(user, ask.root)}, 201, {"location": f"{ask.root}/users/{user.id}.json"})


def update_user(ask: Ask) -> Answer:
    """PUT /users/{user_id}."""
    user, wanted = _user(ask), ask.fields("user")
    _check(ask, wanted)
    if _change(user, wanted):
        user.updated_at = ask.now
        ask.call.applied()
    return Answer.of({"user": render.user(user, ask.root)})


def _check(ask: Ask, wanted: dict[str, Any]) -> None:
    organization = wanted.get("organization_id")
    if organization is not None and organization not in ask.world.organizations:
        raise invalid("organization", "Organization: is invalid")


def _change(user: User, wanted: dict[str, Any]) -> bool:
    changed = False
    for name in _CHANGED:
        if name in wanted and getattr(user, name) != wanted[name]:
            setattr(user, name, wanted[name])
            changed = True
    return changed


def _user(ask: Ask) -> User:
    user = ask.world.users.get(ask.number("user_id"))
    if user is None:
        raise not_found()
    return user


def list_organizations(ask: Ask) -> Answer:
    """GET /organizations."""
    found = list(ask.world.organizations.values())
    return ask.page("organizations", found, lambda one: render.organization(one, ask.root))


def get_organization(ask: Ask) -> Answer:
    """GET /organizations/{organization_id}."""
    found = ask.world.organizations.get(ask.number("organization_id"))
    if found is None:
        raise not_found()
    return Answer.of({"organization": render.organization(found, ask.root)})


def search_organizations(ask: Ask) -> Answer:
    """GET /organizations/search: by the exact name, whatever the case, or the exact external id."""
    name, key = ask.query.get("name"), ask.query.get("external_id")
    if (name is None) == (key is None):
        raise malformed("Exactly one of name and external_id is required")
    found = [
        one
        for one in ask.world.organizations.values()
        if (one.name.lower() == name.lower() if name is not None else one.external_id == key)
    ]
    return ask.by_number("organizations", found, lambda one: render.organization(one, ask.root), 10_000)


def list_groups(ask: Ask) -> Answer:
    """GET /groups."""
    return ask.page("groups", list(ask.world.groups.values()), lambda one: render.group(one, ask.root))


ROUTES = (
    Route("GET", "/api/v2/users", list_users, "users"),
    Route("POST", "/api/v2/users", create_user, "users"),
    Route("GET", "/api/v2/users/me", get_me, "users"),
    Route("GET", "/api/v2/users/search", search_users, "users"),
    Route("GET", "/api/v2/users/{user_id}", get_user, "users"),
    Route("PUT", "/api/v2/users/{user_id}", update_user, "users"),
    Route("GET", "/api/v2/organizations", list_organizations, "organizations"),
    Route("GET", "/api/v2/organizations/search", search_organizations, "organizations"),
    Route("GET", "/api/v2/organizations/{organization_id}", get_organization, "organizations"),
    Route("GET", "/api/v2/groups", list_groups),
)
