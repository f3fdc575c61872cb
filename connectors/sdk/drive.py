"""Run a handler: take out what it asks, put back what it gets."""

from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from connectors.sdk.action import DeclarationError
from connectors.sdk.errors import ActionError, UpstreamInvalidResponse
from connectors.sdk.exchange import Asked, LoadFile, Request, SaveFile

ResultT = TypeVar("ResultT")
_SAME_READS = 3
_MOST_READS = 500


async def drive(
    handler: Coroutine[Any, Any, ResultT],
    answer: Callable[[Asked], Awaitable[object]],
    *,
    started: Asked | None = None,
) -> ResultT:
    """Return the handler's result. `started` is what it asked already, where it has been begun.

    An `ActionError` of `answer` is raised inside the handler, where it may be caught (a 404 after a repeated delete);
    any other exception closes the handler and goes to the caller. Raises `DeclarationError` where the handler awaits
    anything but its `Upstream`, `UpstreamInvalidResponse` where it walks through pages in a circle.
    """
    reads: Counter[Request] = Counter()
    try:
        asked = handler.send(None) if started is None else started
        while True:
            if not isinstance(asked, Request | LoadFile | SaveFile):
                raise DeclarationError(
                    "a handler may await nothing but its `Upstream`: no sleeps, no sockets, no other clients"
                )
            try:
                _check_circle(asked, reads)
                given = await answer(asked)
            except ActionError as error:
                asked = handler.throw(error)
            else:
                asked = handler.send(given)
    except StopIteration as stop:
        result: ResultT = stop.value
        return result
    finally:
        handler.close()


def _check_circle(asked: Asked, reads: Counter[Request]) -> None:
    """Refuse to read the same thing over and over: handlers cannot wait, so its answer will be the same.

    A vendor whose pages go in a circle would be asked until the call's deadline, and no call needs as many reads as
    are allowed here.
    """
    if not isinstance(asked, Request):
        return
    if asked.effect:
        reads.clear()
        return
    reads[asked] += 1
    if reads[asked] > _SAME_READS or len(reads) > _MOST_READS:
        raise UpstreamInvalidResponse(
            f"{asked.path} was read {sum(reads.values()) - 1} times in one call: the vendor's pages have no end.",
            hint="Narrow the query, so that it needs no further pages.",
        )
