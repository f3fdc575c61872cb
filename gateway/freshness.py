"""Whether this replica knows today's freezes and grants well enough to act on them."""

from collections.abc import Callable

from connectors.sdk.errors import StateUnavailable

BOUND_SECONDS = 1.0


class Freshness:
    """Remembers when the control plane was last seen as it is. `monotonic` is seconds.

    Where no other process can change it (`alone`), what is known is always today's.
    """

    def __init__(self, monotonic: Callable[[], float], *, alone: bool = True) -> None:
        self._monotonic = monotonic
        self._alone = alone
        self._seen_at = float("-inf")

    def saw(self, at: float) -> None:
        """Take note that everything is known here that was in force at that moment."""
        self._seen_at = max(self._seen_at, at)

    def check(self) -> None:
        """Raise `StateUnavailable` where something may have been taken back a second ago that is not known here."""
        if self._alone or self._monotonic() - self._seen_at <= BOUND_SECONDS:
            return
        raise StateUnavailable(
            "Freezes and grants could not be read for a second; nothing was sent.",
            retry_after_ms=1000,
            hint="Send the same call with the same key in a moment.",
        )
