"""What a simulated vendor is asked, and what it answers. Plain values: handlers do no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import orjson

EMPTY: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer. `of` makes one from a value that is sent as JSON."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def of(cls, value: object, status: int = 200, headers: Mapping[str, str] = EMPTY) -> "Answer":
        """Answer with JSON."""
        return cls(status, orjson.dumps(value), {"content-type": "application/json; charset=utf-8", **headers})


class Refusal(Exception):
    """Ends a handler with an answer other than success. Nothing may have been changed before it is raised."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class Call:
    """One request to the vendor. `path` is decoded, `values` hold what the route's template caught.

    A handler that changed state says so with `applied()`; the kit then writes the effect down.
    """

    __slots__ = ("_json", "body", "changed", "headers", "host", "method", "path", "query", "scheme", "values")

    def __init__(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] = EMPTY,
        headers: Mapping[str, str] = EMPTY,
        body: bytes = b"",
        host: str = "127.0.0.1",
        scheme: str = "http",
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.host = host
        self.scheme = scheme
        self.values: Mapping[str, str] = EMPTY
        self.changed = False
        self._json: Any = None

    @property
    def root(self) -> str:
        """The root URL that the client used, for links in answers."""
        return f"{self.scheme}://{self.host}"

    def applied(self) -> None:
        """Say that this request changed the vendor's state."""
        self.changed = True

    def json(self) -> Any:
        """Parse the body once. Raises `orjson.JSONDecodeError`."""
        if self._json is None:
            self._json = orjson.loads(self.body)
        return self._json

    def fields(self) -> dict[str, Any]:
        """Return the body's members; an empty body has none. Raises `ValueError` where it is no object."""
        if not self.body:
            return {}
        parsed = self.json()
        if not isinstance(parsed, dict):
            raise ValueError("the body is no JSON object")
        return cast("dict[str, Any]", parsed)
