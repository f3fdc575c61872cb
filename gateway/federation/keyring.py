"""An issuer's public keys (RFC 7517), and signatures by them, which joserfc checks."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from gateway.federation.token import ALGORITHMS, Token

_MOST_KEYS = 100
_LEAST_RSA_BITS, _MOST_RSA_BITS = 2048, 8192
_LONGEST_NUMBER = 1400  # characters of base64url: a modulus of 8192 bits
_LONGEST_EXPONENT = 8
_BY_CURVE = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
_RSA = frozenset(name for name in ALGORITHMS if name[:2] in {"RS", "PS"})
_EDWARDS = frozenset({"EdDSA", "Ed25519"})


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """A public key and the algorithms that it is good for."""

    kid: str | None
    algorithms: frozenset[str]
    key: RSAKey | ECKey | OKPKey


class Keyring:
    """What an issuer signs with, as it was last read."""

    def __init__(self, keys: Sequence[IssuerKey]) -> None:
        self.keys = tuple(keys)

    def knows(self, token: Token) -> bool:
        """Whether there is a key that a token may mean. One that names none means the only one."""
        return bool(self._meant(token))

    def signed(self, token: Token) -> bool:
        """Whether a token bears the signature of the key that it names."""
        meant = [key for key in self._meant(token) if token.algorithm in key.algorithms]
        return any(_verified(token, key) for key in meant)

    def shown(self) -> list[dict[str, object]]:
        """Return what the keys are, for whoever sets an issuer up."""
        return [{"kid": key.kid, "algorithms": sorted(key.algorithms)} for key in self.keys]

    def _meant(self, token: Token) -> list[IssuerKey]:
        if token.kid is not None:
            return [key for key in self.keys if key.kid == token.kid]
        suited = [key for key in self.keys if token.algorithm in key.algorithms]
        return suited if len(suited) == 1 else []


def read_keyring(document: Mapping[str, Any]) -> Keyring:
    """Return the usable keys of a key set; others are passed over. Raises `ValueError` where there is none."""
    listed = document.get("keys")
    if not isinstance(listed, list):
        raise ValueError("its key set has no list of keys")
    read = [_key(cast("dict[str, Any]", one)) for one in listed[:_MOST_KEYS] if isinstance(one, dict)]
    found = [key for key in read if key is not None]
    if not found:
        raise ValueError("its key set has no key that signatures can be checked by")
    return Keyring(found)


def _key(jwk: Mapping[str, Any]) -> IssuerKey | None:
    """Return a key, None for one that is not for signatures, is of another kind, is weak or cannot be read."""
    kid, operations = jwk.get("kid"), jwk.get("key_ops", ["verify"])
    if jwk.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return None
    if kid is not None and not isinstance(kid, str):
        return None
    try:
        key, algorithms = _public(jwk)
    except (JoseError, ValueError, KeyError, TypeError):
        return None
    if "alg" in jwk:
        algorithms &= {str(jwk["alg"])}
    return IssuerKey(kid, algorithms, key) if algorithms else None


def _public(jwk: Mapping[str, Any]) -> tuple[RSAKey | ECKey | OKPKey, frozenset[str]]:
    """Return a key of its public members alone, and what it can check. Raises `ValueError`, `KeyError`, `JoseError`."""
    kind, curve = jwk["kty"], str(jwk.get("crv"))
    if kind == "RSA":
        _check_modulus(jwk["n"], jwk["e"])
        return RSAKey.import_key({"kty": "RSA", "n": jwk["n"], "e": jwk["e"]}), _RSA
    if kind == "EC" and curve in _BY_CURVE:
        key = ECKey.import_key({"kty": "EC", "crv": curve, "x": jwk["x"], "y": jwk["y"]})
        return key, frozenset({_BY_CURVE[curve]})
    if kind == "OKP" and curve == "Ed25519":
        return OKPKey.import_key({"kty": "OKP", "crv": curve, "x": jwk["x"]}), _EDWARDS
    raise ValueError("is of a kind that is not used")


def _check_modulus(modulus: str, exponent: str) -> None:
    if len(modulus) > _LONGEST_NUMBER or len(exponent) > _LONGEST_EXPONENT:
        raise ValueError("is longer than keys are")
    raw = base64.urlsafe_b64decode(modulus + "=" * (-len(modulus) % 4))
    if not _LEAST_RSA_BITS <= int.from_bytes(raw, "big").bit_length() <= _MOST_RSA_BITS:
        raise ValueError("is too short or too long")


def _verified(token: Token, key: IssuerKey) -> bool:
    try:
        return JWSRegistry.algorithms[token.algorithm].verify(token.signed, token.signature, key.key)
    except (JoseError, ValueError):
        return False
