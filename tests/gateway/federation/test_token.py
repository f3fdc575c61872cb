"""What is read of a token before any key is looked at."""

import base64
from typing import Any

import orjson
import pytest

from gateway.federation.refusal import TokenRefused
from gateway.federation.token import MOST_CHARACTERS, is_token, read_token

CLAIMS = {"iss": "https://login.example", "aud": "gatehouse", "exp": 2_000_000_000}
HEADER = {"alg": "ES256", "kid": "k1"}


def encoded(value: Any) -> str:
    raw = value if isinstance(value, bytes) else orjson.dumps(value)
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def token(header: Any = HEADER, claims: Any = CLAIMS, signature: str = "c2ln") -> str:
    return f"{encoded(header)}.{encoded(claims)}.{signature}"


def test_a_good_token_is_read() -> None:
    read = read_token(token())
    assert (read.issuer, read.audience, read.kid, read.algorithm) == (CLAIMS["iss"], "gatehouse", "k1", "ES256")
    assert read.signed == token().rpartition(".")[0].encode()


def test_keys_of_agents_are_no_tokens() -> None:
    assert not is_token("ghk_01kd3x3q0m6q5v0f6h3v9s5t2a_secret-of-32-characters")
    assert is_token(token())


@pytest.mark.parametrize(
    "header",
    [
        HEADER | {"alg": "none"},
        HEADER | {"alg": "None"},
        HEADER | {"alg": "HS256"},
        HEADER | {"alg": "HS512"},
        HEADER | {"alg": "ES256K"},
        HEADER | {"alg": ["ES256"]},
        {"kid": "k1"},
        HEADER | {"jwk": {"kty": "EC"}},
        HEADER | {"jku": "https://evil.example/keys"},
        HEADER | {"x5u": "https://evil.example/cert"},
        HEADER | {"crit": ["exp"]},
        HEADER | {"b64": False},
        HEADER | {"typ": "logout+jwt"},
        HEADER | {"typ": 7},
        HEADER | {"kid": 7},
        HEADER | {"kid": "k" * 600},
        [HEADER],
        b'{"alg":"ES256","alg":"none"}',
        b"\xff\xfe",
        b"",
    ],
)
def test_a_header_that_is_not_one_of_ours_is_refused(header: Any) -> None:
    with pytest.raises(TokenRefused):
        read_token(token(header=header))


@pytest.mark.parametrize(
    "claims",
    [
        {**CLAIMS, "iss": 7},
        {**CLAIMS, "iss": ""},
        {**CLAIMS, "iss": "x" * 600},
        {**CLAIMS, "aud": ["gatehouse", "other"]},
        {**CLAIMS, "aud": []},
        {**CLAIMS, "aud": [["gatehouse"]]},
        {**CLAIMS, "aud": {"gatehouse": 1}},
        {**CLAIMS, "exp": "2000000000"},
        {**CLAIMS, "exp": True},
        {**CLAIMS, "exp": None},
        {"iss": "https://login.example", "aud": "gatehouse"},
        {"iss": "https://login.example", "exp": 2_000_000_000},
        {"aud": "gatehouse", "exp": 2_000_000_000},
        {**CLAIMS, "cnf": {"jkt": "thumbprint"}},
        b'{"iss":"https://login.example","aud":"gatehouse","exp":1e999}',
        b'{"iss":"https://login.example","aud":"gatehouse","exp":NaN}',
        b'{"iss":"https://login.example","aud":"gatehouse","exp":' + b"9" * 5000 + b"}",
        b'{"iss":"https://login.example","aud":"gatehouse","exp":' + b"9" * 1000 + b"}",
        b'{"iss":"https://login.example","aud":"other","aud":"gatehouse","exp":2000000000}',
        b'{"iss":"https://login.example","aud":"gatehouse","exp":2000000000,"x":{"a":1,"a":2}}',
        b"[" * 5000,
        b"null",
        b"{",
    ],
)
def test_claims_that_readers_may_take_in_two_ways_are_refused(claims: Any) -> None:
    with pytest.raises(TokenRefused):
        read_token(token(claims=claims))


@pytest.mark.parametrize(
    "text", ["..", "a..b", ".a.b", "a.b.", "a b.c.d", "e30.e30.e30=", "e30.e3.e30+", "ä.b.c", "a.b.c\n"]
)
def test_what_is_no_token_at_all_is_refused(text: str) -> None:
    with pytest.raises(TokenRefused):
        read_token(text)


def test_a_token_over_its_bound_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(TokenRefused, match="too long"):
        read_token(token(claims={**CLAIMS, "x": "y" * MOST_CHARACTERS}))


def test_one_audience_may_stand_in_a_list() -> None:
    assert read_token(token(claims={**CLAIMS, "aud": ["gatehouse"]})).audience == "gatehouse"


@pytest.mark.parametrize(
    ("claims", "good"),
    [
        ({"exp": 1000}, True),
        ({"exp": 941}, True),
        ({"exp": 940}, False),
        ({"exp": 2000, "nbf": 1060}, True),
        ({"exp": 2000, "nbf": 1061}, False),
        ({"exp": 2000, "iat": 1060}, True),
        ({"exp": 2000, "iat": 1061}, False),
        ({"exp": 2000.5, "iat": 999.5}, True),
    ],
)
def test_times_have_a_minute_of_leeway_and_no_more(claims: dict[str, float], good: bool) -> None:
    read = read_token(token(claims={**CLAIMS, **claims}))
    if good:
        read.check_times(1000)
    else:
        with pytest.raises(TokenRefused):
            read.check_times(1000)


def test_a_refusal_quotes_nothing_of_the_token() -> None:
    for text in (token(claims=b'{"secret-claim'), token(claims={**CLAIMS, "exp": "secret-claim"})):
        with pytest.raises(TokenRefused) as refused:
            read_token(text)
        assert "secret" not in str(refused.value)
        assert refused.value.__cause__ is None
