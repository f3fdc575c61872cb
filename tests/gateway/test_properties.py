"""Properties of digests, path templates, cursors, bodies and ids."""

import base64
import json
from hashlib import sha256
from typing import Any
from urllib.parse import unquote, urlsplit

import orjson
import pytest
import rfc8785
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from yarl import URL

from connectors.sdk.errors import InvalidCursor, InvalidInput, MalformedRequest
from connectors.sdk.path import fill
from gateway import body
from gateway.cursor import Cursors
from gateway.ids import new_id
from gateway.ledger.bodies import Bodies, Unreadable

LIMIT = 2**53 - 1
TEXT = st.text(alphabet=st.characters(codec="utf-8"), max_size=12)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-LIMIT, LIMIT)
    | st.floats(allow_nan=False, allow_infinity=False, width=64)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_the_fast_way_to_the_canonical_form_is_rfc8785(value: Any) -> None:
    assert body.canonical(value) == rfc8785.dumps(value)
    assert body.digest(value) == sha256(rfc8785.dumps([value])).hexdigest()


@given(st.dictionaries(TEXT, VALUES, max_size=5), st.randoms())
def test_the_order_of_members_does_not_matter(value: dict[str, Any], random: Any) -> None:
    members = list(value.items())
    random.shuffle(members)
    assert body.digest(dict(members)) == body.digest(value)


@given(VALUES, VALUES)
def test_different_values_have_different_digests(one: Any, two: Any) -> None:
    same = rfc8785.dumps(one) == rfc8785.dumps(two)
    assert (body.digest(one) == body.digest(two)) == same
    assert body.digest(one, two) != body.digest([one, two])


@given(st.dictionaries(TEXT, VALUES, max_size=5))
def test_what_is_taken_is_what_the_standard_parser_reads(value: dict[str, Any]) -> None:
    raw = orjson.dumps(value)
    try:
        parsed = body.parse(raw)
    except MalformedRequest:
        assume(False)
    assert parsed == json.loads(raw) == value
    assert body.parse(json.dumps(value).encode()) == value


@given(st.binary(max_size=60) | st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_a_body_is_read_or_refused_and_nothing_else(raw: bytes) -> None:
    try:
        parsed = body.parse(raw)
    except MalformedRequest:
        return
    assert json.loads(raw) == parsed


KEYS = st.lists(st.sampled_from(["a", "b", "a:b", "\\u0061", "é", "a\\\\"]), min_size=1, max_size=4)


@given(KEYS, st.sampled_from(["1", '"x:y"', "{}", '{"a":1}', '"\\u003a"']))
def test_a_duplicate_key_is_refused_however_it_is_spelled(keys: list[str], value: str) -> None:
    raw = ("{" + ",".join(f'"{key}":{value}' for key in keys) + "}").encode()
    plain = [json.loads(f'"{key}"') for key in keys]
    if len(set(plain)) == len(plain):
        assert body.parse(raw) == json.loads(raw)
    else:
        with pytest.raises(MalformedRequest):
            body.parse(raw)


@given(st.text(max_size=30))
def test_a_path_value_never_leaves_its_segment(value: str) -> None:
    try:
        path = fill("/repos/{owner}/items/{name}/end", {"owner": "acme", "name": value})
    except (InvalidInput, UnicodeEncodeError):
        return
    assert path.isascii()
    segments = path.split("/")
    assert segments[:4] == ["", "repos", "acme", "items"]
    assert segments[5:] == ["end"]
    assert unquote(segments[4]) == value
    assert not set(path) & set("?#\\ \r\n\t")
    url = "https://api.example" + path
    assert urlsplit(url).path == path
    assert URL(url, encoded=True).raw_path == path
    assert ".." not in unquote(unquote(segments[4])).replace("\\", "/").split("/")


@given(st.text(max_size=30))
def test_a_value_of_many_segments_never_climbs(value: str) -> None:
    try:
        path = fill("/contents/{path+}", {"path": value})
    except (InvalidInput, UnicodeEncodeError):
        return
    parts = path.removeprefix("/contents/").split("/")
    assert [unquote(part) for part in parts] == value.split("/")
    assert not {"", ".", ".."} & {unquote(unquote(part)) for part in parts}
    assert str(URL("https://x" + path, encoded=True).raw_path) == path


@given(st.sampled_from(["..", ".", "", "%2e%2e", "%252e%252e", "%25252e%25252e", "..%2f", "a/..", "..\\x", "%2e%2e/x"]))
def test_every_spelling_of_a_dot_segment_is_refused(value: str) -> None:
    with pytest.raises(InvalidInput):
        fill("/x/{name}", {"name": value})


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


SEALED = st.text(alphabet=st.characters(codec="utf-8"), max_size=40)


@given(SEALED, SEALED, SEALED)
def test_a_cursor_opens_for_its_binding_only(plain: str, binding: str, other: str) -> None:
    cursors = Cursors(bytes(32), Clock())
    cursor = cursors.seal(plain, binding)
    assert cursors.open(cursor, binding) == plain
    if other != binding:
        with pytest.raises(InvalidCursor):
            cursors.open(cursor, other)
    with pytest.raises(InvalidCursor):
        Cursors(b"\x01" * 32, Clock()).open(cursor, binding)


@given(SEALED, st.data())
def test_any_change_of_a_cursor_is_found(plain: str, data: st.DataObject) -> None:
    cursors = Cursors(bytes(32), Clock())
    cursor = cursors.seal(plain, "b")
    place = data.draw(st.integers(0, len(cursor)))
    extra = data.draw(st.text(max_size=3))
    changed = data.draw(
        st.sampled_from([cursor[:place] + extra + cursor[place:], cursor[:place] + extra + cursor[place + 1 :]])
    )
    assume(changed != cursor)
    with pytest.raises(InvalidCursor):
        cursors.open(changed, "b")


@given(st.binary(max_size=60))
def test_what_was_never_sealed_is_no_cursor(raw: bytes) -> None:
    with pytest.raises(InvalidCursor):
        Cursors(bytes(32), Clock()).open(base64.urlsafe_b64encode(raw).decode().rstrip("="), "b")


def test_a_cursor_ends_after_a_day() -> None:
    clock = Clock()
    cursors = Cursors(bytes(32), clock)
    cursor = cursors.seal("x", "b")
    clock.now += 24 * 3600
    assert cursors.open(cursor, "b") == "x"
    clock.now += 1
    with pytest.raises(InvalidCursor):
        cursors.open(cursor, "b")


@given(st.binary(max_size=64), SEALED, SEALED, st.data())
def test_a_body_opens_in_its_own_row_and_unchanged_only(
    plain: bytes, row: str, other: str, data: st.DataObject
) -> None:
    bodies = Bodies()
    bodies.take("t", 1, bytes(32))
    bodies.take("u", 1, bytes([1]) * 32)
    sealed = bodies.seal_bytes("t", row, plain)
    assert bodies.open_bytes("t", row, sealed) == plain
    assert plain not in sealed or len(plain) < 4
    place = data.draw(st.integers(0, len(sealed) - 1))
    changed = bytearray(sealed)
    changed[place] ^= data.draw(st.integers(1, 255))
    for tenant, where, what in (("t", row, bytes(changed)), ("u", row, sealed), ("t", row, sealed[:place])):
        with pytest.raises(Unreadable):
            bodies.open_bytes(tenant, where, what)
    if other != row:
        with pytest.raises(Unreadable):
            bodies.open_bytes("t", other, sealed)


@settings(max_examples=20)
@given(st.integers(2, 2000))
def test_ids_sort_by_time_and_are_never_the_same(count: int) -> None:
    ids = [new_id("call") for _ in range(count)]
    assert ids == sorted(ids)
    assert len(set(ids)) == count
    assert all(len(id) == 31 and id.startswith("call_") for id in ids)


@given(VALUES)
def test_pointers_are_escaped_so_that_they_lead_back(value: Any) -> None:
    from gateway.output import page

    def pointers(found: Any, at: str = "") -> list[tuple[str, Any]]:
        below = found.items() if isinstance(found, dict) else enumerate(found) if isinstance(found, list) else ()
        return [(at, found), *(p for key, item in below for p in pointers(item, f"{at}/{body.escape(str(key))}"))]

    for pointer, found in pointers(value):
        if pointer == "/" or isinstance(found, dict | list | str):
            continue
        assert page(value, pointer, 0, 1) == ([found], None)
