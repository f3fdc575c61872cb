"""What a flow asks of whoever drives it: to send a request, or to let time pass. Nothing here does I/O.

A flow is a generator. It yields a `Send` and is given the `Received` or the `Lost` that came of it, or it yields a
`Pause` and is given None. So one description of a call serves blocking and asynchronous programs.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Send:
    """One request. `path` begins below the gateway's root; `seconds` is how long its answer is waited for."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    content: bytes | None = None
    seconds: float = 75.0


@dataclass(frozen=True, slots=True)
class Received:
    """An answer. `headers` finds a name in any spelling."""

    status: int
    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True, slots=True)
class Lost:
    """No answer came. `sent` is False where the request surely did not leave."""

    reason: str
    sent: bool


@dataclass(frozen=True, slots=True)
class Pause:
    """Let this many seconds pass."""

    seconds: float


Flow: TypeAlias = Generator[Send | Pause, Received | Lost | None, T]
