"""Changes to the control plane: one transaction with its event, effective before it is answered."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection as Rows

from connectors.sdk.errors import PreconditionFailed
from gateway.admin.generation import Generation
from gateway.admin.roles import Admin
from gateway.clock import Clock
from gateway.ledger.database import Database
from gateway.ledger.events import Events

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class By:
    """Who changes something, and from where."""

    admin: Admin
    address: str

    def shown(self) -> dict[str, object]:
        """Return the public form."""
        return {
            "token": self.admin.token,
            "name": self.admin.name,
            "role": self.admin.role.value,
            "address": self.address,
        }


class Control:
    """Writes the control plane."""

    def __init__(self, database: Database, events: Events, generation: Generation, clock: Clock) -> None:
        self.database = database
        self.clock = clock
        self._events = events
        self._generation = generation

    async def change(
        self,
        job: Callable[[Rows], ResultT],
        by: By,
        what: str,
        subject: str,
        *,
        tenant: str,
        environment: str = "",
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
    ) -> ResultT:
        """Run a job and record who did what, from where, before and after. What the job raises undoes both."""
        data = {"what": what, "subject": subject, "by": by.shown(), "before": before, "after": after}
        event = self._events.make("admin", self.clock.now(), data, tenant=tenant, environment=environment)
        return await self._generation.write(job, event)


def check_version(found: int, wanted: int | None) -> None:
    """Compare a row's version with `If-Match`. Raises `PreconditionFailed`."""
    if wanted is not None and wanted != found:
        raise PreconditionFailed(
            f"This is at version {found}, and If-Match names {wanted}.", hint="Read it again, then send the change."
        )
