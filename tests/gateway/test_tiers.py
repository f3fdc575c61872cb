"""A tier is known from what the suite has recorded, and from nothing that has changed since."""

from pathlib import Path

import pytest

from connectors.sdk.contract import TierReport
from gateway import tiers
from gateway.connector_table import BEGIN, END, NoPlace, table, with_table
from gateway.registry import load
from tests.connectors.sdk.toys.connector import toys

GOLD = TierReport("toys", len(toys.actions), "gold", ())


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "tier.json"
    monkeypatch.setattr(tiers, "_file", lambda connector: path)
    return path


def test_nothing_is_known_before_the_first_run() -> None:
    assert tiers.recorded(toys) is None


def test_what_was_recorded_is_read_again() -> None:
    tiers.record(toys, GOLD)

    found = tiers.recorded(toys)

    assert found is not None
    assert (found.tier, found.actions) == ("gold", len(toys.actions))
    assert tiers.is_recorded(toys, GOLD)


def test_a_run_that_finds_otherwise_is_not_what_is_recorded() -> None:
    tiers.record(toys, GOLD)

    assert not tiers.is_recorded(toys, TierReport("toys", len(toys.actions), "silver", ()))


@pytest.mark.parametrize("change", [{"version": "9.9.9"}, {"actions": {}}])
def test_a_connector_that_changed_since_is_unchecked(
    change: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    tiers.record(toys, GOLD)
    for name, value in change.items():
        monkeypatch.setattr(toys, name, value)

    assert tiers.recorded(toys) is None
    assert "| unchecked |" in table([toys])


def test_a_file_that_is_none_counts_as_unchecked(file: Path) -> None:
    file.write_text("{")

    assert tiers.recorded(toys) is None


def test_the_ladder_is_read_from_the_docstring() -> None:
    assert tiers.declared(load().connectors["github"]) == "gold"
    assert tiers.declared(toys) is None


def test_the_table_is_written_between_its_marks_and_nowhere_else() -> None:
    tiers.record(toys, GOLD)

    made = with_table(f"before\n{BEGIN}\nold\n{END}\nafter\n", [toys])

    row = "| [Toys](docs/connectors/toys.md) | 5 | gold | Access token, OAuth | `api.toys.example` |"
    assert made.startswith(f"before\n{BEGIN}\n| system |")
    assert made.endswith(f"{row}\n{END}\nafter\n")
    assert with_table(made, [toys]) == made


@pytest.mark.parametrize("text", ["", BEGIN, f"{END}\n{BEGIN}\n"])
def test_a_file_without_a_place_for_the_table_is_refused(text: str) -> None:
    with pytest.raises(NoPlace, match="write the lines"):
        with_table(text, [toys])
