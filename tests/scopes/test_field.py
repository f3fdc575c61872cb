import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scopes import JSON, REDACTED, denied_paths, drop_fields, masked_input_paths, redact_fields

KEYS = ("a", "b", "c", "a.b", "x/y~z")
keys = st.sampled_from(KEYS)
values: st.SearchStrategy[JSON] = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "text", REDACTED, f"x {REDACTED}"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=25,
)
fields = st.lists(st.sampled_from(["a", "b", "c", "a.b", "b.c", "a.b.c", "c.c"]), min_size=1, max_size=3, unique=True)


def paths(value: JSON, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], JSON]]:
    """Every key path of a value, written in the plainest way there is."""
    if isinstance(value, dict):
        for key, child in value.items():
            yield (*above, key), child
            yield from paths(child, (*above, key))
    elif isinstance(value, list):
        for child in value:
            yield from paths(child, above)


def named(path: tuple[str, ...], names: list[str]) -> bool:
    return any(path[-1] == name or path[-len(name.split(".")) :] == tuple(name.split(".")) for name in names)


@given(values, fields)
def test_nothing_that_is_named_remains_after_a_drop(value: JSON, names: list[str]) -> None:
    left = drop_fields(value, names)
    assert not [path for path, _ in paths(left) if named(path, names)]
    assert denied_paths(left, names) == []


@given(values, fields)
def test_a_drop_takes_nothing_else(value: JSON, names: list[str]) -> None:
    kept = [path for path, _ in paths(value) if not any(named(path[: i + 1], names) for i in range(len(path)))]
    assert [path for path, _ in paths(drop_fields(value, names))] == kept


@given(values, fields)
def test_everything_that_is_named_is_the_mask_after_a_redaction(value: JSON, names: list[str]) -> None:
    assert all(found == REDACTED for path, found in paths(redact_fields(value, names)) if named(path, names))


@given(values, fields)
def test_dropping_and_redacting_twice_is_the_same_as_once(value: JSON, names: list[str]) -> None:
    assert drop_fields(drop_fields(value, names), names) == drop_fields(value, names)
    assert redact_fields(redact_fields(value, names), names) == redact_fields(value, names)


@given(values, fields)
def test_the_value_given_is_left_as_it_was(value: JSON, names: list[str]) -> None:
    before = copy.deepcopy(value)
    drop_fields(value, names)
    redact_fields(value, names)
    denied_paths(value, names)
    assert value == before


@given(values, fields)
def test_pointers_lead_to_what_is_named(value: JSON, names: list[str]) -> None:
    for pointer in denied_paths(value, names):
        current: Any = value
        parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
        for part in parts:
            current = current[int(part)] if isinstance(current, list) else current[part]
        assert named(tuple(part for part in parts if not part.isdigit()), names)


def test_a_bare_name_means_the_key_at_any_depth() -> None:
    value: JSON = {"email": 1, "user": {"email": 2}, "items": [{"email": 3}, [{"email": 4}]]}
    assert denied_paths(value, ["email"]) == ["/email", "/user/email", "/items/0/email", "/items/1/0/email"]


def test_a_dotted_path_means_the_end_of_a_path_and_list_indexes_do_not_count() -> None:
    value: JSON = {"email": 1, "user": {"email": 2, "work": {"email": 3}}, "items": [{"user": [{"email": 4}]}]}
    assert denied_paths(value, ["user.email"]) == ["/user/email", "/items/0/user/0/email"]


def test_a_name_matches_whole_keys_in_their_own_case() -> None:
    assert denied_paths({"email2": 1, "Email": 2, "mail": 3}, ["email"]) == []


def test_a_null_is_masked_too_so_that_its_absence_is_not_told() -> None:
    assert redact_fields({"a": None, "b": {"a": [1]}}, ["a"]) == {"a": REDACTED, "b": {"a": REDACTED}}


def test_without_fields_the_value_itself_comes_back() -> None:
    value: JSON = {"a": [1]}
    assert drop_fields(value, ()) is value
    assert redact_fields(value, []) is value
    assert denied_paths(value, ()) == []


@pytest.mark.parametrize("written", [REDACTED, f"{REDACTED}\n\nand more", {"x": [REDACTED]}, [1, {"y": REDACTED}]])
def test_writing_the_mask_back_into_a_redacted_field_is_found(written: JSON) -> None:
    found = masked_input_paths({"title": "t", "body": written}, ["body"])
    assert len(found) == 1
    assert found[0].startswith("/body")


def test_the_mask_elsewhere_is_plain_text() -> None:
    assert masked_input_paths({"title": REDACTED, "body": "new"}, ["body"]) == []


@pytest.mark.parametrize("depth", [64, 5000])
def test_depth_is_no_limit(depth: int) -> None:
    value: JSON = {"secret": "s"}
    for _ in range(depth):
        value = {"in": [value]}
    assert len(denied_paths(value, ["secret"])) == 1
    current: Any = redact_fields(value, ["in.secret"])
    for _ in range(depth):
        current = current["in"][0]
    assert json.dumps(current) == json.dumps({"secret": REDACTED})
