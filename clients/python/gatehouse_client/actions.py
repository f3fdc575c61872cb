"""Actions by attribute: `gh.github.issue.create(owner="acme", ...)`. The gateway knows the names."""

from collections.abc import Mapping
from typing import Any, Generic, Protocol, TypeVar

CallT = TypeVar("CallT", covariant=True)
PreviewT = TypeVar("PreviewT", covariant=True)
ItemsT = TypeVar("ItemsT", covariant=True)
Given = Mapping[str, Any]


class Door(Protocol[CallT, PreviewT, ItemsT]):
    """What runs actions by name."""

    def call(self, action: str, input: Given | None = None, /) -> CallT:
        """Run one."""
        ...

    def start(self, action: str, input: Given | None = None, /) -> CallT:
        """Run one without waiting for its end."""
        ...

    def preview(self, action: str, input: Given | None = None, /) -> PreviewT:
        """Show what it would do."""
        ...

    def items(self, action: str, input: Given | None = None, /) -> ItemsT:
        """Go through all pages of one that lists."""
        ...


class ActionPath(Generic[CallT, PreviewT, ItemsT]):
    """An action, or the way to one. The fields of its input are keyword arguments, or members of one mapping."""

    __slots__ = ("_door", "_name")

    def __init__(self, door: Door[CallT, PreviewT, ItemsT], name: str) -> None:
        """Take the name as far as it is known."""
        self._door = door
        self._name = name

    def __getattr__(self, part: str) -> "ActionPath[CallT, PreviewT, ItemsT]":
        """Go one part further."""
        if part.startswith("_"):
            raise AttributeError(part)
        return ActionPath(self._door, f"{self._name}.{part}")

    def __repr__(self) -> str:
        """Say the name."""
        return f"<action {self._name}>"

    def __call__(self, input: Given | None = None, /, **fields: Any) -> CallT:
        """Run it and return the call once it has ended well."""
        return self._door.call(self._name, _input(input, fields))

    def start(self, input: Given | None = None, /, **fields: Any) -> CallT:
        """Run it and return the call as it stands."""
        return self._door.start(self._name, _input(input, fields))

    def preview(self, input: Given | None = None, /, **fields: Any) -> PreviewT:
        """Return what it would do."""
        return self._door.preview(self._name, _input(input, fields))

    def items(self, input: Given | None = None, /, **fields: Any) -> ItemsT:
        """Go through the items of all pages."""
        return self._door.items(self._name, _input(input, fields))


def _input(input: Given | None, fields: Given) -> Given:
    return {**(input or {}), **fields}
