"""Takes what is somebody's out of a vendor's answers, and leaves their shape.

Nothing is recognised as personal; all is taken for it, but for words that stand in the connector's public source.
Every other word becomes one of the same length, case and digits: the same word always the same one, so that ids still
fit together, and another one in every recording. Times are moved by a number of days. What is kept is listed, for a
person to look at.
"""

import base64
import binascii
import hmac
import re
import secrets
from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta
from hashlib import sha256
from typing import cast
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from connectors.sdk.hosts import HostPattern

_WORD = re.compile(r"[^\W_]+")
_EMAIL = re.compile(r"[^\s<>()\[\]\"',;:@]+@[^\s<>()\[\]\"',;:@]+")
_URL = re.compile(r"https?://[^\s<>\"')\]]+")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)((?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?)")
_DIALLED = re.compile(r"[+(]?\d[\d ()./-]{5,}\d")
_LETTERED = re.compile(r"[A-Za-z]\d+")
_HEX = re.compile(r"[0-9a-f]{7,}|[0-9A-F]{7,}")
_BASE64 = re.compile(r"[A-Za-z0-9+/\r\n]{15,}={0,2}\s*")
_SHORT = 4  # numbers of fewer digits say nothing of anybody: counts, numbers of issues, pages
_LOWER, _DIGITS, _HEX_LETTERS = "abcdefghijklmnopqrstuvwxyz", "0123456789", "abcdef"


class Redactor:
    """Redacts one recording. `words` are kept as whole values, `names` as names of members, `hosts` as hosts."""

    def __init__(
        self, words: Iterable[str], names: Iterable[str], hosts: Iterable[HostPattern], key: bytes | None = None
    ) -> None:
        self._words = frozenset(words)
        self._names = frozenset(names) | self._words
        self._hosts = tuple(hosts)
        self._key = key or secrets.token_bytes(32)
        self._days = timedelta(days=400 + int.from_bytes(self._digest("days")[:2], "big") % 3000)
        self.replaced: Counter[str] = Counter()
        self.kept: set[str] = set()

    def value(self, value: object) -> object:
        """Return a JSON value of the same shape."""
        if isinstance(value, dict):
            members = cast("dict[str, object]", value)
            return {self._name(name): self.value(item) for name, item in members.items()}
        if isinstance(value, list):
            return [self.value(item) for item in cast("list[object]", value)]
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bool) or value is None:
            return value
        return self._number(value) if isinstance(value, int | float) else None

    def text(self, text: str) -> str:
        """Return a text of the same shape."""
        if not text or text in self._words:
            self.kept |= {text} if text else set()
            return text
        time = _TIME.fullmatch(text)
        if time is not None and (moved := self._moved(time.group(1))) is not None:
            self.replaced["times"] += 1
            return moved + time.group(2)
        if _DIALLED.fullmatch(text):
            self.replaced["numbers"] += 1
            return _WORD.sub(lambda found: self._word(found.group()), text)
        return self._packed(text) or self._pieces(text)

    def target(self, path: str) -> str:
        """Return an encoded path, segment by segment."""
        return "/".join(quote(self.text(unquote(segment)), safe="") for segment in path.split("/"))

    def query(self, query: str) -> str:
        """Return an encoded query; names that the connector's source does not have are replaced too."""
        pairs = parse_qsl(query, keep_blank_values=True)
        return urlencode([(self._name(name), self.text(value)) for name, value in pairs])

    def _pieces(self, text: str) -> str:
        """Replace addresses and URLs as such, and every other word."""
        done, end = "", 0
        for found in re.finditer(f"{_URL.pattern}|{_EMAIL.pattern}", text):
            done += self._plain(text[end : found.start()])
            done += self._url(found.group()) if found.group().startswith("http") else self._email(found.group())
            end = found.end()
        return done + self._plain(text[end:])

    def _plain(self, text: str) -> str:
        # Without blanks it is an id, a path or a key; with them somebody wrote it, and any number may be a telephone's.
        spaced = any(character.isspace() for character in text)
        if spaced:
            return _WORD.sub(lambda found: self._word(found.group()), text)
        return "/".join(part if part in self._words else self._id(part) for part in text.split("/"))

    def _id(self, text: str) -> str:
        def one(found: re.Match[str]) -> str:
            word = found.group()
            letter = word[0] if _LETTERED.fullmatch(word) else ""  # what kind of id it is: `t12`, a task's
            number = word.removeprefix(letter)
            return word if number.isdecimal() and len(number) < _SHORT else letter + self._word(number)

        return _WORD.sub(one, text)

    def _email(self, address: str) -> str:
        self.replaced["e-mail addresses"] += 1
        return _WORD.sub(lambda found: self._word(found.group()), address.partition("@")[0]) + "@example.com"

    def _url(self, url: str) -> str:
        self.replaced["URLs"] += 1
        try:
            parts = urlsplit(url)
            host = parts.hostname or ""
        except ValueError:
            return "https://unreadable.example"
        query = f"?{self.query(parts.query)}" if parts.query else ""
        return f"{parts.scheme}://{self._host(host)}{self.target(parts.path)}{query}"

    def _host(self, host: str) -> str:
        for pattern in self._hosts:
            if host == pattern.text:
                return host
            if pattern.matches(host):
                suffix = pattern.text.removeprefix("*")
                return self._id(host.removesuffix(suffix)) + suffix
        return f"{self._id(host.partition('.')[0]) or 'host'}.example"

    def _packed(self, text: str) -> str | None:
        """Return base 64 of what stands in a text that is base 64, None where it is none."""
        bare = "".join(text.split())
        if not _BASE64.fullmatch(text) or len(bare) % 4 or bare.isdecimal() or _HEX.fullmatch(bare) or bare.isalpha():
            return None
        try:
            content = base64.b64decode(bare, validate=True)
        except binascii.Error:
            return None
        self.replaced["encoded contents"] += 1
        try:
            return base64.b64encode(self._pieces(content.decode()).encode()).decode()
        except UnicodeDecodeError:
            return base64.b64encode(bytes(len(content))).decode()

    def _name(self, name: str) -> str:
        """Return a member's name: a dictionary's may be somebody's address."""
        return name if name in self._names else self._pieces(name)

    def _number(self, number: float) -> int | float:
        if isinstance(number, int):
            short = len(str(abs(number))) < _SHORT
            return number if short else int(self._word(str(abs(number)))) * (1 if number > 0 else -1)
        return float(self._number(round(number)))

    def _moved(self, day: str) -> str | None:
        try:
            return (date.fromisoformat(day) - self._days).isoformat()
        except (ValueError, OverflowError):
            return None

    def _word(self, word: str) -> str:
        """Return a word of the same shape that is another one."""
        self.replaced["ids" if any(c.isdecimal() for c in word) else "words"] += 1
        letters = _HEX_LETTERS if _HEX.fullmatch(word) else _LOWER
        salt = 0
        while True:
            digest = self._digest(f"{salt} {word.casefold()}", len(word))
            pairs = enumerate(zip(word, digest, strict=False))
            made = "".join(_like(old, byte, letters, first=at == 0) for at, (old, byte) in pairs)
            if made.casefold() != word.casefold():
                return made
            salt += 1

    def _digest(self, text: str, size: int = 32) -> bytes:
        found = b""
        for block in range(size // 32 + 1):
            found += hmac.new(self._key, f"{block} {text}".encode("utf-8", "replace"), sha256).digest()
        return found


def _like(old: str, byte: int, letters: str, *, first: bool) -> str:
    if old.isdecimal():
        return _DIGITS[1 + byte % 9] if first and old != "0" else _DIGITS[byte % 10]
    letter = letters[byte % len(letters)]
    return letter.upper() if old.isupper() else letter
