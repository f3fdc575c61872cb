"""How much waits to be written. Over the bound no call is begun; what is under way may always be written down."""

from connectors.sdk.errors import Overloaded
from gateway.ledger.record import Record


class Backlog:
    """Counts the bytes of records that wait for the ledger."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self.bytes = 0

    def enter(self, record: Record) -> int:
        """Count a record and return its bytes, for `leave`. Raises `Overloaded` for a new call over the bound."""
        weight = _weight(record)
        if record.call is not None and self.bytes + weight > self._most and self.bytes:
            raise Overloaded("The ledger is behind with its records; nothing was sent.", retry_after_ms=1000)
        self.bytes += weight
        return weight

    def leave(self, weight: int) -> None:
        """Count what was written, or refused, no more."""
        self.bytes -= weight


def _weight(record: Record) -> int:
    weight = sum(len(event.body) for event in record.events)
    if record.call is not None:
        weight += len(record.call.request or b"") + len(record.call.answer or b"")
    if record.settlement is not None:
        weight += len(record.settlement.answer or b"")
    return weight
