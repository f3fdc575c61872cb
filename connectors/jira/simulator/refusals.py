"""Jira's error bodies, and those of the gateway before it."""

from collections.abc import Mapping

from connectors.sdk.simulator import Answer, Refusal


def refusal(status: int, *messages: str, headers: Mapping[str, str] | None = None, **errors: str) -> Refusal:
    """Return a refusal of Jira's: messages, and faults of single fields."""
    return Refusal(Answer.of({"errorMessages": list(messages), "errors": errors}, status, headers or {}))


def invalid(field: str, fault: str) -> Refusal:
    """Refuse a field's value."""
    return Refusal(Answer.of({"errorMessages": [], "errors": {field: fault}}, 400))


def no_issue() -> Refusal:
    """Say that the issue is absent, or hidden from this user."""
    return refusal(404, "Issue does not exist or you do not have permission to see it.")


def not_found(what: str) -> Refusal:
    """Say that something is absent."""
    return refusal(404, f"{what} does not exist or you do not have permission to see it.")


def malformed(message: str = "Invalid request payload. Refer to the REST API documentation and try again.") -> Refusal:
    """Refuse a body that cannot be read."""
    return refusal(400, message)


def gateway(status: int, message: str) -> Refusal:
    """Refuse as `api.atlassian.com` does, before Jira is asked."""
    return Refusal(Answer.of({"code": status, "message": message}, status))
