"""The org's requests of 24 hours. Source: Salesforce Developer Limits, "API Request Limits and Allocations"."""

from collections import deque
from dataclasses import dataclass

from connectors.salesforce.simulator.refusals import limited

_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits. The default is out of reach, so that a load test measures its gateway and not this."""

    daily: int = 100_000_000


DEVELOPER_LIMITS = Limits(daily=15_000)


class Usage:
    """What has been used. The window rolls."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._seen: deque[tuple[int, int]] = deque()  # minute, requests
        self.used = 0

    def spend(self, now: float) -> dict[str, str]:
        """Count a request and return its header. Raises the refusal of a limit that is used up."""
        minute = int(now // 60)
        while self._seen and self._seen[0][0] * 60 <= now - _DAY:
            self.used -= self._seen.popleft()[1]
        if self.used >= self.limits.daily:
            raise limited()
        if not self._seen or self._seen[-1][0] != minute:
            self._seen.append((minute, 0))
        self._seen[-1] = (minute, self._seen[-1][1] + 1)
        self.used += 1
        return self.told()

    def told(self) -> dict[str, str]:
        """Return the header that tells the usage."""
        return {"sforce-limit-info": f"api-usage={self.used}/{self.limits.daily}"}
