"""Ids that sort by time: a prefix and a UUIDv7 in 26 characters of Crockford's base 32, lower case."""

from datetime import datetime

import uuid_utils

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]
_LOW = (1 << 60) - 1


def new_id(prefix: str) -> str:
    """Return a new id such as `call_01kd...`; ids made later in this process sort later."""
    number = uuid_utils.uuid7().int
    pair, high, low = _PAIRS, number >> 60, number & _LOW
    # Written out: every event has an id, and a loop costs twice as much.
    return (
        f"{prefix}_{pair[high >> 60]}{pair[high >> 50 & 1023]}{pair[high >> 40 & 1023]}{pair[high >> 30 & 1023]}"
        f"{pair[high >> 20 & 1023]}{pair[high >> 10 & 1023]}{pair[high & 1023]}{pair[low >> 50]}"
        f"{pair[low >> 40 & 1023]}{pair[low >> 30 & 1023]}{pair[low >> 20 & 1023]}{pair[low >> 10 & 1023]}"
        f"{pair[low & 1023]}"
    )


def first_id(prefix: str, moment: datetime) -> str:
    """Return the id before all that are made from a moment on: for ranges, never for a thing."""
    number = int(moment.timestamp() * 1000) << 80
    digits = "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
    return f"{prefix}_{digits}"
