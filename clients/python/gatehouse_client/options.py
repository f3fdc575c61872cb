"""What goes along with a call: as whom, on which connection, in which run, and how patiently."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a call is tried and waited for.

    A call is sent at most `tries` times within `seconds`; between two tries the gateway's `retry_after_ms` is waited
    for, else from `pause` upwards, doubled each time. A call that waits for a person, or runs longer, is waited for
    `wait` seconds.
    """

    tries: int = 6
    seconds: float = 90.0
    pause: float = 0.25
    wait: float = 300.0


@dataclass(frozen=True, slots=True)
class Options:
    """Headers of a call. `timeout` bounds in seconds how long the gateway keeps the caller waiting, not the call."""

    key: str | None = None
    run: str | None = None
    connection: str | None = None
    actor: str | None = None
    confidence: float | None = None
    reason: str | None = None
    timeout: float | None = None
    traceparent: str | None = None

    def headers(self) -> dict[str, str]:
        """Return what the gateway reads."""
        given = {
            "Idempotency-Key": self.key,
            "Gatehouse-Run": self.run,
            "Gatehouse-Connection": self.connection,
            "Gatehouse-Actor": self.actor,
            "Gatehouse-Confidence": self.confidence,
            "Gatehouse-Reason": self.reason,
            "Gatehouse-Timeout": self.timeout,
            "traceparent": self.traceparent,
        }
        return {name: str(value) for name, value in given.items() if value is not None}

    def with_(self, **given: Any) -> "Options":
        """Return these with others in place of some. Raises `TypeError` for a name that is none."""
        unknown = given.keys() - {field.name for field in fields(self)}
        if unknown:
            raise TypeError(f"there is no option {sorted(unknown)[0]!r}")
        return replace(self, **given)


@dataclass(frozen=True, slots=True)
class Address:
    """A gateway and the key it knows the agent by. The key is never shown."""

    url: str
    key: str

    def __repr__(self) -> str:
        """Name the gateway alone."""
        return f"Address({self.url!r})"

    @property
    def headers(self) -> dict[str, str]:
        """What every request carries."""
        return {"Authorization": f"Bearer {self.key}", "User-Agent": "gatehouse-client/0.1.0"}

    def hidden(self, text: str) -> str:
        """Return a text without the key."""
        return text.replace(self.key, "***")


def address_of(url: str | None, key: str | None, environment: Mapping[str, str]) -> Address:
    """Return the gateway that is named, else the environment's `GATEHOUSE_URL` and `GATEHOUSE_KEY`.

    Raises `ValueError` without a key, and for plain http to another machine, where others could read the key.
    """
    root = (url or environment.get("GATEHOUSE_URL") or "http://127.0.0.1:8080").rstrip("/")
    shown = key or environment.get("GATEHOUSE_KEY")
    if not shown:
        raise ValueError("no agent key was given: pass one, or set GATEHOUSE_KEY")
    if not (shown.isascii() and shown.isprintable()) or " " in shown:
        raise ValueError("the agent key holds characters that no key has")
    parts = urlsplit(root)
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname or "")):
        raise ValueError(f"{root} is not https; plain http is for loopback")
    if parts.username or parts.password or parts.query:
        raise ValueError("the gateway's URL is a root: no user, no query")
    return Address(root, shown)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
