"""Who calls GitHub, and what they may do: tokens, apps and their installations.

Source: GitHub documentation, "Permissions required for GitHub Apps", "Scopes for OAuth apps",
"Generating a JSON Web Token for a GitHub App".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from connectors.github.simulator.refusals import forbidden, unauthorized
from connectors.github.simulator.world import Repository, World

Level = Literal["read", "write", "admin"]
_RANK = {"read": 1, "write": 2, "admin": 3}
EVERYTHING = frozenset({"repo", "workflow", "read:org", "notifications", "user"})


@dataclass(frozen=True, slots=True)
class Token:
    """A token that acts as a user: with classic `scopes`, or with fine-grained `permissions` (then no scopes).

    `everything` sees all repositories, whoever owns them.
    """

    value: str = field(repr=False)
    login: str = "acme-bot"
    scopes: frozenset[str] = EVERYTHING
    permissions: Mapping[str, str] | None = None
    expires_at: float | None = None
    everything: bool = False


@dataclass(frozen=True, slots=True)
class Installation:
    """An app in an account. `repositories` names the selected ones; None means all."""

    id: int
    account: str
    repositories: tuple[str, ...] | None = None
    permissions: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class App:
    """A GitHub App. Its assertions are verified against `public_key` (PEM)."""

    id: int
    public_key: str
    installations: tuple[Installation, ...]
    slug: str = "sandbox-app"
    client_id: str = "Iv1.sandbox"
    permissions: Mapping[str, str] = field(
        default_factory=lambda: {
            "metadata": "read",
            "issues": "write",
            "pull_requests": "write",
            "contents": "write",
            "actions": "write",
            "checks": "read",
            "members": "read",
        }
    )
    token_lifetime: float = 3600.0


@dataclass(frozen=True, slots=True)
class OAuthApp:
    """An app that users authorize. With `expires_in` its tokens expire and come with a refresh token.

    `device_flow` is the switch in the app's settings, which is off for a new app.
    """

    client_id: str
    client_secret: str = field(repr=False)
    login: str = "acme-bot"
    redirect_uri: str | None = None
    expires_in: int | None = 28800
    device_flow: bool = False


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a request comes from. `key` is what rate limits count by."""

    kind: Literal["anonymous", "user", "installation", "app"]
    key: str
    login: str = ""
    scopes: frozenset[str] | None = None
    permissions: Mapping[str, str] | None = None
    repositories: frozenset[int] | None = None
    everything: bool = False
    app: App | None = None
    installation: Installation | None = None

    def sees(self, world: World, repository: Repository) -> bool:
        """Whether the repository exists for this caller."""
        if not repository.private or self.everything:
            return True
        if self.kind == "installation":
            return self.repositories is not None and repository.id in self.repositories
        if self.kind != "user" or (self.scopes is not None and "repo" not in self.scopes):
            return False
        owner = repository.owner.login.lower()
        return owner == self.login or self.login in world.members.get(owner, {})

    def check(self, need: str, *, private: bool = True) -> None:
        """Refuse where the permission (`issues:write`) is missing, as GitHub refuses each kind of token."""
        name, _, level = need.partition(":")
        if self.permissions is not None:
            if _RANK.get(self.permissions.get(name, ""), 0) < _RANK[level] and need != "metadata:read":
                what = "integration" if self.kind == "installation" else "personal access token"
                raise forbidden(
                    f"Resource not accessible by {what}", {"x-accepted-github-permissions": f"{name}={level}"}
                )
        elif self.scopes is not None and not self._scoped(name, level, private=private):
            raise forbidden("Must have admin rights to Repository.")
        elif self.kind in {"anonymous", "app"} and level != "read":
            raise unauthorized("Requires authentication")

    def _scoped(self, name: str, level: str, *, private: bool) -> bool:
        scopes = self.scopes or frozenset()
        if name == "members":
            return bool(scopes & {"read:org", "write:org", "admin:org"})
        if name == "notifications":
            return bool(scopes & {"notifications", "repo"})
        if name == "workflows":
            return "workflow" in scopes
        return (level == "read" and not private) or bool(scopes & ({"repo"} if private else {"repo", "public_repo"}))


class Access:
    """All credentials that are good now. Tokens that apps and refreshes make are added here."""

    def __init__(self, tokens: Mapping[str, Token], apps: Mapping[str, App]) -> None:
        self.tokens: dict[str, Token] = dict(tokens)
        self.installation_tokens: dict[str, tuple[Caller, float]] = {}
        self._apps = apps

    def caller(self, header: str | None, now: float) -> Caller:
        """Return who shows this Authorization header. Raises a 401 refusal."""
        if header is None:
            return Caller("anonymous", "anonymous", scopes=frozenset())
        scheme, _, value = header.partition(" ")
        if scheme.lower() not in {"bearer", "token"} or not value:
            raise unauthorized()
        if value in self.tokens:
            return self._user(self.tokens[value], now)
        if value in self.installation_tokens:
            caller, expires_at = self.installation_tokens[value]
            if expires_at > now:
                return caller
        if value.count(".") == 2:
            return self._app(value, now)
        raise unauthorized()

    def _user(self, token: Token, now: float) -> Caller:
        if token.expires_at is not None and token.expires_at <= now:
            raise unauthorized()
        scopes = None if token.permissions is not None else token.scopes
        login = token.login.lower()
        return Caller("user", login, login, scopes, token.permissions, everything=token.everything)

    def _app(self, assertion: str, now: float) -> Caller:
        for app in self._apps.values():
            try:
                claims = jwt.decode(assertion, RSAKey.import_key(app.public_key), algorithms=["RS256"]).claims
            except (JoseError, ValueError):
                continue
            if str(claims.get("iss")) not in {str(app.id), app.client_id}:
                continue
            _check_times(claims, now)
            return Caller("app", f"app-{app.id}", app=app)
        raise unauthorized("A JSON web token could not be decoded")


def _check_times(claims: Mapping[str, object], now: float) -> None:
    exp, iat = claims.get("exp"), claims.get("iat")
    if not isinstance(exp, int | float) or exp <= now:
        raise unauthorized("'Expiration time' claim ('exp') must be a numeric value representing the future time")
    if exp > now + 600 + 5:
        raise unauthorized("'Expiration time' claim ('exp') is too far in the future")
    if not isinstance(iat, int | float) or iat > now + 5:
        raise unauthorized("'Issued at' claim ('iat') must be an Integer representing the time it was issued")
