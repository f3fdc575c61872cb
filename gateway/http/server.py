"""The HTTP server beneath the application: what it cannot read it answers as a problem, and quotes nowhere.

aiohttp answers what is no HTTP with a text that quotes it, and logs that too: a credential may stand in it.
"""

import asyncio
import os

import structlog
from aiohttp import web

from connectors.sdk.errors import ActionError, Internal, MalformedRequest
from gateway.http.response import problem_response

_log = structlog.get_logger("gatehouse.http")


class _Protocol(web.RequestHandler):
    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        del message
        _log.info("request_refused", status=status, kind=type(exc).__name__)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was begun already")
        error: ActionError = MalformedRequest("This is no HTTP request that can be read.", hint="Look at its headers.")
        if status >= 500:
            error = Internal("Something failed on our side.")
        headers = {"Gatehouse-Trace": os.urandom(16).hex(), "Server": "gatehouse"}
        response = problem_response(error, headers)
        response.force_close()
        return response


class _Server(web.Server):
    def __call__(self) -> web.RequestHandler:
        return _Protocol(self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """Runs an application on this server."""

    __slots__ = ()

    def connections(self) -> int:
        """Return how many connections there are, idle ones too."""
        return len(self.server.connections) if self.server is not None else 0

    async def stop_listening(self) -> None:
        """Accept no more. Connections that there are stay."""
        for site in list(self.sites):
            await site.stop()
        await asyncio.sleep(0)  # what was accepted just now becomes a connection first

    def close_idle(self) -> None:
        """Close connections on which no request is under way, and the others once theirs is answered."""
        for connection in self.server.connections if self.server is not None else ():
            waiter: asyncio.Future[None] | None = connection._waiter  # there while it waits for a request
            idle = waiter is not None and not waiter.done()
            connection.close()
            if idle and connection.transport is not None:
                connection.transport.close()

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(made.request_handler, request_factory=made.request_factory, **made._kwargs)


__all__ = ["Runner"]
