"""Nothing of anybody's survives redaction, and what comes out has the shape of what went in."""

import base64
import re
from datetime import date
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connectors.sdk.hosts import HostPattern
from gateway.redaction import Redactor

WORDS = {"open", "closed", "User", "issues", "api", "v2"}
NAMES = {"id", "name", "url", "body", "state"}
HOSTS = [HostPattern("api.github.com"), HostPattern("*.zendesk.com")]

LETTERS = st.text(st.characters(categories=["Lu", "Ll", "Lo"]), min_size=4, max_size=12)
CANARIES = st.one_of(
    LETTERS,
    st.tuples(LETTERS, LETTERS).map(" ".join),
    st.from_regex(r"[a-z]{4,8}\.[a-z]{4,8}@[a-z]{4,8}\.(com|de)", fullmatch=True),
    st.from_regex(r"\+49 [0-9]{3} [0-9]{6}", fullmatch=True),
    st.from_regex(r"gh[pus]_[A-Za-z0-9]{36}", fullmatch=True),
    st.from_regex(r"[0-9a-f]{40}", fullmatch=True),
    st.integers(10_000, 10**15).map(str),
)
PLACES = [
    lambda canary: canary,
    lambda canary: f"Please ask {canary} about it.",
    lambda canary: f"https://acme.zendesk.com/api/v2/users/{canary.replace(' ', '%20')}.json?name={canary}",
    lambda canary: f"https://{re.sub('[^a-z0-9]', '', canary.lower()) or 'x'}.example/x",
    lambda canary: base64.b64encode(f"Written by {canary}, in a file of some length.".encode()).decode(),
    lambda canary: [canary, {"name": {"deep": canary}}],
    lambda canary: {canary: 1},
]


def redactor(**more: Any) -> Redactor:
    return Redactor(WORDS, NAMES, HOSTS, **more)


@settings(derandomize=True)  # one made-up word in a million is the canary's
@given(CANARIES, st.sampled_from(range(len(PLACES))))
@example("Ana Ortiz", 4)
@example("𝔄𝔫𝔞𝔄", 1)
def test_nothing_of_anybodys_survives(canary: str, place: int) -> None:
    if canary in WORDS:
        return
    given = {"body": PLACES[place](canary), "id": 7}

    made = orjson.dumps(redactor(key=b"k" * 32).value(given)).decode()

    plain = made + "".join(
        base64.b64decode(found).decode(errors="replace") for found in re.findall(r'"([A-Za-z0-9+/]{40,}=*)"', made)
    )
    assert canary.casefold() not in plain.casefold()
    left = set(re.findall(r"[^\W_]+", plain.casefold()))
    assert not left & {word.casefold() for word in re.findall(r"[^\W_]{4,}", canary) if "@" not in canary}


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(10**12), 10**12)
        | st.floats(allow_nan=False, allow_infinity=False, width=32)
        | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(sorted(NAMES)), inner, max_size=4),
        max_leaves=12,
    )
)
def test_a_value_keeps_its_shape(value: object) -> None:
    def shape(one: object) -> object:
        if isinstance(one, dict):
            return {name: shape(item) for name, item in one.items()}
        return [shape(item) for item in one] if isinstance(one, list) else type(one)

    assert shape(redactor().value(value)) == shape(value)


@pytest.mark.parametrize(
    ("text", "like"),
    [
        ("Ana Ortiz", r"[A-Z][a-z]{2} [A-Z][a-z]{4}"),
        ("OPS-12", r"[A-Z]{3}-12"),
        ("t12345", r"t\d{5}"),
        ("e83c5163316f89bfbde7d9ab23ca2e25604af290", r"[0-9a-f]{40}"),
        ("9dd0f3b2-5d4f-4a51-8c7c-1c5a6e0c1234", r"[a-z0-9]{8}(-[a-z0-9]{4}){3}-[a-z0-9]{12}"),
        ("ana@acme.example", r"[a-z]{3}@example\.com"),
        ("https://api.github.com/issues/12", r"https://api\.github\.com/issues/12"),
        ("https://acme.zendesk.com/api/v2/x", r"https://[a-z]{4}\.zendesk\.com/api/v2/[a-z]"),
        ("2026-01-31T12:00:00Z", r"20\d\d-\d\d-\d\dT12:00:00Z"),
        ("+49 30 123456", r"\+\d\d \d\d \d{6}"),
        ("open", r"open"),
        ("", r""),
    ],
)
def test_a_text_is_replaced_by_one_of_the_same_shape(text: str, like: str) -> None:
    made = redactor().text(text)

    assert re.fullmatch(like, made)
    assert made != text or text in WORDS or text in {"", "https://api.github.com/issues/12"}


def test_the_same_word_is_the_same_everywhere_whatever_its_case() -> None:
    one = redactor()

    path, body = one.target("/repos/acme/web"), one.value({"name": "acme", "url": "https://api.github.com/acme"})

    assert isinstance(body, dict)
    word = body["name"]
    assert path.split("/")[2] == word
    assert body["url"] == f"https://api.github.com/{word}"
    assert one.text("ACME") == word.upper()
    assert one.value(123456) == int(one.text("123456"))


def test_two_recordings_do_not_tell_of_each_other() -> None:
    assert redactor().text("Ana Ortiz") != redactor().text("Ana Ortiz")


def test_times_are_moved_together() -> None:
    one = redactor()

    early, late = one.text("2026-01-01"), one.text("2026-01-31T08:00:00Z")

    assert (date.fromisoformat(late[:10]) - date.fromisoformat(early)).days == 30
    assert early < "2025-01-01"


def test_it_tells_what_it_replaced_and_what_it_kept() -> None:
    one = redactor()
    one.value({"name": "Ana", "state": "open", "url": "https://api.github.com/x", "body": "ask ana@acme.example"})

    assert one.kept == {"open"}
    assert {"URLs", "e-mail addresses", "words"} <= one.replaced.keys()
