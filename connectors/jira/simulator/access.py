"""Who calls Jira: API tokens, which may what their user may, and OAuth tokens with scopes.

Source: Atlassian developer documentation, "Basic auth for REST APIs" and "OAuth 2.0 (3LO) apps".
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field

from connectors.jira.simulator.refusals import gateway
from connectors.jira.simulator.seed import AGENT

CLOUD_ID = "11111111-2222-4333-8444-555555555555"
EVERYTHING = frozenset({"read:jira-work", "write:jira-work", "read:jira-user", "offline_access"})


@dataclass(frozen=True, slots=True)
class Token:
    """A token that acts as a user. An OAuth one (`scopes`) works only below `/ex/jira/{cloudid}`.

    `projects` are the keys of the projects that its user sees; None means all.
    """

    value: str = field(repr=False)
    account_id: str = AGENT.account_id
    email: str = AGENT.email
    scopes: frozenset[str] | None = None
    projects: frozenset[str] | None = None
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class OAuthApp:
    """An app that users authorize. Its tokens expire after `expires_in` seconds."""

    client_id: str
    client_secret: str = field(repr=False)
    redirect_uri: str
    account_id: str = AGENT.account_id
    expires_in: int = 3600


class Access:
    """All tokens that are good now."""

    def __init__(self, tokens: Mapping[str, Token]) -> None:
        self.tokens: dict[str, Token] = dict(tokens)

    def caller(self, header: str | None, now: float, *, cloud: str | None) -> Token:
        """Return whose token this is. `cloud` is the id in the path. Raises a 401 refusal."""
        scheme, _, value = (header or "").partition(" ")
        found = self._bearer(value) if scheme.lower() == "bearer" else self._basic(scheme, value)
        if found is None or (found.expires_at is not None and found.expires_at <= now):
            raise gateway(401, "Unauthorized")
        if found.scopes is not None and cloud is None:
            raise gateway(401, "Unauthorized")  # a token of an app does not work at the site itself
        return found

    def _bearer(self, value: str) -> Token | None:
        return self.tokens.get(value)

    def _basic(self, scheme: str, value: str) -> Token | None:
        if scheme.lower() != "basic":
            return None
        try:
            name, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        found = self.tokens.get(secret)
        if found is None or found.scopes is not None or name not in {found.email, found.email.partition("@")[0]}:
            return None
        return found
