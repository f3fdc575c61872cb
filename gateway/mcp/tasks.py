"""The tasks extension of 2026-07-28, `io.modelcontextprotocol/tasks` (SEP-2663): a call that did not end at once.

A task is a call; its id is the call's, with a mark where the result must fit the tool's output schema.
"""

from collections.abc import Mapping
from typing import Any

from mcp_types.jsonrpc import MISSING_REQUIRED_CLIENT_CAPABILITY

from connectors.sdk.errors import CallNotFound, NotCancellable
from gateway.call import Answer, Principal
from gateway.mcp.message import INVALID_PARAMS, Fault, Message
from gateway.mcp.peer import TASKS, Peer
from gateway.mcp.questions import Questions
from gateway.mcp.results import of_answer, of_problem
from gateway.own_calls import OwnCalls
from gateway.stored import StoredCall

METHODS = ("tasks/get", "tasks/update", "tasks/cancel")
_POLL_MS = 1000
_PROMISED = "-output"
_WORKING = {
    "pending_approval": "Waits for a person's approval.",
    "queued": "Waits for its turn.",
    "running": "Runs.",
}


class Tasks:
    """Answers what becomes of calls."""

    def __init__(self, calls: OwnCalls, questions: Questions) -> None:
        self._calls = calls
        self._questions = questions

    def begun(self, answer: Answer, *, promised: bool) -> dict[str, Any]:
        """Return the answer to a tool's call that goes on as a task."""
        created = answer.body["created_at"]
        task = _task(f"{answer.call}{_PROMISED * promised}", "working", created, created)
        return task | {"resultType": "task", "statusMessage": _WORKING[answer.body["status"]]}

    async def answer(self, principal: Principal, peer: Peer, message: Message, root: str) -> dict[str, Any]:
        """Return the answer to `tasks/get`, `tasks/update` or `tasks/cancel`. Raises `Fault`, `ActionError`."""
        if not peer.takes_tasks:
            needed: dict[str, object] = {"requiredCapabilities": {"extensions": {TASKS: {}}}}
            raise Fault(MISSING_REQUIRED_CLIENT_CAPABILITY, "This needs the tasks extension.", needed)
        id = message.params.get("taskId")
        if not isinstance(id, str):
            raise Fault(INVALID_PARAMS, "`params.taskId` must be a string.")
        call = id.removesuffix(_PROMISED)
        try:
            stored = await self._calls.get(principal, call)
            if message.method == "tasks/get":
                return await self.shown(principal, peer, id, stored, root) | {"resultType": "complete"}
            if message.method == "tasks/cancel":
                await self._calls.cancel(principal, call)
        except CallNotFound as error:
            raise Fault(INVALID_PARAMS, "There is no such task.") from error
        except NotCancellable:
            pass  # cancelling is a wish: what was sent goes on, and `tasks/get` tells how it ends
        # The page decides, not the client: what `tasks/update` brings is only heard.
        return {"resultType": "complete"}

    async def shown(self, principal: Principal, peer: Peer, id: str, stored: StoredCall, root: str) -> dict[str, Any]:
        """Return a task as it stands. Raises `Frozen`, `ScopeDenied`, `ConstraintDenied`."""
        body = self._calls.shown(principal, stored)
        task = _task(id, _status(stored, peer), stored.created_at, stored.finished_at or stored.created_at)
        if not stored.terminal:
            task["statusMessage"] = _WORKING.get(stored.status, stored.status)
        if task["status"] == "input_required":
            return task | {"inputRequests": await self._questions.requests(stored.id, root)}
        return task | ({"result": _result(body, promised=id.endswith(_PROMISED))} if stored.terminal else {})


def call_of(task: str) -> str:
    """Return the call behind a task's id."""
    return task.removesuffix(_PROMISED)


def _task(id: str, status: str, created: str, updated: str) -> dict[str, Any]:
    return {
        "taskId": id,
        "status": status,
        "createdAt": created,
        "lastUpdatedAt": updated,
        "ttlMs": None,
        "pollIntervalMs": _POLL_MS,
    }


def _status(stored: StoredCall, peer: Peer) -> str:
    if stored.terminal:
        return "cancelled" if stored.status == "cancelled" else "completed"
    return "input_required" if stored.status == "pending_approval" and peer.opens_urls else "working"


def _result(body: Mapping[str, Any], *, promised: bool) -> dict[str, Any]:
    if "error" in body:
        return of_problem(body["error"])
    return of_answer(Answer(200, body), promised=promised)
