"""A circuit breaker per connection: after repeated failures it holds calls back, then lets one through to see."""

from collections.abc import Callable
from dataclasses import dataclass

from connectors.sdk.errors import CircuitOpen


@dataclass(slots=True)
class _Circuit:
    failures: int = 0
    open_until: float = 0.0


class Breaker:
    """Counts failures in a row. A failure is an exchange that broke off or a status of 500 and over."""

    def __init__(self, now: Callable[[], float], *, failures: int = 20, hold_seconds: float = 5.0) -> None:
        self._now = now
        self._failures = failures
        self._hold = hold_seconds
        self._circuits: dict[str, _Circuit] = {}

    def check(self, connection: str) -> None:
        """Raise `CircuitOpen` where the connection is held back."""
        circuit = self._circuits.get(connection)
        if circuit is None or circuit.failures < self._failures:
            return
        now = self._now()
        if now < circuit.open_until:
            wait = max(circuit.open_until - now, 0.1)
            raise CircuitOpen(
                f"The last {circuit.failures} requests to the vendor failed; nothing was sent.",
                retry_after_ms=int(wait * 1000) + 1,
                hint="Wait, then send the same call with the same key.",
            )
        # One may go and see. It may never get there (a limit, a lost key), so the next one goes after the same wait.
        circuit.open_until = now + self._hold

    def succeeded(self, connection: str) -> None:
        """Close the circuit."""
        if connection in self._circuits:
            del self._circuits[connection]

    def failed(self, connection: str) -> None:
        """Count a failure; open the circuit when it was one too many."""
        circuit = self._circuits.setdefault(connection, _Circuit())
        circuit.failures += 1
        if circuit.failures >= self._failures:
            circuit.open_until = self._now() + self._hold

    def clear(self) -> None:
        """Forget all failures."""
        self._circuits.clear()

    def is_open(self, connection: str) -> bool:
        """Whether calls are held back now."""
        circuit = self._circuits.get(connection)
        return circuit is not None and circuit.failures >= self._failures and self._now() < circuit.open_until
