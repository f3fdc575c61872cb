"""One run of inline ADF as Markdown: marks become delimiters, and what would be read as markup is escaped.

CommonMark reads `**` as a delimiter only where its neighbours let it ("flanking"). A neighbour outside that does not
is written as a character reference, which counts as punctuation.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

Node = dict[str, Any]
_DELIMITERS = {"strong": "**", "em": "_", "strike": "~~"}
_ALWAYS = set("\\`*[]<~")
_PUNCTUATION = set("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_ENTITY = re.compile(r"&(?=#|[A-Za-z])")
_REFERENCE = re.compile(r"&#?[A-Za-z0-9]+;")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_NUMBERED = re.compile(r"[0-9]{1,9}$")


@dataclass(slots=True)
class _Piece:
    """A character, a delimiter, or something ready such as a code span."""

    kind: Literal["char", "open", "close", "raw", "break"]
    text: str
    encoded: bool = False

    def edge(self, *, last: bool) -> str:
        """Return the character that a neighbour sees."""
        if self.encoded:
            return ";" if last else "&"
        return self.text[-1 if last else 0]


def written(node: Node) -> str:
    """Return the text of a node that Markdown does not know: a mention's name, an emoji, a status, a link."""
    attrs = cast("Node", node.get("attrs") or {})
    text = str(attrs.get("text") or attrs.get("shortName") or attrs.get("url") or attrs.get("title") or "")
    if node.get("type") == "mention":
        return "@" + text.removeprefix("@") if text else f"@{attrs.get('id', '')}"
    return text or str(node.get("text") or "")


def line(nodes: Sequence[Node], *, heading: bool = False) -> str:
    """Return texts and hard breaks as Markdown, one line for each break."""
    pieces = _trimmed(_delimited(_runs(nodes)))
    _encode(pieces)
    text = "".join(_shown(pieces, at, heading=heading) for at in range(len(pieces)))
    # A number sign at the end of a heading would close it.
    return re.sub(r"(^|\s)(#+)$", r"\1\\\2", text) if heading else text


@dataclass(frozen=True, slots=True)
class _Run:
    """A text and its marks, outermost first. `link` is None outside of links."""

    text: str
    marks: tuple[str, ...] = ()
    link: str | None = None
    code: bool = False
    ends: bool = False


def _runs(nodes: Sequence[Node]) -> list[_Run]:
    found: list[_Run] = []
    for node in nodes:
        if node.get("type") == "hardBreak":
            found.append(_Run("", ends=True))
            continue
        text = _CONTROL.sub("", str(node.get("text", ""))).replace("\r", "").replace("\n", " ").replace("\t", " ")
        marks = [cast("Node", mark) for mark in cast("list[object]", node.get("marks") or []) if isinstance(mark, dict)]
        kinds = {str(mark.get("type")) for mark in marks}
        link = next((_href(mark) for mark in marks if mark.get("type") == "link"), None) or None
        if "code" in kinds:
            found.append(_Run(text, (), link, code=True))
        else:
            found += _spaced(text, tuple(kind for kind in _DELIMITERS if kind in kinds), link)
    return [run for run in found if run.text or run.ends]


def _href(mark: Node) -> str:
    return _CONTROL.sub("", str(cast("Node", mark.get("attrs") or {}).get("href") or "")).replace("\n", "%0A")


def _spaced(text: str, marks: tuple[str, ...], link: str | None) -> list[_Run]:
    """Keep white space at the edges out of the marks: delimiters must touch what they mark."""
    inner = text.strip()
    if not marks or not inner:
        return [_Run(text, (), link)]
    left = text[: len(text) - len(text.lstrip())]
    right = text[len(text.rstrip()) :]
    return [_Run(left, (), link), _Run(inner, marks, link), _Run(right, (), link)]


def _delimited(runs: Sequence[_Run]) -> list[_Piece]:
    """Write the runs with as few delimiters as nesting allows."""
    pieces: list[_Piece] = []
    open_marks: list[str] = []
    link: str | None = None
    for at, run in enumerate(runs):
        marks = _order(runs, at, open_marks if run.link == link else [])
        kept = _common(open_marks, marks) if run.link == link else 0
        _close(pieces, open_marks, kept)
        if run.link != link:
            pieces += _end(link)
            link = run.link
            pieces += [_Piece("raw", "[")] if link is not None else []
        for mark in marks[kept:]:
            pieces.append(_Piece("open", _DELIMITERS[mark]))
            open_marks.append(mark)
        pieces += _content(run)
    _close(pieces, open_marks, 0)
    return pieces + _end(link)


def _order(runs: Sequence[_Run], at: int, open_marks: Sequence[str]) -> list[str]:
    """Return a run's marks outermost first: those that are open, then those that last longest."""
    run = runs[at]
    kept: list[str] = []
    for mark in open_marks:
        if mark not in run.marks:
            break
        kept.append(mark)

    def length(mark: str) -> int:
        count = 0
        for later in runs[at:]:
            if mark not in later.marks or later.link != run.link:
                break
            count += 1
        return count

    return kept + sorted((mark for mark in run.marks if mark not in kept), key=length, reverse=True)


def _common(first: Sequence[str], second: Sequence[str]) -> int:
    count = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        count += 1
    return count


def _close(pieces: list[_Piece], open_marks: list[str], kept: int) -> None:
    while len(open_marks) > kept:
        pieces.append(_Piece("close", _DELIMITERS[open_marks.pop()]))


def _end(link: str | None) -> list[_Piece]:
    if link is None:
        return []
    plain = re.fullmatch(r"[A-Za-z0-9:/?#@!$'+,;=.%_~&-]+", link) and not _REFERENCE.search(link)
    address = link if plain else "<" + _ENTITY.sub("&amp;", re.sub(r"([\\<>])", r"\\\1", link)) + ">"
    return [_Piece("raw", f"]({address})")]


def _content(run: _Run) -> list[_Piece]:
    if run.ends:
        return [_Piece("break", "\n")]
    if not run.code:
        return [_Piece("char", character) for character in run.text]
    fence = "`" * (max((len(found) for found in re.findall("`+", run.text)), default=0) + 1)
    edge = run.text[0] == "`" or run.text[-1] == "`" or (run.text[0] == run.text[-1] == " " and run.text.strip(" "))
    pad = " " if edge else ""
    return [_Piece("raw", f"{fence}{pad}{run.text}{pad}{fence}")]


def _trimmed(pieces: list[_Piece]) -> list[_Piece]:
    """Drop white space at the ends of lines, which Markdown drops, and breaks at the end."""
    found: list[_Piece] = []
    for piece in pieces:
        if piece.kind == "char" and piece.text.isspace() and (not found or found[-1].kind == "break"):
            continue
        if piece.kind == "break":
            _drop(found, breaks=False)
        found.append(piece)
    _drop(found, breaks=True)
    return found


def _drop(pieces: list[_Piece], *, breaks: bool) -> None:
    while pieces and (
        (pieces[-1].kind == "char" and pieces[-1].text.isspace()) or (breaks and pieces[-1].kind == "break")
    ):
        pieces.pop()


def _encode(pieces: list[_Piece]) -> None:
    """Write neighbours outside of delimiters as character references until every delimiter is read as one."""
    changed = True
    while changed:
        changed = False
        for at, piece in enumerate(pieces):
            if piece.kind not in {"open", "close"}:
                continue
            opens = piece.kind == "open"
            outer = _neighbour(pieces, at, -1 if opens else 1)
            inner = _neighbour(pieces, at, 1 if opens else -1)
            if outer is None or outer.kind != "char" or outer.encoded:
                continue
            edge = outer.edge(last=opens)
            if edge.isspace() or edge in _PUNCTUATION:
                continue
            if piece.text == "_" or inner is None or not inner.edge(last=not opens).isalnum():
                outer.encoded = changed = True


def _neighbour(pieces: Sequence[_Piece], at: int, step: int) -> _Piece | None:
    there = at + step
    return pieces[there] if 0 <= there < len(pieces) else None


def _shown(pieces: Sequence[_Piece], at: int, *, heading: bool) -> str:
    piece = pieces[at]
    before, after = _neighbour(pieces, at, -1), _neighbour(pieces, at, 1)
    if piece.kind == "break":
        # A line that holds nothing would end the paragraph.
        return "\\\n" if before is None or before.kind == "break" else "\n"
    if piece.kind != "char":
        return piece.text
    if piece.encoded:
        return f"&#{ord(piece.text)};"
    if piece.text in _ALWAYS or _is_markup(piece.text, before, after):
        return "\\" + piece.text
    if not heading and _is_block(piece.text, pieces, at):
        return "\\" + piece.text
    return piece.text


def _is_markup(character: str, before: _Piece | None, after: _Piece | None) -> bool:
    if character == "_":
        return not (_is_letter(before) and _is_letter(after))
    if character == "&":
        return after is not None and (after.encoded or after.edge(last=False).isalnum() or after.text == "#")
    if character == "!":
        return after is not None and after.kind == "raw"
    return False


def _is_letter(piece: _Piece | None) -> bool:
    return piece is not None and piece.kind == "char" and not piece.encoded and piece.text.isalnum()


def _is_block(character: str, pieces: Sequence[_Piece], at: int) -> bool:
    """Whether a line that begins so would be a heading, a quotation, an item of a list or an underline."""
    before, after = _neighbour(pieces, at, -1), _neighbour(pieces, at, 1)
    if character in ".)":
        ends = after is None or after.kind == "break" or after.text.isspace()
        return ends and _numbers_before(pieces, at)
    return character in "#>+-=" and (before is None or before.kind == "break")


def _numbers_before(pieces: Sequence[_Piece], at: int) -> bool:
    """Whether nothing but a number stands before, from the beginning of the line."""
    start = at
    while start and pieces[start - 1].kind == "char" and not pieces[start - 1].encoded:
        start -= 1
        if at - start > 9:
            return False
    if start and pieces[start - 1].kind != "break":
        return False
    text = "".join(piece.text for piece in pieces[start:at])
    return _NUMBERED.fullmatch(text) is not None
