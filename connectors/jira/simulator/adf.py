"""Whether a document is ADF, as far as Jira's editor knows it. Source: Atlassian, JSON schema of ADF 1."""

from typing import Any, cast

from connectors.jira.simulator.refusals import invalid
from connectors.jira.simulator.world import Json

_INLINE = {"text", "hardBreak", "mention", "emoji", "inlineCard", "date", "status"}
_LISTS = {"bulletList", "orderedList"}
_TABLES = {"table", "panel", "taskList", "expand", "mediaSingle", "mediaGroup"}
_INSIDE = {
    "doc": {"paragraph", "heading", "codeBlock", "blockquote", "rule"} | _LISTS | _TABLES,
    "paragraph": _INLINE,
    "heading": _INLINE,
    "codeBlock": {"text"},
    "blockquote": {"paragraph", "codeBlock"} | _LISTS,
    "bulletList": {"listItem"},
    "orderedList": {"listItem"},
    "listItem": {"paragraph", "codeBlock", "mediaSingle"} | _LISTS,
}
_MARKS = {"strong", "em", "strike", "code", "link", "underline", "subsup", "textColor"}
_WITH_CODE = {"code", "link"}


def check(field: str, value: object) -> Json | None:
    """Return a document, or None. Raises Jira's refusal of anything else."""
    if value is None:
        return None
    document = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    if document.get("type") != "doc" or document.get("version") != 1 or not isinstance(document.get("content"), list):
        raise invalid(field, "Operation value must be an Atlassian Document (see the Atlassian Document Format)")
    fault = _fault(document)
    if fault:
        raise invalid(field, f"INVALID_INPUT: {fault}")
    return document


def _fault(node: Json) -> str | None:
    kind = str(node.get("type"))
    children = cast("list[Json]", node.get("content") or [])
    if kind == "text":
        return _text_fault(node)
    allowed = _INSIDE.get(kind)
    if kind in {"bulletList", "orderedList", "listItem", "blockquote"} and not children:
        return f"{kind} is empty"
    if kind == "listItem" and children[0].get("type") in _LISTS:
        return "listItem begins with a list"
    if kind == "mention" and not node.get("attrs", {}).get("id"):
        return "mention of nobody"
    for child in children:
        if allowed is not None and child.get("type") not in allowed:
            return f"{child.get('type')} in {kind}"
        if kind == "codeBlock" and child.get("marks"):
            return "marks in codeBlock"
        fault = _fault(child)
        if fault:
            return fault
    return None


def _text_fault(node: Json) -> str | None:
    kinds = {str(mark.get("type")) for mark in cast("list[Json]", node.get("marks") or [])}
    if not isinstance(node.get("text"), str) or not node["text"]:
        return "text is empty"
    if not kinds <= _MARKS or ("code" in kinds and not kinds <= _WITH_CODE):
        return f"marks {sorted(kinds)}"
    return None


def document(text: str) -> Json:
    """Return a text of API v2 as ADF: a paragraph for each line."""
    lines = [line for line in text.split("\n") if line]
    return {
        "version": 1,
        "type": "doc",
        "content": [{"type": "paragraph", "content": [{"type": "text", "text": line}]} for line in lines],
    }


def plain(node: Json | None) -> str | None:
    """Return a document as API v2 gives it: its text."""
    if node is None:
        return None
    blocks = cast("list[Json]", node.get("content") or [])
    return "\n".join(filter(None, map(_words, blocks)))


def _words(node: Json) -> str:
    return str(node.get("text", "")) + "".join(map(_words, cast("list[Json]", node.get("content") or [])))
