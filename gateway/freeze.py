"""The kill switch, at five levels. Asked before each stage that could act, also for calls already under way."""

from collections.abc import Iterable

from connectors.sdk.errors import Frozen
from gateway.freshness import Freshness


class Freezes:
    """All freezes in force, in memory. The control plane fills it before it answers.

    Every check raises `StateUnavailable` where other processes may have frozen what is not known here.
    """

    def __init__(self, freshness: Freshness) -> None:
        self._freshness = freshness
        self._in_force: frozenset[tuple[str, str, str, str]] = frozenset()
        self._held: str | None = None

    def replace(self, freezes: Iterable[tuple[str, str, str, str]]) -> None:
        """Take the freezes in force: tenant, environment, kind and target of each."""
        self._in_force = frozenset(freezes)

    def hold_writes(self, reason: str | None) -> None:
        """Hold all writes, or let them go again. A restore holds them until an operator accepts what it forgot."""
        self._held = reason

    def check_caller(self, tenant: str, environment: str, agent: str) -> None:
        """Raise `Frozen` where the tenant, the environment or the agent is frozen."""
        self._freshness.check()
        if self._in_force:
            self._check(tenant, environment, (("tenant", tenant), ("environment", environment), ("agent", agent)))

    def check_target(self, tenant: str, environment: str, connector: str, connection: str) -> None:
        """Raise `Frozen` where the connector or the connection is frozen."""
        self._freshness.check()
        if self._in_force:
            self._check(tenant, environment, (("connector", connector), ("connection", connection)))

    def check_writes(self) -> None:
        """Raise `Frozen` while a restore has not been accepted."""
        if self._held is not None:
            raise Frozen(
                f"Writes are held: {self._held}.",
                hint="An operator accepts that keys used since the backup are forgotten: `gatehouse restore --accept`.",
            )

    def _check(self, tenant: str, environment: str, levels: tuple[tuple[str, str], ...]) -> None:
        for kind, target in levels:
            where = "" if kind == "tenant" else environment
            if (tenant, where, kind, target) in self._in_force:
                raise Frozen(
                    f"The {kind} {target} is frozen; nothing was sent.", hint="Ask an approver to lift the freeze."
                )
