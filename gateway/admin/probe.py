"""Asks a vendor whose credential a connection has. Recorded like every request, outside any run."""

from dataclasses import replace

from connectors.sdk import Upstream
from connectors.sdk.auth import Account
from connectors.sdk.drive import drive
from connectors.sdk.errors import Internal
from connectors.sdk.exchange import Asked, Request
from gateway.call import Connection
from gateway.clock import Clock
from gateway.freeze import Freezes
from gateway.ledger.database import Database
from gateway.ledger.events import Events
from gateway.ledger.record import EventRow, Record
from gateway.registry import Registry
from gateway.upstream.road import Road, Trip
from gateway.upstream.tokens import ConnectionTokens

_SECONDS = 20.0


class Prober:
    """Tests connections."""

    def __init__(
        self,
        registry: Registry,
        road: Road,
        tokens: ConnectionTokens,
        freezes: Freezes,
        database: Database,
        events: Events,
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._road = road
        self._tokens = tokens
        self._freezes = freezes
        self._database = database
        self._events = events
        self._clock = clock

    async def account(self, connection: Connection) -> Account:
        """Return the account behind a connection's credential, with the vendor scopes that it was given.

        Raises the errors of a read: `ConnectionUnhealthy`, `UpstreamUnavailable`, ...
        """
        connector = self._registry.connectors[connection.connector]
        waiting: list[EventRow] = []
        trip = self._trip(connection, waiting)

        async def answer(asked: Asked) -> object:
            if not isinstance(asked, Request) or asked.effect:
                raise Internal(f"{connector.id}: `account` may send nothing but reads.")
            return await self._road.send(trip, asked)

        try:
            account = await drive(connector.account(Upstream(connector), connection.method), answer)
        finally:
            await self._record(waiting)
        if account.granted is None:
            token = await self._tokens.token(connector, connection, connector.auth[connection.method])
            account = replace(account, granted=token.granted)
        return account

    async def root(self, connection: Connection) -> str | None:
        """Return the API's root that the vendor names with a new token. Raises `ConnectionUnhealthy`, `TryLater`."""
        connector = self._registry.connectors[connection.connector]
        return (await self._tokens.token(connector, connection, connector.auth[connection.method])).root

    def _trip(self, connection: Connection, waiting: list[EventRow]) -> Trip:
        def check() -> None:
            self._freezes.check_caller(connection.tenant, connection.environment, "")
            self._freezes.check_target(connection.tenant, connection.environment, connection.connector, connection.id)

        def note(type: str, data: dict[str, object]) -> None:
            row = self._events.make(
                type,
                self._clock.now(),
                data | {"connection": connection.id},
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
