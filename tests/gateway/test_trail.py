"""The way through a list: every circle is seen, and nothing else is taken for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.trail import Circle, Trail, joined, parted


def walk(cursors: list[str], pages: list[bytes] | None = None) -> int:
    """Follow cursors as a caller does; return how many pages it got."""
    trail, used = Trail(), None
    for number, cursor in enumerate(cursors):
        trail = trail.onward(used, cursor, pages[number] if pages else b"%d" % number)
        trail, used = parted(joined(trail, cursor))
    return len(cursors)


@given(st.integers(0, 20), st.integers(1, 20))
def test_every_circle_ends_within_a_few_rounds(tail: int, length: int) -> None:
    before = [f"t{number}" for number in range(tail)]
    circle = [f"c{number}" for number in range(length)]

    with pytest.raises(Circle):
        walk(before + circle * (5 + 2 * tail // length))


@given(st.lists(st.text(max_size=20), unique=True, max_size=60))
def test_cursors_that_differ_go_on(cursors: list[str]) -> None:
    assert walk(cursors) == len(cursors)


def test_the_cursor_that_was_used_does_not_lead_on() -> None:
    with pytest.raises(Circle):
        walk(["same", "same"])


def test_a_page_that_comes_three_times_is_a_circle_whatever_its_cursor() -> None:
    with pytest.raises(Circle):
        walk(["1", "2", "3"], [b"page", b"page", b"page"])


def test_a_record_that_was_shifted_into_the_next_page_is_none() -> None:
    assert walk(["1", "2", "3", "4"], [b"a", b"a", b"b", b"b"]) == 4


def test_empty_pages_lead_on() -> None:
    assert walk(["1", "2", "3", "4"], [b"", b"", b"", b""]) == 4


def test_what_is_kept_does_not_grow() -> None:
    trail = Trail().onward(None, "1", b"x")
    later = trail.onward("1", "2", b"y").onward("2", "3", b"z")

    assert len(joined(later, "")) == len(joined(trail, "")) == 56
