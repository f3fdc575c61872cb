"""Rate limits: the primary budgets per hour and minute, and the secondary one for what creates content.

Source: GitHub documentation, "Rate limits for the REST API".
"""

from collections import deque
from dataclasses import dataclass

from connectors.sdk.simulator import Answer, Refusal


@dataclass(frozen=True, slots=True)
class Limits:
    """The budgets. The defaults are out of reach, so that a load test measures its gateway and not this.

    `core` is per hour, `search` per minute, `content` (writes) per minute; None means no secondary limit.
    `status` is how a refusal is answered: 403 or 429, GitHub does both.
    """

    core: int = 10_000_000
    search: int = 1_000_000
    content: int | None = None
    status: int = 403
    retry_after: int | None = 60


GITHUB_LIMITS = Limits(core=5000, search=30, content=80)


@dataclass(slots=True)
class _Budget:
    limit: int
    used: int
    resets_at: float


class RateLimits:
    """What each caller has used."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._budgets: dict[tuple[str, str], _Budget] = {}
        self._writes: dict[str, deque[float]] = {}

    def budget(self, key: str, resource: str, now: float) -> _Budget:
        """Return a caller's present budget."""
        budget = self._budgets.get((key, resource))
        if budget is None or budget.resets_at <= now:
            limit, window = (self._limits.search, 60) if resource == "search" else (self._limits.core, 3600)
            budget = self._budgets[key, resource] = _Budget(limit, 0, float(int(now) + window))
        return budget

    def spend(self, key: str, resource: str, now: float, *, write: bool) -> dict[str, str]:
        """Count a request and return the headers. Raises the refusal of a budget that is used up."""
        budget = self.budget(key, resource, now)
        if budget.used >= budget.limit:
            raise self._primary(key, headers(budget, resource))
        budget.used += 1
        told = headers(budget, resource)
        if write and self._limits.content is not None:
            self._secondary(key, now, told)
        return told

    def _primary(self, key: str, told: dict[str, str]) -> Refusal:
        return _limited(self._limits.status, f"API rate limit exceeded for {key}.", told)

    def _secondary(self, key: str, now: float, told: dict[str, str]) -> None:
        writes = self._writes.setdefault(key, deque())
        while writes and writes[0] <= now - 60:
            writes.popleft()
        if len(writes) >= (self._limits.content or 0):
            wait = self._limits.retry_after
            extra = {} if wait is None else {"retry-after": str(wait)}
            text = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
            raise _limited(self._limits.status, text, {**told, **extra})
        writes.append(now)


def headers(budget: _Budget, resource: str) -> dict[str, str]:
    """Return a budget as GitHub states it on every answer."""
    return {
        "x-ratelimit-limit": str(budget.limit),
        "x-ratelimit-remaining": str(max(0, budget.limit - budget.used)),
        "x-ratelimit-used": str(budget.used),
        "x-ratelimit-reset": str(int(budget.resets_at)),
        "x-ratelimit-resource": resource,
    }


def _limited(status: int, message: str, told: dict[str, str]) -> Refusal:
    url = "https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api"
    return Refusal(Answer.of({"message": message, "documentation_url": url, "status": str(status)}, status, told))
