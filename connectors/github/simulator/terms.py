"""GitHub's search language, as far as the simulator has it: words, "quoted words", qualifiers, `-`, NOT, OR, ().

Source: GitHub documentation, "Understanding the search syntax" and "Searching issues and pull requests".
"""

import re
from collections.abc import Callable
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")
_TOKEN = re.compile(r'\s*(\(|\)|-?(?:[a-z-]+:)?"[^"]*"|[^\s()]+)', re.IGNORECASE)
Test = Callable[[ItemT], bool]


class Unreadable(ValueError):
    """The query does not follow the language."""


class Terms(Generic[ItemT]):
    """Reads a query into one test. `term` makes the test of a single word or qualifier (name, value)."""

    def __init__(self, query: str, term: Callable[[str, str], Test[ItemT]]) -> None:
        self._tokens = _TOKEN.findall(query)
        self._term = term
        self._at = 0

    def test(self) -> Test[ItemT]:
        """Return the query's test. Raises `Unreadable`."""
        found = self._any()
        if self._at < len(self._tokens):
            raise Unreadable("unbalanced parentheses")
        return found

    def _any(self) -> Test[ItemT]:
        choices = [self._all()]
        while self._peek() == "OR":
            self._at += 1
            choices.append(self._all())
        return choices[0] if len(choices) == 1 else lambda item: any(choice(item) for choice in choices)

    def _all(self) -> Test[ItemT]:
        wanted: list[Test[ItemT]] = []
        while (token := self._peek()) not in {None, "OR", ")"}:
            if token == "AND":
                self._at += 1
                continue
            wanted.append(self._one())
        return lambda item: all(test(item) for test in wanted)

    def _one(self) -> Test[ItemT]:
        token = self._tokens[self._at]
        self._at += 1
        if token == "(":
            return self._group()
        if token == "NOT" or (token.startswith("-") and len(token) > 1):
            inner = self._one() if token == "NOT" else self._word(token[1:])
            return lambda item: not inner(item)
        return self._word(token)

    def _group(self) -> Test[ItemT]:
        inner = self._any()
        if self._peek() != ")":
            raise Unreadable("unbalanced parentheses")
        self._at += 1
        return inner

    def _word(self, token: str) -> Test[ItemT]:
        name, colon, value = token.partition(":")
        if colon and not name.startswith('"'):
            return self._term(name.lower(), value.strip('"'))
        return self._term("", token.strip('"'))

    def _peek(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None
