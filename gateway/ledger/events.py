"""Builds events: what happened, when, in which run, sealed for its tenant."""

from collections.abc import Mapping
from datetime import datetime

from gateway.clock import stamp
from gateway.ids import new_id
from gateway.ledger.bodies import Bodies
from gateway.ledger.record import EventRow


class Events:
    """Makes rows for the chain."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies

    def make(
        self,
        type: str,
        at: datetime,
        data: Mapping[str, object],
        *,
        tenant: str,
        environment: str,
        run: str = "",
        call: str = "",
    ) -> EventRow:
        """Return an event whose data is sealed under the tenant's key."""
        id = new_id("evt")
        return EventRow(id, tenant, environment, run, call, type, stamp(at), self._bodies.seal(tenant, id, data))
