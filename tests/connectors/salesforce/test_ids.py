"""Record ids with 15 and 18 characters are one identity, and one spelling is sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.salesforce.ids import canonical, long_id
from connectors.salesforce.simulator.world import suffixed

PLAIN = st.text("ABCabcXYZxyz0159", min_size=15, max_size=15)


@given(PLAIN)
def test_the_long_form_is_the_one_that_salesforce_gives(plain: str) -> None:
    assert long_id(plain) == suffixed(plain)
    assert long_id(suffixed(plain)) == suffixed(plain)


@given(PLAIN, st.sampled_from([str.lower, str.upper, str.swapcase]))
def test_eighteen_characters_are_the_same_id_in_any_case(plain: str, change: object) -> None:
    assert callable(change)
    assert long_id(change(suffixed(plain))) == suffixed(plain)


@given(PLAIN, PLAIN)
def test_ids_that_differ_by_case_are_different_records(one: str, other: str) -> None:
    assert (long_id(one) == long_id(other)) == (one == other)


@pytest.mark.parametrize("text", ["", "001", "001000000000001A", "00100000000000!", "001000000000001999", "x" * 19])
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="id"):
        long_id(text)


@pytest.mark.parametrize("text", ["0010000000000019AA", "001000000000001ZZZ"])
def test_a_suffix_that_salesforce_would_not_give_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="last three"):
        long_id(text)


@pytest.mark.parametrize(
    ("identity", "found"),
    [
        ("Account", "account"),
        ("INVOICE__C", "invoice__c"),
        ("Account/*", "account/*"),
        ("*", "*"),
        ("*/*", "*/*"),
        ("Account/001000000000001", "account/001000000000001AAA"),
        ("account/00q00000000000aeaa", "account/00Q00000000000aEAA"),
        ("zz-elsewhere/zz-elsewhere", "zz-elsewhere/zz-elsewhere"),
        ("Account/001000000000001999", "account/001000000000001999"),
    ],
)
def test_identities_and_patterns_have_one_spelling(identity: str, found: str) -> None:
    assert canonical(identity) == found
    assert canonical(found) == found
