"""One action in full, with the fields that the tenant has made at its vendor."""

from typing import Any

from connectors.sdk.errors import ActionError
from gateway.allowance import Allowances
from gateway.call import Connection, Principal
from gateway.catalogue import ActionCatalogue, full
from gateway.clock import Clock
from gateway.custom_fields import NOTICE, CustomFieldBook
from gateway.errand import Errands
from gateway.registry import Registry
from scopes.grant import covering, patterns


class Describer:
    """Describes actions. What it asks of a vendor is recorded, charged to the agent, and kept for a while."""

    def __init__(
        self,
        catalogue: ActionCatalogue,
        registry: Registry,
        book: CustomFieldBook,
        errands: Errands,
        allowances: Allowances,
        clock: Clock,
    ) -> None:
        self._catalogue = catalogue
        self._registry = registry
        self._book = book
        self._errands = errands
        self._allowances = allowances
        self._clock = clock

    async def of(self, principal: Principal, name: str, connection: str | None, kind: str | None) -> dict[str, Any]:
        """Return an action that the agent may call. Raises `ActionNotFound`.

        `custom_fields` is empty where the action has none, where its fields depend on a kind of record that `kind`
        does not name or that no grant's resources reach, and where it is not said which of several connections is
        meant. Where the vendor cannot be asked, it says why.
        """
        now = self._clock.now()
        action, connections = self._catalogue.find(principal, name, now, connection)
        shown = full(action, connections)
        fact = action.custom
        of_kind = kind if fact is None or not isinstance(fact.kind, str) else fact.kind
        if fact is None or of_kind is None or len(connections) != 1:
            return shown
        bounds = patterns(covering(principal.grants, connection=connections[0].id, scopes=action.scopes, now=now))
        if bounds is not None and not fact.within(of_kind, bounds):
            return shown
        member = {"member": "/" + fact.member}
        try:
            schema = await self._schema(principal, action.name, connections[0], of_kind)
        except ActionError as error:
            return shown | {"custom_fields": {**member, "unavailable": {"code": error.code, "detail": error.detail}}}
        return shown | ({"custom_fields": {**member, "schema": schema, "notice": NOTICE}} if schema else {})

    async def _schema(
        self, principal: Principal, name: str, connection: Connection, kind: str
    ) -> dict[str, Any] | None:
        found = self._registry.action(name)
        assert found is not None
        connector, action = found
        assert action.custom is not None

        async def perform(work: Any) -> Any:
            await self._allowances.take_read(principal.agent, connection.id)
            told = {"agent": principal.agent.id, "action": name}
            return await self._errands.run(connection, work, f"{name}: its custom fields", told)

        known = await self._book.known(connector, connection, action.custom, kind, perform)
        return known.schema() if known is not None else None
