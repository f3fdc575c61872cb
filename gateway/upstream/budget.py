"""The vendor's own quota, shared by all agents of a connection and scheduled, not only obeyed.

Reads leave a reserve for writes. What is known comes from the vendor's headers; nothing is guessed.
"""

from collections.abc import Callable, Iterable

from connectors.sdk import Quota
from connectors.sdk.errors import UpstreamQuota

RESERVE = 0.05


class VendorQuota:
    """What is left at the vendor, by connection and by the name of the budget. `now` is Unix seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._quotas: dict[str, dict[str, Quota]] = {}
        self._paused: dict[str, tuple[float, str]] = {}

    def learn(self, tenant: str, connection: str, quotas: Iterable[Quota]) -> None:
        """Take what an answer said."""
        del tenant  # connections' ids are everybody's; those who share by tenant need it
        for quota in quotas:
            self._quotas.setdefault(connection, {})[quota.name] = quota

    def refused(self, tenant: str, connection: str, seconds: float, reason: str) -> bool:
        """Take note of a refusal. Where a budget is known to be used up, only that one waits; else all do.

        Returns whether all do.
        """
        del tenant
        if any(quota.remaining <= 0 for quota in self._quotas.get(connection, {}).values()):
            return False
        self.pause(connection, seconds, reason)
        return True

    def pause(self, connection: str, seconds: float, reason: str) -> None:
        """Let all requests of a connection wait."""
        self._paused[connection] = (self._now() + seconds, reason)

    def take_over(self, connection: str, name: str, limit: int, remaining: int, seconds: float) -> None:
        """Take what others learned of a budget that resets in `seconds`."""
        self._quotas.setdefault(connection, {})[name] = Quota(name, limit, remaining, self._now() + seconds)

    def check(self, connection: str, *, writes: bool, name: str = "core") -> None:
        """Raise `UpstreamQuota` where a request would find the vendor's quota used up."""
        paused = self._paused.get(connection)
        now = self._now()
        if paused is not None:
            if now < paused[0]:
                raise used_up(paused[0] - now, paused[1])
            del self._paused[connection]
        quota = self._quotas.get(connection, {}).get(name)
        if quota is None or now >= quota.resets_at:
            return
        reserve = 0 if writes else int(quota.limit * RESERVE)
        if quota.remaining <= reserve:
            kept = f"; {quota.remaining} are kept for writes" if quota.remaining else ""
            raise used_up(quota.resets_at - now, f"the vendor's budget of {quota.limit} is used up{kept}")

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


def used_up(seconds: float, reason: str) -> UpstreamQuota:
    """Return the problem of a vendor's budget that gives nothing for now."""
    return UpstreamQuota(
        f"Nothing was sent: {reason}.",
        retry_after_ms=int(seconds * 1000) + 1,
        hint="Wait, then send the same call with the same key.",
    )
