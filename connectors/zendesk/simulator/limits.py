"""Rate limits: the account's per minute, those of listing and searching, and changes of one ticket in ten minutes.

Source: Zendesk developer documentation, "Rate limits" (2026-08).
"""

from collections import deque
from dataclasses import dataclass

from connectors.zendesk.simulator.refusals import rate_limited


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits. The defaults are out of reach, so that a load test measures its gateway and not this.

    `account`, `listing` and `searching` are per minute, `changes` for one ticket and one user in ten minutes.
    """

    account: int = 10_000_000
    listing: int = 10_000_000
    searching: int = 10_000_000
    changes: int | None = None


ZENDESK_LIMITS = Limits(account=700, listing=100, searching=100, changes=30)


class RateLimits:
    """What has been used. Windows are whole minutes."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._minute = 0
        self._used: dict[str, int] = {}
        self._changes: dict[tuple[str, str], deque[float]] = {}

    def spend(self, method: str, path: str, caller: str, now: float) -> dict[str, str]:
        """Count a request and return the headers. Raises the refusal of a limit that is used up."""
        if int(now // 60) != self._minute:
            self._minute, self._used = int(now // 60), {}
        wait = int(60 - now % 60) or 1
        left = self._take("account", self._limits.account, wait)
        told = {
            "x-rate-limit": str(self._limits.account),
            "x-rate-limit-remaining": str(left),
            "ratelimit-limit": str(self._limits.account),
            "ratelimit-remaining": str(left),
            "ratelimit-reset": str(wait),
        }
        told |= self._endpoint(method, path, wait)
        if method == "PUT" and path.startswith("/api/v2/tickets/") and path.count("/") == 4:
            self._change(caller, path, now)
        return told

    def _endpoint(self, method: str, path: str, wait: int) -> dict[str, str]:
        for name, own, total in (
            ("tickets-index", "/api/v2/tickets", self._limits.listing),
            ("search-index", "/api/v2/search", self._limits.searching),
        ):
            if method == "GET" and path == own:
                left = self._take(name, total, wait)
                return {f"zendesk-ratelimit-{name}": f"total={total}; remaining={left}; resets={wait}"}
        return {}

    def _take(self, name: str, total: int, wait: int) -> int:
        used = self._used.get(name, 0)
        if used >= total:
            raise rate_limited({"retry-after": str(wait)})
        self._used[name] = used + 1
        return total - used - 1

    def _change(self, caller: str, path: str, now: float) -> None:
        if self._limits.changes is None:
            return
        made = self._changes.setdefault((caller, path), deque())
        while made and made[0] <= now - 600:
            made.popleft()
        if len(made) >= self._limits.changes:
            raise rate_limited({"retry-after": str(int(made[0] + 600 - now) + 1)})
        made.append(now)
