from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scopes import Constraints, ConstraintSyntaxError, amount_refused, recipient_refused, resource_matches

parts = st.sampled_from(["acme", "acm", "web", "x"])
identities = st.lists(parts, min_size=1, max_size=4).map("/".join)


@given(identities, st.data())
def test_a_resource_pattern_is_anchored_at_both_ends(identity: str, data: st.DataObject) -> None:
    segments = identity.split("/")
    pattern = "/".join(data.draw(st.sampled_from([segment, "*"])) for segment in segments)
    assert resource_matches(pattern, identity)
    if pattern != "*":
        assert not resource_matches(pattern, f"{identity}/more")
        assert not resource_matches(pattern, f"more/{identity}")
        assert not resource_matches(f"{pattern}/*", identity)


@given(identities, identities)
def test_a_pattern_without_a_star_means_itself_only(pattern: str, identity: str) -> None:
    assert resource_matches(pattern, identity) == (pattern == identity)


@pytest.mark.parametrize(
    "pattern, identity, matches",
    [
        ("*", "anything/at/all", True),
        ("acme/*", "acme/web", True),
        ("acme/*", "acme/", False),
        ("acme/*", "acme", False),
        ("acme/*", "acme/web/sub", False),
        ("acme/w*", "acme/web", False),
        ("acme/w*", "acme/w*", True),
        ("*/web", "acme/web", True),
        ("acme/web", "ACME/web", False),
    ],
)
def test_a_star_means_one_whole_segment(pattern: str, identity: str, matches: bool) -> None:
    assert resource_matches(pattern, identity) is matches


@pytest.mark.parametrize(
    "address",
    [
        "bob@example.com",
        "BOB@Example.COM",
        "Bob Jones <bob@example.com>",
        '"Bob Jones" <bob@example.com>',
        "<bob@example.com>",
        "bob.j+tag@example.com",
        "bob@mail.partner.org",
        "bob@a.b.partner.org",
        "bob@bücher.example",
        "bob@xn--bcher-kva.example",
    ],
)
def test_recipients_of_the_domains_pass(address: str) -> None:
    assert recipient_refused(["example.com", "*.partner.org", "bücher.example"], [address]) == ()


@pytest.mark.parametrize(
    "address",
    [
        "bob@sub.example.com",
        "bob@partner.org",
        "bob@evilpartner.org",
        "bob@notexample.com",
        "bob@example.com.evil.com",
        '"a@example.com"@evil.com',
        '"a@evil.com"@example.com',
        "bob@evil.com@example.com",
        "bob@evil.com <bob@example.com>",
        '"bob@evil.com" <bob@example.com>',
        "bob@example.com, eve@evil.com",
        "bob@example.com;eve@evil.com",
        "Bob <bob@example.com> <eve@evil.com>",
        "Bob <eve@evil.com",
        "bob@example.com\nBcc: eve@evil.com",
        "Bob\r\nBcc: x <bob@example.com>",
        "bob＠evil.com@example.com",
        "bob@example。com",
        "bob@exаmple.com",
        "bob@example.com.",
        "bob@ example.com",
        "bob@example.com(comment)",
        "(x)bob@example.com",
        "eve%evil.com@[127.0.0.1]",
        "@example.com",
        "@evil.com:bob@example.com",
        "bob@",
        "bob",
        "",
        "<>",
        "bob..x@example.com",
        "b" * 65 + "@example.com",
        "bob@" + "a" * 600,
    ],
)
def test_other_recipients_and_unreadable_ones_are_refused(address: str) -> None:
    assert recipient_refused(["example.com", "*.partner.org"], [address]) == (address,)


def test_a_domain_that_readers_of_idna_disagree_about_is_refused() -> None:
    assert recipient_refused(["strasse.de"], ["bob@straße.de"]) == ("bob@straße.de",)


@given(st.text(max_size=40))
def test_no_text_crashes_the_reading_of_addresses(text: str) -> None:
    assert recipient_refused([], [text]) == (text,)
    recipient_refused(["example.com", text, f"*.{text}"], [text, f"{text}@example.com", f"bob@{text}"])


@pytest.mark.parametrize("value", ["10", "10.00", "0", 10, Decimal("9.99"), "007"])
def test_amounts_up_to_the_bound_pass(value: object) -> None:
    assert amount_refused(Decimal("10"), value) is None


@pytest.mark.parametrize(
    "value",
    [
        "10.01",
        11,
        "-1",
        "NaN",
        "Infinity",
        "1e9",
        " 1",
        "١",
        "",
        None,
        9.5,
        True,
        [],
        "1_0",
        Decimal("-1"),
        Decimal("NaN"),
    ],
)
def test_amounts_over_the_bound_and_unreadable_ones_are_refused(value: object) -> None:
    assert amount_refused(Decimal("10"), value)


FULL: dict[str, Any] = {
    "resources": ["acme/*", "other/web"],
    "recipient_domains": ["example.com", "*.example.org"],
    "denied_fields": ["price"],
    "redacted_fields": ["user.email"],
    "max_amount": "250.00",
    "max_records_per_hour": 100,
}


def test_constraints_survive_their_json_form() -> None:
    constraints = Constraints.from_json(FULL)
    assert constraints.max_amount == Decimal("250.00")
    assert constraints.to_json() == FULL
    assert Constraints.from_json(constraints.to_json()) == constraints


def test_what_is_left_out_or_null_is_not_constrained() -> None:
    assert Constraints.from_json({}) == Constraints() == Constraints.from_json(dict.fromkeys(FULL))
    assert Constraints.from_json(Constraints().to_json()) == Constraints()


@pytest.mark.parametrize(
    "value, pointer",
    [
        ([], ""),
        ({"resource": []}, "/resource"),
        ({"a/b~c": 1}, "/a~1b~0c"),
        ({"resources": "acme/*"}, "/resources"),
        ({"resources": []}, "/resources"),
        ({"resources": ["ok", "acme/w*"]}, "/resources/1"),
        ({"resources": ["acme//x"]}, "/resources/0"),
        ({"resources": [""]}, "/resources/0"),
        ({"resources": [" acme"]}, "/resources/0"),
        ({"resources": ["a\nb"]}, "/resources/0"),
        ({"resources": [1]}, "/resources/0"),
        ({"resources": ["x"] * 501}, "/resources"),
        ({"recipient_domains": ["*"]}, "/recipient_domains/0"),
        ({"recipient_domains": ["example.com", "bob@example.com"]}, "/recipient_domains/1"),
        ({"recipient_domains": ["*.*.example.com"]}, "/recipient_domains/0"),
        ({"denied_fields": ["a..b"]}, "/denied_fields/0"),
        ({"denied_fields": ["a.*"]}, "/denied_fields/0"),
        ({"redacted_fields": [None]}, "/redacted_fields/0"),
        ({"max_amount": 10}, "/max_amount"),
        ({"max_amount": "-1"}, "/max_amount"),
        ({"max_amount": "1e3"}, "/max_amount"),
        ({"max_records_per_hour": True}, "/max_records_per_hour"),
        ({"max_records_per_hour": 0}, "/max_records_per_hour"),
        ({"max_records_per_hour": "5"}, "/max_records_per_hour"),
    ],
)
def test_json_that_is_no_constraints_is_refused_at_its_place(value: object, pointer: str) -> None:
    with pytest.raises(ConstraintSyntaxError) as refused:
        Constraints.from_json(value)
    assert [fault.pointer for fault in refused.value.faults] == [pointer]


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(ConstraintSyntaxError) as refused:
        Constraints.from_json({"max_amount": 1, "more": 2, "resources": ["a*"]})
    assert {fault.pointer for fault in refused.value.faults} == {"/max_amount", "/more", "/resources/0"}
