"""Salesforce's error bodies: an array of code, message and perhaps fields.

Source: REST API Developer Guide v67.0, "Status Codes and Error Responses"; Object Reference, "Core Data Types Used in
API Calls", section "StatusCode".
"""

from collections.abc import Sequence

from connectors.sdk.simulator import Answer, Refusal


class Fault(Exception):
    """One record cannot be saved, or a query not be run: becomes an error body, or a save result."""

    def __init__(self, code: str, message: str, fields: Sequence[str] = (), status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fields = list(fields)
        self.status = status

    def shown(self) -> dict[str, object]:
        """Return it as an error of a request. Fields stand there only where the fault is about some."""
        body: dict[str, object] = {"message": self.message, "errorCode": self.code}
        return body | ({"fields": self.fields} if self.fields else {})

    def result(self) -> dict[str, object]:
        """Return it as an error of a save result."""
        return {"statusCode": self.code, "message": self.message, "fields": self.fields}

    def refusal(self) -> Refusal:
        """Return the answer that ends the request."""
        return Refusal(Answer.of([self.shown()], self.status))


def not_found(message: str = "The requested resource does not exist") -> Fault:
    """Say that there is no such thing."""
    return Fault("NOT_FOUND", message, status=404)


def unauthenticated() -> Fault:
    """Refuse a session."""
    return Fault("INVALID_SESSION_ID", "Session expired or invalid", status=401)


def limited(what: str = "TotalRequests Limit exceeded.") -> Fault:
    """Refuse for a limit."""
    return Fault("REQUEST_LIMIT_EXCEEDED", what, status=403)


def malformed(message: str) -> Fault:
    """Refuse a body that cannot be read."""
    return Fault("JSON_PARSER_ERROR", message)
