"""Connectors are imported when somebody asks for them, and only then."""

import subprocess
import sys

from gateway.registry import SHIPPED, load

ASK = """
import sys
from gateway.registry import load
registry = load()
{asked}
print(*sorted(name for name in {shipped} if f"connectors.{{name}}" in sys.modules))
"""


def imported_after(asked: str) -> list[str]:
    code = ASK.format(asked=asked, shipped=SHIPPED)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.split()


def test_the_start_imports_no_connector() -> None:
    assert imported_after("sorted(registry.connectors), 'jira' in registry.connectors, len(registry.connectors)") == []


def test_a_whole_gateway_imports_no_connector_to_be_built() -> None:
    assert imported_after("import gateway.app") == []


def test_an_action_brings_its_own_connector_alone() -> None:
    assert imported_after("assert registry.action('zendesk.ticket.get')") == ["zendesk"]


def test_an_unknown_action_of_no_connector_brings_none() -> None:
    assert imported_after("assert registry.action('nothing.at.all') is None; registry.near('nothing.at.all')") == []


def test_near_names_are_of_the_same_connector() -> None:
    near = load().near("jira.isue.create")

    assert near
    assert all(name.startswith("jira.") for name in near)


def test_an_unknown_action_suggests_what_is_in_use() -> None:
    registry = load()
    registry.connectors["github"]

    assert all(name.startswith("github.") for name in registry.near("githb.issue.create"))
    assert registry.near("githb.issue.create")
