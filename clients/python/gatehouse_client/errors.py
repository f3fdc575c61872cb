"""What can go wrong, as classes by what to do next. Codes: the table "Problems" of the gateway's `docs/api.md`."""

from collections.abc import Mapping, Sequence
from typing import Any

Problem = Mapping[str, Any]


class GatehouseError(Exception):
    """A call that did not end well. The members are those of the gateway's problem document (RFC 9457).

    `call` is the call's id where there is one, `trace` what to name to support, `key` the idempotency key that was
    used: the same call under the same key is safe to repeat.
    """

    def __init__(self, problem: Problem, *, key: str | None = None, trace: str | None = None) -> None:
        """Take the problem document."""
        self.problem = dict(problem)
        self.code: str = str(problem.get("code", "unknown"))
        self.status: int | None = problem.get("status")
        self.detail: str = str(problem.get("detail") or problem.get("title") or self.code)
        self.hint: str | None = problem.get("hint")
        self.call: str | None = problem.get("call")
        self.retryable: bool = bool(problem.get("retryable", False))
        after = problem.get("retry_after_ms")
        self.retry_after: float | None = after / 1000 if isinstance(after, int | float) else None
        self.errors: Sequence[Mapping[str, Any]] = problem.get("errors") or ()
        self.upstream: Mapping[str, Any] | None = problem.get("upstream")
        self.key = key
        self.trace = trace
        super().__init__(self._said())

    def __reduce__(self) -> Any:
        """Let the error cross processes."""
        return (_rebuilt, (type(self), self.problem, self.key, self.trace))

    def _said(self) -> str:
        faults = [f"{fault.get('pointer') or fault.get('parameter')}: {fault.get('message')}" for fault in self.errors]
        parts = [f"{self.detail} ({self.code})", *faults, *([self.hint] if self.hint else [])]
        return "\n  ".join(parts)


class FixTheCall(GatehouseError):
    """The call has to change before it can go well. `errors` says where."""


class VendorRefused(FixTheCall):
    """The vendor said no: look at the state of things there, then change the call. `upstream` is what it said."""


class AskAPerson(GatehouseError):
    """Somebody has to allow it: an admin, an approver, whoever holds the key. `hint` says what is missing."""


class ConnectFirst(AskAPerson):
    """The vendor's account is not connected, or not any more: an admin connects it."""


class TryLater(GatehouseError):
    """Nothing happened that a repeat could double: send the same call under the same `key` after `retry_after`."""


class LookFirst(GatehouseError):
    """Something may have happened. Look at the vendor before anything else; never repeat blindly."""


class StillWaiting(GatehouseError):
    """The call has not ended within the time that was given. It goes on: `wait(error.call)` waits on.

    `code` is the call's status: `pending_approval`, `queued` or `running`.
    """


_FIX = (
    "malformed_request payload_too_large unsupported_media_type invalid_input invalid_cursor method_not_allowed"
    " not_found action_not_found call_not_found run_not_found connection_ambiguous idempotency_mismatch run_closed"
    " not_cancellable approval_already_decided conflict precondition_failed"
)
_VENDOR = "upstream_rejected upstream_not_found upstream_conflict upstream_forbidden"
_ASK = (
    "unauthenticated key_expired ip_not_allowed scope_denied constraint_denied policy_denied approval_denied"
    " approval_expired cancelled frozen"
)
_CONNECT = "connection_required connection_unhealthy"
_LATER = (
    "rate_limited upstream_quota upstream_unavailable upstream_timeout circuit_open idempotency_in_progress overloaded"
    " secret_store_unavailable state_unavailable issuer_unavailable no_answer"
)
_LOOK = "outcome_unknown upstream_invalid_response internal"

BY_CODE: Mapping[str, type[GatehouseError]] = {
    code: kind
    for kind, codes in (
        (FixTheCall, _FIX),
        (VendorRefused, _VENDOR),
        (AskAPerson, _ASK),
        (ConnectFirst, _CONNECT),
        (TryLater, _LATER),
        (LookFirst, _LOOK),
    )
    for code in codes.split()
}


def error_of(problem: Problem, *, key: str | None = None, trace: str | None = None) -> GatehouseError:
    """Return a problem as its class. An unknown code is read by `retryable`, then by its status."""
    kind = BY_CODE.get(str(problem.get("code")))
    if kind is None:
        status = int(problem.get("status") or 500)
        if problem.get("retryable"):
            kind = TryLater
        elif status in {401, 403, 423}:
            kind = AskAPerson
        else:
            kind = FixTheCall if status < 500 else LookFirst
    return kind(problem, key=key, trace=trace)


def _rebuilt(kind: type[GatehouseError], problem: Problem, key: str | None, trace: str | None) -> GatehouseError:
    return kind(problem, key=key, trace=trace)
