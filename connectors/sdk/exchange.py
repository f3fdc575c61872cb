"""What passes between a handler and the gateway.

Handlers do no I/O. They await values of `Upstream`, which hand a request out of the coroutine and take its answer
back in; the gateway's pipeline drives them one exchange at a time. So a handler cannot open a socket, see a
credential or send before its intent is recorded, and the same code serves preview, sending and recovery.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

import orjson

from connectors.sdk.errors import UpstreamInvalidResponse

AnswerT = TypeVar("AnswerT")


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, complete but for the host and the credential.

    `path` and `query` are encoded. `effect` says that it changes something at the vendor; `step` names it in an
    action of several effects. `origin` is an absolute `https://host` where it is not the connection's own.
    """

    method: str
    path: str
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = field(default=None, repr=False)
    effect: bool = False
    step: str = ""
    origin: str | None = None
    max_bytes: int = 10 * 1024 * 1024
    download: bool = False

    @property
    def target(self) -> str:
        """The request target: path and query."""
        return f"{self.path}?{self.query}" if self.query else self.path

    def with_header(self, name: str, value: str) -> "Request":
        """Return the request with one more header."""
        return replace(self, headers=(*self.headers, (name, value)))


@dataclass(frozen=True, slots=True)
class Response:
    """The vendor's answer, read whole and bounded. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def json(self) -> Any:
        """Parse the body. Raises `UpstreamInvalidResponse` where it is no JSON."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            kind = self.headers.get("content-type", "no content type")
            raise UpstreamInvalidResponse(
                f"The vendor answered {self.status} with {kind} that is not JSON: {error.msg} at {error.pos}.",
                hint="The raw answer is in the record of the call.",
            ) from error


@dataclass(frozen=True, slots=True)
class LoadFile:
    """Ask for the content of an uploaded file."""

    file: str


@dataclass(frozen=True, slots=True)
class SaveFile:
    """Ask to keep bytes as a file of the calling agent."""

    content: bytes = field(repr=False)
    media_type: str


@dataclass(frozen=True, slots=True)
class FileContent:
    """An uploaded file."""

    content: bytes = field(repr=False)
    media_type: str


Asked = Request | LoadFile | SaveFile


class Exchange(Generic[AnswerT]):
    """Hand a value out of the handler and wait for what the driver sends back."""

    __slots__ = ("_asked",)

    def __init__(self, asked: Asked) -> None:
        self._asked = asked

    def __await__(self) -> Generator[Asked, AnswerT, AnswerT]:
        """Yield what is asked; the driver resumes with the answer."""
        return (yield self._asked)
