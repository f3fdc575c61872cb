"""The simulated vendor as the judge: its faults, and its own record of what reached it and what it applied."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from bench.chaos.plan import ROOT

_HEADERS = {"Authorization": "Bearer ghp_sandbox"}


@dataclass(frozen=True, slots=True)
class Seen:
    """A request or an effect in the vendor's record."""

    seq: int
    method: str
    path: str
    body_sha256: str
    marker: str | None


class Vendor:
    """Talks to the simulator directly, past the gateway."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def break_with(self, faults: Sequence[Mapping[str, Any]]) -> None:
        """Set the faults, in this order."""
        for fault in faults:
            await self._ask("POST", "/_sim/faults", fault)

    async def mend(self) -> None:
        """Take all faults away."""
        await self._ask("DELETE", "/_sim/faults")

    async def applied(self) -> list[Seen]:
        """Return every effect so far."""
        return _seen((await self._ask("GET", "/_sim/applied"))["items"])

    async def received(self) -> list[Seen]:
        """Return every request so far, answered or not."""
        return _seen((await self._ask("GET", "/_sim/requests"))["items"])

    async def make_issues(self, count: int) -> list[int]:
        """Make issues behind the gateway's back, to be changed through it."""
        made = [await self._ask("POST", f"{ROOT}/issues", {"title": f"Prepared {n}"}) for n in range(count)]
        return [issue["number"] for issue in made]

    async def head(self) -> str:
        """Return the commit that `main` points to."""
        commit: str = (await self._ask("GET", f"{ROOT}/git/ref/heads/main"))["object"]["sha"]
        return commit

    async def _ask(self, method: str, path: str, body: object = None) -> Any:
        async with self._session.request(method, self._url + path, json=body, headers=_HEADERS) as answer:
            answer.raise_for_status()
            return await answer.json()


def _seen(items: Sequence[Mapping[str, Any]]) -> list[Seen]:
    return [Seen(item["seq"], item["method"], item["path"], item["body_sha256"], item.get("marker")) for item in items]
