"""Which limits a call is charged to: agent, tenant, connection, action, writes apart, records by the hour."""

from dataclasses import dataclass
from functools import lru_cache

from connectors.sdk.model import CursorQuery, PageQuery
from gateway.call import Agent, Judged
from gateway.limits import Bill, Charge, Limiter, Policy, Reach, Standing, refuse

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

    async def take(self, judged: Judged) -> Bill:
        """Charge a call and its vendor's budget, all or nothing. Raises `RateLimited`, `UpstreamQuota`.

        Where replicas cannot share limits just now, writes of a tenant that chose to stop raise `StateUnavailable`.
        """
        bill = self._bill(judged)
        refusal = await self._limiter.take(bill)
        if refusal is not None:
            raise refuse(refusal)
        return bill

    async def take_read(self, agent: Agent, connection: str) -> None:
        """Charge a `locate` read. Raises `RateLimited`."""
        charges = [
            Charge(self._agent_policy(agent), agent.id),
            Charge(self._connection, connection),
            Charge(self._tenant, f"{agent.tenant}/{agent.environment}"),
        ]
        refusal = await self._limiter.take(Bill(agent.tenant, charges))
        if refusal is not None:
            raise refuse(refusal)

    def give_back(self, bill: Bill) -> None:
        """Undo a charge of a call that was not sent."""
        self._limiter.give_back(bill)

    def standings(self, agent: Agent) -> list[Standing]:
        """Return what is left of the agent's limits, for the headers."""
        return [
            self._limiter.standing(agent.tenant, self._agent_policy(agent), agent.id),
            self._limiter.standing(agent.tenant, self._write_policy(agent), agent.id),
        ]

    def _bill(self, judged: Judged) -> Bill:
        agent = judged.call.agent
        action = judged.target.action
        connection = judged.target.connection.id
        charges = [
            Charge(self._agent_policy(agent), agent.id),
            Charge(self._connection, connection),
            Charge(self._tenant, f"{agent.tenant}/{agent.environment}"),
        ]
        if action.writes:
            charges.append(Charge(self._write_policy(agent), agent.id))
        own = agent.limits.get(f"action:{action.name}")
        if own:
            charges.append(Charge(_policy(action.name, own, _MINUTE), f"{agent.id}/{action.name}"))
        hourly = judged.bounded.rules.max_records_per_hour
        if hourly is not None:
            charges.append(Charge(_policy("records", hourly, _HOUR), f"{agent.id}/{connection}", _records(judged)))
        stops = action.writes and agent.stops_without_state
        return Bill(agent.tenant, charges, Reach(connection, action.budget, action.writes), stops)

    def _agent_policy(self, agent: Agent) -> Policy:
        return _policy("agent", agent.limits.get("requests_per_minute", self._defaults.agent), _MINUTE)

    def _write_policy(self, agent: Agent) -> Policy:
        return _policy("writes", agent.limits.get("writes_per_minute", self._defaults.writes), _MINUTE)


@lru_cache(maxsize=1024)
def _policy(name: str, quota: int, window: int) -> Policy:
    return Policy(name, quota, window)


def _records(judged: Judged) -> int:
    """A page counts as many records as it may bring."""
    given = judged.typed.input
    if isinstance(given, CursorQuery):
        return given.page_records
    return given.limit if isinstance(given, PageQuery) else judged.records
