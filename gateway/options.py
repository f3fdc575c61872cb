"""What a caller says beside the input, as every door checks it. The names are the door's own."""

import re

from connectors.sdk.errors import Issue, MalformedRequest

LONGEST = {"run": 64, "connection": 128, "actor": 256, "reason": 1024}  # characters
MOST_WAIT_SECONDS = 60.0
_TEXT = re.compile(r"^[\x20-\x7e]*$")
_KEY = re.compile(r"^[\x21-\x7e]{1,255}$")


def check_text(name: str, text: str, most: int = 1024) -> str:
    """Return a text of printable ASCII. Raises `MalformedRequest`."""
    if len(text) > most or not _TEXT.match(text):
        raise refused_option(name, f"must be printable ASCII, at most {most} characters")
    return text


def check_key(name: str, text: str) -> str:
    """Return an idempotency key. Raises `MalformedRequest`."""
    if not _KEY.match(text):
        raise refused_option(name, "must be 1 to 255 visible ASCII characters, without spaces")
    return text


def check_number(name: str, number: float, least: float, most: float) -> float:
    """Return a number within its bounds. Raises `MalformedRequest`."""
    if not least <= number <= most:
        raise refused_option(name, f"must be a number from {least:g} to {most:g}")
    return number


def refused_option(name: str, why: str) -> MalformedRequest:
    """Return the problem of something that was said badly."""
    return MalformedRequest(f"{name} {why}.", issues=[Issue(parameter=name, message=why)])
