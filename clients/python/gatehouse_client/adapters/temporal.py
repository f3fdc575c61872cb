"""Temporal: an activity that runs an action once, however often it is tried. `pip install gatehouse-client[temporal]`.

    worker = Worker(..., activities=[GatehouseActivities(gh).call])
    # in a workflow:
    await workflow.execute_activity("gatehouse.call", Asked("github.issue.create", {...}), start_to_close_timeout=...)

The idempotency key is made of namespace, workflow, its run and the activity's id: attempts share it, and another run of
the same workflow, such as the next one of a schedule, has its own.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError

from gatehouse_client.aio import AsyncClient
from gatehouse_client.errors import GatehouseError, StillWaiting, TryLater

_LOOK_SECONDS = 10.0


@dataclass(frozen=True)
class Asked:
    """An action and its input. `options` are those of `using`."""

    action: str
    input: dict[str, Any] = field(default_factory=dict[str, Any])
    options: dict[str, Any] = field(default_factory=dict[str, Any])


class GatehouseActivities:
    """The activities of a worker."""

    def __init__(self, client: AsyncClient) -> None:
        """Take the client that runs them."""
        self._client = client

    @activity.defn(name="gatehouse.call")
    async def call(self, asked: Asked) -> dict[str, Any]:
        """Run an action and return its call. Heartbeats while it waits for a person; a cancelled activity cancels it.

        A problem is an `ApplicationError` whose type is its code. Temporal tries again only what may be tried again.
        """
        options = {"key": key_of(activity.info()), **asked.options}
        client = self._client.using(**options)
        try:
            started = await client.start(asked.action, asked.input)
            return (started if started.ended else await self._ended(started.id)).body
        except GatehouseError as error:
            raise _failure(error) from error

    async def _ended(self, call: str) -> Any:
        try:
            while True:
                activity.heartbeat(call)
                try:
                    return await self._client.wait(call, _LOOK_SECONDS)
                except StillWaiting:
                    continue
        except asyncio.CancelledError:
            try:
                await self._client.cancel(call)
            except GatehouseError:
                activity.logger.info("the call %s was sent already and goes on", call)
            raise


def key_of(info: activity.Info) -> str:
    """Return the idempotency key of an activity, the same for all its attempts."""
    parts = (info.workflow_namespace, info.workflow_id, info.workflow_run_id, info.activity_id)
    return "temporal." + sha256("\n".join(str(part) for part in parts).encode()).hexdigest()


def _failure(error: GatehouseError) -> ApplicationError:
    later = isinstance(error, TryLater)
    delay = timedelta(seconds=error.retry_after) if later and error.retry_after else None
    return ApplicationError(str(error), error.problem, type=error.code, non_retryable=not later, next_retry_delay=delay)
