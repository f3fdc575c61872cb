"""Settles an effect that was sent and not answered, by what the action declares. Never guesses.

Safe, Native, NaturalKey   send again: the vendor enforces that it happens once
Reconcile                  read; finding the effect settles the call, finding nothing leaves it unknown here,
                           because this process lives and the vendor may still be at work (recovery may go on)
Unknowable                 unknown
"""

from collections.abc import Awaitable, Callable
from typing import Any

from connectors.sdk import Native, NaturalKey, Reconcile, Safe
from connectors.sdk.drive import drive
from connectors.sdk.errors import ActionError, BadAnswer, OutcomeUnknown, UpstreamInvalidResponse
from connectors.sdk.exchange import Asked, Request, Response
from gateway.call import Judged, Typed
from gateway.upstream.road import EffectUnanswered, Road, Trip

_LOOKS = (0.0, 0.3, 1.0)
_LAGGING_LOOKS = (*_LOOKS, 2.0, 4.0, 8.0)  # an index lists what was applied some seconds later
_REPEATS = (0.2, 0.5, 1.0, 2.0, *[4.0] * 12)
_PAUSE = 2.0
_MOST_PAUSES = 30
# How long a vendor that cannot be read is asked again: a restart of anything between here and there takes less.
_GRACE_SECONDS = 60.0

Answers = Callable[[Asked], Awaitable[object]]
Sleep = Callable[[float], Awaitable[None]]


class Settled(Exception):
    """The effect was found at the vendor: this is the action's output, and the handler need not go on."""

    def __init__(self, output: Any) -> None:
        """Take the output."""
        super().__init__("settled")
        self.output = output


class Unread(Exception):
    """Whether the effect is there could not be read now, and may be readable later. `error` says why."""

    def __init__(self, error: ActionError) -> None:
        """Take what the read failed with."""
        super().__init__(str(error))
        self.error = error


class Reconciler:
    """Carries out the strategies."""

    def __init__(self, road: Road, monotonic: Callable[[], float], sleep: Sleep) -> None:
        self._road = road
        self._monotonic = monotonic
        self._sleep = sleep

    async def settle(
        self, judged: Judged, trip: Trip, request: Request, lost: EffectUnanswered, answers: Answers
    ) -> Response:
        """Return the vendor's answer to a repeat, or raise `Settled` or `OutcomeUnknown`."""
        trip.deadline = max(trip.deadline, self._monotonic() + _GRACE_SECONDS)
        strategy = judged.target.action.idempotency
        if isinstance(strategy, Safe | Native | NaturalKey):
            return await self._again(judged, trip, request, lost, answers)
        if isinstance(strategy, Reconcile):
            looks = _LOOKS if strategy.consistent else _LAGGING_LOOKS
            await self._settle_if_found(judged, trip, answers, lost, looks=looks)
        raise unknown(judged.typed, lost)

    async def look(
        self,
        typed: Typed,
        api: Any,
        answers: Answers,
        *,
        looks: tuple[float, ...] = (0.0,),
        until: float = 0.0,
    ) -> Any:
        """Read whether the effect is there. Returns the output, or None where it was not found or may not be read.

        A read that fails because the vendor, or what it takes to reach it, is not well is no look: it is repeated while
        `until` allows (monotonic seconds), then `Unread` is raised. An `OutcomeUnknown` of the strategy goes to the
        caller: it saw that somebody else acted in between, so nothing may be sent again.
        """
        strategy = typed.target.action.idempotency
        if not isinstance(strategy, Reconcile | NaturalKey):
            return None
        unread: ActionError | None = None
        for place, wait in enumerate((*looks, *[_PAUSE] * _MOST_PAUSES)):
            if place >= len(looks) and (unread is None or self._monotonic() + wait >= until):
                break
            if wait:
                await self._sleep(wait)
            try:
                found: Any = await drive(strategy.find(api, typed.input), answers)  # type: ignore[arg-type]
            except OutcomeUnknown:
                raise
            except ActionError as error:
                unread = error if error.retryable or isinstance(error, BadAnswer) else None
                continue
            if found is not None:
                return found
            unread = None
        if unread is not None:
            raise Unread(unread)
        return None

    async def _settle_if_found(
        self,
        judged: Judged,
        trip: Trip,
        answers: Answers,
        lost: EffectUnanswered,
        *,
        looks: tuple[float, ...] = (0.0,),
    ) -> None:
        """Raise `Settled` where the effect is there, `OutcomeUnknown` where that cannot be read in time."""
        try:
            found = await self.look(judged.typed, judged.rendered.api, answers, looks=looks, until=trip.deadline)
        except Unread as error:
            raise unknown(judged.typed, lost) from error
        if found is not None:
            raise Settled(found)

    async def read(self, strategy: Reconcile | NaturalKey, judged: Judged, answers: Answers) -> Any:
        """Read whether the effect is there. Unlike `look` it raises where the read fails: that is not an absence."""
        return await drive(strategy.find(judged.rendered.api, judged.typed.input), answers)  # type: ignore[arg-type]

    async def _again(
        self, judged: Judged, trip: Trip, request: Request, lost: EffectUnanswered, answers: Answers
    ) -> Response:
        if isinstance(judged.target.action.idempotency, NaturalKey):
            # Somebody may have closed what the lost request made, and its key is free again: look before sending.
            await self._settle_if_found(judged, trip, answers, lost)
        for wait in _REPEATS:
            if self._monotonic() + wait >= trip.deadline:
                break
            await self._sleep(wait)
            try:
                response = await self._road.send(trip, request)
            except EffectUnanswered as again:
                lost = again
                continue
            except ActionError as error:
                if error.retryable:
                    continue
                raise unknown(judged.typed, lost) from error
            if response.status == 409 and isinstance(judged.target.action.idempotency, Native):
                continue  # the first request may still be at work under this key
            if response.status >= 400:
                await self._check_refusal(judged, lost, answers)
            return response
        await self._settle_if_found(judged, trip, answers, lost)
        raise unknown(judged.typed, lost)

    async def _check_refusal(self, judged: Judged, lost: EffectUnanswered, answers: Answers) -> None:
        """The vendor refuses the repeat, perhaps as a duplicate: raise `Settled` where the first one was applied.

        A refusal that cannot be looked into says nothing of the first request: `OutcomeUnknown`.
        """
        strategy = judged.target.action.idempotency
        if not isinstance(strategy, NaturalKey):
            return
        try:
            found = await self.read(strategy, judged, answers)
        except ActionError as error:
            raise unknown(judged.typed, lost) from error
        if found is not None:
            raise Settled(found)


def unknown(typed: Typed, lost: EffectUnanswered) -> ActionError:
    """Return the problem of an effect that cannot be settled."""
    action = typed.target.action
    if lost.status is not None and lost.status < 300:
        return UpstreamInvalidResponse(
            f"{typed.target.connector.title} answered {lost.status}, and the answer broke off: {lost.detail}.",
            members={"applied": "yes"},
            hint="The vendor reported success; read the record before anything else.",
        )
    return OutcomeUnknown(
        f"{action.name} was sent and not answered ({lost.detail}), and whether it happened cannot be told.",
        hint=f"Look at {typed.target.connector.title} first; an operator closes the call with its outcome.",
    )
