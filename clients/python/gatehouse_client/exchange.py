"""One request and its tries, as a flow. What may be sent twice is known from the request alone."""

import itertools
import json
import random
from collections.abc import Callable, Mapping
from typing import Any, cast

from gatehouse_client.errors import GatehouseError, LookFirst, TryLater, error_of
from gatehouse_client.options import Patience
from gatehouse_client.wire import Flow, Lost, Pause, Received, Send

_LONGEST_PAUSE = 8.0


class Exchange:
    """Sends requests until they are answered. Holds how patient to be, and the clock."""

    def __init__(
        self, patience: Patience, now: Callable[[], float], jitter: Callable[[], float] = random.random
    ) -> None:
        """Take a monotonic clock in seconds, and what gives numbers from 0 to 1."""
        self.patience = patience
        self.now = now
        self._jitter = jitter

    def ask(self, send: Send, *, repeatable: bool) -> Flow[Received]:
        """Return the answer. Raises the problem's class.

        What is `repeatable` (a read, or anything under an idempotency key) is sent again when no answer came and
        when the gateway says that it may. Anything else only when it surely did not leave, or was refused so.
        """
        key = send.headers.get("Idempotency-Key")
        deadline = self.now() + self.patience.seconds
        for tries in itertools.count(1):
            answer = yield send
            assert answer is not None
            error = failure(answer, key=key)
            if error is None:
                return cast("Received", answer)
            if isinstance(error, TryLater) and isinstance(answer, Lost) and answer.sent and not repeatable:
                raise LookFirst(error.problem | {"retryable": False}, key=key, trace=error.trace)
            pause = self._pause(error, tries)
            # The first call under this key still runs: that is no failed try, however often it is said.
            spent = tries >= self.patience.tries and error.code != "idempotency_in_progress"
            if not error.retryable or spent or self.now() + pause > deadline:
                raise error
            yield Pause(pause)
        raise AssertionError

    def _pause(self, error: GatehouseError, tries: int) -> float:
        own: float = min(self.patience.pause * 2 ** (tries - 1), _LONGEST_PAUSE) * (0.5 + self._jitter() / 2)
        return max(error.retry_after, own / 4) if error.retry_after is not None else own


def failure(answer: Received | Lost, *, key: str | None) -> GatehouseError | None:
    """Return what is wrong with an answer, None where it is well.

    An error that is no problem document comes from something before the gateway: it is read like no answer where its
    status says that the way is blocked (502, 503, 504), and is not to be repeated else.
    """
    if isinstance(answer, Lost):
        return TryLater(_no_answer(f"The gateway did not answer: {answer.reason}."), key=key)
    if answer.status < 400 and not 300 <= answer.status < 400:
        return None
    trace = answer.headers.get("gatehouse-trace")
    problem = _problem(answer)
    if problem is not None:
        return error_of(problem, key=key, trace=trace)
    said = f"Something before the gateway answered {answer.status}."
    if answer.status in {502, 503, 504}:
        return TryLater(_no_answer(said) | {"status": answer.status}, key=key, trace=trace)
    foreign = {"code": "no_gateway", "status": answer.status, "detail": said, "hint": "Is the URL the gateway's root?"}
    return error_of(foreign, key=key, trace=trace)


def body_of(answer: Received) -> Any:
    """Return an answer's JSON. Raises `LookFirst` where it is none: what happened is not known."""
    try:
        return json.loads(answer.content)
    except ValueError as error:
        detail = f"The answer with status {answer.status} is not JSON."
        raise LookFirst({"code": "no_gateway", "status": answer.status, "detail": detail}) from error


def _problem(answer: Received) -> Mapping[str, Any] | None:
    if "json" not in answer.headers.get("content-type", ""):
        return None
    try:
        value = json.loads(answer.content)
    except ValueError:
        return None
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) and "code" in value else None


def _no_answer(detail: str) -> dict[str, Any]:
    hint = "The same call under the same key is safe to repeat."
    return {"code": "no_answer", "detail": detail, "retryable": True, "hint": hint}
