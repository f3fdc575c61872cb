"""Where a PostgreSQL ledger is, and how long it may take."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Terms:
    """`url` may hold a password, `password` goes before it; neither is shown.

    Times are seconds; `readers` are connections. A process that does not write for as long as the lease is taken for
    ended by the others.
    """

    url: str = field(repr=False)
    password: str | None = field(default=None, repr=False)
    connect_seconds: float = 5.0
    statement_seconds: float = 30.0
    readers: int = 8
    lease_seconds: float = 10.0
    waiting_bytes: int = 64 * 1024 * 1024
