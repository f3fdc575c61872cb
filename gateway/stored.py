"""A call as the ledger has it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.ending import TERMINAL


@dataclass(frozen=True, slots=True)
class StoredCall:
    """A call as the ledger has it, opened. `answer` is `{http, body}` once it is terminal."""

    id: str
    tenant: str
    environment: str
    agent: str
    run: str
    action: str
    connection: str | None
    status: str
    code: str | None
    key: str | None
    digest: str | None
    created_at: str
    finished_at: str | None
    request: Mapping[str, Any]
    answer: Mapping[str, Any] | None

    @property
    def terminal(self) -> bool:
        """Whether the call has ended."""
        return self.status in TERMINAL
