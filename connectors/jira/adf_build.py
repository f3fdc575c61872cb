"""ADF from Markdown. Blocks that ADF does not allow where they stand become paragraphs there."""

from collections.abc import Callable, Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from connectors.sdk import InvalidInput

Node = dict[str, Any]
MENTION = "mention:"
# What is nested deeper the parser leaves out without a word; a list is two levels.
_DEEPEST = 100
_MARKS = {"strong": "strong", "em": "em", "s": "strike"}
# The order of marks in a text node, as Jira's editor writes them.
ORDER = ("link", "strong", "em", "strike", "code")


def _parser() -> MarkdownIt:
    made = (
        MarkdownIt("commonmark", {"html": False, "maxNesting": _DEEPEST})
        .enable("strikethrough")
        .disable(["html_block", "html_inline"])
    )
    # Addresses stay as they were written: encoding them is the business of who opens them.
    made.normalizeLink = lambda url: url  # type: ignore[method-assign]
    made.validateLink = _is_harmless  # type: ignore[method-assign]
    return made


def _is_harmless(url: str) -> bool:
    scheme = url.strip().lower().partition(":")[0]
    return scheme not in {"javascript", "vbscript", "data", "file"}


def build(markdown: str) -> Node:
    """Return a document. An empty text gives one without content. Raises `InvalidInput` for absurd nesting."""
    tokens = _parser().parse(markdown)
    if any(token.level >= _DEEPEST - 1 for token in tokens):
        raise InvalidInput("The Markdown's lists and quotations are nested too deeply.", hint="Flatten them.")
    tree = SyntaxTreeNode(tokens)
    return {"version": 1, "type": "doc", "content": _blocks(tree.children, inside="doc")}


def _blocks(nodes: Sequence[SyntaxTreeNode], inside: str) -> list[Node]:
    found: list[Node] = []
    for node in nodes:
        found += _BLOCKS[node.type](node, inside) if node.type in _BLOCKS else []
    return found


def _paragraph(node: SyntaxTreeNode, inside: str) -> list[Node]:
    del inside
    return [{"type": "paragraph", "content": _inline(node)}]


def _heading(node: SyntaxTreeNode, inside: str) -> list[Node]:
    if inside != "doc":
        content = [_marked(piece, {"type": "strong"}) for piece in _inline(node)]
        return [{"type": "paragraph", "content": content}]
    level = int(node.tag[1:])
    # Only setext headings have several lines.
    content = [{"type": "text", "text": " "} if piece["type"] == "hardBreak" else piece for piece in _inline(node)]
    return [{"type": "heading", "attrs": {"level": level}, "content": merged(content)}]


def _code(node: SyntaxTreeNode, inside: str) -> list[Node]:
    del inside
    text = node.content.removesuffix("\n")
    language = node.info.split()[0] if node.type == "fence" and node.info.strip() else ""
    made: Node = {"type": "codeBlock"}
    if language:
        made["attrs"] = {"language": language}
    if text:
        made["content"] = [{"type": "text", "text": text}]
    return [made]


def _quote(node: SyntaxTreeNode, inside: str) -> list[Node]:
    content = _blocks(node.children, "blockquote")
    if inside != "doc":
        return content
    return [{"type": "blockquote", "content": content or [_empty()]}]


def _bullets(node: SyntaxTreeNode, inside: str) -> list[Node]:
    del inside
    return [{"type": "bulletList", "content": [_item(item) for item in node.children]}]


def _numbers(node: SyntaxTreeNode, inside: str) -> list[Node]:
    del inside
    start = int(node.attrs.get("start", 1))
    made: Node = {"type": "orderedList", "content": [_item(item) for item in node.children]}
    return [made if start == 1 else {**made, "attrs": {"order": start}}]


def _item(node: SyntaxTreeNode) -> Node:
    content = _blocks(node.children, "listItem")
    if not content or content[0]["type"] not in {"paragraph", "codeBlock"}:
        content.insert(0, _empty())
    return {"type": "listItem", "content": content}


def _rule(node: SyntaxTreeNode, inside: str) -> list[Node]:
    del node
    return [{"type": "rule"}] if inside == "doc" else []


def _empty() -> Node:
    return {"type": "paragraph", "content": []}


_BLOCKS: dict[str, Callable[[SyntaxTreeNode, str], list[Node]]] = {
    "paragraph": _paragraph,
    "heading": _heading,
    "fence": _code,
    "code_block": _code,
    "blockquote": _quote,
    "bullet_list": _bullets,
    "ordered_list": _numbers,
    "hr": _rule,
}


def _inline(block: SyntaxTreeNode) -> list[Node]:
    found: list[Node] = []
    for inline in block.children:
        found += _pieces(inline.children, [])
    found = merged(found)
    while found and found[-1]["type"] == "hardBreak":
        found.pop()
    return found


def _pieces(nodes: Sequence[SyntaxTreeNode], marks: list[Node]) -> list[Node]:
    found: list[Node] = []
    for node in nodes:
        if node.type in {"softbreak", "hardbreak"}:
            found.append({"type": "hardBreak"})
        elif node.type in _MARKS:
            found += _pieces(node.children, [*marks, {"type": _MARKS[node.type]}])
        elif node.type == "link":
            found += _link(node, marks)
        elif node.type == "image":
            found += _pieces(node.children or [], [*marks, _to(str(node.attrs.get("src", "")))])
        elif node.content:
            own = [*marks, {"type": "code"}] if node.type == "code_inline" else marks
            found.append(_text(node.content, own))
    return found


def _link(node: SyntaxTreeNode, marks: list[Node]) -> list[Node]:
    address = str(node.attrs.get("href", ""))
    label = _pieces(node.children, [*marks, _to(address)] if address else marks)
    if address.startswith(MENTION) and len(address) > len(MENTION):
        name = "".join(piece.get("text", " ") for piece in label).removeprefix("@")
        return [{"type": "mention", "attrs": {"id": address.removeprefix(MENTION), "text": f"@{name}"}}]
    return label


def _to(address: str) -> Node:
    return {"type": "link", "attrs": {"href": address}}


def _text(text: str, marks: Sequence[Node]) -> Node:
    kinds = {mark["type"]: mark for mark in marks}
    if "code" in kinds:  # ADF lets code be linked and nothing else
        kinds = {kind: mark for kind, mark in kinds.items() if kind in {"code", "link"}}
    made: Node = {"type": "text", "text": text}
    if kinds:
        made["marks"] = [kinds[kind] for kind in ORDER if kind in kinds]
    return made


def _marked(piece: Node, mark: Node) -> Node:
    return _text(piece["text"], [*piece.get("marks", []), mark]) if piece["type"] == "text" else piece


def merged(pieces: Sequence[Node]) -> list[Node]:
    """Return inline nodes with neighbouring texts of the same marks joined, and without empty ones."""
    found: list[Node] = []
    for piece in pieces:
        before = found[-1] if found else None
        if piece["type"] != "text":
            found.append(piece)
        elif before and before["type"] == "text" and before.get("marks") == piece.get("marks"):
            found[-1] = {**before, "text": before["text"] + piece["text"]}
        elif piece["text"]:
            found.append(piece)
    return found
