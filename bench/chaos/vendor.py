"""The simulated vendor as the judge: its faults, and its own record of what reached it and what it applied."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from bench.chaos.plan import ROOT

_BEARER = "Bearer ghp_sandbox"


@dataclass(frozen=True, slots=True)
class Seen:
    """A request or an effect in the vendor's record. `at` is the vendor's time of it."""

    seq: int
    method: str
    path: str
    body_sha256: str
    marker: str | None
    at: str = ""
    vendor: str = "github"


class Vendor:
    """Talks to a simulator directly, past the gateway."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, name: str = "github", authorization: str = _BEARER
    ) -> None:
        self._session = session
        self._url = url
        self._headers = {"Authorization": authorization}
        self.name = name

    async def break_with(self, faults: Sequence[Mapping[str, Any]]) -> None:
        """Set the faults, in this order."""
        for fault in faults:
            await self.ask("POST", "/_sim/faults", fault)

    async def mend(self) -> None:
        """Take all faults away."""
        await self.ask("DELETE", "/_sim/faults")

    async def applied(self) -> list[Seen]:
        """Return every effect so far."""
        return self._seen((await self.ask("GET", "/_sim/applied"))["items"])

    async def received(self) -> list[Seen]:
        """Return every request so far, answered or not."""
        return self._seen((await self.ask("GET", "/_sim/requests"))["items"])

    async def make_issues(self, count: int) -> list[int]:
        """Make issues behind the gateway's back, to be changed through it."""
        made = [await self.ask("POST", f"{ROOT}/issues", {"title": f"Prepared {n}"}) for n in range(count)]
        return [issue["number"] for issue in made]

    async def head(self) -> str:
        """Return the commit that `main` points to."""
        commit: str = (await self.ask("GET", f"{ROOT}/git/ref/heads/main"))["object"]["sha"]
        return commit

    async def ask(self, method: str, path: str, body: object = None) -> Any:
        """Send a request past the gateway and return what is answered. Raises where it is refused."""
        async with self._session.request(method, self._url + path, json=body, headers=self._headers) as answer:
            answer.raise_for_status()
            return await answer.json(content_type=None)

    def _seen(self, items: Sequence[Mapping[str, Any]]) -> list[Seen]:
        return [
            Seen(one["seq"], one["method"], one["path"], one["body_sha256"], one.get("marker"), one["at"], self.name)
            for one in items
        ]
