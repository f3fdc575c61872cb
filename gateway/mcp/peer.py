"""The client of one request: which revision it speaks, and what it can do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

MODERN = "2026-07-28"
EARLIER = ("2025-11-25", "2025-06-18", "2025-03-26")
REVISIONS = (MODERN, *EARLIER)
TASKS = "io.modelcontextprotocol/tasks"


@dataclass(frozen=True, slots=True)
class Peer:
    """A client. `capabilities` are as it declared them, in the form of its revision."""

    revision: str
    capabilities: Mapping[str, Any]

    @property
    def modern(self) -> bool:
        """Whether each request stands for itself, without a session."""
        return self.revision == MODERN

    @property
    def opens_urls(self) -> bool:
        """Whether it can send its user to a page: elicitation in URL mode, since 2025-11-25."""
        return self.revision in (MODERN, "2025-11-25") and "url" in _object(self.capabilities.get("elicitation"))

    @property
    def takes_tasks(self) -> bool:
        """Whether a tool's call may be answered by a task: the extension of 2026-07-28."""
        return self.modern and TASKS in _object(self.capabilities.get("extensions"))


def _object(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}
