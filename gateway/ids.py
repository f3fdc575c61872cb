"""Ids that sort by time: a prefix and a UUIDv7 in 26 characters of Crockford's base 32, lower case."""

import uuid_utils

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]


def new_id(prefix: str) -> str:
    """Return a new id such as `call_01kd...`; ids made later in this process sort later."""
    number = uuid_utils.uuid7().int
    parts = [_PAIRS[(number >> shift) & 1023] for shift in range(120, -1, -10)]
    return f"{prefix}_{''.join(parts)}"
