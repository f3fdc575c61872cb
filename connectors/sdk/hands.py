"""Ways to the network, to other processes and to other tasks that a connector's modules may not take themselves."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

OWN_WAYS = frozenset(
    {
        "aiohttp",
        "asyncio",
        "ftplib",
        "http.client",
        "httpx",
        "requests",
        "smtplib",
        "socket",
        "sqlite3",
        "ssl",
        "subprocess",
        "threading",
        "urllib.request",
        "urllib3",
    }
)


def is_own_way(module: str) -> bool:
    """Whether a module, or the package that it is in, is one of them."""
    parts = module.split(".")
    return any(".".join(parts[:end]) in OWN_WAYS for end in range(1, len(parts) + 1))


def held_by(handler: Callable[..., Any]) -> list[str]:
    """Return the names of such modules that the handler's own module holds, or has imported something from."""
    found: set[str] = set()
    for value in getattr(handler, "__globals__", {}).values():
        name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        if isinstance(name, str) and is_own_way(name):
            found.add(name)
    return sorted(found)
