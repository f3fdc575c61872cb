"""Markdown from ADF, for any document: what is not known degrades to the text in it."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from connectors.jira.adf_inline import line, written

Node = dict[str, Any]
_INLINE = {"text", "hardBreak", "mention", "emoji", "inlineCard", "date", "status", "placeholder", "inlineExtension"}
_DEEPEST = 120
_LISTS = {"bulletList", "orderedList"}


def render(document: Node) -> str:
    """Return the document's Markdown, without a line end at its end; of one nested beyond sense its bare text."""
    if not _is_shallow(document):
        return line([{"type": "text", "text": _bare(document)}])
    return _joined(_children(document), inside="doc")


def _is_shallow(document: Node) -> bool:
    level = [document]
    for _ in range(_DEEPEST):
        level = [child for node in level for child in _children(node)]
        if not level:
            return True
    return False


def _bare(document: Node) -> str:
    """Return all texts in their order, without recursion."""
    found: list[str] = []
    waiting = [document]
    while waiting:
        node = waiting.pop()
        found.append(str(node.get("text") or ""))
        waiting += reversed(_children(node))
    return " ".join(filter(None, found))


def _children(node: Node) -> list[Node]:
    content = node.get("content")
    if not isinstance(content, list):
        return []
    return [cast("Node", child) for child in cast("list[object]", content) if isinstance(child, dict)]


def _joined(blocks: Sequence[Node], inside: str) -> str:
    """Join blocks. Lists that follow each other change their marker: one marker would make one list of them."""
    found = ""
    before: Node | None = None
    other = False
    for block in _grouped(blocks):
        same = before is not None and before.get("type") == block.get("type") in _LISTS
        other = same and not other
        text = _block(block, other=other)
        if not text:
            continue
        found += _gap(before, block, inside) + text if before is not None else text
        before = block
    return found


def _gap(before: Node, block: Node, inside: str) -> str:
    """A nested list stands right below its item's text, unless its number could not interrupt a paragraph."""
    tight = inside == "listItem" and before.get("type") == "paragraph" and block.get("type") in _LISTS
    numbered = block.get("type") == "orderedList" and _order(block) != 1
    return "\n" if tight and not numbered and not _begins_empty(block) else "\n\n"


def _begins_empty(block: Node) -> bool:
    """Whether a list begins with an item without text, which could not interrupt a paragraph either."""
    first = next(iter(_children(block)), {})
    inner = next(iter(_children(first)), {})
    if inner.get("type") in _LISTS:
        return _begins_empty(inner)
    return inner.get("type") not in {"paragraph", "codeBlock"} or not _block(inner, other=False)


def _grouped(blocks: Iterable[Node]) -> list[Node]:
    """Put inline nodes that stand among blocks into paragraphs."""
    found: list[Node] = []
    loose: list[Node] = []
    for block in blocks:
        if block.get("type") in _INLINE:
            loose.append(block)
            continue
        if loose:
            found.append({"type": "paragraph", "content": loose})
            loose = []
        found.append(block)
    return [*found, {"type": "paragraph", "content": loose}] if loose else found


def _block(node: Node, *, other: bool) -> str:
    kind = node.get("type")
    if kind == "paragraph":
        return line(_inline(node))
    if kind == "heading":
        return _heading(node)
    if kind in _LISTS:
        return _list(node, other=other)
    if kind == "codeBlock":
        return _code(node)
    if kind == "blockquote":
        return _indented(_joined(_children(node), "blockquote") or "", "> ", "> ") if _children(node) else ""
    if kind == "rule":
        return "---"
    return _unknown(node)


def _heading(node: Node) -> str:
    level = min(max(_number(_attrs(node).get("level"), 1), 1), 6)
    flat = [{"type": "text", "text": " "} if piece["type"] == "hardBreak" else piece for piece in _inline(node)]
    text = line(flat, heading=True)
    return f"{'#' * level} {text}" if text else ""


def _list(node: Node, *, other: bool) -> str:
    lines: list[str] = []
    for number, item in enumerate(_children(node), start=_order(node)):
        bullet, closing = ("*", ")") if other else ("-", ".")
        marker = bullet if node.get("type") == "bulletList" else f"{number}{closing}"
        lines.append(_item(item, f"{marker} "))
    return "\n".join(lines)


def _item(item: Node, marker: str) -> str:
    blocks = _children(item)
    text = _joined(blocks, "listItem")
    indent = " " * len(marker)
    if blocks and blocks[0].get("type") == "paragraph" and not line(_inline(blocks[0])) and text:
        return marker.rstrip() + "\n" + _indented(text, indent, indent)
    return _indented(text, marker, indent).rstrip() if text else marker.rstrip()


def _code(node: Node) -> str:
    text = "".join(str(child.get("text", "")) for child in _children(node)).replace("\r", "")
    language = str(_attrs(node).get("language") or "")
    if not language.isascii() or not language.isprintable() or set(language) & set("` \\&"):
        language = ""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{language}\n{text}\n{fence}" if text else f"{fence}{language}\n{fence}"


def _unknown(node: Node) -> str:
    kind = node.get("type")
    children = _children(node)
    if kind == "tableRow":
        cells = (_joined(_children(cell), "doc").replace("\n", " ") for cell in children)
        return " | ".join(cells)
    if kind in {"table", "taskList", "decisionList"}:
        rows = [_block(child, other=False) for child in children]
        return ("\n" if kind == "table" else "\n\n").join(filter(None, rows))
    if children:
        return _joined(children, "doc")
    return line([{"type": "text", "text": written(node)}]) if written(node) else ""


def _inline(node: Node) -> list[Node]:
    """Return texts and hard breaks alone; the rest is replaced by its text."""
    found: list[Node] = []
    for child in _children(node):
        if child.get("type") in {"text", "hardBreak"}:
            found.append(child)
        else:
            found += _degraded(child)
    return found


def _degraded(node: Node) -> list[Node]:
    attrs = _attrs(node)
    if node.get("type") == "inlineCard" and attrs.get("url"):
        url = str(attrs["url"])
        return [{"type": "text", "text": url, "marks": [{"type": "link", "attrs": {"href": url}}]}]
    if node.get("type") == "date":
        return [{"type": "text", "text": _day(attrs.get("timestamp"))}]
    text = written(node)
    return [{"type": "text", "text": text}] if text else _inline(node)


def _day(milliseconds: object) -> str:
    try:
        return datetime.fromtimestamp(int(str(milliseconds)) / 1000, UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):
        return ""


def _attrs(node: Node) -> Node:
    attrs = node.get("attrs")
    return cast("Node", attrs) if isinstance(attrs, dict) else {}


def _order(node: Node) -> int:
    return min(max(_number(_attrs(node).get("order"), 1), 0), 999_999_999)


def _number(value: object, otherwise: int) -> int:
    return int(value) if isinstance(value, int | float) else otherwise


def _indented(text: str, first: str, rest: str) -> str:
    lines = text.split("\n")
    below = [rest + one if one or rest.strip() else "" for one in lines[1:]]
    return "\n".join([first + lines[0], *below])
