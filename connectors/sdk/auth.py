"""How a connection proves itself to its vendor, as data. The package `credentials` carries the methods out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal


@dataclass(frozen=True, slots=True)
class StaticToken:
    """A token that a person pasted. Never refreshed."""

    id: str = "token"
    title: str = "Access token"
    header: str = "authorization"
    form: str = "Bearer {token}"


@dataclass(frozen=True, slots=True)
class BasicToken:
    """A token that is sent together with whose it is, as HTTP Basic (RFC 7617). Never refreshed.

    The credential holds `username` and `token`; `form` gets both, parted by a colon and in Base64.
    """

    id: str = "token"
    title: str = "API token"
    header: str = "authorization"
    form: str = "Basic {token}"


def same_scopes(needed: frozenset[str]) -> frozenset[str]:
    """Return what actions need as it is: the vendor's OAuth has the words that the actions are declared with."""
    return needed


@dataclass(frozen=True, slots=True)
class RootInToken:
    """The API's root stands in the token answer, such as Salesforce's `instance_url`."""

    member: str


@dataclass(frozen=True, slots=True)
class RootInList:
    """The API's root is one of a list that the vendor gives for a token, such as Atlassian's accessible resources.

    `url` answers a JSON array of objects; it may hold `{api}`, the origin of the vendor's API. `root` is the API root
    of one object, with its members in braces: `{api}/ex/jira/{id}`. `site` is the member with the address that
    people know, `title` the one with its name. `suits` leaves out objects of the vendor's other products.
    """

    url: str
    root: str
    site: str = "url"
    title: str = "name"
    suits: Callable[[Mapping[str, object]], bool] = bool


@dataclass(frozen=True, slots=True)
class OAuthUser:
    """OAuth 2.0 on behalf of a user: a pair of access and refresh token.

    URLs may hold `{origin}`, the connection's web origin. `single_use_refresh` says that the vendor ends a
    refresh token when it is used, `refresh_grace` how long after that its documentation still lets it be presented;
    `error_in_success` that its token endpoint answers errors with status 200.

    `revoke_url` may hold `{origin}`, `{api_root}` and `{client_id}`; `revoke_form` is how it is asked: by POST as RFC
    7009 has it, by DELETE with the access token itself, or by DELETE as the client with the access token in JSON.

    For the browser flow: `oauth_scopes` gives the least scopes of OAuth for the vendor scopes that actions need,
    `always_scopes` are asked for besides (`offline_access`), parted by `scope_separator`. `authorize_params` are
    further constants of the authorize URL. `client_auth` says where the token endpoint wants client id and secret.
    `discover` says how the API's root is found once there is a token; without it, it is the connection's base URL.
    `issuer` is the `iss` that the vendor gives with a code (RFC 9207): where it is declared, an answer without it or
    with another is refused.
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
    revoke_form: Literal["rfc7009", "by_token", "by_client"] = "rfc7009"
    refresh_grace: timedelta | None = None
    oauth_scopes: Callable[[frozenset[str]], frozenset[str]] = same_scopes
    always_scopes: frozenset[str] = frozenset()
    scope_separator: str = " "
    authorize_params: Mapping[str, str] = field(default_factory=dict[str, str])
    client_auth: Literal["post", "basic", "json"] = "post"
    pkce: bool = True
    discover: RootInToken | RootInList | None = None
    issuer: str | None = None


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


AuthMethod = StaticToken | BasicToken | OAuthUser | AppInstallation

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
