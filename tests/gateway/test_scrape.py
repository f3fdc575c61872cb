"""Metrics of many workers in one answer."""

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from gateway.scrape import merge


def metrics(calls: int) -> bytes:
    registry = CollectorRegistry()
    counter = Counter("calls", "Calls.", ["action"], registry=registry)
    counter.labels('a "quoted", {odd} one').inc(calls)
    Histogram("seconds", "Seconds.", buckets=(1, 2), registry=registry).observe(1.5)
    return generate_latest(registry)


def test_each_sample_says_of_which_worker_it_is() -> None:
    families = {
        family.name: family for family in text_string_to_metric_families(merge({0: metrics(3), 1: metrics(4)}).decode())
    }

    samples = [sample for sample in families["calls"].samples if sample.name == "calls_total"]
    assert [(sample.labels, sample.value) for sample in samples] == [
        ({"action": 'a "quoted", {odd} one', "worker": "0"}, 3.0),
        ({"action": 'a "quoted", {odd} one', "worker": "1"}, 4.0),
    ]
    assert {sample.labels["worker"] for sample in families["seconds"].samples} == {"0", "1"}


def test_each_family_is_described_once() -> None:
    text = merge({0: metrics(1), 1: metrics(1)})

    assert text.count(b"# TYPE calls_total counter") == 1


def test_a_worker_that_says_nothing_is_left_out() -> None:
    text = metrics(1)

    assert merge({0: b"", 1: text}) == merge({1: text})
