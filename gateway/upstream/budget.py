"""The vendor's own quota, shared by all agents of a connection and scheduled, not only obeyed.

Reads leave a reserve for writes. What is known comes from the vendor's headers; nothing is guessed.
"""

from collections.abc import Callable, Iterable

from connectors.sdk import Quota
from connectors.sdk.errors import UpstreamQuota

_RESERVE = 0.05


class VendorQuota:
    """What is left at the vendor, by connection and by the name of the budget. `now` is Unix seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._quotas: dict[str, dict[str, Quota]] = {}
        self._paused: dict[str, tuple[float, str]] = {}

    def learn(self, connection: str, quotas: Iterable[Quota]) -> None:
        """Take what an answer said."""
        for quota in quotas:
            self._quotas.setdefault(connection, {})[quota.name] = quota

    def refused(self, connection: str, seconds: float, reason: str) -> None:
        """Take note of a refusal. Where a budget is known to be used up, only that one waits; else all do."""
        if any(quota.remaining <= 0 for quota in self._quotas.get(connection, {}).values()):
            return
        self._paused[connection] = (self._now() + seconds, reason)

    def check(self, connection: str, *, writes: bool, name: str = "core") -> None:
        """Raise `UpstreamQuota` where a request would find the vendor's quota used up."""
        paused = self._paused.get(connection)
        now = self._now()
        if paused is not None:
            if now < paused[0]:
                raise _used_up(paused[0] - now, paused[1])
            del self._paused[connection]
        quota = self._quotas.get(connection, {}).get(name)
        if quota is None or now >= quota.resets_at:
            return
        reserve = 0 if writes else int(quota.limit * _RESERVE)
        if quota.remaining <= reserve:
            kept = f"; {quota.remaining} are kept for writes" if quota.remaining else ""
            raise _used_up(quota.resets_at - now, f"the vendor's budget of {quota.limit} is used up{kept}")

    def clear(self) -> None:
        """Forget all that is known."""
        self._quotas.clear()
        self._paused.clear()

    def shown(self, connection: str) -> list[dict[str, object]]:
        """Return what is known, for admins."""
        return [
            {"name": q.name, "limit": q.limit, "remaining": q.remaining, "resets_at": q.resets_at}
            for q in self._quotas.get(connection, {}).values()
        ]


def _used_up(seconds: float, reason: str) -> UpstreamQuota:
    return UpstreamQuota(
        f"Nothing was sent: {reason}.",
        retry_after_ms=int(seconds * 1000) + 1,
        hint="Wait, then send the same call with the same key.",
    )
