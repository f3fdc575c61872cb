"""Who calls Zendesk: API tokens, which may what their user may, and OAuth tokens with scopes.

Source: Zendesk developer documentation, "Security and authentication".
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field

from connectors.zendesk.simulator.refusals import unauthenticated

AGENT_EMAIL = "agent@acme.example"


@dataclass(frozen=True, slots=True)
class Token:
    """A token that acts as a user. Without `scopes` it is an API token, which goes with the address of its user."""

    value: str = field(repr=False)
    email: str = AGENT_EMAIL
    scopes: frozenset[str] | None = None
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """A client that users authorize. Its access tokens expire after `expires_in` seconds."""

    client_id: str
    client_secret: str = field(repr=False)
    redirect_uri: str
    email: str = AGENT_EMAIL
    expires_in: int = 1800
    scopes: frozenset[str] | None = None  # what it may ask for; None means all


class Access:
    """All tokens that are good now."""

    def __init__(self, tokens: Mapping[str, Token]) -> None:
        self.tokens: dict[str, Token] = dict(tokens)

    def caller(self, header: str | None, now: float) -> Token | None:
        """Return whose token this is, None without any. Raises a 401 refusal."""
        if not header:
            return None
        scheme, _, value = header.partition(" ")
        found = self._bearer(value) if scheme.lower() == "bearer" else self._basic(scheme, value)
        if found is None or (found.expires_at is not None and found.expires_at <= now):
            raise unauthenticated()
        return found

    def _bearer(self, value: str) -> Token | None:
        found = self.tokens.get(value)
        return found if found is not None and found.scopes is not None else None

    def _basic(self, scheme: str, value: str) -> Token | None:
        if scheme.lower() != "basic":
            return None
        try:
            name, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        found = self.tokens.get(secret)
        good = found is not None and found.scopes is None and name.lower() == f"{found.email}/token".lower()
        return found if good else None
