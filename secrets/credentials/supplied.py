"""What an admin supplies for a connection, checked per method. Messages name fields and never their values."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from connectors.sdk.auth import (
    AppInstallation,
    Assertion,
    AuthMethod,
    BasicToken,
    ClientCredentials,
    JwtBearer,
    OAuthUser,
    SignedToken,
    StaticToken,
    fields_in,
)
from connectors.sdk.errors import InvalidInput, Issue
from credentials.assertion import private_key, thumbprint
from credentials.certificate import CHAIN, KEY, KeyUnreadable, chain_of, check_pair
from credentials.store import Credential
from credentials.token import usable

_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_NUMBER = re.compile(r"[A-Za-z0-9_-]{1,64}")
_Check = Callable[[str], str | None]


def check_fields(method: AuthMethod, fields: Mapping[str, object]) -> Credential:
    """Return a credential that was not stored yet. Raises `InvalidInput` with a pointer for each fault.

    Unknown fields are refused: a misspelt `refresh_token` would be found out only when the token expires.
    """
    required, optional = _fields(method)
    known = {**required, **optional, **_TLS}
    issues = [
        Issue(f"is not a field of {method.title}; known are {', '.join(known)}", pointer=f"/{_escaped(name)}")
        for name in fields
        if name not in known
    ]
    taken: dict[str, str] = {}
    for name, check in known.items():
        value = fields.get(name)
        if value is None:
            if name in required:
                issues.append(Issue("is missing", pointer=f"/{name}"))
            continue
        fault = check(value) if isinstance(value, str) else "must be a string"
        if fault:
            issues.append(Issue(fault, pointer=f"/{name}"))
        elif isinstance(value, str):
            taken[name] = _normal(name, value)
    issues += _pair_issue(fields, taken)
    if isinstance(method, OAuthUser) and "refresh_token" in taken and "client_id" not in fields:
        issues.append(Issue("is missing: a refresh token is used together with it", pointer="/client_id"))
    if issues:
        raise InvalidInput(f"The credential does not fit {method.title}.", issues=issues)
    return Credential(method=method.id, fields=taken)


def is_client(method: AuthMethod, fields: Mapping[str, object]) -> bool:
    """Whether the fields hold only the client with which a person can be asked to authorize."""
    return isinstance(method, OAuthUser) and "client_id" in fields and fields.keys() <= _CLIENT.keys()


def check_client(method: OAuthUser, fields: Mapping[str, object]) -> dict[str, str]:
    """Return client id and secret, and its certificate. Raises `InvalidInput` with a pointer for each fault."""
    taken: dict[str, str] = {}
    issues: list[Issue] = []
    for name, check in _CLIENT.items():
        value = fields.get(name)
        if isinstance(value, str):
            fault = check(value)
            if fault is None:
                taken[name] = value
        elif value is None:
            fault = "is missing" if name == "client_id" else None
        else:
            fault = "must be a string"
        if fault:
            issues.append(Issue(fault, pointer=f"/{name}"))
    issues += _pair_issue(fields, taken)
    if method.client_auth == "certificate" and CHAIN not in fields:
        issues.append(Issue("is missing: it is how the client proves itself", pointer=f"/{CHAIN}"))
    if issues:
        raise InvalidInput(f"The client does not fit {method.title}.", issues=issues)
    return taken


def required_fields(method: AuthMethod) -> frozenset[str]:
    """Return the fields that every credential of the method has."""
    return frozenset(_fields(method)[0])


def _token_fault(value: str) -> str | None:
    if usable(value) is None:
        return "must be visible ASCII characters without spaces or line ends, at most 16384"
    return None


def _username_fault(value: str) -> str | None:
    if not 1 <= len(value) <= 255 or not value.isprintable() or ":" in value:
        return "must be 1 to 255 characters without colons and line ends"
    return None


def _secret_fault(value: str) -> str | None:
    if not 1 <= len(value) <= 4096 or not value.isprintable():
        return "must be 1 to 4096 characters without line ends"
    return None


def _id_fault(value: str) -> str | None:
    return None if _ID.fullmatch(value) else "must be letters, digits, `.`, `_` and `-`"


def _number_fault(value: str) -> str | None:
    return None if _NUMBER.fullmatch(value) else "must be the installation's id: letters, digits, `_` and `-`"


def _moment_fault(value: str) -> str | None:
    try:
        known = datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        known = False
    return None if known else "must be a time with its offset, such as 2026-01-31T12:00:00Z"


def _scope_fault(value: str) -> str | None:
    if not 1 <= len(value) <= 4096 or not value.isascii() or not value.isprintable():
        return "must be the vendor's scopes as one text, at most 4096 ASCII characters"
    return None


def _certificate_fault(value: str) -> str | None:
    try:
        thumbprint(value)
    except KeyUnreadable as error:
        return str(error)
    return None


def _chain_fault(value: str) -> str | None:
    try:
        chain_of(value)
    except KeyUnreadable as error:
        return str(error)
    return None


def _client_key_fault(value: str) -> str | None:
    return None if value.isascii() else "must be the private key as unencrypted PEM"


def _pair_issue(fields: Mapping[str, object], taken: Mapping[str, str]) -> list[Issue]:
    """Say what is wrong with a client certificate and its key together."""
    for name, other in ((CHAIN, KEY), (KEY, CHAIN)):
        if fields.get(name) is not None and fields.get(other) is None:
            return [Issue(f"is missing: {name} is used together with it", pointer=f"/{other}")]
    if CHAIN in taken and KEY in taken:
        try:
            check_pair(taken[CHAIN], taken[KEY])
        except KeyUnreadable as error:
            return [Issue(str(error), pointer=f"/{KEY}")]
    return []


def _key_of(algorithm: str) -> _Check:
    def fault(value: str) -> str | None:
        try:
            private_key(value, algorithm)
        except KeyUnreadable as error:
            return str(error)
        return None

    return fault


def _normal(name: str, value: str) -> str:
    return datetime.fromisoformat(value).astimezone(UTC).isoformat() if name == "expires_at" else value


def _escaped(name: str) -> str:
    return str(name)[:64].replace("~", "~0").replace("/", "~1")


# What TLS shows, whatever the method: both or none.
_TLS: Mapping[str, _Check] = {CHAIN: _chain_fault, KEY: _client_key_fault}
_CLIENT: Mapping[str, _Check] = {"client_id": _id_fault, "client_secret": _secret_fault, **_TLS}
CLIENT_FIELDS = tuple(_CLIENT)
_OAUTH: Mapping[str, _Check] = {"refresh_token": _token_fault, "expires_at": _moment_fault, **_CLIENT}
# Fields that assertions name, where they must be more than one line of text.
_NAMED: Mapping[str, _Check] = {
    "client_id": _id_fault,
    "app_id": _id_fault,
    "installation_id": _number_fault,
    "certificate": _certificate_fault,
}


def _fields(method: AuthMethod) -> tuple[Mapping[str, _Check], Mapping[str, _Check]]:
    """Return the fields that a credential of the method must have and those that it may have, with their checks."""
    match method:
        case StaticToken():
            return {"token": _token_fault}, {}
        case BasicToken():
            return {"username": _username_fault, "token": _token_fault}, {}
        case OAuthUser():
            return {"access_token": _token_fault}, _OAUTH
        case AppInstallation():
            return _signed(method.assertion, fields_in(method.exchange_path))
        case SignedToken():
            return _signed(method.assertion)
        case JwtBearer():
            required, optional = _signed(method.assertion)
        case ClientCredentials(client_auth=Assertion() as assertion):
            required, optional = _signed(assertion, fields_in(*method.params.values()))
        case ClientCredentials():
            named = {name: _NAMED.get(name, _secret_fault) for name in sorted(fields_in(*method.params.values()))}
            proof = _TLS if method.client_auth == "certificate" else {"client_secret": _secret_fault}
            required, optional = {"client_id": _id_fault, **proof, **named}, {}
    return required, {**optional, "scope": _scope_fault}


def _signed(assertion: Assertion, further: frozenset[str] = frozenset()) -> tuple[dict[str, _Check], dict[str, _Check]]:
    checks = {name: _NAMED.get(name, _username_fault) for name in sorted(assertion.fields | further)}
    required = {name: check for name, check in checks.items() if name not in assertion.optional}
    optional = {name: check for name, check in checks.items() if name in assertion.optional}
    return {**required, "private_key": _key_of(assertion.algorithm)}, optional
