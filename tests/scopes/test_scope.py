from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scopes import ACCESSES, Catalogue, Scope, ScopeSyntaxError, UnknownScope, expand, parse

CONNECTORS = ("github", "git", "jira")
RESOURCES = ("issue", "issues", "pull")
SCOPES = [":".join(parts) for parts in product(CONNECTORS, RESOURCES, ACCESSES)]
segments = st.tuples(
    st.sampled_from([*CONNECTORS, "*"]), st.sampled_from([*RESOURCES, "*"]), st.sampled_from([*ACCESSES, "*"])
)


@given(segments)
def test_a_pattern_means_exactly_the_scopes_whose_segments_it_names(wanted: tuple[str, str, str]) -> None:
    expected = {
        scope
        for scope in SCOPES
        if all(mine in ("*", theirs) for mine, theirs in zip(wanted, scope.split(":"), strict=True))
    }
    assert expand([":".join(wanted)], SCOPES) == expected


@given(st.sampled_from(SCOPES))
def test_no_scope_implies_another(scope: str) -> None:
    assert expand([scope], SCOPES) == {scope}


@given(st.lists(segments.map(":".join), max_size=4), st.lists(segments.map(":".join), max_size=4))
def test_patterns_together_mean_what_each_means_alone(left: list[str], right: list[str]) -> None:
    assert expand([*left, *right], SCOPES) == expand(left, SCOPES) | expand(right, SCOPES)


@given(st.sampled_from(SCOPES))
def test_a_scope_reads_back_as_it_was_written(text: str) -> None:
    assert str(parse(text)) == text
    assert parse(text).concrete


@pytest.mark.parametrize(
    "text",
    [
        "",
        "*",
        "github",
        "github:issue",
        "github:issue:read:more",
        "github:iss*:read",
        "git*:issue:read",
        "github:**:read",
        "github:issue:r*",
        "github:issue:execute",
        "GitHub:issue:read",
        "github:issue:READ",
        "github: issue:read",
        "github:issue:read\n",
        "github::read",
        "gıthub:issue:read",
        "a" * 5000,
    ],
)
def test_what_is_no_scope_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ScopeSyntaxError, match=r"github:issue:read|one of read, write"):
        parse(text)


def test_a_pattern_that_matches_nothing_names_near_scopes() -> None:
    with pytest.raises(UnknownScope, match="github:issue:read"):
        expand(["github:isue:read"], SCOPES)


def test_one_pattern_that_matches_nothing_spoils_the_whole_list() -> None:
    with pytest.raises(UnknownScope):
        expand(["github:issue:read", "slack:*:read"], SCOPES)


def test_a_scope_added_later_is_in_no_earlier_expansion() -> None:
    before = expand(["github:*:read"], SCOPES)
    assert "github:release:read" not in before
    assert expand(["github:*:read"], [*SCOPES, "github:release:read"]) == before | {"github:release:read"}


def test_a_scope_covers_itself_only() -> None:
    assert Scope("github", "issue", "read").covers(Scope("github", "issue", "read"))
    assert not Scope("github", "issue", "admin").covers(Scope("github", "issue", "read"))
    assert not Scope("github", "issue", "read").covers(Scope("github", "issue", "*"))


def test_a_catalogue_describes_its_scopes() -> None:
    catalogue = Catalogue({"github:issue:read": "Read issues.", "github:issue:delete": "Delete issues."})
    assert list(catalogue) == ["github:issue:delete", "github:issue:read"]
    assert len(catalogue) == 2
    assert "github:issue:read" in catalogue
    assert catalogue.describe("github:issue:read") == "Read issues."
    assert catalogue.near("github:issues:read")[0] == "github:issue:read"
    with pytest.raises(UnknownScope, match="did you mean github:issue:read"):
        catalogue.describe("github:issue:raed")


@pytest.mark.parametrize("scopes", [{"github:*:read": "Read."}, {"github:issue:read": " "}, {"github:issue": "Read."}])
def test_a_catalogue_takes_single_scopes_with_a_sentence(scopes: dict[str, str]) -> None:
    with pytest.raises(ValueError):
        Catalogue(scopes)
