"""Prometheus metrics without tenant labels, and which calls are traced."""

import os
import random
import re
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from gateway.tracing import CallTrace

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

    from gateway.spans import Spans

_TRACEPARENT = re.compile(r"^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """What operators watch. Labels are actions, connectors, codes: never a tenant."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._vendors: dict[tuple[str, str], Counter] = {}
        self.calls = Counter(
            "gatehouse_calls",
            "Calls by action and how they ended.",
            ["action", "status", "code"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "gatehouse_call_seconds", "Duration of calls.", ["effect"], buckets=_SECONDS, registry=self.registry
        )
        self.upstream = Counter(
            "gatehouse_upstream_responses",
            "Vendor answers by status class.",
            ["connector", "status"],
            registry=self.registry,
        )
        self.unauthenticated = Counter(
            "gatehouse_unauthenticated_requests", "Requests without a valid credential.", registry=self.registry
        )
        self.refused_intake = Counter(
            "gatehouse_intake_refusals", "Requests refused by the intake limit.", registry=self.registry
        )
        self.replays = Counter("gatehouse_replays", "Repeats answered from the record.", registry=self.registry)
        self.redis_trips = Counter(
            "gatehouse_redis_round_trips",
            "Requests to Redis that calls or replicas made.",
            ["what"],
            registry=self.registry,
        )
        self.leased = Counter(
            "gatehouse_calls_leased", "Calls settled from leased units, without asking Redis.", registry=self.registry
        )
        self.local = Counter(
            "gatehouse_calls_limited_locally",
            "Calls settled from this replica's share, because Redis was away.",
            registry=self.registry,
        )
        self.redis_lost = Counter("gatehouse_redis_losses", "Times that Redis was lost.", registry=self.registry)
        self.redis_up = Gauge("gatehouse_redis_up", "1 while Redis answers.", registry=self.registry)
        self.in_flight = Gauge("gatehouse_calls_in_flight", "Calls being worked on.", registry=self.registry)
        self.ledger_ready = Gauge("gatehouse_ledger_ready", "1 while the ledger takes writes.", registry=self.registry)

    def vendor_answered(self, connector: str, status: int) -> None:
        """Count an answer of a vendor under the class of its status."""
        labels = (connector, f"{status // 100}xx")
        counter = self._vendors.get(labels)
        if counter is None:
            counter = self._vendors[labels] = self.upstream.labels(*labels)
        counter.inc()

    def redis_turned(self, up: bool) -> None:
        """Take note that Redis answers again, or was lost."""
        self.redis_up.set(up)
        if not up:
            self.redis_lost.inc()

    def text(self) -> bytes:
        """Return the metrics in the text format."""
        return generate_latest(self.registry)


class Telemetry:
    """Makes traces and holds the metrics. `ratio` of the calls are sampled unless the caller's context decides."""

    def __init__(self, *, ratio: float, exporter: "SpanExporter | None") -> None:
        self.metrics = Metrics()
        self._ratio = ratio
        self._spans: Spans | None = None
        if exporter is not None:
            from gateway import spans

            self._spans = spans.Spans(exporter)

    def trace(self, traceparent: str | None) -> CallTrace:
        """Continue a caller's trace, or begin one."""
        match = _TRACEPARENT.match(traceparent) if traceparent else None
        if match is not None and match.group(1) != "0" * 32 and match.group(2) != "0" * 16:
            sampled = int(match.group(3), 16) & 1 == 1
            return CallTrace(match.group(1), match.group(2), sampled=sampled, sink=self._spans if sampled else None)
        sampled = self._spans is not None and random.random() < self._ratio  # noqa: S311 - no secret
        # Ids are no secrets: the standard asks that they be random, not that they cannot be guessed.
        id, parent = f"{random.getrandbits(128) or 1:032x}", f"{random.getrandbits(64) or 1:016x}"
        return CallTrace(id, parent, sampled=sampled, sink=self._spans if sampled else None)

    def close(self) -> None:
        """Send what is left."""
        if self._spans is not None:
            self._spans.close()


def otlp_exporter() -> "SpanExporter | None":
    """Return the exporter of OTLP over HTTP where an endpoint is set, else None."""
    if not (os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")):
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()


__all__ = ["CallTrace", "Metrics", "Telemetry", "otlp_exporter"]
