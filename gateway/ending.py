"""How a call ends: its state, and whether its claim goes back."""

from dataclasses import dataclass

from connectors.sdk.errors import ActionError, ApprovalExpired, CallCancelled, OutcomeUnknown, Refused

TERMINAL = frozenset({"succeeded", "shadowed", "failed", "denied", "outcome_unknown", "cancelled", "expired"})


@dataclass(frozen=True, slots=True)
class Ending:
    """How a call ended: its state, its problem code, whether its claim goes back, and how its intents stand."""

    status: str
    code: str | None = None
    release: bool = False
    days: int = 1


def ending_of(error: ActionError, *, handed_over: bool, days: int = 1) -> Ending:
    """Return how a call with this error ends, and whether its claim goes back."""
    if isinstance(error, OutcomeUnknown):
        return Ending("outcome_unknown", error.code, days=days)
    if isinstance(error, CallCancelled):
        return Ending("cancelled", error.code, days=days)
    if isinstance(error, ApprovalExpired):
        return Ending("expired", error.code, days=days)
    denied = isinstance(error, Refused) and error.status in {403, 423}
    status = "denied" if denied else "failed"
    return Ending(status, error.code, release=error.retryable and not handed_over, days=days)
