"""What is asked for a connection, and whether it fits its connector."""

from typing import Annotated, Any

from credentials.store import Credential
from credentials.supplied import check_fields
from pydantic import Field

from connectors.sdk import Connector
from connectors.sdk.auth import AuthMethod
from connectors.sdk.errors import InvalidInput, Issue
from gateway.admin.wanted import Change, Reference, Wanted, refused

ConnectionName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,31}/[a-z0-9][a-z0-9._-]{0,62}$")]


class NewConnection(Wanted):
    """A connection with its credential: the fields of the connector's auth `method`, by name."""

    connector: Reference
    name: ConnectionName
    method: Reference
    credential: dict[str, Any] = Field(repr=False)
    base_url: Annotated[str, Field(max_length=500)] | None = None
    owner_actor: Reference | None = None
    test: bool = True


class ConnectionChange(Change):
    """What may change of a connection. A new `base_url` discards the credential."""

    name: ConnectionName | None = None
    base_url: Annotated[str, Field(max_length=500)] | None = None
    owner_actor: Reference | None = None


class Reconnection(Wanted):
    """A new credential of the same account, by the same method or another."""

    credential: dict[str, Any] = Field(repr=False)
    method: Reference | None = None


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


def credential_of(method: AuthMethod, fields: dict[str, Any]) -> Credential:
    """Return a credential from its fields. Raises `InvalidInput` with pointers, and never with values."""
    try:
        return check_fields(method, fields)
    except InvalidInput as error:
        issues = [Issue(issue.message, pointer=f"/credential{issue.pointer}") for issue in error.issues]
        raise InvalidInput(error.detail, issues=issues, hint=error.hint) from None
