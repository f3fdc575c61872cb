"""What each method of the protocol answers. Tools are run by the pipeline: this door decides nothing."""

from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

import orjson
from mcp_types import SERVER_INFO_META_KEY
from mcp_types.methods import CLIENT_REQUESTS, serialize_server_result, validate_client_request
from pydantic import ValidationError

from connectors.sdk.errors import ActionError
from gateway.authorize import NEEDED
from gateway.call import Answer, Asked
from gateway.clock import Clock
from gateway.freeze import Freezes
from gateway.http.agent import Visit
from gateway.http.request import bad_parameter, root_of
from gateway.invoke import Pipeline
from gateway.looks import Looks
from gateway.mcp.arguments import ToolCall, read_call
from gateway.mcp.envelope import stamped
from gateway.mcp.media import Media
from gateway.mcp.message import INVALID_PARAMS, METHOD_NOT_FOUND, REFUSED, Fault, Message, fault_of
from gateway.mcp.own_tools import NAMES, OwnTools, inner_call
from gateway.mcp.peer import EARLIER, REVISIONS, TASKS, Peer
from gateway.mcp.questions import Questions, declined
from gateway.mcp.results import of_answer, of_error, of_value
from gateway.mcp.tasks import METHODS as TASK_METHODS
from gateway.mcp.tasks import Tasks
from gateway.mcp.tools import Mode, Tools
from gateway.own_calls import OwnCalls
from gateway.parse import issues_of
from gateway.telemetry import CallTrace
from gateway.waiting import Waiting

Watch = Callable[[str], None]
SERVER = {"name": "gatehouse", "title": "Gatehouse", "version": version("gatehouse")}
INSTRUCTIONS = (
    "Each tool is an action at a connected system, checked and recorded by the gateway. Whatever changes something"
    " needs `_gatehouse.idempotency_key`: make a new one for each effect that you intend, and send the same one when"
    " you repeat a call. A call that waits for a person is found again with get_call."
)
_FRESH_MS = 60_000  # changes are told to those who listen; calls are checked as of now in any case
_PATIENCE_SECONDS = 25
_MODES: Mapping[str, Mode] = {"direct": "direct", "discover": "discover"}


class Methods:
    """Answers requests."""

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        freezes: Freezes,
        tools: Tools,
        own_tools: OwnTools,
        calls: OwnCalls,
        looks: Looks,
        waiting: Waiting,
        questions: Questions,
        tasks: Tasks,
        media: Media,
        trace: Callable[[str | None], CallTrace],
        clock: Clock,
    ) -> None:
        self._pipeline = pipeline
        self._freezes = freezes
        self._tools = tools
        self._own_tools = own_tools
        self._calls = calls
        self._looks = looks
        self._waiting = waiting
        self._questions = questions
        self._tasks = tasks
        self._media = media
        self._trace = trace
        self._clock = clock

    async def answer(self, visit: Visit, peer: Peer, message: Message, watch: Watch | None = None) -> dict[str, Any]:
        """Return the result of a request in the form of its revision. Raises `Fault`."""
        self.check(peer, message)
        try:
            result = await self._result(visit, peer, message, watch)
        except ActionError as error:
            raise fault_of(error) from error
        return shaped(peer, message.method, result)

    def begun(self, message: Message) -> Peer:
        """Return the client that an `initialize` tells of, speaking what was agreed. Raises `Fault`."""
        wanted = message.params.get("protocolVersion")
        peer = Peer(wanted if wanted in EARLIER else EARLIER[0], message.params.get("capabilities") or {})
        self.check(peer, message)
        return peer

    def initialized(self, peer: Peer) -> dict[str, Any]:
        """Return the answer to `initialize`."""
        result: dict[str, Any] = {
            "protocolVersion": peer.revision,
            "capabilities": {"tools": {"listChanged": False}},
            "serverInfo": SERVER,
            "instructions": INSTRUCTIONS,
        }
        return shaped(peer, "initialize", result)

    def check(self, peer: Peer, message: Message) -> None:
        """Raise `Fault` for a method that the revision does not have or parameters that do not fit it."""
        if peer.modern and message.method in TASK_METHODS:
            return
        if message.method not in _SERVED or (message.method, peer.revision) not in CLIENT_REQUESTS:
            raise Fault(METHOD_NOT_FOUND, f"There is no method {message.method[:60]!r} here.")
        try:
            validate_client_request(message.method, peer.revision, message.params)
        except ValidationError as error:
            issues = [{"pointer": issue.pointer, "message": issue.message} for issue in issues_of(error)]
            raise Fault(INVALID_PARAMS, f"`params` does not fit {message.method}.", {"errors": issues}) from error

    async def _result(self, visit: Visit, peer: Peer, message: Message, watch: Watch | None) -> dict[str, Any]:
        if message.method == "tools/call":
            return await self._call(visit, peer, message, watch)
        agent = visit.principal.agent
        self._freezes.check_caller(agent.tenant, agent.environment, agent.id)
        if message.method == "tools/list":
            return self._list(visit, message)
        if message.method in TASK_METHODS:
            return await self._tasks.answer(visit.principal, peer, message, root_of(visit.request))
        if message.method == "server/discover":
            return _discovered()
        return {}

    def _list(self, visit: Visit, message: Message) -> dict[str, Any]:
        """Return all tools at once: what a caller may do is no long list, and one answer is cached as one."""
        if message.params.get("cursor") is not None:
            raise Fault(INVALID_PARAMS, "This list has one page; ask for it without a cursor.")
        offer = self._tools.offer(visit.principal, mode_of(visit))
        left = _FRESH_MS
        if offer.good_until is not None:
            left = min(left, max(0, int((offer.good_until - self._clock.now()).total_seconds() * 1000)))
        return {
            "tools": orjson.Fragment(offer.written),
            "resultType": "complete",
            "ttlMs": left,
            "cacheScope": "private",
        }

    async def _call(self, visit: Visit, peer: Peer, message: Message, watch: Watch | None) -> dict[str, Any]:
        try:
            asked = read_call(message)
            if asked.name in NAMES and asked.name != "call_action":
                agent = visit.principal.agent
                self._freezes.check_caller(agent.tenant, agent.environment, agent.id)
                value = await self._own_tools.run(visit.principal, asked)
                return await self._with_files(visit, of_value(value), value.get("output"))
            inner = inner_call(asked) if asked.name == "call_action" else asked
        except ActionError as error:
            if NEEDED in error.members:
                raise fault_of(error) from error
            return of_error(error)
        promised = asked.name in self._tools.offer(visit.principal, mode_of(visit)).promised
        state = message.params.get("requestState") if peer.modern else None
        if state is not None:
            answer = await self._standing(visit, self._questions.call_of(visit.principal, asked, state))
        else:
            answer = await self._run(visit, asked, inner, self._trace_of(visit, message), watch)
        if answer.status == 202 and not (state is not None and declined(message)):
            return await self._put_off(visit, peer, asked, answer, promised=promised)
        return await self._with_files(visit, of_answer(answer, promised=promised), answer.body.get("output"))

    async def _with_files(self, visit: Visit, result: dict[str, Any], output: object) -> dict[str, Any]:
        """Put files that an output names into the content, where a model can look at them."""
        shown = await self._media.of(visit.principal.agent, output) if output is not None else []
        return {**result, "content": [*result["content"], *shown]} if shown else result

    def _trace_of(self, visit: Visit, message: Message) -> CallTrace:
        """Return the trace that the client names in `_meta` (W3C trace context), else that of the HTTP request."""
        said = message.meta.get("traceparent")
        return self._trace(said) if isinstance(said, str) else visit.trace

    async def _run(
        self, visit: Visit, asked: ToolCall, inner: ToolCall, trace: CallTrace, watch: Watch | None
    ) -> Answer:
        """Hand the call to the pipeline. Raises `Fault` for a tool that there is not: it is on record too."""
        direct = inner is asked
        action = self._tools.action(visit.principal, inner.name) if direct else inner.name
        raw = orjson.dumps(inner.arguments)
        answer = await self._pipeline.invoke(
            Asked(visit.principal, action, raw, inner.options, visit.address, trace, watch=watch)
        )
        if NEEDED in answer.body:  # the client is to come back with a token that has them
            raise Fault(REFUSED, answer.body["detail"], dict(answer.body), status=answer.status)
        if direct and answer.body.get("code") == "action_not_found":
            raise Fault(INVALID_PARAMS, f"There is no tool {asked.name[:120]!r}.", dict(answer.body))
        return await self._waiting.wait(visit.principal, answer, inner.options.wait)

    async def _standing(self, visit: Visit, call: str) -> Answer:
        """Return how a call stands that the client asked about before; one that runs is waited for."""
        stored = await self._calls.get(visit.principal, call)
        if not stored.terminal and stored.status != "pending_approval":
            stored = await self._calls.get(visit.principal, call, _PATIENCE_SECONDS)
        if stored.terminal:
            return self._looks.answer(visit.principal, stored)
        self._looks.check(visit.principal, stored)
        return self._looks.standing(visit.principal, stored)

    async def _put_off(
        self, visit: Visit, peer: Peer, asked: ToolCall, answer: Answer, *, promised: bool
    ) -> dict[str, Any]:
        """Answer a call that has not ended in the best way that the client understands."""
        assert answer.call is not None
        if peer.takes_tasks:
            return self._tasks.begun(answer, promised=promised)
        if answer.body["status"] == "pending_approval" and peer.opens_urls:
            root = root_of(visit.request)
            if peer.modern:
                return await self._questions.input_required(visit.principal, asked, answer.call, root)
            refusal = await self._questions.refusal(answer.call, root)
            if refusal is not None:
                raise refusal
        return of_answer(answer, promised=promised)


_SERVED = ("server/discover", "initialize", "ping", "tools/list", "tools/call", "subscriptions/listen")


def mode_of(visit: Visit) -> Mode | None:
    """Return how tools are wanted, by `?tools=`. Raises `InvalidInput`."""
    wanted = visit.request.query.get("tools")
    if wanted is not None and wanted not in _MODES:
        raise bad_parameter("tools", "must be direct or discover")
    return _MODES[wanted] if wanted is not None else None


def shaped(peer: Peer, method: str, result: dict[str, Any]) -> dict[str, Any]:
    """Return a result with the members that its revision has, and no others."""
    if peer.modern:
        result = stamped(result, SERVER_INFO_META_KEY, SERVER)
    if method == "tools/list":  # made of parts that fit; to check them again takes longer than all the rest
        return result if peer.modern else {"tools": result["tools"]}
    if (method, peer.revision) not in CLIENT_REQUESTS or result.get("resultType") == "task":
        return result
    return serialize_server_result(method, peer.revision, result)


def _discovered() -> dict[str, Any]:
    return {
        "supportedVersions": list(REVISIONS),
        "capabilities": {"tools": {"listChanged": True}, "extensions": {TASKS: {}}},
        "instructions": INSTRUCTIONS,
        "resultType": "complete",
        "ttlMs": 3_600_000,
        "cacheScope": "private",
    }
