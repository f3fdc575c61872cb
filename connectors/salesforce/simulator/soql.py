"""A parser of SOQL: tokens, fields with their parents, conditions, order, limit and offset.

Salesforce's grammar as far as it goes here; what is not known is refused with the codes that Salesforce gives, never
guessed. No subqueries, aggregates and functions. Source: SOQL and SOSL Reference v67.0, "SOQL SELECT Syntax", "Quoted
String Escape Sequences", "LIKE", "Date Formats and Date Literals".
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from connectors.salesforce.simulator.refusals import Fault

_TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<text>'(?:[^'\\\n\r]|\\.)*')"""
    r"""|(?P<moment>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,3})?(?:Z|[+-]\d\d:?\d\d))|(?P<day>\d{4}-\d\d-\d\d)"""
    r"""|(?P<number>[+-]?\d+(?:\.\d+)?)|(?P<mark><=|>=|!=|<>|[=<>(),])"""
    r"""|(?P<word>[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*)*(?::\d+)?)"""
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", '"': '"', "'": "'", "\\": "\\", "_": "_", "%": "%"}
_UPPER = {"N": "\n", "R": "\r", "T": "\t", "B": "\b", "F": "\f"}
LITERALS = {"YESTERDAY", "TODAY", "TOMORROW", "THIS_MONTH", "LAST_MONTH", "THIS_YEAR", "LAST_N_DAYS", "NEXT_N_DAYS"}


@dataclass(frozen=True, slots=True)
class Value:
    """A literal. `wild` marks, for LIKE, which characters of a text are wildcards."""

    kind: Literal["text", "number", "boolean", "null", "day", "moment", "relative"]
    text: str
    wild: tuple[bool, ...] = ()


@dataclass(frozen=True, slots=True)
class Condition:
    """`field op values`; one value but for IN and its like."""

    path: str
    op: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions joined by one word, or one that is turned round."""

    joined: Literal["AND", "OR", "NOT"]
    parts: tuple["Condition | Group", ...]


@dataclass(frozen=True, slots=True)
class Query:
    """A query. Paths are as they were written."""

    paths: tuple[str, ...]
    source: str
    where: Condition | Group | None = None
    order: tuple[tuple[str, bool], ...] = ()
    limit: int | None = None
    offset: int = 0


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


def parse(text: str) -> Query:
    """Return the query. Raises `Fault` with `MALFORMED_QUERY`."""
    if len(text) > 100_000:
        raise _malformed("SOQL statements cannot be longer than 100000 characters")
    return _Parser(_tokens(text)).query()


def _malformed(message: str) -> Fault:
    return Fault("MALFORMED_QUERY", message)


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise _malformed(f"line 1:{at} no viable alternative at character '{text[at]}'")
        if match.lastgroup != "space":
            found.append(_Token(match.lastgroup, match.group()))
        at = match.end()
    return found


def unquoted(token: str) -> Value:
    """Read a text between quotes. Raises `Fault` for an escape that SOQL does not have."""
    characters: list[str] = []
    wild: list[bool] = []
    inner, at = token[1:-1], 0
    while at < len(inner):
        one = inner[at]
        if one != "\\":
            characters.append(one)
            wild.append(one in "%_")
            at += 1
            continue
        escape = inner[at + 1]
        plain = _ESCAPES.get(escape, _UPPER.get(escape))
        if plain is None:
            raise _malformed(f"Illegal character sequence '\\{escape}' in string literal")
        characters.append(plain)
        wild.append(False)
        at += 2
    return Value("text", "".join(characters), tuple(wild))


class _Parser:
    def __init__(self, tokens: Sequence[_Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def query(self) -> Query:
        self._expect("SELECT")
        paths = [self._name()]
        while self._take(","):
            paths.append(self._name())
        self._expect("FROM")
        source = self._name()
        where = self._joined() if self._take("WHERE") else None
        order = self._order()
        limit = int(self._whole()) if self._take("LIMIT") else None
        offset = int(self._whole()) if self._take("OFFSET") else 0
        if self._at < len(self._tokens):
            raise _malformed(f"unexpected token: '{self._tokens[self._at].text}'")
        if offset > 2000:
            raise Fault("NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is 2000")
        return Query(tuple(paths), source, where, order, limit, offset)

    def _joined(self) -> Condition | Group:
        parts = [self._one()]
        word: str | None = None
        while found := self._take("AND") or self._take("OR"):
            if word is not None and found != word:
                raise _malformed(f"unexpected token: '{found}'")  # they are not mixed without parentheses
            word = found
            parts.append(self._one())
        if word is None:
            return parts[0]
        return Group("AND" if word == "AND" else "OR", tuple(parts))

    def _one(self) -> Condition | Group:
        if self._take("NOT"):
            return Group("NOT", (self._one(),))
        if self._take("("):
            inner = self._joined()
            self._expect(")")
            return inner
        path = self._name()
        op = self._operator()
        if op not in {"IN", "NOT IN", "INCLUDES", "EXCLUDES"}:
            return Condition(path, op, (self._value(),))
        self._expect("(")
        values = [self._value()]
        while self._take(","):
            values.append(self._value())
        self._expect(")")
        return Condition(path, op, tuple(values))

    def _operator(self) -> str:
        for one in ("=", "!=", "<>", "<=", ">=", "<", ">", "LIKE", "IN", "INCLUDES", "EXCLUDES"):
            if self._take(one):
                return "!=" if one == "<>" else one
        if self._take("NOT"):
            self._expect("IN")
            return "NOT IN"
        raise self._unexpected()

    def _value(self) -> Value:
        token = self._next()
        if token.kind == "text":
            return unquoted(token.text)
        if token.kind == "number":
            return Value("number", token.text)
        if token.kind == "day":
            return Value("day", token.text)
        if token.kind == "moment":
            return Value("moment", token.text)
        word = token.text.upper()
        if token.kind == "word" and word in {"TRUE", "FALSE"}:
            return Value("boolean", word.lower())
        if token.kind == "word" and word == "NULL":
            return Value("null", "null")
        if token.kind == "word" and word.partition(":")[0] in LITERALS:
            return Value("relative", word)
        raise _malformed(f"unexpected token: '{token.text}'")

    def _order(self) -> tuple[tuple[str, bool], ...]:
        if not self._take("ORDER"):
            return ()
        self._expect("BY")
        found: list[tuple[str, bool]] = []
        while True:
            path = self._name()
            descending = bool(self._take("DESC"))
            if not descending:
                self._take("ASC")
            if self._take("NULLS") and not self._take("FIRST"):
                self._expect("LAST")
            found.append((path, descending))
            if not self._take(","):
                return tuple(found)

    def _name(self) -> str:
        token = self._next()
        if token.kind != "word" or ":" in token.text or token.text.upper() in {"FROM", "WHERE", "SELECT"}:
            raise _malformed(f"unexpected token: '{token.text}'")
        return token.text

    def _whole(self) -> str:
        token = self._next()
        if token.kind != "number" or not token.text.isdigit():
            raise _malformed(f"unexpected token: '{token.text}'")
        return token.text

    def _next(self) -> _Token:
        if self._at >= len(self._tokens):
            raise _malformed("unexpected token: '<EOF>'")
        self._at += 1
        return self._tokens[self._at - 1]

    def _take(self, word: str) -> str | None:
        if self._at < len(self._tokens):
            token = self._tokens[self._at]
            if token.kind in {"word", "mark"} and token.text.upper() == word:
                self._at += 1
                return word
        return None

    def _expect(self, word: str) -> str:
        return self._take(word) or self._fail(word)

    def _fail(self, word: str) -> str:
        raise _malformed(f"expecting a {word}, found '{self._shown()}'")

    def _unexpected(self) -> Fault:
        return _malformed(f"unexpected token: '{self._shown()}'")

    def _shown(self) -> str:
        return self._tokens[self._at].text if self._at < len(self._tokens) else "<EOF>"
