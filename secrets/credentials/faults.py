"""What went wrong with a token, as the errors that callers act on. One table, so that both methods say the same."""

from connectors.sdk.errors import (
    ActionError,
    ConnectionUnhealthy,
    UpstreamQuota,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from credentials.token import NotProcessed, Target
from credentials.transport import NotSent, Unanswered


def unhealthy(target: Target, reason: str) -> ConnectionUnhealthy:
    """Return the error for a connection that only a person can mend."""
    return ConnectionUnhealthy(
        f"The connection to {target.title} cannot be used: {reason}.", hint="Ask an admin to reconnect it."
    )


def unavailable(target: Target, fault: NotSent | NotProcessed | Unanswered) -> ActionError:
    """Return the error for a token endpoint that did not serve. Nothing was changed at the vendor."""
    said = f"{target.title} gave no access token: {fault}. Nothing was changed."
    if isinstance(fault, NotProcessed) and fault.seconds is not None:
        return UpstreamQuota(said, retry_after_ms=round(fault.seconds * 1000))
    if isinstance(fault, Unanswered) and fault.timeout:
        return UpstreamTimeout(said)
    return UpstreamUnavailable(said)
