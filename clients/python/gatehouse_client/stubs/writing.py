"""Writes the module that a program imports, and beside it the `.pyi` that editors and checkers read."""

from collections.abc import Collection, Iterator

from gatehouse_client.stubs.annotations import Annotations, Record, camel, is_name
from gatehouse_client.stubs.document import Action, Document, Node, tree

_MODULE = '''"""Gatehouse, whose actions have their types beside this file. Written by `gatehouse-client stubs`."""

from gatehouse_client import AsyncGatehouse, AsyncRun, Gatehouse, Run

__all__ = ["AsyncGatehouse", "AsyncRun", "Gatehouse", "Run"]
'''
_HEAD = '''"""The actions of a gateway as types. Written by `gatehouse-client stubs`, not by hand."""

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Literal, NotRequired, TypedDict, Unpack

from gatehouse_client import AsyncBaseRun, AsyncClient, BaseRun, Call, Client, Preview
'''
_RUN = """    def run(
        self,
        work_unit: str | None = None,
        *,
        labels: Mapping[str, str] | None = None,
        agent_version: str | None = None,
    ) -> {prefix}Run: ...
"""
_RESERVED = [
    "Any",
    "AsyncBaseRun",
    "AsyncClient",
    "AsyncGatehouse",
    "AsyncIterator",
    "AsyncRun",
    "BaseRun",
    "Call",
    "Client",
    "Gatehouse",
    "Iterator",
    "Literal",
    "Mapping",
    "NotRequired",
    "Preview",
    "Run",
    "TypedDict",
    "Unpack",
]


def module() -> str:
    """Return the module: at run time the client's own classes."""
    return _MODULE


def stub(document: Document, connectors: Collection[str] = ()) -> str:
    """Return the `.pyi`. Raises `NoDocument`."""
    root = tree(document.actions(connectors))
    writer = _Writer(Annotations(document, _RESERVED))
    classes = [line for child in root.children.values() for line in writer.node(child)]
    records = [line for record in writer.annotations.records.values() for line in _record(record)]
    doors = [line for prefix in ("", "Async") for line in writer.doors(root, prefix)]
    return "\n".join([_HEAD, *records, *classes, *doors]).rstrip() + "\n"


class _Writer:
    def __init__(self, annotations: Annotations) -> None:
        self.annotations = annotations
        self._names: dict[tuple[str, ...], str] = {}

    def node(self, node: Node) -> Iterator[str]:
        """Write the classes of a part of a name, those below it first."""
        below = [child for part, child in node.children.items() if is_name(part)]
        for child in below:
            yield from self.node(child)
        name = self.annotations.reserve(camel(".".join(node.path)))
        self.annotations.reserve("Async" + name)
        self._names[node.path] = name
        methods = self._typed(node.action) if node.action is not None else None
        for prefix in ("", "Async"):
            yield f"\nclass {prefix}{name}:"
            if node.action is not None:
                yield from _doc(node.action.about, 4)
            for child in below:
                yield f"    {child.path[-1]}: {prefix}{self._names[child.path]}"
            if node.action is not None and methods is not None:
                yield from _methods(*methods, paged=node.action.paged, asynchronous=bool(prefix))
            elif not below:
                yield "    ..."

    def doors(self, root: Node, prefix: str) -> Iterator[str]:
        """Write the client and the run."""
        for name, parent in ((f"{prefix}Run", f"{prefix}BaseRun"), (f"{prefix}Gatehouse", f"{prefix}Client")):
            yield f"\nclass {name}({parent}):"
            for part, child in root.children.items():
                if is_name(part):
                    yield f"    {part}: {prefix}{self._names[child.path]}"
            if parent.endswith("Client"):
                yield _RUN.format(prefix=prefix).rstrip()

    def _typed(self, action: Action) -> tuple[str, str, str]:
        base = camel(action.name)
        given = self.annotations.of(action.input, base + "Input", given=True)
        if given not in self.annotations.records:  # an action that takes nothing
            made = self.annotations.reserve(base + "Input")
            self.annotations.records[made] = Record(made, "", {})
            given = made
        output = self.annotations.of(action.output, base + "Output", given=False)
        record = self.annotations.records.get(output)
        item = record.fields["items"].annotation if action.paged and record else "list[Any]"
        return given, output, item.removeprefix("list[").removesuffix("]")


def _methods(given: str, output: str, item: str, *, paged: bool, asynchronous: bool) -> Iterator[str]:
    word, iterator = ("async def", "AsyncIterator") if asynchronous else ("def", "Iterator")
    fields = f"self, /, **fields: Unpack[{given}]"
    yield f"    {word} __call__({fields}) -> Call[{output}]: ..."
    yield f"    {word} start({fields}) -> Call[{output} | None]: ..."
    yield f"    {word} preview({fields}) -> Preview: ..."
    if paged:
        yield f"    def items({fields}) -> {iterator}[{item}]: ..."


def _record(record: Record) -> Iterator[str]:
    if not record.writable:
        keys = ", ".join(f"{key!r}: {_field(field.annotation, field.required)}" for key, field in record.fields.items())
        yield f"\n{record.name} = TypedDict({record.name!r}, {{{keys}}})"
        return
    yield f"\nclass {record.name}(TypedDict):"
    yield from _doc(record.about, 4)
    for key, field in record.fields.items():
        yield f"    {key}: {_field(field.annotation, field.required)}"
        yield from _doc(field.about, 4)
    if not record.fields and not record.about:
        yield "    ..."


def _field(annotation: str, required: bool) -> str:
    return annotation if required else f"NotRequired[{annotation}]"


def _doc(text: str, indent: int) -> Iterator[str]:
    """Write a docstring. The text is another's: it cannot end the string."""
    if not text.strip():
        return
    safe = text.strip().replace("\\", "\\\\").replace('"', '\\"')
    lines = safe.splitlines()
    pad = " " * indent
    yield "\n".join([f'{pad}"""{lines[0]}', *(f"{pad}{line}".rstrip() for line in lines[1:])]) + '"""'
