"""Rate limits: points per hour for apps, and bursts per endpoint and method for all.

Source: Atlassian developer documentation, "Rate limiting" (2026-08).
"""

from dataclasses import dataclass

from connectors.sdk.simulator import Answer, Refusal


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits. The defaults are out of reach, so that a load test measures its gateway and not this.

    `points` are per hour for OAuth tokens, `burst` is requests per second for one endpoint and method.
    """

    points: int = 100_000_000
    burst: int | None = None


JIRA_LIMITS = Limits(points=65_000, burst=100)


class RateLimits:
    """What has been used."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._hour = 0
        self._used = 0
        self._second = 0
        self._bursts: dict[str, int] = {}

    def spend(self, endpoint: str, now: float, *, app: bool) -> dict[str, str]:
        """Count a request and return the headers. Raises the refusal of a limit that is used up."""
        self._burst(endpoint, now)
        return self._points(now) if app else {}

    def _burst(self, endpoint: str, now: float) -> None:
        if self._limits.burst is None:
            return
        if int(now) != self._second:
            self._second, self._bursts = int(now), {}
        used = self._bursts[endpoint] = self._bursts.get(endpoint, 0) + 1
        if used > self._limits.burst:
            raise _refused({"retry-after": "1", "ratelimit-reason": "jira-burst-based"})

    def _points(self, now: float) -> dict[str, str]:
        hour = int(now // 3600)
        if hour != self._hour:
            self._hour, self._used = hour, 0
        left, seconds = self._limits.points - self._used, int((hour + 1) * 3600 - now) + 1
        told = {"ratelimit-policy": f'"global-app-quota";q={self._limits.points};w=3600'}
        if left <= 0:
            more = {"retry-after": str(seconds), "ratelimit-reason": "jira-quota-global-based"}
            raise _refused(told | more | {"ratelimit": f'"global-app-quota";r=0;t={seconds}'})
        self._used += 1
        near = {"x-ratelimit-nearlimit": "true"} if left - 1 < self._limits.points / 5 else {}
        return told | near | {"ratelimit": f'"global-app-quota";r={left - 1};t={seconds}'}


def _refused(headers: dict[str, str]) -> Refusal:
    body = {"errorMessages": ["Rate limit exceeded."], "errors": {}, "status": 429}
    return Refusal(Answer.of(body, 429, headers))
