"""The HTTP server beneath the application: what it cannot read it answers as a problem, and quotes nowhere.

aiohttp answers what is no HTTP with a text that quotes it, and logs that too: a credential may stand in it.
"""

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

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(made.request_handler, request_factory=made.request_factory, **made._kwargs)


__all__ = ["Runner"]
