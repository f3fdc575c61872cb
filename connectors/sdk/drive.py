"""Run a handler: take out what it asks, put back what it gets."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from connectors.sdk.action import DeclarationError
from connectors.sdk.errors import ActionError
from connectors.sdk.exchange import Asked, LoadFile, Request, SaveFile

ResultT = TypeVar("ResultT")


async def drive(
    handler: Coroutine[Any, Any, ResultT],
    answer: Callable[[Asked], Awaitable[object]],
    *,
    started: Asked | None = None,
) -> ResultT:
    """Return the handler's result. `started` is what it asked already, where it has been begun.

    An `ActionError` of `answer` is raised inside the handler, where it may be caught (a 404 after a repeated delete);
    any other exception closes the handler and goes to the caller. Raises `DeclarationError` where the handler awaits
    anything but its `Upstream`.
    """
    try:
        asked = handler.send(None) if started is None else started
        while True:
            if not isinstance(asked, Request | LoadFile | SaveFile):
                raise DeclarationError(
                    "a handler may await nothing but its `Upstream`: no sleeps, no sockets, no other clients"
                )
            try:
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
