"""A bearer token that is a signed JWT, before its signature is checked: bounded, strict, nothing of it believed.

Sources: RFC 7515 (JWS, compact form), RFC 7519 (JWT), RFC 8725 (best current practices), RFC 9068 (access tokens).
"""

import base64
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.federation.refusal import TokenRefused
from gateway.federation.strict_json import parse_object

MOST_CHARACTERS = 8192
LEEWAY_SECONDS = 60
ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"}
)
_PART = re.compile(r"[A-Za-z0-9_-]+")
# What would have a token name its own key, or change what is signed.
_REFUSED_HEADERS = ("jwk", "jku", "x5u", "crit", "b64")
_TYPES = frozenset({"jwt", "at+jwt", "application/jwt", "application/at+jwt"})
_LONGEST_NAME = 512


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it was shown. `signed` are the bytes that the signature is over; `expires_at` is Unix seconds."""

    algorithm: str
    kid: str | None
    claims: Mapping[str, Any]
    issuer: str
    audience: str
    expires_at: float
    signed: bytes
    signature: bytes

    def check_times(self, now: float) -> None:
        """Raise `TokenRefused` for a token that is over or has not begun, give or take a minute. `now` is Unix time."""
        if self.expires_at + LEEWAY_SECONDS <= now:
            raise TokenRefused("it has expired")
        for name in ("nbf", "iat"):
            if name in self.claims and _time(self.claims, name) - LEEWAY_SECONDS > now:
                raise TokenRefused(f"its {name} is in the future")


def is_token(bearer: str) -> bool:
    """Whether a bearer credential has the form of a signed JWT. Keys of agents hold no dot."""
    return bearer.count(".") == 2


def read_token(text: str) -> Token:
    """Return the parts of a token. Raises `TokenRefused`."""
    if len(text) > MOST_CHARACTERS:
        raise TokenRefused("it is too long")
    head, body, signature = text.split(".")
    header = _object(head, "header")
    claims = _object(body, "body")
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise TokenRefused("its algorithm is not one that is taken")
    for name in _REFUSED_HEADERS:
        if name in header:
            raise TokenRefused(f"its header has {name}")
    if not isinstance(header.get("typ", "JWT"), str) or header.get("typ", "JWT").lower() not in _TYPES:
        raise TokenRefused("its type is not that of an access token")
    if kid is not None and not (isinstance(kid, str) and len(kid) <= _LONGEST_NAME):
        raise TokenRefused("its key id cannot be read")
    if "cnf" in claims:
        raise TokenRefused("it is bound to a key that a bearer token does not show")
    return Token(
        algorithm=algorithm,
        kid=kid,
        claims=claims,
        issuer=_name(claims.get("iss"), "iss"),
        audience=_audience(claims.get("aud")),
        expires_at=_time(claims, "exp"),
        signed=f"{head}.{body}".encode(),
        signature=_decoded(signature, "signature"),
    )


def _object(part: str, what: str) -> dict[str, Any]:
    raw = _decoded(part, what)
    try:
        return parse_object(raw)
    except ValueError as error:
        raise TokenRefused(f"its {what} {error}") from None


def _decoded(part: str, what: str) -> bytes:
    if not _PART.fullmatch(part) or len(part) % 4 == 1:
        raise TokenRefused(f"its {what} is not base64url")
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _audience(value: object) -> str:
    """Return the one audience. A token for several could be shown here by any of the others."""
    if isinstance(value, list):
        if len(value) != 1:
            raise TokenRefused("it is for several audiences, or for none")
        value = value[0]
    return _name(value, "aud")


def _name(value: object, claim: str) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= _LONGEST_NAME:
        raise TokenRefused(f"its {claim} is missing or cannot be read")
    return value


def _time(claims: Mapping[str, Any], claim: str) -> float:
    value = claims.get(claim)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TokenRefused(f"its {claim} is missing or is no time")
    try:
        seconds = float(value)
    except OverflowError:
        raise TokenRefused(f"its {claim} is no time") from None
    if not math.isfinite(seconds):
        raise TokenRefused(f"its {claim} is no time")
    return seconds
