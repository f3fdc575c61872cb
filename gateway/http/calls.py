"""`/v1/calls`: how a call stands, its whole output, and taking it back."""

from aiohttp import web

from connectors.sdk.errors import CallCancelled, NotCancellable, NotFound
from gateway.answers import Answers
from gateway.approvals import Approvals
from gateway.call import Answer
from gateway.cursor import Cursors
from gateway.ending import ending_of
from gateway.http.agent import Visit
from gateway.http.request import check_parameters, limit, seconds
from gateway.http.response import json_response, listing
from gateway.journal import AlreadySettled, Journal
from gateway.looks import Looks
from gateway.output import inline, page
from gateway.queue import Reopener
from gateway.stored import StoredCall
from gateway.waiting import Waiting


class CallRoutes:
    """The routes of calls."""

    def __init__(
        self,
        looks: Looks,
        waiting: Waiting,
        journal: Journal,
        answers: Answers,
        approvals: Approvals,
        reopener: Reopener,
        cursors: Cursors,
    ) -> None:
        self._looks = looks
        self._waiting = waiting
        self._journal = journal
        self._answers = answers
        self._approvals = approvals
        self._reopener = reopener
        self._cursors = cursors

    async def get(self, visit: Visit) -> web.StreamResponse:
        """Answer `GET /v1/calls/{id}`: always 200, with the problem under `error` where the call failed."""
        check_parameters(visit.request, ("wait",))
        wait = seconds(visit.request, "wait", 60)
        stored = await self._waiting.call(visit.principal, visit.request.match_info["id"], wait)
        return json_response(self._shown(visit, stored), headers={"Gatehouse-Call": stored.id})

    async def cancel(self, visit: Visit) -> web.StreamResponse:
        """Answer `POST /v1/calls/{id}/cancel`: only before anything was sent."""
        check_parameters(visit.request, ())
        stored = await self._looks.mine(visit.principal.agent, visit.request.match_info["id"])
        self._looks.check(visit.principal, stored)
        call = self._reopener.without_key(stored)
        error = CallCancelled("The caller took the call back before anything was sent.")
        answer = self._answers.failed(call, error)
        try:
            await self._journal.cancel(call, answer, ending_of(error, handed_over=False))
        except AlreadySettled as settled:
            raise NotCancellable(
                f"The call is {settled.status}; only what was not sent can be taken back.",
                hint="Look at its outcome.",
            ) from settled
        approval = await self._approvals.of_call(stored.id)
        if approval is not None:
            await self._approvals.close(approval.id, "cancelled")
        ended = await self._looks.mine(visit.principal.agent, stored.id)
        return json_response(self._shown(visit, ended), headers={"Gatehouse-Call": stored.id})

    async def output(self, visit: Visit) -> web.StreamResponse:
        """Answer `GET /v1/calls/{id}/output`: a page of a result, by pointer."""
        check_parameters(visit.request, ("pointer", "cursor", "limit"))
        stored = await self._looks.mine(visit.principal.agent, visit.request.match_info["id"])
        query = visit.request.query
        if not stored.terminal or stored.answer is None:
            raise NotFound("The call has not ended yet.", hint=f"Wait for it: `GET /v1/calls/{stored.id}?wait=30`.")
        answer = self._looks.answer(visit.principal, stored)
        if "output" not in answer.body:
            raise NotFound("This call has no output.")
        pointer = query.get("pointer", "")
        binding = f"output:{visit.principal.agent.id}:{stored.id}:{pointer}"
        start = int(self._cursors.open(query["cursor"], binding)) if "cursor" in query else 0
        items, following = page(answer.body["output"], pointer, start, limit(visit.request))
        return listing(items, self._cursors.seal(str(following), binding) if following is not None else None)

    def _shown(self, visit: Visit, stored: StoredCall) -> object:
        if not stored.terminal:
            self._looks.check(visit.principal, stored)
            return self._looks.standing(visit.principal, stored).body
        answer: Answer = self._looks.answer(visit.principal, stored)
        if answer.status < 400:
            return inline(answer.body)
        standing = self._looks.standing(visit.principal, stored).body
        return {**standing, "error": answer.body, "finished_at": stored.finished_at}
