"""A new epoch after a loss: writes are held, calls that had not ended end as unknown, until an operator accepts it."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import Connection as Rows
from sqlalchemy import text

from connectors.sdk.errors import ActionError, ApprovalExpired, OutcomeUnknown
from gateway.admin.generation import counted
from gateway.answers import Answers
from gateway.clock import Clock, SystemClock, stamp
from gateway.cursor import Cursors
from gateway.ending import ending_of
from gateway.installation import Home, check_not_moved, ledger_of, read_meta
from gateway.journal import AlreadySettled, Journal
from gateway.keys import Keys, opened_keys
from gateway.ledger.bodies import Bodies
from gateway.ledger.database import Database
from gateway.ledger.events import Events
from gateway.ledger.holding import ACCEPTED, EPOCH, HELD, UP_TO, hold, meta_of, put_meta
from gateway.ledger.keyring import open_keys, stored_keys
from gateway.ledger.record import EventRow
from gateway.settings import Settings
from gateway.unfinished import reopen_without_key, unfinished, untraced
from gateway.waiters import Waiters


@dataclass(frozen=True, slots=True)
class Ledger:
    """An opened ledger with all that writes events to it, for a command."""

    database: Database
    bodies: Bodies
    events: Events
    keys: Keys
    clock: Clock


@asynccontextmanager
async def opened_ledger(settings: Settings, home: Home, clock: Clock | None = None) -> AsyncGenerator[Ledger]:
    """Open the installation's ledger with its keys. A shared one may be in use, an embedded one may not.

    Raises `NotSetUp`, `LedgerInUse`, `StateUnavailable`, `SecretStoreUnavailable`, `KeyRefused`, `Unreadable`.
    """
    check_not_moved(await read_meta(settings, home))
    ledger = ledger_of(settings, home)
    await ledger.upgrade()
    async with opened_keys(settings, home) as keys:
        database, bodies = ledger.database(), Bodies()
        await database.open()
        try:
            await open_keys(bodies, keys.wrapper, await database.read(stored_keys))
            yield Ledger(database, bodies, Events(bodies), keys, clock or SystemClock())
        finally:
            await database.close()


async def end_unfinished(ledger: Ledger, why: str, up_to: str | None = None) -> int:
    """End the calls that have not ended, those up to an id alone where one is given, and return how many they were.

    What became of them is not known here. Approvals of theirs that wait expire.
    """
    clock = ledger.clock
    journal = Journal(ledger.database, ledger.bodies, ledger.events, clock, Waiters())
    answers = Answers(clock, Cursors(ledger.keys.derived.cursors, lambda: clock.now().timestamp()))
    left = [row for row in await ledger.database.read(unfinished) if up_to is None or row.id <= up_to]
    for row in left:
        call = reopen_without_key(row, clock, untraced())
        error = _ended(row.status, why)
        try:
            await journal.finish(call, answers.failed(call, error), ending_of(error, handed_over=True))
        except AlreadySettled:
            continue  # a replica was still at it
    statement = "UPDATE approvals SET status='expired' WHERE status='pending'"
    await ledger.database.write(
        lambda rows: (
            rows.execute(
                text(statement if up_to is None else f"{statement} AND call <= :up_to"),
                {} if up_to is None else {"up_to": up_to},
            ).rowcount
        )
    )
    return len(left)


@dataclass(frozen=True, slots=True)
class Reopened:
    """What opening a new epoch did."""

    epoch: int
    unfinished: int


async def database_was_restored(settings: Settings, home: Home, clock: Clock | None = None) -> Reopened:
    """Open a new epoch because the database is older than what was answered: restored, or failed over.

    Replicas may run; they hold writes from their next look on. Where writes are held already, that epoch stays.
    """
    async with opened_ledger(settings, home, clock) as ledger:
        why = "the database was restored or failed over"
        await ledger.database.write(lambda rows: hold(rows, why))
        epoch, up_to, held = await ledger.database.read(_held)
        count = await end_unfinished(ledger, "The ledger's database was restored or failed over", up_to)
        said = {"what": "restore", "epoch": epoch, "why": held, "unfinished": count}
        await ledger.database.write(_nothing, _admin(ledger, said))
        return Reopened(epoch, count)


async def accept(settings: Settings, home: Home, by: str, clock: Clock | None = None) -> bool:
    """Let writes go again. Returns whether they were held.

    Calls from before the hold that have not ended end as unknown first: nobody takes them up again.
    """
    async with opened_ledger(settings, home, clock) as ledger:
        _, up_to, held = await ledger.database.read(_held)
        if held is None:
            return False
        count = await end_unfinished(ledger, "The ledger lost records", up_to) if up_to else 0
        event = _admin(ledger, {"what": "restore.accept", "by": by, "held": held, "unfinished": count})
        await ledger.database.write(counted(lambda rows: _let_go(rows, stamp(ledger.clock.now()))), event)
    return True


def _held(rows: Rows) -> tuple[int, str | None, str | None]:
    return int(meta_of(rows, EPOCH) or 0), meta_of(rows, UP_TO), meta_of(rows, HELD)


def _let_go(rows: Rows, at: str) -> None:
    rows.execute(text("DELETE FROM meta WHERE name IN (:held, :up_to)"), {"held": HELD, "up_to": UP_TO})
    put_meta(rows, ACCEPTED, at)


def _nothing(rows: Rows) -> None:
    del rows


def _admin(ledger: Ledger, said: Mapping[str, object]) -> EventRow:
    return ledger.events.make("admin", ledger.clock.now(), said, tenant="", environment="")


def _ended(status: str, why: str) -> ActionError:
    if status == "pending_approval":
        return ApprovalExpired(f"{why}.", hint="Ask again with a new key.")
    return OutcomeUnknown(
        f"{why}, and there this call had not ended.",
        hint="Look at the vendor first; an operator closes the call with its outcome.",
    )
