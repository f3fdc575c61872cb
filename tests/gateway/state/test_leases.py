"""Leases by property: however replicas interleave, lose answers and die, a limit is exceeded by its bound at most."""

import asyncio
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.limits import Bill, Charge, Policy
from gateway.state.address import parse_redis_url
from gateway.state.desk import Ask, Desk, Say
from gateway.state.leases import LEASE_SECONDS, SHARE, Lease, Rate
from gateway.state.redis_client import RedisClient, Script
from gateway.upstream.budget import VendorQuota
from tests.gateway.state.bank import Bank
from tests.gateway.state.servers import Server

POLICY = Policy("agent", 120, 60)
TIGHT = Policy("agent", 20, 20)
SLOW = Policy("agent", 100, 60)


@contextmanager
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    try:
        yield made
    finally:
        made.close()


@dataclass
class World:
    """Replicas over one bank. `used` is when units were used, by whom and how many."""

    policy: Policy
    loop: asyncio.AbstractEventLoop
    count: int = 3
    now: float = 1000.0
    crashes: int = 0
    bank: Bank = field(default_factory=Bank)
    used: list[tuple[float, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.desks = [self.fresh(f"rep_{who}") for who in range(self.count)]

    def fresh(self, name: str) -> Desk:
        return Desk("test", "acme", name, VendorQuota(lambda: self.now))

    def take(self, who: int, cost: int, fate: str, *, keeps: bool) -> object:
        """Take a bill. `fate` is what becomes of a request to the bank; not `keeps` gives the bill back."""
        desk, bill = self.desks[who], Bill("acme", [Charge(self.policy, "agt_1", cost)])
        spent = desk.spend(bill, self.now)
        if spent is Say.ASK:
            ask = Ask(bill, self.loop.create_future())
            desk.waiting.append(ask)
            self.exchange(desk, fate)
            spent = ask.future.result()
        if spent is None:
            if keeps:
                self.used.append((self.now, cost))
            else:
                desk.give_back(bill)
        return spent

    def exchange(self, desk: Desk, fate: str) -> None:
        """Send what a desk would send: `answered`, `never arrived`, or `unanswered` though it ran."""
        request = desk.request(self.now)
        if request is None:
            return
        if fate == "never arrived":
            desk.lost(request)
            return
        answer = self.bank.settle(request.keys, request.body, self.now + 0.01)
        self.now += 0.02
        if fate == "unanswered":
            desk.lost(request)
        else:
            desk.answered(request, answer, self.now)

    def sweep(self, who: int, fate: str) -> None:
        if self.desks[who].due(self.now):
            self.exchange(self.desks[who], fate)

    def drain(self, who: int) -> int:
        """Take one by one until a limit refuses. Returns how many."""
        for count in range(1000):
            if self.take(who, 1, "answered", keeps=True) is not None:
                return count
            self.now += 0.002
        raise AssertionError("a limit that never refuses")

    def crash(self, who: int) -> None:
        self.crashes += 1
        self.desks[who] = self.fresh(f"rep_{who}_{self.crashes}")

    def check_bound(self) -> None:
        """No span of time saw more units than the docstring of `leases` allows."""
        policy, sums = self.policy, list(itertools.accumulate((cost for _, cost in self.used), initial=0))
        for start, (begun, _) in enumerate(self.used):
            for end in range(start, len(self.used)):
                span = self.used[end][0] - begun
                allowed = policy.quota * (1 + span / policy.window)
                assert sums[end + 1] - sums[start] <= allowed + 1e-3


FATES = st.sampled_from(["answered", "answered", "answered", "never arrived", "unanswered"])
WHO = st.integers(0, 2)
STEPS = st.one_of(
    st.tuples(st.just("take"), WHO, st.integers(1, 3), FATES, st.booleans()),
    st.tuples(st.just("rush"), WHO, st.integers(5, 60), FATES, st.floats(0.0, 0.02)),
    st.tuples(st.just("drain"), WHO),
    st.tuples(st.just("wait"), st.floats(0.0, 1.5)),
    st.tuples(st.just("rest"), st.floats(5, 60)),
    st.tuples(st.just("sweep"), WHO, FATES),
    st.tuples(st.just("crash"), WHO),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(STEPS, max_size=25), st.sampled_from([POLICY, TIGHT, SLOW]))
def test_no_interleaving_exceeds_the_bound(steps: list[tuple[object, ...]], policy: Policy) -> None:
    with loop() as made:
        world = World(policy, made)

        for step in steps:
            match step:
                case ("take", int(who), int(cost), str(fate), bool(keeps)):
                    world.take(who, cost, fate, keeps=keeps)
                case ("rush", int(who), int(count), str(fate), float(gap)):
                    for _ in range(count):
                        world.take(who, 1, fate, keeps=True)
                        world.now += gap
                case ("drain", int(who)):
                    world.drain(who)
                case ("wait" | "rest", float(seconds)):
                    world.now += seconds
                case ("sweep", int(who), str(fate)):
                    world.sweep(who, fate)
                case ("crash", int(who)):
                    world.crash(who)

        world.check_bound()


def test_units_that_were_leased_before_a_rest_do_not_add_to_a_limit_that_is_whole_again() -> None:
    hourly = Policy("records", 600, 3600)
    with loop() as made:
        world = World(hourly, made)
        for who in range(world.count):
            for _ in range(9):
                assert world.take(who, 1, "answered", keeps=True) is None
                world.now += 0.01
        assert world.bank.ahead("test:{acme}:limit:records:agt_1", world.now) > 60 * 6, "they hold leases"

        world.now += 3600
        taken = sum(world.drain(who) for who in range(world.count))

        assert taken <= hourly.quota + 3  # and what is refilled meanwhile
        world.check_bound()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.floats(0.001, 0.02))
def test_a_crash_loses_a_lease_at_most_and_nobody_gains_it(calls: int, gap: float) -> None:
    with loop() as made:
        world = World(POLICY, made)
        begun = world.now
        for _ in range(calls):
            assert world.take(0, 1, "answered", keeps=True) is None
            world.now += gap

        world.crash(0)

        left = world.drain(1)
        refilled = (world.now - begun) * POLICY.quota / POLICY.window
        assert calls + left <= POLICY.quota + refilled + 1
        assert calls + left >= POLICY.quota - POLICY.quota * SHARE - 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(WHO, st.floats(0.0, 0.05)), min_size=1, max_size=80))
def test_what_is_not_used_comes_back_when_leases_are_over(steps: list[tuple[int, float]]) -> None:
    with loop() as made:
        world = World(POLICY, made)
        for who, gap in steps:
            world.take(who, 1, "answered", keeps=True)
            world.now += gap

        world.now += LEASE_SECONDS
        for who in range(world.count):
            world.sweep(who, "answered")

        taken = sum(cost for _, cost in world.used)
        ahead = world.bank.ahead("test:{acme}:limit:agent:agt_1", world.now)
        assert ahead <= taken * POLICY.window / POLICY.quota + 1e-6


def test_a_lease_grows_with_the_rate_and_never_over_its_share() -> None:
    rate = Rate(0.0)
    assert rate.wanted(0.0, 30) == 0
    for tenth in range(1, 11):
        rate.used += 1
        assert rate.wanted(tenth / 10, 30) <= 10
    assert rate.wanted(1.05, 30) >= 5
    rate.used += 1000
    assert rate.wanted(1.15, 30) == 30
    assert rate.wanted(10.0, 30) == 0, "who rests leases nothing"


def test_a_refusal_is_remembered_for_a_moment_and_only_for_as_much() -> None:
    lease = Lease("k", POLICY, Rate(0.0))
    lease.refuse(5, 10.0, now=100.0)

    assert lease.refusal(Charge(POLICY, "k", 5), 100.2) is not None
    assert lease.refusal(Charge(POLICY, "k", 4), 100.2) is None
    assert lease.refusal(Charge(POLICY, "k", 5), 100.3) is None


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(st.tuples(st.integers(1, 2), st.integers(1, 4)), min_size=1, max_size=4),
            st.integers(0, 3),
            st.integers(0, 6),
            st.sampled_from(["one", "two"]),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_the_stand_in_settles_as_the_script_does(
    bank_server: Server, rounds: list[tuple[list[tuple[int, int]], int, int, str]]
) -> None:
    bank, keys = Bank(), ["same:{t}:a", "same:{t}:b"]
    bank_server.ask("DEL", *keys)

    async def both() -> None:
        client = RedisClient(parse_redis_url(bank_server.url), timeout=1)
        await client.open()
        script = Script("settle")
        entries: dict[tuple[str, int], float] = {}
        for calls, back, more, me in rounds:
            body = {
                "m": me,
                "l": [[3600, 20, entries.get((me, 0), 0), back, more], [1800, 12, entries.get((me, 1), 0), 0, more]],
                "v": [],
                "a": [[[[limit, cost]], 0, 0, False] for limit, cost in calls],
            }
            raw = await client.run(script, keys, orjson.dumps(body))
            assert raw is not None
            real = orjson.loads(raw)
            mine = orjson.loads(bank.settle(keys, orjson.dumps(body), real["now"]))
            assert [one[:2] for one in real["a"]] == [one[:2] for one in mine["a"]]
            assert [one[0] for one in real["l"]] == [one[0] for one in mine["l"]]
            assert all(abs(a[1] - b[1]) < 0.01 for a, b in zip(real["l"], mine["l"], strict=True))
            entries |= {(me, at): one[2] for at, one in enumerate(real["l"])}
        await client.close()

    asyncio.run(both())
