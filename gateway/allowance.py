"""Which limits a call is charged to: agent, tenant, connection, action, writes apart, records by the hour."""

from dataclasses import dataclass
from functools import lru_cache

from connectors.sdk.model import CursorQuery, PageQuery
from gateway.call import Agent, Judged
from gateway.limits import Charge, Limiter, Policy, Standing, refuse

_MINUTE = 60
_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Defaults:
    """Limits where an agent has none of its own, per minute."""

    agent: int
    writes: int
    connection: int
    tenant: int


class Allowances:
    """Charges calls. An agent's own `limits` are `requests_per_minute`, `writes_per_minute` and, by action,
    `action:<name>` per minute.
    """

    def __init__(self, limiter: Limiter, defaults: Defaults) -> None:
        self._limiter = limiter
        self._defaults = defaults
        self._connection = Policy("connection", defaults.connection, _MINUTE)
        self._tenant = Policy("tenant", defaults.tenant, _MINUTE)

    def take(self, judged: Judged) -> list[Charge]:
        """Charge a call, all or nothing. Raises `RateLimited`."""
        charges = self._charges(judged)
        refusal = self._limiter.take(charges)
        if refusal is not None:
            raise refuse(refusal)
        return charges

    def take_read(self, agent: Agent, connection: str) -> None:
        """Charge a `locate` read. Raises `RateLimited`."""
        key = f"{agent.tenant}/{agent.environment}"
        charges = [
            Charge(self._agent_policy(agent), agent.id),
            Charge(self._connection, connection),
            Charge(self._tenant, key),
        ]
        refusal = self._limiter.take(charges)
        if refusal is not None:
            raise refuse(refusal)

    def give_back(self, charges: list[Charge]) -> None:
        """Undo a charge of a call that was not sent."""
        self._limiter.give_back(charges)

    def standings(self, agent: Agent) -> list[Standing]:
        """Return what is left of the agent's limits, for the headers."""
        return [
            self._limiter.standing(self._agent_policy(agent), agent.id),
            self._limiter.standing(self._write_policy(agent), agent.id),
        ]

    def _charges(self, judged: Judged) -> list[Charge]:
        agent = judged.call.agent
        action = judged.target.action
        charges = [
            Charge(self._agent_policy(agent), agent.id),
            Charge(self._connection, judged.target.connection.id),
            Charge(self._tenant, f"{agent.tenant}/{agent.environment}"),
        ]
        if action.writes:
            charges.append(Charge(self._write_policy(agent), agent.id))
        own = agent.limits.get(f"action:{action.name}")
        if own:
            charges.append(Charge(Policy(action.name, own, _MINUTE), f"{agent.id}/{action.name}"))
        hourly = judged.bounded.rules.max_records_per_hour
        if hourly is not None:
            charges.append(
                Charge(Policy("records", hourly, _HOUR), f"{agent.id}/{judged.target.connection.id}", _records(judged))
            )
        return charges

    def _agent_policy(self, agent: Agent) -> Policy:
        return _a_minute("agent", agent.limits.get("requests_per_minute", self._defaults.agent))

    def _write_policy(self, agent: Agent) -> Policy:
        return _a_minute("writes", agent.limits.get("writes_per_minute", self._defaults.writes))


@lru_cache(maxsize=1024)
def _a_minute(name: str, quota: int) -> Policy:
    return Policy(name, quota, _MINUTE)


def _records(judged: Judged) -> int:
    """A page counts as many records as it may bring."""
    given = judged.typed.input
    if isinstance(given, CursorQuery):
        return given.page_records
    return given.limit if isinstance(given, PageQuery) else judged.records
