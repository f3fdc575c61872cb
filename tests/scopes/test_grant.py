from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scopes import (
    Autonomy,
    Constraints,
    Grant,
    combine,
    covering,
    for_resource,
    patterns,
    recipient_refused,
    rollout_autonomy,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
names = st.lists(st.sampled_from(["a", "b", "c.d"]), max_size=3, unique=True).map(tuple)
domains = st.lists(st.sampled_from(["a.com", "b.com", "*.b.com"]), max_size=2, unique=True).map(tuple)
constraints = st.builds(
    Constraints,
    resources=st.none() | st.lists(st.sampled_from(["acme/*", "acme/web", "*"]), min_size=1, max_size=2).map(tuple),
    recipient_domains=st.none() | domains,
    denied_fields=names,
    redacted_fields=names,
    max_amount=st.none() | st.integers(0, 9).map(Decimal),
    max_records_per_hour=st.none() | st.integers(1, 9),
)
grants = st.builds(
    Grant,
    id=st.uuids().map(str),
    version=st.integers(1, 5),
    agent=st.just("agt"),
    connection=st.sampled_from(["one", "two"]),
    scopes=st.frozensets(st.sampled_from(["x:a:read", "x:a:write", "x:b:read"])),
    constraints=constraints,
    autonomy=st.sampled_from(Autonomy),
    rollout=st.none() | st.integers(0, 100),
    idempotency=st.sampled_from(["required", "derive"]),
    idempotency_days=st.integers(1, 30),
    expires_at=st.none() | st.sampled_from([NOW - timedelta(1), NOW, NOW + timedelta(1)]),
)


def a_grant(**facts: object) -> Grant:
    given_facts: dict[str, object] = {
        "id": "grt_1",
        "version": 1,
        "agent": "agt",
        "connection": "one",
        "scopes": frozenset({"x:a:read"}),
        **facts,
    }
    return Grant(**given_facts)  # type: ignore[arg-type]


def at_most(narrow: Decimal | int | None, wide: Decimal | int | None) -> bool:
    return wide is None or (narrow is not None and narrow <= wide)


@given(st.lists(grants, min_size=1, max_size=3), grants, st.text(max_size=5))
def test_another_grant_never_loosens_anything(some: list[Grant], more: Grant, run: str) -> None:
    before, after = combine(some, run), combine([*some, more], run)
    assert after.autonomy.strictness >= before.autonomy.strictness
    assert set(after.denied_fields) >= set(before.denied_fields)
    assert set(after.redacted_fields) >= set(before.redacted_fields)
    assert set(after.recipient_domains) >= set(before.recipient_domains)
    assert at_most(after.max_amount, before.max_amount)
    assert at_most(after.max_records_per_hour, before.max_records_per_hour)
    assert after.idempotency_days >= before.idempotency_days
    assert not (before.idempotency == "required" and after.idempotency == "derive")


@given(st.lists(grants, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_grants_does_not_matter(some: list[Grant], random: Random) -> None:
    shuffled = list(some)
    random.shuffle(shuffled)
    one, other = combine(some, "run"), combine(shuffled, "run")
    assert set(one.recipient_domains) == set(other.recipient_domains)
    assert (one.grants, one.autonomy, one.denied_fields, one.redacted_fields, one.max_amount, one.idempotency) == (
        other.grants,
        other.autonomy,
        other.denied_fields,
        other.redacted_fields,
        other.max_amount,
        other.idempotency,
    )


@given(st.lists(grants, max_size=4), st.frozensets(st.sampled_from(["x:a:read", "x:a:write"]), min_size=1))
def test_a_grant_covers_only_live_on_its_connection_with_all_scopes(some: list[Grant], needed: frozenset[str]) -> None:
    found = covering(some, connection="one", scopes=needed, now=NOW)
    for grant in some:
        expected = (
            grant.connection == "one"
            and needed <= grant.scopes
            and (grant.expires_at is None or grant.expires_at > NOW)
        )
        assert (grant in found) == expected


def test_an_action_without_scopes_is_covered_by_nothing() -> None:
    assert covering([a_grant()], connection="one", scopes=(), now=NOW) == []


def test_scopes_spread_over_two_grants_cover_nothing() -> None:
    two = [a_grant(scopes=frozenset({"x:a:read"})), a_grant(scopes=frozenset({"x:a:write"}))]
    assert covering(two, connection="one", scopes=["x:a:read", "x:a:write"], now=NOW) == []


def test_without_a_grant_there_is_nothing_to_combine() -> None:
    with pytest.raises(ValueError):
        combine([], "run")


def test_resources_are_compared_in_their_canonical_spelling() -> None:
    bound, free = a_grant(constraints=Constraints(resources=("Acme/*",))), a_grant()
    assert for_resource([bound, free], "acme/web", str.lower) == [bound, free]
    assert for_resource([bound, free], "acme/web") == [free]
    assert for_resource([bound, free], "other/web", str.lower) == [free]


def test_a_grant_with_resources_never_covers_what_has_none() -> None:
    assert for_resource([a_grant(constraints=Constraints(resources=("*",)))], None) == []
    assert len(for_resource([a_grant()], None)) == 1


def test_a_lone_star_covers_everything_whatever_the_canonical_spelling() -> None:
    grant = a_grant(constraints=Constraints(resources=("*",)))
    assert for_resource([grant], "a/b/c", lambda text: f"id:{text}") == [grant]


@given(st.text(max_size=20), st.integers(0, 99))
def test_a_wider_rollout_keeps_every_run_that_was_auto(run: str, share: int) -> None:
    narrow = rollout_autonomy(a_grant(rollout=share), run)
    wide = rollout_autonomy(a_grant(rollout=share + 1), run)
    assert wide is Autonomy.AUTO or narrow is Autonomy.APPROVE


def test_a_rollout_sends_its_share_of_runs_to_auto_and_says_the_same_tomorrow() -> None:
    grant = a_grant(rollout=30)
    chosen = [run for run in map(str, range(1000)) if rollout_autonomy(grant, run) is Autonomy.AUTO]
    assert 250 < len(chosen) < 350
    assert chosen[:3] == [run for run in map(str, range(1000)) if rollout_autonomy(grant, run) is Autonomy.AUTO][:3]
    assert rollout_autonomy(a_grant(rollout=0), "run") is Autonomy.APPROVE
    assert rollout_autonomy(a_grant(rollout=100), "run") is Autonomy.AUTO


def test_a_rollout_does_not_lift_shadow() -> None:
    assert rollout_autonomy(a_grant(autonomy=Autonomy.SHADOW, rollout=100), "run") is Autonomy.SHADOW


def test_every_list_of_recipient_domains_must_allow_a_recipient() -> None:
    two = [
        a_grant(constraints=Constraints(recipient_domains=("a.com", "b.com"))),
        a_grant(constraints=Constraints(recipient_domains=("b.com",))),
        a_grant(),
    ]
    lists = combine(two, "run").recipient_domains
    assert [bool(recipient_refused(domains, ["x@a.com"])) for domains in lists] == [False, True]


def test_patterns_are_those_of_all_grants_unless_one_is_free() -> None:
    one = a_grant(constraints=Constraints(resources=("a/b", "c/*")))
    two = a_grant(constraints=Constraints(resources=("c/*", "d/e")))
    assert patterns([one, two]) == ("a/b", "c/*", "d/e")
    assert patterns([one, a_grant()]) is None
    assert patterns([]) == ()


def test_levels_are_ordered_strictest_first() -> None:
    assert list(Autonomy) == [Autonomy.SHADOW, Autonomy.APPROVE, Autonomy.AUTO]
    assert sorted(Autonomy, key=lambda level: -level.strictness) == list(Autonomy)
