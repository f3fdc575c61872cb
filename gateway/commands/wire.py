"""One connection of a command to a running gateway, blocking. What both APIs have in common on the way."""

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, cast

import httpx
import orjson

Waiting = Callable[[], AbstractContextManager[None]]


class CommandFailed(Exception):
    """The command cannot go on. `hint` says what to do next; `problem` is what the gateway answered."""

    def __init__(self, detail: str, hint: str | None = None, problem: Mapping[str, Any] | None = None) -> None:
        """Say what failed in one sentence."""
        super().__init__(detail)
        self.detail = detail
        self.hint = hint
        self.problem = problem


class Wire:
    """Asks the gateway at `url`, showing `bearer`; close it afterwards. Proxies of the environment are not asked."""

    def __init__(self, url: str, bearer: str, *, seconds: float) -> None:
        """Take the root URL, and how long one answer may take."""
        self.url = url
        self._client = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {bearer}"},
            timeout=seconds,
            follow_redirects=False,
            trust_env=False,
        )

    def __enter__(self) -> "Wire":
        """Return this."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Let the connections go."""
        self._client.close()

    def ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Return the JSON of an answer. Raises `CommandFailed` with the problem's detail and hint."""
        # A person may type an integer that orjson does not write; whether it is one too large is for the gateway.
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        sent = {**(headers or {}), **({} if content is None else {"Content-Type": "application/json"})}
        try:
            answer = self._client.request(method, path, params=dict(query or {}), content=content, headers=sent)
        except httpx.HTTPError as error:
            raise CommandFailed(
                f"No gateway answers at {self.url}: {type(error).__name__}.",
                "Start one with `gatehouse serve` (`--sandbox` to try), or name another with --url.",
            ) from error
        return read_answer(answer)


def read_answer(answer: httpx.Response) -> Any:
    """Return an answer's JSON. Raises `CommandFailed` with its problem."""
    try:
        value = orjson.loads(answer.content)
    except orjson.JSONDecodeError as error:
        raise CommandFailed(f"What answered with status {answer.status_code} is no gateway.") from error
    if answer.status_code < 400:
        return value
    problem = cast("dict[str, Any]", value if isinstance(value, dict) else {})
    detail = str(problem.get("detail") or f"The gateway answered {answer.status_code}.")
    faults = [
        f"{fault.get('pointer') or fault.get('parameter')}: {fault.get('message')}"
        for fault in problem.get("errors", [])
    ]
    raise CommandFailed("\n  ".join([detail, *faults]), problem.get("hint"), problem)
