"""Cursors that callers hold: sealed, bound to whom and to what they were given, good for a day."""

import base64
import os
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from connectors.sdk.errors import InvalidCursor

_LIFETIME_SECONDS = 24 * 3600
_NONCE = 12


class Cursors:
    """Seals and opens cursors. `now` is Unix seconds."""

    def __init__(self, key: bytes, now: Callable[[], float]) -> None:
        self._cipher = AESGCM(key)
        self._now = now

    def seal(self, plain: str, binding: str) -> str:
        """Return a cursor for whom and what `binding` names."""
        nonce = os.urandom(_NONCE)
        until = int(self._now() + _LIFETIME_SECONDS).to_bytes(8, "big")
        sealed = self._cipher.encrypt(nonce, until + plain.encode(), binding.encode())
        return _written(nonce + sealed)

    def open(self, cursor: str, binding: str) -> str:
        """Return what was sealed. Raises `InvalidCursor` for a forged, expired or another query's cursor."""
        try:
            raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            if _written(raw) != cursor:
                raise ValueError("spelled in another way")
            plain = self._cipher.decrypt(raw[:_NONCE], raw[_NONCE:], binding.encode())
        except (ValueError, InvalidTag, UnicodeEncodeError) as error:
            raise _invalid("it is not one that was given for this query") from error
        if int.from_bytes(plain[:8], "big") < self._now():
            raise _invalid("it has expired")
        return plain[8:].decode()


def _written(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _invalid(why: str) -> InvalidCursor:
    return InvalidCursor(
        f"The cursor cannot be used: {why}.", hint="Start again without a cursor and keep the query as it was."
    )
