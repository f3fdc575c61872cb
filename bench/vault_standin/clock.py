"""Time as the stand-in sees it: it goes on by itself, and can be moved forward."""

import time
from datetime import UTC, datetime


class Clock:
    """Seconds since the epoch."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def now(self) -> float:
        """Return the time."""
        return time.time() + self._ahead

    def forward(self, seconds: float) -> None:
        """Let leases run out."""
        self._ahead += seconds

    def text(self, at: float | None = None) -> str:
        """Return a time as Vault writes it."""
        return datetime.fromtimestamp(self.now() if at is None else at, UTC).isoformat().replace("+00:00", "Z")
