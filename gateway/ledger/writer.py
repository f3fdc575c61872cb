"""Who writes a shared ledger: a row for each process, a lease on it, and a lock file that proves its end.

A lapsed lease proves nothing: a process that was stopped wakes up. It lets others take over what can be taken over
safely, and fences the process: what it writes later is refused. That a process has *ended* is known where its lock file
is free, which the kernel sees to, however it ended; and so it is known only on the host that has the file.
"""

import fcntl
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from sqlalchemy import Connection, text

NOW = "to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
_ADOPTED = ("queued", "running", "outcome_unknown")


def until(seconds: float) -> str:
    """Return the SQL of the moment at which a lease of that many seconds lapses, by the database's clock."""
    return (
        f"to_char((clock_timestamp() + interval '{seconds:.3f} seconds') AT TIME ZONE 'UTC',"
        ' \'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"\')'
    )


@dataclass(frozen=True, slots=True)
class Adopted:
    """A call that was taken over. `proved`: every process that was about to send something for it has ended."""

    call: str
    tenant: str
    environment: str
    status: str
    proved: bool


class LockFiles:
    """The lock files of a host's writers. `host` is an id of the folder, so that it is never another host's."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self.host = _host(folder / "host")

    def take(self, writer: str) -> int:
        """Lock a new writer's file until this process ends, or the descriptor is closed."""
        descriptor = os.open(self._path(writer), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return descriptor

    def ended(self, writer: str) -> bool:
        """Whether a writer of this host has ended. A file that is not there says nothing."""
        try:
            descriptor = os.open(self._path(writer), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        else:
            return True
        finally:
            os.close(descriptor)

    def forget(self, writer: str) -> None:
        """Remove the file of a writer that is known to have ended."""
        self._path(writer).unlink(missing_ok=True)

    def _path(self, writer: str) -> Path:
        return self._folder / f"{writer}.lock"


def _host(file: Path) -> str:
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_text()
    with os.fdopen(descriptor, "w") as fresh:
        name = uuid4().hex
        fresh.write(name)
    return name


def others(rows: Connection, me: str) -> list[tuple[str, str, bool, bool]]:
    """Return the writers whose end is not proved: id, host, whether they were declared ended, whether they lapsed."""
    found = rows.execute(
        text(f"SELECT id, host, ended_at IS NOT NULL, lease_until < {NOW} FROM writers WHERE proved = 0 AND id <> :me"),
        {"me": me},
    )
    return [(row[0], row[1], row[2], row[3]) for row in found]


def declare_ended(rows: Connection, proved: Sequence[str], lapsed: Sequence[str]) -> list[str]:
    """Fence writers: those proved to have ended, and those whose lease lapsed and still does.

    One that is at a commit holds its row; nobody waits for it, the next look fences it. Returns those whose end is
    written down as proved.
    """
    free = "SELECT id FROM writers WHERE id=:id FOR UPDATE SKIP LOCKED"
    end = text(f"UPDATE writers SET ended_at=COALESCE(ended_at, {NOW}), proved=1 WHERE id IN ({free})")
    written = [id for id in proved if rows.execute(end, {"id": id}).rowcount]
    lapse = text(f"UPDATE writers SET ended_at={NOW} WHERE id IN ({free}) AND ended_at IS NULL AND lease_until < {NOW}")
    for id in lapsed:
        rows.execute(lapse, {"id": id})
    return written


def adopt(rows: Connection, me: str, most: int) -> list[Adopted]:
    """Take over calls whose owner has ended or was declared so. Two that adopt at once get different calls."""
    found = rows.execute(
        text(
            "UPDATE calls SET owner=:me WHERE id IN ("
            " SELECT c.id FROM calls c LEFT JOIN writers w ON w.id = c.owner"
            f" WHERE c.status IN {_ADOPTED!r} AND (w.id IS NULL OR w.ended_at IS NOT NULL)"
            " AND c.owner IS DISTINCT FROM :me ORDER BY c.id LIMIT :most FOR UPDATE OF c SKIP LOCKED)"
            " RETURNING id, tenant, environment, status"
        ),
        {"me": me, "most": most},
    ).all()
    unproved = _unproved(rows, [row[0] for row in found]) if found else set[str]()
    return sorted(
        (Adopted(id, tenant, environment, status, id not in unproved) for id, tenant, environment, status in found),
        key=lambda one: one.call,
    )


def _unproved(rows: Connection, calls: Sequence[str]) -> set[str]:
    """Return the calls of which a process that was about to send may still live."""
    found = rows.execute(
        text(
            "SELECT DISTINCT i.call FROM intents i JOIN writers w ON w.id = i.owner"
            " WHERE i.call = ANY(:calls) AND w.proved = 0"
        ),
        {"calls": list(calls)},
    )
    return {row[0] for row in found}
