"""Calls that wait for a person: the client sends its user to the page where they are decided, and asks again.

In 2026-07-28 the call is answered by `input_required`, and the client's second request brings back a sealed state that
names the call: it is bound to the agent, the tool and its arguments, so nobody else's and no other call's fits. In
2025-11-25 it is answered by the error -32042, and the second request finds the call by its idempotency key. The page
asks for an admin's sign-in: an agent's key opens nothing there.
"""

from collections.abc import Mapping
from typing import Any, cast

from connectors.sdk.errors import InvalidCursor
from gateway import body
from gateway.approvals import Approval, Approvals
from gateway.call import Principal
from gateway.cursor import Cursors
from gateway.mcp.arguments import ToolCall
from gateway.mcp.message import INVALID_PARAMS, URL_ELICITATION_REQUIRED, Fault, Message

QUESTION = "approval"


class Questions:
    """Asks for approvals in the words of the protocol. `public_url` is the gateway's root as people reach it."""

    def __init__(self, approvals: Approvals, seals: Cursors, public_url: str | None) -> None:
        self._approvals = approvals
        self._seals = seals
        self._public_url = public_url

    async def input_required(self, principal: Principal, asked: ToolCall, call: str, root: str) -> dict[str, Any]:
        """Return the result that asks for a decision, or for patience where it was made just now."""
        state = self._seals.seal(call, _binding(principal, asked))
        result: dict[str, Any] = {"resultType": "input_required", "requestState": state}
        questions = await self.requests(call, root)
        return result | ({"inputRequests": questions} if questions else {})

    async def requests(self, call: str, root: str) -> dict[str, Any]:
        """Return the requests to the client's user, none where nothing is to be decided any more."""
        approval = await self._pending(call)
        if approval is None:
            return {}
        params = {"mode": "url", "message": _message(approval), "url": self._page(approval, root)}
        return {QUESTION: {"method": "elicitation/create", "params": params}}

    async def refusal(self, call: str, root: str) -> Fault | None:
        """Return the error of 2025-11-25, None where nothing is to be decided any more."""
        approval = await self._pending(call)
        if approval is None:
            return None
        wanted = {
            "mode": "url",
            "elicitationId": approval.id,
            "message": _message(approval),
            "url": self._page(approval, root),
        }
        return Fault(URL_ELICITATION_REQUIRED, _message(approval), {"elicitations": [wanted]})

    def call_of(self, principal: Principal, asked: ToolCall, state: object) -> str:
        """Return the call that a `requestState` names. Raises `Fault` for one that is forged, old or another call's."""
        if not isinstance(state, str):
            raise Fault(INVALID_PARAMS, "`params.requestState` must be a string.")
        try:
            return self._seals.open(state, _binding(principal, asked))
        except InvalidCursor as error:
            raise Fault(
                INVALID_PARAMS,
                "This `requestState` was not given for this call, or it is too old: call the tool again.",
            ) from error

    async def _pending(self, call: str) -> Approval | None:
        approval = await self._approvals.of_call(call)
        return approval if approval is not None and approval.status == "pending" else None

    def _page(self, approval: Approval, root: str) -> str:
        return f"{(self._public_url or root).rstrip('/')}/approvals/{approval.id}"


def declined(message: Message) -> bool:
    """Whether the client's user did not go to the page."""
    answers = message.params.get("inputResponses")
    given = cast("Mapping[str, Any]", answers).get(QUESTION) if isinstance(answers, dict) else None
    return isinstance(given, dict) and given.get("action") in {"decline", "cancel"}


def _message(approval: Approval) -> str:
    return f"{approval.action} waits for an approval. Open the page to read what would be sent, and decide."


def _binding(principal: Principal, asked: ToolCall) -> str:
    agent = principal.agent
    told = [agent.tenant, agent.environment, agent.id, asked.name, asked.said]
    return "mcp request state:" + body.digest(*told)
