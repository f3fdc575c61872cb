"""Drives work that may send nothing but reads: what is asked of a vendor beside a call's own requests."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from connectors.sdk.drive import drive
from connectors.sdk.errors import Internal
from connectors.sdk.exchange import Asked, Request
from connectors.sdk.upstream import Upstream
from gateway.upstream.road import Road, Trip

ResultT = TypeVar("ResultT")
Work = Callable[[Upstream], Awaitable[ResultT]]


async def perform(road: Road, trip: Trip, work: Work[ResultT], what: str) -> ResultT:
    """Return what the work gives. Raises the errors of reads, and `Internal` where it asks for anything else."""
    connector = trip.connector

    async def answer(asked: Asked) -> object:
        if not isinstance(asked, Request) or asked.effect:
            raise Internal(f"{what} may send nothing but reads.")
        return await road.send(trip, asked)

    asked: Any = work(Upstream(connector, account=trip.connection.account or ""))
    assert isinstance(asked, Coroutine)
    return await drive(asked, answer)
