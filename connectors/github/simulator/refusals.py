"""GitHub's error bodies: `message`, `documentation_url`, `status`, and `errors` for a 422."""

from collections.abc import Mapping

from connectors.sdk.simulator import Answer, Refusal

DOCUMENTATION = "https://docs.github.com/rest"


def refusal(status: int, message: str, headers: Mapping[str, str] | None = None, **members: object) -> Refusal:
    """Return any refusal."""
    body = {"message": message, **members, "documentation_url": DOCUMENTATION, "status": str(status)}
    return Refusal(Answer.of(body, status, headers or {}))


def not_found() -> Refusal:
    """Say that it is absent, or hidden from this caller."""
    return refusal(404, "Not Found")


def unauthorized(message: str = "Bad credentials") -> Refusal:
    """Refuse a credential."""
    return refusal(401, message)


def forbidden(message: str, headers: Mapping[str, str] | None = None) -> Refusal:
    """Refuse for a lack of permission."""
    return refusal(403, message, headers)


def conflict(message: str) -> Refusal:
    """Refuse because the state moved on."""
    return refusal(409, message)


def malformed(message: str = "Problems parsing JSON") -> Refusal:
    """Refuse a request that cannot be read."""
    return refusal(400, message)


def invalid(resource: str, field: str, code: str, message: str | None = None) -> Refusal:
    """Refuse a value. `code` is missing, missing_field, invalid, already_exists, unprocessable or custom."""
    error = {"resource": resource, "field": field, "code": code}
    if message is not None:
        error["message"] = message
    return refusal(422, "Validation Failed", errors=[error])


def unprocessable(message: str) -> Refusal:
    """Refuse with a text only."""
    return refusal(422, message)


def moved(location: str) -> Refusal:
    """Point to where a renamed thing is now."""
    return refusal(301, "Moved Permanently", {"location": location}, url=location)
