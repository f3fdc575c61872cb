"""Rich text: what is written in Markdown is read in Markdown, and ADF survives the way through it."""

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connectors.jira.adf_build import ORDER, merged
from connectors.jira.richtext import build, render, same_text
from connectors.jira.simulator import adf
from connectors.sdk import InvalidInput
from connectors.sdk.simulator import Refusal

Node = dict[str, Any]


def doc(*blocks: Node) -> Node:
    return {"version": 1, "type": "doc", "content": list(blocks)}


def text(words: str, *marks: str) -> Node:
    return {"type": "text", "text": words} | ({"marks": [{"type": mark} for mark in marks]} if marks else {})


def paragraph(*pieces: Node) -> Node:
    return {"type": "paragraph", "content": list(pieces)}


def item(*blocks: Node) -> Node:
    return {"type": "listItem", "content": list(blocks)}


BREAK: Node = {"type": "hardBreak"}


def link(words: str, href: str, *marks: str) -> Node:
    named = [{"type": "link", "attrs": {"href": href}}, *({"type": mark} for mark in marks)]
    return {"type": "text", "text": words, "marks": named}


@pytest.mark.parametrize(
    ("markdown", "document"),
    [
        ("", doc()),
        ("Hello", doc(paragraph(text("Hello")))),
        ("one\ntwo", doc(paragraph(text("one"), BREAK, text("two")))),
        ("## Title", doc({"type": "heading", "attrs": {"level": 2}, "content": [text("Title")]})),
        ("a **b** _c_ ~~d~~ `e`", None),
        ("**_both_**", doc(paragraph(text("both", "strong", "em")))),
        ("[x](https://a.example/?b=1&c=2)", doc(paragraph(link("x", "https://a.example/?b=1&c=2")))),
        ("---", doc({"type": "rule"})),
        ("> quoted", doc({"type": "blockquote", "content": [paragraph(text("quoted"))]})),
        (
            "```python\nx = 1\n```",
            doc({"type": "codeBlock", "attrs": {"language": "python"}, "content": [text("x = 1")]}),
        ),
        (
            "- a\n  1. b",
            doc(
                {
                    "type": "bulletList",
                    "content": [
                        item(
                            paragraph(text("a")),
                            {"type": "orderedList", "content": [item(paragraph(text("b")))]},
                        )
                    ],
                }
            ),
        ),
        ("3. c", doc({"type": "orderedList", "content": [item(paragraph(text("c")))], "attrs": {"order": 3}})),
        (
            "[@Ana](mention:712020:1) look",
            doc(paragraph({"type": "mention", "attrs": {"id": "712020:1", "text": "@Ana"}}, text(" look"))),
        ),
    ],
)
def test_markdown_becomes_the_document_that_jira_keeps(markdown: str, document: Node | None) -> None:
    built = build(markdown)

    assert document is None or built == document
    adf.check("body", built)
    assert same_text(markdown, render(built))
    if "mention" not in markdown:
        assert render(built) == markdown


@pytest.mark.parametrize(
    ("block", "markdown"),
    [
        (paragraph({"type": "mention", "attrs": {"id": "1", "text": "@Ana"}}, text(" hi")), "@Ana hi"),
        (paragraph({"type": "mention", "attrs": {"id": "1"}}), "@1"),
        (paragraph({"type": "emoji", "attrs": {"shortName": ":smile:", "text": "😄"}}), "😄"),
        (paragraph({"type": "status", "attrs": {"text": "DONE", "color": "green"}}), "DONE"),
        (paragraph({"type": "date", "attrs": {"timestamp": "1767225600000"}}), "2026-01-01"),
        (
            paragraph({"type": "inlineCard", "attrs": {"url": "https://a.example"}}),
            "[https://a.example](https://a.example)",
        ),
        (paragraph(text("x", "underline"), text("y", "textColor")), "xy"),
        ({"type": "panel", "attrs": {"panelType": "info"}, "content": [paragraph(text("note"))]}, "note"),
        ({"type": "expand", "attrs": {"title": "more"}, "content": [paragraph(text("in"))]}, "in"),
        (
            {
                "type": "table",
                "content": [
                    {"type": "tableRow", "content": [{"type": "tableHeader", "content": [paragraph(text("a"))]}] * 2},
                    {"type": "tableRow", "content": [{"type": "tableCell", "content": [paragraph(text("1"))]}] * 2},
                ],
            },
            "a | a\n1 | 1",
        ),
        (
            {"type": "taskList", "content": [{"type": "taskItem", "attrs": {"state": "TODO"}, "content": [text("t")]}]},
            "t",
        ),
        ({"type": "mediaSingle", "content": [{"type": "media", "attrs": {"id": "x"}}]}, ""),
        ({"type": "news", "content": [{"type": "later", "content": [text("deep")]}]}, "deep"),
        ({"type": "news"}, ""),
        ({}, ""),
    ],
)
def test_what_markdown_lacks_degrades_to_its_text(block: Node, markdown: str) -> None:
    assert render(doc(block)) == markdown


@pytest.mark.parametrize(
    "document",
    [{}, {"content": None}, {"content": [None, 1]}, {"type": "doc", "content": [{"type": "text"}]}],
)
def test_a_document_of_any_shape_is_rendered_without_a_fault(document: Node) -> None:
    assert render(document) == ""


@pytest.mark.parametrize(
    "words",
    [
        "# no title",
        "- no item",
        "1. no number",
        "*not* _marked_",
        "`x`",
        "<b>",
        "a\\b",
        "&amp;",
        "[x](y)",
        "===",
        "~~~",
    ],
)
def test_text_that_looks_like_markup_stays_text(words: str) -> None:
    document = doc(paragraph(text(words)))

    assert build(render(document)) == document


@pytest.mark.parametrize("words", ["snake_case_name", "1.5 of 2", "a-b", "50% (half)!", "C# & co", "user@acme.example"])
def test_plain_words_are_not_escaped(words: str) -> None:
    assert render(doc(paragraph(text(words)))) == words


def test_a_mark_gives_up_the_white_space_at_its_edges() -> None:
    assert render(doc(paragraph(text("Hello ", "strong"), text("you")))) == "**Hello** you"


@pytest.mark.parametrize("address", ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "vbscript:x"])
def test_an_address_that_runs_something_is_no_link(address: str) -> None:
    assert "link" not in str(build(f"[x]({address})"))


def test_lists_that_follow_each_other_stay_two() -> None:
    one = {"type": "bulletList", "content": [item(paragraph(text("a")))]}
    document = doc(one, one, one)

    assert render(document) == "- a\n\n* a\n\n- a"
    assert build(render(document)) == document


def test_blocks_that_adf_does_not_allow_in_a_list_become_paragraphs() -> None:
    built = build("- # title\n- > quote\n- ---\n-\n- - nested")

    adf.check("body", built)
    assert render(build(render(built))) == render(built)


@pytest.mark.parametrize("levels", [40, 60, 400])
def test_a_document_nested_beyond_sense_gives_its_text(levels: int) -> None:
    block = paragraph(text("deep"))
    for _ in range(levels):
        block = {"type": "bulletList", "content": [item(block)]}

    assert render(doc(paragraph(text("first")), block)).split()[0] == "first"
    assert render(doc(block)).endswith("deep")


def test_markdown_nested_beyond_sense_is_refused_and_not_cut() -> None:
    with pytest.raises(InvalidInput):
        build("> " * 200 + "deep")


def test_lists_of_many_levels_are_kept() -> None:
    document = doc(paragraph(text("x")))
    for _ in range(20):
        document = doc({"type": "bulletList", "content": [item(paragraph(text("a")), *document["content"])]})

    assert build(render(document)) == document


WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp", "Zs"), include_characters=" "),
    min_size=1,
    max_size=12,
).filter(lambda words: words == words.strip() and words.strip() != "")
PLAIN = st.one_of(
    WORDS, st.sampled_from(["a", "b_c", "*", "**x", "1.", "-", "#", "(y)", "`", "!", "&lt;", "~", "~~", "_"])
)
MARKS = st.sets(st.sampled_from(["strong", "em", "strike"])).map(
    lambda kinds: [{"type": kind} for kind in ORDER if kind in kinds]
)
ADDRESSES = st.sampled_from(["https://a.example/x_y(z)", "https://b.example/?q=1&amp=2", "mailto:a@b.example", "a b"])


@st.composite
def piece(draw: st.DrawFn) -> Node:
    marks: list[Node] = draw(MARKS)
    if draw(st.booleans()):
        marks = [{"type": "code"}] if draw(st.booleans()) else marks
    if draw(st.integers(0, 3)) == 0:
        marks = [{"type": "link", "attrs": {"href": draw(ADDRESSES)}}, *marks]
    made: Node = {"type": "text", "text": draw(PLAIN)}
    return {**made, "marks": marks} if marks else made


@st.composite
def inlines(draw: st.DrawFn, *, breaks: bool = True) -> list[Node]:
    pieces: list[Node] = []
    for number in range(draw(st.integers(1, 4))):
        if number:
            gap = draw(st.sampled_from(["", " ", "\n"] if breaks else ["", " "]))
            pieces += [BREAK] if gap == "\n" else [{"type": "text", "text": " "}] if gap else []
        pieces.append(draw(piece()))
    return merged(pieces)


PARAGRAPHS = inlines().map(lambda pieces: paragraph(*pieces))
CODE = st.builds(
    lambda words, language: {
        "type": "codeBlock",
        **({"attrs": {"language": language}} if language else {}),
        **({"content": [text(words)]} if words else {}),
    },
    st.lists(st.sampled_from(["x = 1", "", "```", "  y", "# z", "~~~~"]), max_size=4).map("\n".join),
    st.sampled_from(["", "python", "c++"]),
)


def lists(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    items = st.builds(lambda first, rest: item(first, *rest), st.one_of(PARAGRAPHS, CODE), st.lists(inner, max_size=2))
    many = st.lists(items, min_size=1, max_size=3)
    return st.one_of(
        many.map(lambda content: {"type": "bulletList", "content": content}),
        st.builds(
            lambda content, order: {
                "type": "orderedList",
                "content": content,
                **({"attrs": {"order": order}} if order != 1 else {}),
            },
            many,
            st.integers(0, 12),
        ),
    )


NESTED = st.recursive(st.one_of(PARAGRAPHS, CODE), lists, max_leaves=6)
HEADINGS = st.builds(
    lambda level, pieces: {"type": "heading", "attrs": {"level": level}, "content": pieces},
    st.integers(1, 6),
    inlines(breaks=False),
)
QUOTES = st.lists(NESTED, min_size=1, max_size=3).map(lambda blocks: {"type": "blockquote", "content": blocks})
BLOCKS = st.one_of(NESTED, HEADINGS, QUOTES, st.just({"type": "rule"}))


@settings(max_examples=400, deadline=None)
@given(st.lists(BLOCKS, max_size=4))
def test_adf_of_the_supported_kind_survives_the_way_through_markdown(blocks: list[Node]) -> None:
    document = doc(*blocks)

    assert build(render(document)) == document


MARKDOWN = st.lists(
    st.sampled_from(
        [
            *"ab *_~`#->[]()!\\&<\n",
            "\n\n",
            "**",
            "```",
            "~~",
            "- ",
            "1. ",
            "  ",
            "> ",
            "](u)",
            "&#42;",
            "---",
            "\t",
            "é",
        ]
    ),
    max_size=30,
).map("".join)


@settings(max_examples=400, deadline=None)
@given(st.one_of(MARKDOWN, st.text(max_size=40)))
@example("**a **b")
@example("*a*_b_")
def test_reading_what_was_written_is_stable_and_jira_takes_it(markdown: str) -> None:
    built = build(markdown)
    shown = render(built)

    assert render(build(shown)) == shown
    try:
        adf.check("body", built)
    except Refusal as refusal:
        raise AssertionError(refusal.answer.body) from refusal
