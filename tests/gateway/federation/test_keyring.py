"""Key sets: what is used of one, and what is passed over."""

from dataclasses import replace
from typing import Any

import pytest
from joserfc.jwk import OctKey, OKPKey, RSAKey

from gateway.federation.keyring import read_keyring
from gateway.federation.token import read_token
from tests.gateway.federation.standin import Key, ec_key, signed

CLAIMS = {"iss": "https://login.example", "aud": "gatehouse", "exp": 2_000_000_000}
RSA = RSAKey.generate_key(2048, {"kid": "rsa"})  # once: to make one takes a while


def public(key: Any, **more: Any) -> dict[str, Any]:
    return {**key.as_dict(private=False), **more}


def token(key: Key, algorithm: str, kid: str | None = None) -> Any:
    header = {"alg": algorithm} | ({"kid": kid} if kid else {})
    return read_token(signed(key, header, CLAIMS))


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        *((RSA, name) for name in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")),
        (ec_key("a", "P-256"), "ES256"),
        (ec_key("a", "P-384"), "ES384"),
        (ec_key("a", "P-521"), "ES512"),
        (OKPKey.generate_key("Ed25519", {"kid": "a"}), "EdDSA"),
        (OKPKey.generate_key("Ed25519", {"kid": "a"}), "Ed25519"),
    ],
)
def test_every_algorithm_that_is_taken_is_checked(key: Any, algorithm: str) -> None:
    keyring = read_keyring({"keys": [public(key)]})
    good = token(key, algorithm, key.kid)
    assert keyring.signed(good)
    forged = read_token(signed(key, {"alg": algorithm, "kid": key.kid}, {**CLAIMS, "sub": "x"}))
    assert not keyring.signed(replace(good, signature=forged.signature))
    assert not keyring.signed(replace(good, signature=b""))


def test_a_key_is_used_for_its_own_algorithms_alone() -> None:
    key = ec_key("a")
    keyring = read_keyring({"keys": [public(RSA, alg="RS256"), public(key)]})
    assert keyring.signed(token(RSA, "RS256", "rsa"))
    assert not keyring.signed(token(RSA, "RS512", "rsa"))
    assert not keyring.signed(token(RSA, "PS256", "rsa"))
    assert not keyring.signed(read_token(signed(RSA, {"alg": "RS256", "kid": "a"}, CLAIMS)))


def test_a_token_without_a_key_id_means_the_only_key() -> None:
    one, two = ec_key("a"), ec_key("b")
    assert read_keyring({"keys": [public(one), public(RSA)]}).signed(token(one, "ES256"))
    both = read_keyring({"keys": [public(one), public(two)]})
    assert not both.knows(token(one, "ES256"))
    assert not both.signed(token(one, "ES256"))


@pytest.mark.parametrize(
    "jwk",
    [
        OctKey.generate_key(256).as_dict(),
        public(ec_key("a"), use="enc"),
        public(ec_key("a"), key_ops=["sign"]),
        public(ec_key("a"), key_ops="verify"),
        public(ec_key("a"), alg="HS256"),
        public(ec_key("a"), kid=7),
        public(ec_key("a"), x="AA"),
        public(ec_key("a"), crv="secp256k1"),
        public(OKPKey.generate_key("X25519")),
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        {"kty": "RSA", "n": "A" * 20_000, "e": "AQAB"},
        public(RSA, e="A" * 400),
        {"kty": "RSA", "n": 7, "e": 8},
        {"kty": "EC"},
        {},
    ],
)
def test_a_key_that_cannot_be_used_is_passed_over(jwk: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no key"):
        read_keyring({"keys": [jwk, "not even one", None]})
    good = ec_key("good")
    assert [key.kid for key in read_keyring({"keys": [jwk, public(good)]}).keys] == ["good"]


def test_a_private_member_is_not_taken_in() -> None:
    key = ec_key("a")
    keyring = read_keyring({"keys": [key.as_dict(private=True)]})
    assert not keyring.keys[0].key.is_private


@pytest.mark.parametrize("document", [{}, {"keys": {}}, {"keys": []}])
def test_a_key_set_without_keys_is_none(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        read_keyring(document)
