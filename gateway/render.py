"""Stage: render. Begins the handler and takes out its first request, so that it can be judged before it is sent."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from connectors.sdk import DeclarationError, Upstream
from connectors.sdk.errors import ActionError, Internal
from connectors.sdk.exchange import Asked, FileContent, LoadFile, Request, SaveFile
from connectors.sdk.facts import Native
from gateway.call import Rendered, Typed
from gateway.fault import log_fault
from gateway.upstream.destination import url_of
from gateway.upstream.recording import body_data

Load = Callable[[str], Awaitable[FileContent]]


async def render(typed: Typed, since: datetime, load: Load) -> Rendered:
    """Return the handler, stopped at its first request. Uploaded files are read; nothing is sent."""
    action, strategy = typed.target.action, typed.target.action.idempotency
    api = Upstream(
        typed.target.connector,
        marker=typed.marker,
        since=since,
        account=typed.target.connection.account or "",
        key_header=strategy.header if isinstance(strategy, Native) else None,
    )
    handler = action.handler(api, typed.input)
    try:
        asked = await _first(handler, load)
    except _Done as done:
        return Rendered(handler, api, None, done.result)
    except ActionError:
        raise
    except Exception as error:  # the recorder's edge: a fault of a handler ends its call, and the call is recorded
        log_fault(error, typed.target.call.asked.trace.id)
        raise Internal(f"A fault of ours ended {action.name} before anything was sent.") from error
    if not isinstance(asked, Request | SaveFile):
        handler.close()
        raise DeclarationError(f"{action.name} awaits something else than its `Upstream`")
    return Rendered(handler, api, asked)


class _Done(Exception):
    """The handler ended without a request."""

    def __init__(self, result: object) -> None:
        super().__init__("done")
        self.result = result


async def _first(handler: Any, load: Load) -> Asked:
    """Begin a handler and return what it asks that is no uploaded file. Raises `_Done`, and what the handler raises."""
    try:
        asked: Asked = handler.send(None)
        while isinstance(asked, LoadFile):
            try:
                content = await load(asked.file)
            except ActionError as error:
                asked = handler.throw(error)
            else:
                asked = handler.send(content)
    except StopIteration as stop:
        raise _Done(stop.value) from stop
    return asked


def shown(typed: Typed, request: Request) -> dict[str, object]:
    """Return a request as people and digests see it: everything that would be sent, but for the credential."""
    data: dict[str, object] = {
        "method": request.method,
        "url": url_of(typed.target.connector, typed.target.connection, request),
        "headers": dict(request.headers),
        "effect": request.effect,
    }
    return data if request.body is None else data | body_data(request.body)
