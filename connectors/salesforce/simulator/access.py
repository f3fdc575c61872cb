"""Who calls Salesforce: sessions of users, with OAuth scopes.

Source: Salesforce Help, "OAuth Tokens and Scopes"; REST API Developer Guide v67.0, "Step Two: Set Up Authorization".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from connectors.salesforce.simulator.refusals import unauthenticated

USERNAME = "agent@acme.example"


@dataclass(frozen=True, slots=True)
class Token:
    """An access token that acts as a user. Without `scopes` it may all."""

    value: str = field(repr=False)
    username: str = USERNAME
    scopes: frozenset[str] | None = None
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class OAuthApp:
    """An external client app.

    `certificate` is the PEM of the certificate or public key that JWT assertions are verified with; `approved` are
    users whom an admin has authorized beforehand; `runs_as` is the user of client credentials. `lifetime` is how many
    seconds access tokens live: a setting of the org that no answer tells.
    """

    client_id: str
    client_secret: str = field(repr=False)
    redirect_uri: str = ""
    username: str = USERNAME
    scopes: frozenset[str] = frozenset({"api", "refresh_token", "openid", "chatter_api", "full", "id", "profile"})
    certificate: str | None = field(default=None, repr=False)
    approved: frozenset[str] = frozenset({USERNAME})
    runs_as: str | None = None
    rotates: bool = True
    lifetime: int = 7200


class Access:
    """All tokens that are good now."""

    def __init__(self, tokens: Mapping[str, Token]) -> None:
        self.tokens: dict[str, Token] = dict(tokens)

    def known(self, header: str | None, now: float) -> Token | None:
        """Return whose token this is, None for none that is good."""
        scheme, _, value = (header or "").partition(" ")
        found = self.tokens.get(value) if scheme.lower() in {"bearer", "oauth"} else None
        if found is None or (found.expires_at is not None and found.expires_at <= now):
            return None
        return found

    def caller(self, header: str | None, now: float) -> Token:
        """Return whose token this is. Raises 401."""
        found = self.known(header, now)
        if found is None:
            raise unauthenticated()
        return found
