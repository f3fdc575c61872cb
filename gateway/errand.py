"""Reads at a vendor outside any call: recorded like every request, with whom they were for."""

from collections.abc import Mapping

from gateway.call import Connection
from gateway.clock import Clock
from gateway.freeze import Freezes
from gateway.ledger.database import Database
from gateway.ledger.events import Events
from gateway.ledger.record import EventRow, Record
from gateway.registry import Registry
from gateway.upstream.reads import ResultT, Work, perform
from gateway.upstream.road import Road, Trip

_SECONDS = 20.0


class Errands:
    """Asks vendors on behalf of the gateway, an admin or an agent that calls nothing yet."""

    def __init__(
        self, registry: Registry, road: Road, freezes: Freezes, database: Database, events: Events, clock: Clock
    ) -> None:
        self._registry = registry
        self._road = road
        self._freezes = freezes
        self._database = database
        self._events = events
        self._clock = clock

    async def run(
        self, connection: Connection, work: Work[ResultT], what: str, told: Mapping[str, object] | None = None
    ) -> ResultT:
        """Return what the work reads. `told` goes into each event. Raises the errors of a read, `Frozen`."""
        waiting: list[EventRow] = []
        trip = self._trip(connection, waiting, dict(told or {}))
        try:
            return await perform(self._road, trip, work, what)
        finally:
            await self._record(waiting)

    def _trip(self, connection: Connection, waiting: list[EventRow], told: dict[str, object]) -> Trip:
        agent = str(told.get("agent", ""))

        def check() -> None:
            self._freezes.check_caller(connection.tenant, connection.environment, agent)
            self._freezes.check_target(connection.tenant, connection.environment, connection.connector, connection.id)

        def note(type: str, data: dict[str, object]) -> None:
            row = self._events.make(
                type,
                self._clock.now(),
                data | told | {"connection": connection.id},
                tenant=connection.tenant,
                environment=connection.environment,
            )
            waiting.append(row)

        return Trip(
            connector=self._registry.connectors[connection.connector],
            connection=connection,
            deadline=self._clock.monotonic() + _SECONDS,
            check=check,
            note=note,
            record=lambda: self._record(waiting),
        )

    async def _record(self, waiting: list[EventRow]) -> None:
        if waiting:
            events = list(waiting)
            waiting.clear()
            await self._database.commit(Record(events=events))
