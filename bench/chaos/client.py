"""An agent as it should be: one key a write, and the same call again until its answer is final."""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson

from bench.chaos.plan import Planned

_LONGEST_PAUSE = 0.5


@dataclass(slots=True)
class Told:
    """The final answer to a call; `status` is None where none came in time. `outputs` are all that were ever told."""

    status: int | None = None
    body: Mapping[str, Any] = field(default_factory=dict[str, Any])
    requests: int = 0

    @property
    def succeeded(self) -> bool:
        """Whether the caller was told that it happened."""
        return self.status == 200 and self.body.get("status") == "succeeded"

    @property
    def code(self) -> str:
        """The problem's code, if it ended with one."""
        return str(self.body.get("code", ""))


class Agent:
    """Sends calls to one gateway, or to any of its replicas, through their deaths."""

    def __init__(
        self, session: aiohttp.ClientSession, urls: Sequence[str], key: str, *, patience_seconds: float
    ) -> None:
        self._session = session
        self._urls = urls
        self._key = key
        self._patience = aiohttp.ClientTimeout(total=patience_seconds, sock_connect=2)

    async def carry_out(self, planned: Planned, deadline: float) -> Told:
        """Ask until the answer is final, or until `deadline` (monotonic seconds)."""
        told = Told()
        while time.monotonic() < deadline:
            told.requests += 1
            try:
                status, body = await self._ask(planned)
            except (aiohttp.ClientError, TimeoutError, OSError, orjson.JSONDecodeError):
                await asyncio.sleep(random.uniform(0.05, 0.2))
                continue
            if status != 202 and not body.get("retryable"):
                told.status, told.body = status, body
                return told
            await asyncio.sleep(min(float(body.get("retry_after_ms", 200)) / 1000, _LONGEST_PAUSE))
        return told

    async def _ask(self, planned: Planned) -> tuple[int, Mapping[str, Any]]:
        headers = {
            "Authorization": f"Bearer {self._key}",
            "Idempotency-Key": planned.key,
            "Content-Type": "application/json",
        }
        async with self._session.post(
            f"{random.choice(self._urls)}/v1/actions/{planned.action}",
            data=orjson.dumps(planned.input),
            headers=headers,
            timeout=self._patience,
        ) as answer:
            return answer.status, orjson.loads(await answer.read())
