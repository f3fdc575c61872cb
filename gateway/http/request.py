"""How this door reads: bounded bodies, one value a header, paging parameters, the caller's address."""

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from connectors.sdk.errors import (
    InvalidInput,
    Issue,
    MalformedRequest,
    PayloadTooLarge,
    Unauthenticated,
    UnsupportedMediaType,
)
from connectors.sdk.hosts import Network
from gateway import body
from gateway.options import check_text, refused_option
from gateway.parse import refused_input

MOST_BYTES = 1024 * 1024
ModelT = TypeVar("ModelT", bound=BaseModel)


async def read_body(request: web.BaseRequest) -> bytes:
    """Return a JSON body's bytes. Raises `PayloadTooLarge`, `UnsupportedMediaType`."""
    if request.content_type not in {"application/json", "application/octet-stream"} and request.can_read_body:
        raise UnsupportedMediaType(
            f"The body is {request.content_type[:60]!r}.", hint="Send `Content-Type: application/json`."
        )
    declared = request.content_length
    if declared is not None and declared > MOST_BYTES:
        raise PayloadTooLarge(f"The body has {declared} bytes; at most {MOST_BYTES} are read.")
    parts: list[bytes] = []
    size = 0
    async for part in request.content.iter_any():
        size += len(part)
        if size > MOST_BYTES:
            raise PayloadTooLarge(f"The body has more than {MOST_BYTES} bytes.")
        parts.append(part)
    return b"".join(parts)


async def read_object(request: web.BaseRequest, *, empty: bool = False) -> dict[str, Any]:
    """Return a JSON object. `empty` lets a missing body stand for `{}`. Raises `MalformedRequest`."""
    raw = await read_body(request)
    if empty and not raw.strip():
        return {}
    value = body.parse(raw)
    if not isinstance(value, dict):
        raise MalformedRequest("The body is not a JSON object.", hint="Send an object.")
    return value


def typed(kind: type[ModelT], value: Mapping[str, Any]) -> ModelT:
    """Return a typed body. Raises `InvalidInput` with pointers."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        raise refused_input(error) from error


def header(request: web.BaseRequest, name: str, *, most: int = 1024) -> str | None:
    """Return a header that may be given once, in printable ASCII. Raises `MalformedRequest`."""
    values = request.headers.getall(name, ())
    if not values:
        return None
    if len(values) > 1:
        raise refused_option(name, "is given more than once")
    return check_text(name, values[0], most)


def bearer(request: web.BaseRequest, *, most: int = 512) -> str:
    """Return the token of `Authorization: Bearer`. Raises `Unauthenticated`."""
    kind, _, token = (header(request, "Authorization", most=most) or "").partition(" ")
    if kind.lower() != "bearer" or not token.strip():
        raise Unauthenticated("No credential was shown.", hint="Send `Authorization: Bearer <key>`.")
    return token.strip()


def limit(request: web.BaseRequest) -> int:
    """Return the page size asked for, 1 to 200. Raises `InvalidInput`."""
    text = request.query.get("limit", "50")
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= 200:
        raise bad_parameter("limit", "must be a whole number from 1 to 200")
    return int(text)


def seconds(request: web.BaseRequest, name: str, most: int) -> int:
    """Return a whole number of seconds, 0 where it is not given. Raises `InvalidInput`."""
    text = request.query.get(name, "0")
    if not text.isascii() or not text.isdigit() or int(text[:9]) > most:
        raise bad_parameter(name, f"must be whole seconds, at most {most}")
    return int(text)


def check_parameters(request: web.BaseRequest, known: Sequence[str]) -> None:
    """Refuse query parameters that the route does not know, and repeated ones. Raises `InvalidInput`."""
    for name in request.query:
        if name not in known:
            raise bad_parameter(name[:80], f"is not known here; known are {', '.join(known) or 'none'}")
        if len(request.query.getall(name)) > 1:
            raise bad_parameter(name[:80], "is given more than once")


def bad_parameter(name: str, why: str) -> InvalidInput:
    """Return the problem of a query parameter."""
    return InvalidInput(f"The parameter {name!r} {why}.", issues=[Issue(parameter=name, message=why)])


def root_of(request: web.BaseRequest) -> str:
    """Return the gateway's root as a request was sent to it."""
    return f"{request.scheme}://{request.host}"


def address_of(request: web.BaseRequest, proxies: Sequence[Network]) -> str:
    """Return the caller's address: the peer's, or behind trusted proxies the right-most untrusted one."""
    peer = request.remote or ""
    if not proxies or not _trusted(peer, proxies):
        return peer
    chain = [part.strip() for value in request.headers.getall("X-Forwarded-For", ()) for part in value.split(",")]
    for hop in reversed(chain):
        if not _trusted(hop, proxies):
            return hop if _is_address(hop) else peer
    return peer


def _trusted(address: str, proxies: Sequence[Network]) -> bool:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(ip.version == net.version and ip in net for net in proxies)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
