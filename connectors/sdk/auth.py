"""How a connection proves itself to its vendor, as data. The package `credentials` carries the methods out.

Whatever the method, a credential may have a client certificate too (`client_certificate`, `client_key`), which TLS
shows to all of the vendor's hosts but those of downloads.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from connectors.sdk.hosts import HostPattern

_NAME = re.compile(r"\{([a-z_]+)\}")
Flow = Literal["code", "device"]  # how a person authorizes: in a browser that is sent there and back, or by a code
# What is known without the credential, or comes from its key: no fields of a credential.
_OURS = frozenset({"origin", "api_root", "token_url", "fingerprint"})


def fields_in(*templates: str) -> frozenset[str]:
    """Return the fields of a credential that templates name in braces."""
    return frozenset(name for text in templates for name in _NAME.findall(text)) - _OURS


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
    further constants of the authorize URL. `client_auth` says where the token endpoint wants client id and secret, or
    that it knows the client by its certificate (RFC 8705, section 2).
    `discover` says how the API's root is found once there is a token; without it, it is the connection's base URL.
    `issuer` is the `iss` that the vendor gives with a code (RFC 9207): where it is declared, an answer without it or
    with another is refused.

    With a `device_url` (may hold `{origin}`) a person can type a short code at the vendor instead of being sent there
    and back (RFC 8628): no callback address has to be registered. A vendor that has only this has no `authorize_url`.
    The page that it names for typing the code must be below the origin of one of these URLs, at a host that the
    connector declares, or at one of `device_hosts` (patterns; no token ever goes to those). A client with a secret
    proves itself at `device_url` too, as section 3.1 has it, unless `device_proof` is False: some want the id alone.
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
    client_auth: Literal["post", "basic", "json", "certificate"] = "post"
    pkce: bool = True
    discover: RootInToken | RootInList | None = None
    issuer: str | None = None
    device_url: str | None = None
    device_hosts: tuple[str, ...] = ()
    device_proof: bool = True

    def __post_init__(self) -> None:
        """Raise `ValueError` where nobody could be asked, or a host is no pattern."""
        if not self.authorize_url and self.device_url is None:
            raise ValueError(f"{self.id}: declare an authorize_url, a device_url or both")
        for host in self.device_hosts:
            HostPattern(host)

    @property
    def flows(self) -> tuple[Flow, ...]:
        """The ways in which a person can be asked, the usual one first."""
        code: tuple[Flow, ...] = ("code",) if self.authorize_url else ()
        return code if self.device_url is None else (*code, "device")


@dataclass(frozen=True, slots=True)
class Assertion:
    """What the credential's `private_key` (PEM) signs: a JWT (RFC 7523, section 3).

    Values may hold fields of the credential in braces, and `{origin}`, `{api_root}`, `{token_url}` and `{fingerprint}`
    (`SHA256:` and the Base64 digest of the public key). Every field that they name is one that the credential must
    have, or may have where `optional` names it: a claim that is empty without it is left out. `claims` are further
    ones. `lifetime` counts from the moment of signing; `clock_drift` is how far before that `iat` lies, and `longest`
    how much later than `iat` the vendor lets it end. `scoped` writes the scopes into the claims. With `certified` the
    credential has a `certificate` (PEM) too, whose thumbprint stands in the header (`x5t#S256`): Microsoft's apps.
    """

    issuer: str
    subject: str = ""
    audience: str = ""
    key_id: str = ""
    algorithm: str = "RS256"
    lifetime: timedelta = timedelta(minutes=3)
    clock_drift: timedelta = timedelta(0)
    longest: timedelta = timedelta(hours=1)
    single_use: bool = True
    scoped: bool = False
    certified: bool = False
    claims: Mapping[str, str] = field(default_factory=dict[str, str])
    optional: frozenset[str] = frozenset()

    @property
    def fields(self) -> frozenset[str]:
        """The credential's fields beside its key."""
        named = fields_in(self.issuer, self.subject, self.audience, self.key_id, *self.claims.values())
        return named | {"certificate"} if self.certified else named


@dataclass(frozen=True, slots=True)
class JwtBearer:
    """A signed assertion that is the grant (RFC 7523, section 2.1): Salesforce, Google's service accounts.

    `token_url` and `audience` may hold `{origin}`, the audience `{token_url}` too. The credential holds `private_key`
    and the fields that issuer, subject and `key_id` name: `client_id` and `username` by default. There is no refresh
    token: the next assertion is the renewal. `lifetime` is how long a token is taken to last where the answer does not
    say; the vendor's 401 ends it earlier. `scopes` are always asked for, with
    `oauth_scopes` also the least of OAuth for the vendor scopes that a connection's actions need; a credential with a
    `scope` of its own asks for that instead. `scopes_in` says where they are written. `discover` says where the answer
    names the API's root.
    `refusals` gives a reason for what the vendor writes as `error_description`, of which nothing else is ever shown.
    """

    token_url: str
    audience: str = "{token_url}"
    id: str = "jwt"
    title: str = "Signed assertion"
    header: str = "authorization"
    form: str = "Bearer {token}"
    issuer: str = "{client_id}"
    subject: str = "{username}"
    key_id: str = ""
    algorithm: str = "RS256"
    assertion_lifetime: timedelta = timedelta(minutes=3)
    clock_drift: timedelta = timedelta(0)
    claims: Mapping[str, str] = field(default_factory=dict[str, str])
    optional: frozenset[str] = frozenset()
    lifetime: timedelta | None = None
    scopes: frozenset[str] = frozenset()
    oauth_scopes: Callable[[frozenset[str]], frozenset[str]] | None = None
    scope_separator: str = " "
    scopes_in: Literal["form", "assertion"] = "form"
    discover: RootInToken | None = None
    revoke_url: str | None = None
    refusals: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def assertion(self) -> Assertion:
        """What is signed."""
        return Assertion(
            issuer=self.issuer,
            subject=self.subject,
            audience=self.audience,
            key_id=self.key_id,
            algorithm=self.algorithm,
            lifetime=self.assertion_lifetime,
            clock_drift=self.clock_drift,
            scoped=self.scopes_in == "assertion",
            claims=self.claims,
            optional=self.optional,
        )


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """A client on its own behalf (RFC 6749, section 4.4). There is no refresh token: asking again is the renewal.

    `client_auth` says how the client proves itself: with `client_id` and `client_secret` of the credential, with its
    `client_certificate` (RFC 8705, section 2), or with an `Assertion` that its `private_key` signs (RFC 7523, section
    2.2). The rest is as for `JwtBearer`.
    """

    token_url: str
    id: str = "client"
    title: str = "Client credentials"
    header: str = "authorization"
    form: str = "Bearer {token}"
    client_auth: Literal["post", "basic", "json", "certificate"] | Assertion = "basic"
    params: Mapping[str, str] = field(default_factory=dict[str, str])
    lifetime: timedelta | None = None
    scopes: frozenset[str] = frozenset()
    oauth_scopes: Callable[[frozenset[str]], frozenset[str]] | None = None
    scope_separator: str = " "
    discover: RootInToken | None = None
    revoke_url: str | None = None
    refusals: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class SignedToken:
    """A signed assertion that the API itself takes, without a token endpoint: Snowflake's key pairs."""

    assertion: Assertion
    id: str = "key_pair"
    title: str = "Key pair"
    header: str = "authorization"
    form: str = "Bearer {token}"


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
    longest: timedelta = timedelta(minutes=10)
    revoke_path: str | None = None

    @property
    def assertion(self) -> Assertion:
        """What is signed as the app."""
        return Assertion(
            issuer="{app_id}",
            algorithm=self.algorithm,
            lifetime=self.assertion_lifetime,
            clock_drift=self.clock_drift,
            longest=self.longest,
            single_use=False,
        )


Minted = AppInstallation | JwtBearer | ClientCredentials | SignedToken  # proofs that get a new token each time
AuthMethod = StaticToken | BasicToken | OAuthUser | Minted

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
