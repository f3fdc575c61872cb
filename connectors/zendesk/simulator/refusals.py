"""Zendesk's error bodies, in the shapes that it uses for each.

Source: Zendesk developer documentation, Ticketing API, "Responses"; "Idempotency"; "Pagination".
"""

from collections.abc import Mapping

from connectors.sdk.simulator import Answer, Refusal


def named(status: int, error: str, description: str, headers: Mapping[str, str] | None = None) -> Refusal:
    """Refuse with a name and a description."""
    return Refusal(Answer.of({"error": error, "description": description}, status, headers or {}))


def not_found() -> Refusal:
    """Say that there is no such record, or that it is hidden."""
    return named(404, "RecordNotFound", "Not found")


def no_endpoint() -> Refusal:
    """Say that there is no such path."""
    return named(404, "InvalidEndpoint", "Not found")


def unauthenticated() -> Refusal:
    """Refuse a credential."""
    return Refusal(Answer.of({"error": "Couldn't authenticate you"}, 401))


def forbidden() -> Refusal:
    """Refuse for a lack of scopes or permission."""
    message = "You do not have access to this page. Please contact the account owner of this help desk."
    return Refusal(Answer.of({"error": {"title": "Forbidden", "message": message}}, 403))


def invalid(field: str, description: str, error: str = "InvalidValue") -> Refusal:
    """Refuse a value of a record."""
    details = {field: [{"description": description, "error": error}]}
    body = {"error": "RecordInvalid", "description": "Record validation errors", "details": details}
    return Refusal(Answer.of(body, 422))


def malformed(description: str = "The request could not be understood") -> Refusal:
    """Refuse a request that cannot be read."""
    return named(400, "BadRequest", description)


def mispaged(title: str) -> Refusal:
    """Refuse a page."""
    code = "InvalidPaginationParameter"
    return Refusal(Answer.of({"errors": [{"code": code, "title": title, "detail": title}]}, 400))


def collision() -> Refusal:
    """Refuse a safe update of a ticket that has changed."""
    return named(409, "UpdateConflict", "Safe Update prevented the update due to outdated ticket data.")


def rate_limited(headers: Mapping[str, str]) -> Refusal:
    """Refuse for the rate, in plain text as the documentation shows it."""
    text = b"Number of allowed API requests per minute exceeded"
    return Refusal(Answer(429, text, {"content-type": "text/plain; charset=utf-8", **headers}))
