"""Signed assertions (RFC 7523, section 3; JWT of RFC 7519), by joserfc: what is signed is data of the auth method."""

import base64
import hashlib
import re
import uuid
from collections.abc import Mapping
from datetime import datetime

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_pem_x509_certificate
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from connectors.sdk.auth import Assertion
from credentials.certificate import KeyUnreadable
from credentials.token import Target

_NAME = re.compile(r"\{([a-z_]+)\}")
_SMALLEST_RSA = 2048
_CURVES: Mapping[str, str] = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
Key = RSAKey | ECKey


def private_key(pem: str, algorithm: str = "RS256") -> Key:
    """Load a key that signs by an algorithm. Raises `KeyUnreadable`."""
    curve = _CURVES.get(algorithm)
    kind = f"a private key on {curve}" if curve else "an RSA private key"
    try:
        key: Key = ECKey.import_key(pem) if curve else RSAKey.import_key(pem)
        if key.private_key is None:
            raise KeyUnreadable("it is a public key: supply the private key as PEM")
        if isinstance(key, RSAKey) and key.private_key.key_size < _SMALLEST_RSA:
            raise KeyUnreadable(f"it has fewer than {_SMALLEST_RSA} bits")
        if isinstance(key, ECKey) and key.curve_name != curve:
            raise KeyUnreadable(f"it is on another curve: supply {kind} as PEM")
    except (ValueError, TypeError, JoseError) as error:
        if isinstance(error, KeyUnreadable):
            raise
        raise KeyUnreadable(f"it cannot be read: supply {kind} as unencrypted PEM") from None
    return key


def sign(
    what: Assertion,
    fields: Mapping[str, str],
    now: datetime,
    *,
    target: Target,
    token_url: str = "",
    scope: str = "",
) -> str:
    """Return the assertion of a credential. `scope` is what is asked for, as one text. Raises `KeyUnreadable`."""
    key = private_key(fields["private_key"], what.algorithm)
    known = {
        **fields,
        "origin": target.origin,
        "api_root": target.api_root,
        "token_url": token_url,
        "fingerprint": _fingerprint(key),
    }
    issued = now - what.clock_drift
    times = {
        "iat": int(issued.timestamp()),
        "exp": int(min(now + what.lifetime, issued + what.longest).timestamp()),
    }
    named = {"iss": what.issuer, "sub": what.subject, "aud": what.audience, **what.claims}
    claims = {name: text for name, template in named.items() if (text := filled(template, known))}
    if what.single_use:
        claims["jti"] = str(uuid.uuid4())
    if what.scoped and scope:
        claims["scope"] = scope
    head = {"alg": what.algorithm, "typ": "JWT"}
    if key_id := filled(what.key_id, known):
        head["kid"] = key_id
    if what.certified:
        head["x5t#S256"] = thumbprint(fields["certificate"])
    return jwt.encode(head, {**claims, **times}, key, algorithms=[what.algorithm])


def thumbprint(pem: str) -> str:
    """Return a certificate's SHA-256 thumbprint (RFC 7515, section 4.1.8). Raises `KeyUnreadable`."""
    try:
        certificate = load_pem_x509_certificate(pem.encode())
    except ValueError:
        raise KeyUnreadable("it cannot be read: supply one certificate as PEM") from None
    digest = hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def filled(template: str, known: Mapping[str, str]) -> str:
    """Fill a template's names in braces. A field that the credential does not have is empty."""
    return _NAME.sub(lambda found: known.get(found[1], ""), template)


def _fingerprint(key: Key) -> str:
    public = key.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return "SHA256:" + base64.b64encode(hashlib.sha256(public).digest()).decode()
