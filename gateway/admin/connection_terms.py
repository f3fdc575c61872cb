"""What is asked for a connection, and whether it fits its connector."""

from dataclasses import replace
from typing import Annotated, Any

from credentials.store import Credential
from credentials.supplied import check_client, check_fields, is_client
from pydantic import Field

from connectors.sdk import Connector
from connectors.sdk.auth import AuthMethod, ClientCredentials, Flow, JwtBearer, OAuthUser
from connectors.sdk.errors import InvalidInput, Issue
from gateway.admin.wanted import Change, Reference, Wanted, refused
from scopes.scope import ScopeSyntaxError, UnknownScope, expand

ConnectionName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,31}/[a-z0-9][a-z0-9._-]{0,62}$")]


Patterns = Annotated[list[Reference], Field(min_length=1, max_length=200)]


class NewConnection(Wanted):
    """A connection with its credential: the fields of the connector's auth `method`, by name.

    With `client_id` alone (and `client_secret`) of an OAuth client, somebody is asked to authorize it in their
    browser, for the actions that `scopes` (may hold patterns) allow. `flow` says how: `code` sends the browser to the
    vendor and back, `device` has them type a short code there. Left out, it is `code` where the method has that.
    """

    connector: Reference
    name: ConnectionName
    method: Reference
    credential: dict[str, Any] = Field(repr=False)
    base_url: Annotated[str, Field(max_length=500)] | None = None
    owner_actor: Reference | None = None
    scopes: Patterns | None = None
    flow: Flow | None = None
    test: bool = True


class ConnectionChange(Change):
    """What may change of a connection. A new `base_url` discards the credential."""

    name: ConnectionName | None = None
    base_url: Annotated[str, Field(max_length=500)] | None = None
    owner_actor: Reference | None = None


class Reconnection(Wanted):
    """A new credential of the same account, by the same method or another.

    With an OAuth client alone, or with nothing where there is one already, somebody is asked to authorize it in their
    browser, for what is granted and what `scopes` allow. `flow` says how, as for a new connection.
    """

    credential: dict[str, Any] = Field(default_factory=dict, repr=False)
    method: Reference | None = None
    scopes: Patterns | None = None
    flow: Flow | None = None


def check_name(connector: Connector, name: str) -> None:
    """Raise `InvalidInput` for a name that does not begin with its connector."""
    if not name.startswith(f"{connector.id}/"):
        raise refused("/name", f"must begin with {connector.id}/")


def method_of(connector: Connector, id: str) -> AuthMethod:
    """Return one of the connector's auth methods. Raises `InvalidInput`."""
    method = connector.auth.get(id)
    if method is None:
        raise refused("/method", "is not one of the connector's", hint=f"Known are {', '.join(connector.auth)}.")
    return method


def client_of(method: AuthMethod, fields: dict[str, Any]) -> dict[str, str] | None:
    """Return an OAuth client, None where the fields are those of a whole credential. Raises `InvalidInput`."""
    if not isinstance(method, OAuthUser) or (fields and not is_client(method, fields)):
        return None
    try:
        return check_client(method, fields)
    except InvalidInput as error:
        raise _below_credential(error) from None


def flow_of(method: OAuthUser, wanted: Flow | None) -> Flow:
    """Return how somebody is asked to authorize. Raises `InvalidInput` for a way that the method does not have."""
    if wanted is None:
        return method.flows[0]
    if wanted not in method.flows:
        raise refused("/flow", f"is not one of {method.title}'s", hint=f"It has {', '.join(method.flows)}.")
    return wanted


def check_nobody_asked(wanted: Flow | None) -> None:
    """Raise `InvalidInput` where a way to ask somebody comes with a whole credential."""
    if wanted is not None:
        raise refused(
            "/flow",
            "is for an OAuth client alone, with which somebody is asked",
            hint="Leave it out, or send the client without tokens.",
        )


def scopes_of(connector: Connector, patterns: list[str] | None) -> frozenset[str] | None:
    """Return the scopes that patterns mean today. Raises `InvalidInput`."""
    try:
        return expand(patterns, connector.scopes) if patterns is not None else None
    except (ScopeSyntaxError, UnknownScope) as error:
        raise InvalidInput(str(error), issues=[Issue(str(error), pointer="/scopes")]) from error


def credential_of(method: AuthMethod, fields: dict[str, Any]) -> Credential:
    """Return a credential from its fields. Raises `InvalidInput` with pointers, and never with values."""
    try:
        return check_fields(method, fields)
    except InvalidInput as error:
        raise _below_credential(error) from None


def with_scope(method: AuthMethod, credential: Credential, needed: frozenset[str]) -> Credential:
    """Return a credential that asks for the least of OAuth's scopes for vendor scopes.

    That is for methods which ask for scopes with every token; a credential that names its own keeps them.
    """
    if not isinstance(method, JwtBearer | ClientCredentials) or method.oauth_scopes is None:
        return credential
    if not needed or "scope" in credential.fields:
        return credential
    scope = method.scope_separator.join(sorted(method.oauth_scopes(needed) | method.scopes))
    return replace(credential, fields={**credential.fields, "scope": scope})


def needed_for(connector: Connector, scopes: frozenset[str] | None) -> frozenset[str]:
    """Return the vendor scopes that the actions need which `scopes` allow; none for None."""
    allowed = [action for action in connector.actions.values() if action.scopes <= (scopes or frozenset())]
    return frozenset[str]().union(*(action.vendor_scopes for action in allowed))


def _below_credential(error: InvalidInput) -> InvalidInput:
    issues = [Issue(issue.message, pointer=f"/credential{issue.pointer}") for issue in error.issues]
    return InvalidInput(error.detail, issues=issues, hint=error.hint)
