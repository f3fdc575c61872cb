"""`subscriptions/listen` of 2026-07-28: a stream that tells when a client's tools change, and when its tasks end.

What was said while nobody listened is not said again: a client that comes back lists anew.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import orjson

from connectors.sdk.errors import ActionError, Overloaded
from gateway.admin.directory import Directory
from gateway.call import Principal
from gateway.http.agent import Visit
from gateway.http.request import root_of
from gateway.mcp.message import Message, answered, notification
from gateway.mcp.methods import mode_of
from gateway.mcp.peer import Peer
from gateway.mcp.stream import KEEP_ALIVE_SECONDS, EventStream
from gateway.mcp.tasks import Tasks, call_of
from gateway.mcp.tools import Mode, Tools
from gateway.own_calls import OwnCalls

SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
_MOST_TASKS = 100
_WAIT_SECONDS = 30.0


class Listeners:
    """All open subscriptions of this process, at most so many."""

    def __init__(self, directory: Directory, tools: Tools, calls: OwnCalls, tasks: Tasks, most: int) -> None:
        self._directory = directory
        self._tools = tools
        self._calls = calls
        self._tasks = tasks
        self._most = most
        self.open = 0
        self._leaving = asyncio.Event()
        self._keep_alive = KEEP_ALIVE_SECONDS

    def leave(self) -> None:
        """End all subscriptions, now and later, in good order."""
        self._leaving.set()

    async def serve(self, visit: Visit, peer: Peer, message: Message, stream: EventStream) -> None:
        """Write what was asked for until the client or the gateway leaves. Raises `Overloaded`."""
        if self.open >= self._most:
            raise Overloaded(f"The gateway holds {self._most} subscriptions, its bound.", retry_after_ms=5000)
        wanted = cast("Mapping[str, Any]", message.params["notifications"])
        mode = mode_of(visit)
        self.open += 1
        visit.step_aside()
        try:
            await self._serve(visit, peer, message, stream, wanted, mode)
        finally:
            self.open -= 1

    async def _serve(
        self,
        visit: Visit,
        peer: Peer,
        message: Message,
        stream: EventStream,
        wanted: Mapping[str, Any],
        mode: Mode | None,
    ) -> None:
        assert message.id is not None
        tools = wanted.get("toolsListChanged") is True
        tasks = _task_ids(wanted) if peer.takes_tasks else []
        meta = {SUBSCRIPTION: message.id}
        heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue(maxsize=_MOST_TASKS + 1)
        works = [asyncio.create_task(self._follow_tools(visit.principal, mode, heard))] if tools else []
        works += [asyncio.create_task(self._follow_task(visit, peer, task, heard)) for task in tasks]
        agreed: dict[str, Any] = ({"toolsListChanged": True} if tools else {}) | ({"taskIds": tasks} if tasks else {})
        try:
            told = {"notifications": agreed, "_meta": meta}
            await stream.send(notification("notifications/subscriptions/acknowledged", told))
            while not stream.gone and not await self._over(visit):
                said = await self._next(heard)
                if said is None:
                    await stream.ping()
                else:
                    await stream.send({**said, "params": {**said["params"], "_meta": meta}})
        finally:
            for work in works:
                work.cancel()
            await asyncio.gather(*works, return_exceptions=True)
        await stream.send(answered(message.id, {"resultType": "complete", "_meta": meta}))
        await stream.end()

    async def _over(self, visit: Visit) -> bool:
        """Whether the gateway leaves, or the caller may not call any more."""
        if self._leaving.is_set():
            return True
        try:
            await self._directory.again(visit.principal, visit.until)
        except ActionError:
            return True
        return False

    async def _next(self, heard: "asyncio.Queue[dict[str, Any]]") -> dict[str, Any] | None:
        """Return what is to be said next, None where there is nothing for a while or nothing any more."""
        hearing = asyncio.ensure_future(heard.get())
        others = [asyncio.ensure_future(event.wait()) for event in (self._leaving, self._directory.changed.next)]
        try:
            await asyncio.wait({hearing, *others}, return_when=asyncio.FIRST_COMPLETED, timeout=self._keep_alive)
        finally:
            done = hearing.done() and not hearing.cancelled()
            for one in (hearing, *others):
                one.cancel()
        return hearing.result() if done else None

    async def _follow_tools(
        self, principal: Principal, mode: Mode | None, heard: "asyncio.Queue[dict[str, Any]]"
    ) -> None:
        """Say it when the caller's list is another than before."""
        before = self._list(principal, mode)
        while True:
            changed = self._directory.changed.next
            try:
                now = self._list(await self._directory.again(principal, None), mode)
            except ActionError:
                return
            if now != before:
                before = now
                await heard.put(notification("notifications/tools/list_changed", {}))
            await changed.wait()

    def _list(self, principal: Principal, mode: Mode | None) -> bytes:
        return self._tools.offer(principal, mode).written

    async def _follow_task(self, visit: Visit, peer: Peer, task: str, heard: "asyncio.Queue[dict[str, Any]]") -> None:
        """Say how a task stands, each time that it is another than before."""
        before: bytes | None = None
        root = root_of(visit.request)
        try:
            stored = await self._calls.get(visit.principal, call_of(task))
            while True:
                shown = await self._tasks.shown(visit.principal, peer, task, stored, root)
                now = orjson.dumps(shown)
                if now != before:
                    before = now
                    await heard.put(notification("notifications/tasks", shown))
                if stored.terminal:
                    return
                stored = await self._calls.get(visit.principal, call_of(task), _WAIT_SECONDS)
        except ActionError:
            return  # not this agent's, or not to be seen any more: there is nothing to say of it


def _task_ids(wanted: Mapping[str, Any]) -> list[str]:
    given = wanted.get("taskIds")
    ids = cast("list[object]", given) if isinstance(given, list) else []
    return [id for id in ids if isinstance(id, str)][:_MOST_TASKS]
