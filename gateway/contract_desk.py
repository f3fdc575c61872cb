"""The contract suite's control plane: its agents with their keys, their connections and what they are granted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.sdk import Connector, OAuthUser
from connectors.sdk.contract.check import Who
from connectors.sdk.simulator import Simulator
from gateway.admin.agents import NewAgent
from gateway.admin.connections import NewConnection, Reconnection
from gateway.admin.grants import GrantChange, NewGrant
from gateway.admin.keys import NewKey
from gateway.admin.rows import Place
from gateway.admin.tenants import NewEnvironment, NewTenant
from gateway.admin.tokens import at_start
from gateway.app import Gateway
from scopes.grant import Autonomy

_PLACE = Place("contract", "check")
_BY = at_start("contract suite")


@dataclass(frozen=True, slots=True)
class _Credential:
    method: str
    fields: Mapping[str, str] = field(repr=False)
    base_url: str


class Desk:
    """Makes what the suite calls with. `keys` are those of the agents."""

    def __init__(self, gateway: Gateway, connector: Connector, simulator: Simulator) -> None:
        self._gateway = gateway
        self._connector = connector
        self._simulator = simulator
        self.keys: dict[Who, str] = {}
        self._bound = ""
        self._bound_to = ""

    @classmethod
    async def opened(
        cls, gateway: Gateway, connector: Connector, simulator: Simulator, *, elsewhere: list[str]
    ) -> "Desk":
        """Make the tenant, the connections and the agents. `elsewhere` are the patterns that `walled` may reach."""
        desk = cls(gateway, connector, simulator)
        await gateway.admin.tenants.create(_BY, NewTenant(id=_PLACE.tenant))
        await gateway.admin.tenants.create_environment(_BY, _PLACE.tenant, NewEnvironment(id=_PLACE.environment))
        shared = await desk._connection("contract", desk._pasted())
        await desk._agent("free", shared, {})
        await desk._agent("walled", shared, {"resources": elsewhere})
        desk._bound = await desk._agent("bound", shared, {"resources": ["*"]})
        desk._bound_to = "*"
        await desk._agent("pasted", await desk._connection("pasted", desk._pasted()), {})
        consented = desk._consented()
        if consented is not None:
            await desk._agent("consented", await desk._connection("consented", consented), {})
        return desk

    async def bind(self, resource: str) -> None:
        """Let `bound` reach one resource."""
        if resource != self._bound_to:
            change = GrantChange(constraints={"resources": [resource]})
            await self._gateway.admin.grants.update(_PLACE, _BY, self._bound, change, None)
            self._bound_to = resource

    async def connect(self, who: Who) -> bool:
        """Give a connection a good credential; False where the simulator gives none."""
        credential = self._pasted() if who == "pasted" else self._consented()
        if credential is None:
            return False
        name, wanted = f"{self._connector.id}/{who}", Reconnection(credential=dict(credential.fields))
        await self._gateway.admin.connections.reconnect(_PLACE, _BY, name, wanted, None)
        return True

    async def record(self, call: str) -> Sequence[Mapping[str, Any]]:
        """Return a call's events in their order."""
        moments = await self._gateway.timeline.of_call(_PLACE.tenant, _PLACE.environment, call)
        return [{"type": moment.type, "data": moment.data} for moment in moments]

    def _pasted(self) -> _Credential:
        simulator = self._simulator
        return _Credential(simulator.method, simulator.credential, simulator.url)

    def _consented(self) -> _Credential | None:
        method = next((one for one in self._connector.auth.values() if isinstance(one, OAuthUser)), None)
        given = self._simulator.consent() if method is not None else None
        if method is None or given is None:
            return None
        return _Credential(method.id, given.credential, self._simulator.url + given.root)

    async def _connection(self, name: str, credential: _Credential) -> str:
        wanted = NewConnection(
            connector=self._connector.id,
            name=f"{self._connector.id}/{name}",
            method=credential.method,
            credential=dict(credential.fields),
            base_url=credential.base_url,
        )
        return str((await self._gateway.admin.connections.create(_PLACE, _BY, wanted))["id"])

    async def _agent(self, name: Who, connection: str, constraints: dict[str, Any]) -> str:
        """Make an agent with its key, and return its one grant."""
        await self._gateway.admin.agents.create(_PLACE, _BY, NewAgent(name=name))
        wanted = NewGrant(
            agent=name,
            connection=connection,
            scopes=[f"{self._connector.id}:*:*"],
            constraints=constraints,
            autonomy=Autonomy.AUTO,
        )
        grant = await self._gateway.admin.grants.create(_PLACE, _BY, wanted)
        self.keys[name] = (await self._gateway.admin.keys.create(_PLACE, _BY, name, NewKey()))["key"]
        return str(grant["id"])
