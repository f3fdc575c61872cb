"""The scopes that exist, each with the sentence that a person reads before granting it."""

from collections.abc import Iterator, Mapping

from scopes.scope import UnknownScope, near_names, parse


class Catalogue:
    """Every scope of the installed connectors with one plain sentence. Iterates in alphabetical order."""

    __slots__ = ("_sentences",)

    def __init__(self, scopes: Mapping[str, str]) -> None:
        """Take scope -> sentence. Raises `ScopeSyntaxError`, and `ValueError` for a pattern or a missing sentence."""
        for name, sentence in scopes.items():
            if not parse(name).concrete:
                raise ValueError(f"{name!r} is a pattern: a catalogue lists single scopes.")
            if not sentence.strip():
                raise ValueError(f"{name!r} has no sentence: say in plain words what it allows.")
        self._sentences = dict(sorted(scopes.items()))

    def __iter__(self) -> Iterator[str]:
        """Iterate over the scopes."""
        return iter(self._sentences)

    def __len__(self) -> int:
        """Count the scopes."""
        return len(self._sentences)

    def __contains__(self, scope: object) -> bool:
        """Whether the scope exists."""
        return scope in self._sentences

    def describe(self, scope: str) -> str:
        """Return the scope's sentence. Raises `UnknownScope` with near names."""
        sentence = self._sentences.get(scope)
        if sentence is None:
            near = self.near(scope)
            said = f"; did you mean {', '.join(near)}?" if near else "."
            raise UnknownScope(f"{scope[:128]!r} is no scope of an installed connector{said}")
        return sentence

    def near(self, name: str) -> tuple[str, ...]:
        """Return at most five scopes of a similar name, nearest first."""
        return near_names(name, self._sentences)
