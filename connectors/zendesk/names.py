"""Names that many inputs share, and how a ticket is identified where a grant names resources.

Tickets have no container. What admins part them by are brand and group, so a ticket is
`brand/BRAND/group/GROUP`, and `none` stands for what it lacks. The other things are `user/ID`, `organization/ID`,
`group/ID`, `view/ID`, `macro/ID` and `ticket_field/ID`.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, Field

from connectors.sdk import Input, Located, Output, Searched, Upstream

TICKETS = "/api/v2/tickets"
TICKET = TICKETS + "/{ticket_id}"

Id = Annotated[int, Field(ge=1, le=2**63 - 1)]
Tag = Annotated[str, Field(pattern=r"^[^\s,\x00-\x1f\x7f]{1,255}$")]


class OfTicket(Input):
    """An input about one ticket."""

    ticket_id: Id = Field(description="The ticket's number.")


Stamp = Annotated[
    AwareDatetime | None,
    Field(
        description="The ticket's `updated_at` as you read it: if the ticket has changed since, nothing is done and "
        "the call fails with `upstream_conflict`."
    ),
]


class _Place(Output):
    brand_id: int | None = None
    group_id: int | None = None


class _Placed(Output):
    ticket: _Place


def place(brand: int | None, group: int | None) -> str:
    """Return a ticket's identity."""
    return f"brand/{brand or 'none'}/group/{group or 'none'}"


async def _read_place(api: Upstream, what: Any) -> str:
    ticket = api.read(_Placed, await api.get(TICKET, {"ticket_id": what.ticket_id})).ticket
    return place(ticket.brand_id, ticket.group_id)


OF_TICKET = Located(_read_place)


def listed(identity: Callable[[Any], str]) -> Searched:
    """Return the resource of a list: Zendesk is asked for all, and what a grant does not name is left out."""
    return Searched(_unchanged, identity)


def _unchanged(query: Any, patterns: Sequence[str]) -> Any:
    del patterns
    return query


def iso(at: datetime) -> str:
    """Return a time as Zendesk writes it, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def guarded(stamp: datetime | None) -> dict[str, object]:
    """Return what makes Zendesk refuse a change of a ticket that is no longer as it was."""
    return {} if stamp is None else {"safe_update": True, "updated_stamp": iso(stamp)}
