"""What is kept of each exchange: the request above signing, the answer without secrets."""

import base64
import re
from hashlib import sha256
from typing import cast

from connectors.sdk.exchange import Request, Response
from connectors.sdk.model import MASK

_KEPT_REQUEST = frozenset({"accept", "content-type", "user-agent", "x-github-api-version", "accept-encoding"})
_KEPT_RESPONSE = frozenset(
    {"content-type", "content-length", "date", "etag", "last-modified", "link", "location", "retry-after", "server"}
)
_KEPT_PREFIXES = ("x-ratelimit-", "ratelimit", "x-request", "x-github-request", "x-trace", "x-accepted-", "x-oauth-")
_SIGNED = re.compile(
    r"([?&](?:X-Amz-Signature|X-Amz-Credential|X-Amz-Security-Token|X-Goog-Signature|X-Goog-Credential|Signature"
    r"|sig|signature|token|access_token|jwt|Policy|Key-Pair-Id)=)[^&\"'\s<>\\]+",
    re.IGNORECASE,
)
_SIGNS = re.compile(rb"(?:signature|credential|token|jwt|policy|sig|key-pair-id)=", re.IGNORECASE)
_MOST_BYTES = 1024 * 1024


def request_data(request: Request, url: str, attempt: int) -> dict[str, object]:
    """Return the record of a request about to be sent: complete, but for the credential."""
    data: dict[str, object] = {
        "attempt": attempt,
        "method": request.method,
        "url": mask_signed(url),
        "headers": {name: value for name, value in request.headers if name in _KEPT_REQUEST},
        "effect": request.effect,
    }
    if request.step:
        data["step"] = request.step
    if request.body is not None:
        data |= body_data(request.body)
    return data


def response_data(response: Response, attempt: int, milliseconds: float, *, withheld: bool) -> dict[str, object]:
    """Return the record of an answer. `withheld` leaves the body out, where the action's output holds secrets."""
    data: dict[str, object] = {
        "attempt": attempt,
        "status": response.status,
        "headers": {name: mask_signed(value) for name, value in response.headers.items() if _kept(name)},
        "duration_ms": round(milliseconds, 1),
    }
    if withheld:
        return data | {"bytes": len(response.body), "body_withheld": "its output has secret fields"}
    return data | body_data(response.body)


def failure_data(detail: str, attempt: int, milliseconds: float, *, sent: bool) -> dict[str, object]:
    """Return the record of an exchange that brought no answer."""
    return {"attempt": attempt, "failure": detail, "sent": sent, "duration_ms": round(milliseconds, 1)}


def body_data(body: bytes) -> dict[str, object]:
    """Return a body as text, or in base 64 where it is none, with its size and digest. At most 1 MiB is kept."""
    data: dict[str, object] = {"bytes": len(body), "body_sha256": sha256(body).hexdigest()}
    kept = body[:_MOST_BYTES]
    if len(body) > _MOST_BYTES:
        data["body_cut_at"] = _MOST_BYTES
    try:
        text = kept.decode()
    except UnicodeDecodeError:
        data["body_base64"] = base64.b64encode(kept).decode()
    else:
        data["body"] = mask_signed(text) if _may_be_signed(kept) else text
    return data


def _may_be_signed(body: bytes) -> bool:
    """Whether it is worth looking for signed URLs, which costs more than all these."""
    return _SIGNS.search(body) is not None


def mask_signed(text: str) -> str:
    """Mask the signatures of signed URLs in a text."""
    return _SIGNED.sub(rf"\g<1>{MASK}", text) if "=" in text else text


def mask_tree(value: object, secrets: frozenset[str]) -> object:
    """Mask secret fields by name, and signed URLs, in an output."""
    if isinstance(value, str):
        return mask_signed(value) if "?" in value else value
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        return {
            name: MASK if name in secrets and item is not None else mask_tree(item, secrets)
            for name, item in members.items()
        }
    if isinstance(value, list):
        return [mask_tree(item, secrets) for item in value]
    return value


def scrub(response: Response, secret: bytes) -> Response:
    """Remove a credential that a vendor sent back, wherever it stands in the answer."""
    if secret not in response.body and not any(secret.decode() in value for value in response.headers.values()):
        return response
    mask = MASK.encode()
    headers = {name: value.replace(secret.decode(), MASK) for name, value in response.headers.items()}
    return Response(response.status, headers, response.body.replace(secret, mask))


def _kept(name: str) -> bool:
    return name in _KEPT_RESPONSE or name.startswith(_KEPT_PREFIXES)
