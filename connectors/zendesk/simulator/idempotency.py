"""`Idempotency-Key`, which Zendesk honours for creating tickets: the first answer is kept for two hours.

Source: Zendesk developer documentation, Ticketing API, "Idempotency".
"""

from dataclasses import dataclass

from connectors.sdk.simulator import Answer
from connectors.zendesk.simulator.refusals import named

WINDOW = 2 * 3600
LONGEST = 255
_HEADER = "x-idempotency-lookup"


@dataclass(frozen=True, slots=True)
class _Kept:
    request: tuple[str, bytes]
    answer: Answer
    at: float


class Keys:
    """The answers that are kept, by user and key."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, str], _Kept] = {}

    def look(self, user: int, key: str, request: tuple[str, bytes], now: float) -> Answer | None:
        """Return the answer to the same request, None to a new key. Raises 400 for another request under the key."""
        if len(key) > LONGEST:
            raise named(400, "IdempotentRequestError", "The idempotency key is too long.")
        kept = self._kept.get((user, key))
        if kept is None or kept.at + WINDOW <= now:
            return None
        if kept.request != request:
            text = "Parameters in this request do not match the previous request made with this idempotency key."
            raise named(400, "IdempotentRequestError", text)
        return Answer(kept.answer.status, kept.answer.body, {**kept.answer.headers, _HEADER: "hit"})

    def keep(self, user: int, key: str, request: tuple[str, bytes], answer: Answer, now: float) -> Answer:
        """Keep a first answer and return it with the header that says so."""
        self._kept[user, key] = _Kept(request, answer, now)
        return Answer(answer.status, answer.body, {**answer.headers, _HEADER: "miss"})
