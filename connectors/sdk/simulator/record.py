"""What reached a simulated vendor, and what really changed there: the judge of tests that break things."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson

_COMMENT = re.compile(r"<!--\s*(.*?)\s*-->\s*$", re.DOTALL)
_KEPT_BACK = {"authorization", "cookie", "proxy-authorization"}


@dataclass(frozen=True, slots=True)
class Received:
    """A request to the vendor, whether or not it was answered. `fault` is what was done to it."""

    seq: int
    at: float
    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body_sha256: str
    fault: str | None = None

    def shown(self) -> dict[str, object]:
        """Return it as `/_sim/requests` lists it, without credentials."""
        kept = {name.lower(): value for name, value in self.headers.items() if name.lower() not in _KEPT_BACK}
        return {
            "seq": self.seq,
            "at": _time(self.at),
            "method": self.method,
            "path": self.path,
            "headers": kept,
            "body_sha256": self.body_sha256,
            "fault": self.fault,
        }


@dataclass(frozen=True, slots=True)
class Applied:
    """An effect: a request that changed the vendor's state. `marker` is what a trailing HTML comment held."""

    seq: int
    at: float
    method: str
    path: str
    marker: str | None
    body_sha256: str

    def shown(self) -> dict[str, object]:
        """Return it as `/_sim/applied` lists it."""
        return {
            "seq": self.seq,
            "at": _time(self.at),
            "method": self.method,
            "path": self.path,
            "marker": self.marker,
            "body_sha256": self.body_sha256,
        }


def digest(body: bytes) -> str:
    """Return the lower-case hex SHA-256 of a body."""
    return hashlib.sha256(body).hexdigest()


def trailing_comment(body: bytes) -> str | None:
    """Return what stands in an HTML comment at the end of one of the body's texts, or None.

    JSON bodies are searched at any depth, the first in the order of the members wins; other bodies as one text.
    """
    if b"<!--" not in body and b"\\u003c" not in body.lower():
        return None
    try:
        texts = _texts(orjson.loads(body))
    except orjson.JSONDecodeError:
        texts = iter([body.decode("utf-8", "replace")])
    for text in texts:
        # The last comment only: what stands before it is the user's.
        found = _COMMENT.search(text, max(0, text.rfind("<!--")))
        if found:
            return found.group(1)
    return None


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
