"""Every way a call can fail, split by what its caller should do next.

    ActionError
    ├── CallerMistake          change the call
    ├── Refused                ask a person
    ├── TryLater               the same call may succeed after a while
    ├── ToolError              the vendor said no: look at its state first
    ├── OutcomeUnknown         an effect was sent and not answered: look before anything else
    └── BadAnswer              the vendor's success could not be read: our model of it is wrong

The door turns an error into an RFC 9457 problem; nothing else does. Messages name the value and the
remedy and never quote a credential or a header.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Issue:
    """One fault in a request: where it is (RFC 6901 pointer, or a parameter's name) and what is wrong."""

    message: str
    pointer: str | None = None
    parameter: str | None = None


@dataclass(frozen=True, slots=True)
class UpstreamProblem:
    """What the vendor said when it refused, cut to what an agent may see."""

    status: int
    code: str | None = None
    message: str | None = None
    request_id: str | None = None


class ActionError(Exception):
    """A call that ends without its result."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something failed on our side"
    counts_as: ClassVar[str] = "platform"
    retryable: bool = False

    def __init__(
        self,
        detail: str,
        *,
        hint: str | None = None,
        issues: Sequence[Issue] = (),
        upstream: UpstreamProblem | None = None,
        retry_after_ms: int | None = None,
        members: Mapping[str, object] | None = None,
    ) -> None:
        """Say what failed in one sentence; `hint` says what to do next; times are milliseconds."""
        super().__init__(detail)
        self.detail = detail
        self.hint = hint
        self.issues = tuple(issues)
        self.upstream = upstream
        self.retry_after_ms = retry_after_ms
        self.members = dict(members or {})


class CallerMistake(ActionError):
    """Change the call."""

    counts_as = "ambiguity"


class MalformedRequest(CallerMistake):
    """The request is no JSON, has a bad header or lacks one."""

    code, status, title = "malformed_request", 400, "The request cannot be read"


class PayloadTooLarge(CallerMistake):
    """The body is over its bound."""

    code, status, title = "payload_too_large", 413, "The body is too large"


class UnsupportedMediaType(CallerMistake):
    """The body is not of a type that this route reads."""

    code, status, title = "unsupported_media_type", 415, "This media type is not read here"


class InvalidInput(CallerMistake):
    """The input does not fit the action's schema."""

    code, status, title = "invalid_input", 422, "The input does not fit the action's schema"


class InvalidCursor(CallerMistake):
    """The cursor is forged, expired or another query's."""

    code, status, title = "invalid_cursor", 400, "The cursor cannot be used here"


class PreconditionFailed(CallerMistake):
    """The resource changed since the caller read it."""

    code, status, title = "precondition_failed", 412, "The resource has changed"


class Conflict(CallerMistake):
    """The request collides with what is there."""

    code, status, title = "conflict", 409, "The request conflicts with what is there"


class MethodNotAllowed(CallerMistake):
    """The route exists, the method does not."""

    code, status, title = "method_not_allowed", 405, "This method is not allowed here"


class IdempotencyMismatch(CallerMistake):
    """The key was used before for something else."""

    code, status, title = "idempotency_mismatch", 422, "The idempotency key belongs to another call"


class IdempotencyInProgress(CallerMistake):
    """The first call under this key has not finished."""

    code, status, title = "idempotency_in_progress", 409, "The first call under this key is still running"
    retryable = True


class RunClosed(CallerMistake):
    """The run has its outcome and takes no more."""

    code, status, title = "run_closed", 409, "The run is closed"


class NotCancellable(CallerMistake):
    """Something was sent already, or the call is over."""

    code, status, title = "not_cancellable", 409, "The call can no longer be cancelled"


class ApprovalAlreadyDecided(CallerMistake):
    """An approval is decided once."""

    code, status, title = "approval_already_decided", 409, "The approval was decided before"


class NotFound(CallerMistake):
    """Nothing of that name is visible to this caller."""

    code, status, title = "not_found", 404, "There is nothing here"


class ActionNotFound(NotFound):
    """No such action; the hint names near ones."""

    code, title = "action_not_found", "There is no such action"


class CallNotFound(NotFound):
    """No such call of this agent."""

    code, title = "call_not_found", "There is no such call"


class RunNotFound(NotFound):
    """No such run of this agent."""

    code, title = "run_not_found", "There is no such run"


class ConnectionRequired(CallerMistake):
    """The agent has no connection of this connector."""

    code, status, title = "connection_required", 409, "No connection can serve this call"
    counts_as = "missing data"


class ConnectionAmbiguous(CallerMistake):
    """The agent has several connections and named none."""

    code, status, title = "connection_ambiguous", 409, "More than one connection could serve this call"
    counts_as = "missing data"


class Refused(ActionError):
    """Ask a person."""

    counts_as = "policy block"
    status = 403


class Unauthenticated(Refused):
    """No valid key was shown."""

    code, status, title = "unauthenticated", 401, "No valid credential was shown"
    counts_as = "access"


class KeyExpired(Refused):
    """The key was valid once."""

    code, status, title = "key_expired", 401, "The key has expired"
    counts_as = "access"


class IpNotAllowed(Refused):
    """The key does not work from this address."""

    code, title = "ip_not_allowed", "The key does not work from this address"


class ScopeDenied(Refused):
    """No grant gives the scopes."""

    code, title = "scope_denied", "No grant gives the scopes that this action needs"


class ConstraintDenied(Refused):
    """A grant gives the scopes, and its constraints refuse this input."""

    code, title = "constraint_denied", "A grant's constraint refuses this call"


class PolicyDenied(Refused):
    """A policy refuses the call."""

    code, title = "policy_denied", "A policy refuses this call"


class ApprovalDenied(Refused):
    """A person said no."""

    code, title = "approval_denied", "An approver refused this call"


class ApprovalExpired(Refused):
    """The approval lapsed, or what was approved is no longer what would run."""

    code, status, title = "approval_expired", 410, "The approval no longer covers this call"


class CallCancelled(Refused):
    """The caller took the call back before anything was sent."""

    code, status, title = "cancelled", 409, "The call was cancelled before anything was sent"


class Frozen(Refused):
    """A kill switch is on."""

    code, status, title = "frozen", 423, "A freeze is in force"


class ConnectionUnhealthy(Refused):
    """The connection's credential is revoked, not refreshable or lacks vendor scopes."""

    code, status, title = "connection_unhealthy", 424, "The connection cannot be used"
    counts_as = "access"


class TryLater(ActionError):
    """The same call may succeed after `retry_after_ms`; nothing was changed at the vendor."""

    retryable = True
    status = 503


class RateLimited(TryLater):
    """A limit of ours."""

    code, status, title = "rate_limited", 429, "A rate limit of the gateway is used up"
    counts_as = "throttle"


class UpstreamQuota(TryLater):
    """The vendor's quota is used up."""

    code, title = "upstream_quota", "The vendor's quota is used up"
    counts_as = "throttle"


class UpstreamUnavailable(TryLater):
    """The vendor could not be reached or failed; nothing was changed."""

    code, status, title = "upstream_unavailable", 502, "The vendor is not available"
    counts_as = "tool error"


class UpstreamTimeout(TryLater):
    """The vendor did not answer in time; nothing was changed."""

    code, status, title = "upstream_timeout", 504, "The vendor did not answer in time"
    counts_as = "tool error"


class CircuitOpen(TryLater):
    """The vendor failed so often that we wait before we ask again."""

    code, title = "circuit_open", "The vendor has been failing; calls are held back for a while"
    counts_as = "tool error"


class Overloaded(TryLater):
    """This gateway has more work than it takes on."""

    code, title = "overloaded", "The gateway is at its bound"


class SecretStoreUnavailable(TryLater):
    """Credentials cannot be read now."""

    code, title = "secret_store_unavailable", "The secret store is not available"


class StateUnavailable(TryLater):
    """The ledger cannot be written now, so nothing is sent."""

    code, title = "state_unavailable", "The ledger is not available"


class IssuerUnavailable(TryLater):
    """The issuer of the caller's token cannot be asked for its keys now."""

    code, title = "issuer_unavailable", "The token's issuer is not available"
    counts_as = "access"


class ToolError(ActionError):
    """The vendor said no."""

    counts_as = "tool error"


class UpstreamRejected(ToolError):
    """The vendor's validation or state refuses the request."""

    code, status, title = "upstream_rejected", 422, "The vendor refused the request"


class UpstreamNotFound(ToolError):
    """The vendor has no such thing, or hides it from this connection."""

    code, status, title = "upstream_not_found", 404, "The vendor has no such thing"


class UpstreamConflict(ToolError):
    """The vendor's state moved on."""

    code, status, title = "upstream_conflict", 409, "The vendor reports a conflict"


class UpstreamForbidden(ToolError):
    """The vendor does not let this connection do that."""

    code, status, title = "upstream_forbidden", 403, "The vendor forbids this to the connection"


class OutcomeUnknown(ActionError):
    """An effect was sent and not answered, and cannot be settled. Never retry blindly."""

    code, status, title = "outcome_unknown", 502, "Whether the effect happened is not known"
    counts_as = "tool error"


class BadAnswer(ActionError):
    """Our model of the vendor is wrong."""

    counts_as = "tool error"


class UpstreamInvalidResponse(BadAnswer):
    """The vendor answered success, unreadably. Member `applied` is `yes` or `unknown`."""

    code, status, title = "upstream_invalid_response", 502, "The vendor's answer cannot be read"


class Internal(ActionError):
    """A fault of ours."""


def concrete(root: type[ActionError] = ActionError) -> dict[str, type[ActionError]]:
    """Return every error class that can reach a caller, by its code."""
    found: dict[str, type[ActionError]] = {}
    for child in root.__subclasses__():
        if "code" in child.__dict__:
            found[child.code] = child
        found |= concrete(child)
    return found | ({"internal": Internal} if root is ActionError else {})
