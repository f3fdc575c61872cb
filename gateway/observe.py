"""What operators see of a call that was answered: metrics, a log line, the end of its trace."""

from typing import Any

import structlog
from prometheus_client import Counter, Histogram

from gateway.call import Answer, Opened
from gateway.telemetry import Metrics

_log: Any = structlog.get_logger("gatehouse.calls")


class Observer:
    """Counts, logs and traces answers. Calls that went well are logged at `debug`: the ledger has them."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._counters: dict[tuple[str, str, str], Counter] = {}
        self._histograms: dict[str, Histogram] = {}

    def answered(self, call: Opened, answer: Answer, seconds: float) -> None:
        """Take note of an answer, `seconds` after the call came in."""
        status = str(answer.body.get("status")) if answer.status < 300 else "refused"
        code = str(answer.body.get("code", ""))
        action = call.action or "unknown"
        self._counter(action, status, code).inc()
        self._histogram(call.effect).observe(seconds)
        log = _log.debug if answer.status < 300 else _log.info
        log(
            "call",
            call=answer.call or call.id,
            run=call.run,
            trace=call.asked.trace.id,
            action=action,
            status=status,
            code=code or None,
            ms=round(seconds * 1000, 1),
        )
        call.asked.trace.end(status, code or None, {"gatehouse.call.id": call.id, "gatehouse.run.id": call.run})

    def _counter(self, action: str, status: str, code: str) -> Counter:
        """Return the counter of these labels: finding it costs more than counting."""
        found = self._counters.get((action, status, code))
        if found is None:
            found = self._counters[action, status, code] = self._metrics.calls.labels(action, status, code)
        return found

    def _histogram(self, effect: str) -> Histogram:
        found = self._histograms.get(effect)
        if found is None:
            found = self._histograms[effect] = self._metrics.seconds.labels(effect)
        return found
