"""`/v1/calls`: how a call stands, its whole output, and taking it back."""

from aiohttp import web

from gateway.http.agent import Visit
from gateway.http.request import check_parameters, limit, seconds
from gateway.http.response import json_response, listing
from gateway.output import inline
from gateway.own_calls import OwnCalls
from gateway.stored import StoredCall


class CallRoutes:
    """The routes of calls."""

    def __init__(self, calls: OwnCalls) -> None:
        self._calls = calls

    async def get(self, visit: Visit) -> web.StreamResponse:
        """Answer `GET /v1/calls/{id}`: always 200, with the problem under `error` where the call failed."""
        check_parameters(visit.request, ("wait",))
        wait = seconds(visit.request, "wait", 60)
        return self._shown(visit, await self._calls.get(visit.principal, visit.request.match_info["id"], wait))

    async def cancel(self, visit: Visit) -> web.StreamResponse:
        """Answer `POST /v1/calls/{id}/cancel`: only before anything was sent."""
        check_parameters(visit.request, ())
        return self._shown(visit, await self._calls.cancel(visit.principal, visit.request.match_info["id"]))

    async def output(self, visit: Visit) -> web.StreamResponse:
        """Answer `GET /v1/calls/{id}/output`: a page of a result, by pointer."""
        check_parameters(visit.request, ("pointer", "cursor", "limit"))
        query = visit.request.query
        page = await self._calls.output(
            visit.principal,
            visit.request.match_info["id"],
            query.get("pointer", ""),
            query.get("cursor"),
            limit(visit.request),
        )
        return listing(page.items, page.next_cursor)

    def _shown(self, visit: Visit, stored: StoredCall) -> web.StreamResponse:
        body = inline(self._calls.shown(visit.principal, stored))
        return json_response(body, headers={"Gatehouse-Call": stored.id})
