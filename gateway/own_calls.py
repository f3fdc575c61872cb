"""An agent's own calls: how one stands, its whole output page by page, and taking it back. Every door asks here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.sdk.errors import CallCancelled, NotCancellable, NotFound
from gateway.answers import Answers
from gateway.approvals import Approvals
from gateway.call import Principal
from gateway.cursor import Cursors
from gateway.ending import ending_of
from gateway.journal import AlreadySettled, Journal
from gateway.looks import Looks
from gateway.output import INLINE_BYTES, page
from gateway.queue import Reopener
from gateway.stored import StoredCall
from gateway.waiting import Waiting


@dataclass(frozen=True, slots=True)
class OutputPage:
    """Some items of an output, and the cursor of the next ones."""

    items: Sequence[Any]
    next_cursor: str | None


class OwnCalls:
    """Looks at calls under today's freezes, grants and redactions."""

    def __init__(
        self,
        looks: Looks,
        waiting: Waiting,
        journal: Journal,
        answers: Answers,
        approvals: Approvals,
        reopener: Reopener,
        cursors: Cursors,
    ) -> None:
        self._looks = looks
        self._waiting = waiting
        self._journal = journal
        self._answers = answers
        self._approvals = approvals
        self._reopener = reopener
        self._cursors = cursors

    async def get(self, principal: Principal, id: str, wait: float = 0) -> StoredCall:
        """Return a call, ended if that happens within `wait` seconds. Raises `CallNotFound`."""
        return await self._waiting.call(principal, id, wait)

    def shown(self, principal: Principal, stored: StoredCall) -> Mapping[str, Any]:
        """Return how a call stands: its answer, or the problem under `error` where it failed.

        Raises `Frozen`, `ScopeDenied` or `ConstraintDenied` where the agent may no longer see it.
        """
        if not stored.terminal:
            self._looks.check(principal, stored)
            return self._looks.standing(principal, stored).body
        answer = self._looks.answer(principal, stored)
        if answer.status < 400:
            return answer.body
        standing = self._looks.standing(principal, stored).body
        return {**standing, "error": answer.body, "finished_at": stored.finished_at}

    async def cancel(self, principal: Principal, id: str) -> StoredCall:
        """Take a call back before anything was sent, and return it. Raises `CallNotFound`, `NotCancellable`."""
        stored = await self._looks.mine(principal.agent, id)
        self._looks.check(principal, stored)
        call = self._reopener.without_key(stored)
        error = CallCancelled("The caller took the call back before anything was sent.")
        answer = self._answers.failed(call, error)
        try:
            await self._journal.cancel(call, answer, ending_of(error, handed_over=False))
        except AlreadySettled as settled:
            raise NotCancellable(
                f"The call is {settled.status}; only what was not sent can be taken back.",
                hint="Look at its outcome.",
            ) from settled
        approval = await self._approvals.of_call(stored.id)
        if approval is not None:
            await self._approvals.close(approval.id, "cancelled")
        return await self._looks.mine(principal.agent, stored.id)

    async def output(
        self,
        principal: Principal,
        id: str,
        pointer: str,
        cursor: str | None,
        limit: int,
        most: int = INLINE_BYTES,
    ) -> OutputPage:
        """Return a page of the part of a result that a pointer names, of at most so many items and bytes.

        Raises `CallNotFound`, `NotFound` where there is no output, `InvalidCursor`, `InvalidInput`.
        """
        stored = await self._looks.mine(principal.agent, id)
        if not stored.terminal or stored.answer is None:
            raise NotFound("The call has not ended yet.", hint=f"Wait for it: `GET /v1/calls/{stored.id}?wait=30`.")
        answer = self._looks.answer(principal, stored)
        if "output" not in answer.body:
            raise NotFound("This call has no output.")
        binding = f"output:{principal.agent.id}:{stored.id}:{pointer}"
        start = int(self._cursors.open(cursor, binding)) if cursor is not None else 0
        items, following = page(answer.body["output"], pointer, start, limit, most)
        return OutputPage(items, self._cursors.seal(str(following), binding) if following is not None else None)
