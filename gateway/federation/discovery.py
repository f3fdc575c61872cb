"""Where an issuer says which keys it signs with: its metadata, then its key set, over the guarded token road.

Sources: OpenID Connect Discovery 1.0, section 4; RFC 8414, section 3.
"""

import asyncio
from typing import Any
from urllib.parse import urlsplit

from credentials.transport import NotSent, Road, Unanswered, by_phase

from gateway.federation.keyring import Keyring, read_keyring
from gateway.federation.strict_json import parse_object

_SECONDS = 10.0
_LONGEST_URL = 2048


class Undiscovered(Exception):
    """The issuer's keys could not be read. The message is a reason in a few words."""


async def discover(road: Road, issuer: str) -> Keyring:
    """Return an issuer's keys. Raises `Undiscovered`. Takes at most ten seconds, whatever the issuer does."""
    try:
        async with asyncio.timeout(_SECONDS):
            metadata = await _metadata(road, issuer)
            where = metadata.get("jwks_uri")
            if not isinstance(where, str) or len(where) > _LONGEST_URL:
                raise Undiscovered("its metadata names no key set")
            return _keyring(await _read(road, where, "key set"))
    except TimeoutError:
        raise Undiscovered("it did not answer in time") from None


def metadata_urls(issuer: str) -> tuple[str, str]:
    """Return where an issuer's metadata may be: as OpenID Connect has it, and as RFC 8414 has it."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    root = f"{parts.scheme}://{parts.netloc}"
    return (
        f"{root}{path}/.well-known/openid-configuration",
        f"{root}/.well-known/oauth-authorization-server{path}",
    )


async def _metadata(road: Road, issuer: str) -> dict[str, Any]:
    first, second = metadata_urls(issuer)
    try:
        metadata = await _read(road, first, "metadata")
    except _NotThere:
        metadata = await _read(road, second, "metadata")
    if metadata.get("issuer") != issuer:
        raise Undiscovered("its metadata is that of another issuer")
    return metadata


class _NotThere(Undiscovered):
    """The issuer answers, but has nothing there."""


async def _read(road: Road, url: str, what: str) -> dict[str, Any]:
    try:
        with by_phase():
            async with road.client() as client:
                answer = await client.get(url, headers={"accept": "application/json"})
    except (NotSent, Unanswered) as error:
        raise Undiscovered(f"its {what} could not be read: {error}") from error
    if answer.status_code != 200:
        gone = 400 <= answer.status_code < 500
        raise (_NotThere if gone else Undiscovered)(f"its {what} was answered by {answer.status_code}")
    try:
        return parse_object(answer.content)
    except ValueError as error:
        raise Undiscovered(f"its {what} {error}") from None


def _keyring(document: dict[str, Any]) -> Keyring:
    try:
        return read_keyring(document)
    except ValueError as error:
        raise Undiscovered(str(error)) from None
