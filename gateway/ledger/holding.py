"""Lost records: how it is noticed that a database forgot what it had confirmed, and that writes are held then.

A database that came back older (a failover to a standby that lagged, a copy of yesterday put in place by hand) has
forgotten idempotency keys and effects. The last signed checkpoint, kept outside of it, names heads of the chains that
it then lacks. What nobody kept cannot be noticed: at most what came after that checkpoint.
"""

from collections.abc import Callable
from pathlib import Path

import structlog
from sqlalchemy import Connection as Rows
from sqlalchemy import inspect, text

from gateway.ledger.checkpoint import read_kept

Lost = Callable[[Rows], str | None]
ACCEPTED, EPOCH, HELD, UP_TO = "losses_accepted_at", "epoch", "writes_held", "writes_held_up_to"
_PUT = text(
    "INSERT INTO meta (name, value) VALUES (:name, :value) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)
_COUNT_UP = text(
    "INSERT INTO meta (name, value) VALUES (:name, '1') ON CONFLICT (name)"
    " DO UPDATE SET value = CAST(CAST(meta.value AS BIGINT) + 1 AS TEXT)"
)
_log = structlog.get_logger("gatehouse.ledger")


def meta_of(rows: Rows, name: str) -> str | None:
    """Return a value that the ledger has of itself."""
    found: str | None = rows.execute(text("SELECT value FROM meta WHERE name=:name"), {"name": name}).scalar()
    return found


def put_meta(rows: Rows, name: str, value: str) -> None:
    """Keep a value that the ledger has of itself."""
    rows.execute(_PUT, {"name": name, "value": value})


def count_up(rows: Rows, name: str) -> None:
    """Count a number up that the ledger has of itself."""
    rows.execute(_COUNT_UP, {"name": name})


def hold(rows: Rows, why: str) -> bool:
    """Open a new epoch and hold writes. Returns False where they are held already.

    Calls that are there now and have not ended may have gone on in what was lost: nobody may take one up again before
    an operator has accepted that, and then they end as unknown.
    """
    held = rows.execute(
        text("INSERT INTO meta (name, value) VALUES (:name, :why) ON CONFLICT (name) DO NOTHING"),
        {"name": HELD, "why": why},
    )
    if held.rowcount == 0:
        return False
    put_meta(rows, UP_TO, str(rows.execute(text("SELECT max(id) FROM calls")).scalar() or ""))
    count_up(rows, EPOCH)
    count_up(rows, "generation")
    _log.error("writes_held", reason=why)
    return True


def lost_records(rows: Rows, file: Path) -> str | None:
    """Return what the ledger lacks that the kept checkpoint names, None where it has all or an operator accepted it."""
    if not inspect(rows).has_table("meta"):
        return None
    try:
        kept = read_kept(file)
    except (OSError, ValueError, KeyError, TypeError):
        _log.error("checkpoint_file_unreadable", file=file.name)
        return None
    accepted = meta_of(rows, ACCEPTED)
    if kept is None or (accepted is not None and kept.at <= accepted):
        return None
    heads = {imported_writer(rows): (kept.head.seq, kept.head.hash)} if kept.heads is None else kept.heads
    for writer, (number, hash) in heads.items():
        if number and _hash_at(rows, writer, number) != hash:
            return (
                f"the ledger lacks records that a checkpoint of {kept.at} names (an older copy was put in its place?)"
            )
    return None


def imported_writer(rows: Rows) -> str:
    """Return whose chain an embedded ledger's became when it was moved to PostgreSQL, empty where there is none."""
    if rows.dialect.name == "sqlite":
        return ""
    found: str | None = rows.execute(text("SELECT min(id) FROM writers WHERE id LIKE 'sqlite:%'")).scalar()
    return found or ""


def _hash_at(rows: Rows, writer: str, number: int) -> bytes | None:
    embedded = rows.dialect.name == "sqlite"
    where = "seq=:number" if embedded else "writer=:writer AND number=:number"
    found = rows.execute(text(f"SELECT hash FROM events WHERE {where}"), {"writer": writer, "number": number}).scalar()
    return bytes(found) if found is not None else None
