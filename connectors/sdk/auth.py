"""How a connection proves itself to its vendor, as data. The package `credentials` carries the methods out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class StaticToken:
    """A token that a person pasted. Never refreshed."""

    id: str = "token"
    title: str = "Access token"
    header: str = "authorization"
    form: str = "Bearer {token}"


@dataclass(frozen=True, slots=True)
class OAuthUser:
    """OAuth 2.0 on behalf of a user: a pair of access and refresh token.

    URLs may hold `{origin}`, the connection's web origin. `single_use_refresh` says that the vendor ends a
    refresh token when it is used; `error_in_success` that its token endpoint answers errors with status 200.
    """

    authorize_url: str
    token_url: str
    id: str = "oauth"
    title: str = "OAuth"
    header: str = "authorization"
    form: str = "Bearer {token}"
    single_use_refresh: bool = True
    error_in_success: bool = False
    revoke_url: str | None = None


@dataclass(frozen=True, slots=True)
class AppInstallation:
    """An app's signed assertion, exchanged for a short-lived installation token.

    `exchange_path` is below the connection's API root and may hold `{installation_id}`. The credential holds
    `app_id`, `installation_id` and `private_key` (PEM).
    """

    exchange_path: str
    id: str = "app"
    title: str = "App installation"
    header: str = "authorization"
    form: str = "Bearer {token}"
    algorithm: str = "RS256"
    assertion_lifetime: timedelta = timedelta(minutes=9)
    clock_drift: timedelta = timedelta(seconds=60)
    revoke_path: str | None = None


AuthMethod = StaticToken | OAuthUser | AppInstallation

MissingScopes = Callable[[str, frozenset[str], frozenset[str]], frozenset[str]]


def missing_by_equality(method: str, granted: frozenset[str], needed: frozenset[str]) -> frozenset[str]:
    """Return the needed vendor scopes that are not literally granted."""
    del method
    return needed - granted


@dataclass(frozen=True, slots=True)
class Account:
    """The vendor's own name of whom a credential belongs to."""

    id: str
    label: str
    granted: frozenset[str] | None = None  # vendor scopes, where the vendor tells
    details: Mapping[str, str] = field(default_factory=dict[str, str])
