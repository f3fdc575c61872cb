"""Imports go gateway -> credentials -> connectors -> scopes and never back; some libraries live in one place."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {
    "gateway": ROOT / "gateway",
    "credentials": ROOT / "secrets" / "credentials",
    "connectors": ROOT / "connectors",
    "scopes": ROOT / "scopes",
}
ORDER = ("gateway", "credentials", "connectors", "scopes")
# Which package alone may import a library, and which of its folders beside that.
OWNED = {"hvac": "credentials", "authlib": "credentials"}
# Simulators stand in for vendors, which check assertions themselves.
SIMULATORS = "simulator"
ENVIRONMENT = {
    "gateway/settings.py": "reads all settings",
    "gateway/telemetry.py": "asks whether an OTLP endpoint is set, which the exporter then reads itself",
}


def files() -> Iterator[tuple[str, Path]]:
    for package, folder in PACKAGES.items():
        for path in sorted(folder.rglob("*.py")):
            yield package, path


def imported(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield every module that a file imports, inside functions and for type checkers too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            yield str(node.module), node.lineno


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@pytest.mark.parametrize("package", ORDER)
def test_a_package_imports_only_those_below_it(package: str) -> None:
    above = ORDER[: ORDER.index(package)]
    found = [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for owner, path in files()
        if owner == package
        for module, line in imported(parsed(path))
        if module.partition(".")[0] in above
    ]
    assert found == []


def test_nothing_imports_tests_or_the_bench() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for _, path in files()
        for module, line in imported(parsed(path))
        if module.partition(".")[0] in {"tests", "bench", "pytest"}
    ]
    assert found == []


def test_some_libraries_are_used_in_one_package_only() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for package, path in files()
        for module, line in imported(parsed(path))
        if OWNED.get(module.partition(".")[0], package) != package
    ]
    assert found == []


def test_scopes_need_nothing_but_the_standard_library() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for package, path in files()
        if package == "scopes"
        for module, line in imported(parsed(path))
        if module.partition(".")[0] not in {"scopes", *sys.stdlib_module_names}
    ]
    assert found == []


def test_handlers_of_connectors_do_no_input_or_output() -> None:
    forbidden = {"aiohttp", "httpx", "requests", "socket", "subprocess", "urllib.request", "asyncio", "ssl", "sqlite3"}
    found = [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for package, path in files()
        if package == "connectors" and path.parent.parent.name == "connectors" and path.parent.name != "sdk"
        for module, line in imported(parsed(path))
        if module in forbidden or module.partition(".")[0] in forbidden
    ]
    assert found == []


def environment_reads(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "environb", "getenv"}:
            yield node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module == "os":
            names = {alias.name for alias in node.names}
            if names & {"environ", "environb", "getenv"}:
                yield node.lineno
        elif isinstance(node, ast.Name) and node.id == "BaseSettings":
            yield node.lineno


def test_the_environment_is_read_in_the_settings_only() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for _, path in files()
        if str(path.relative_to(ROOT)) not in ENVIRONMENT
        for line in environment_reads(parsed(path))
    ]
    assert found == []


def test_the_exemptions_are_still_needed() -> None:
    assert all(any(environment_reads(parsed(ROOT / name))) for name in ENVIRONMENT)


def test_a_read_of_the_environment_would_be_seen() -> None:
    for source in ("import os\nos.environ['A']", "import os\nos.getenv('A')", "from os import environ"):
        assert list(environment_reads(ast.parse(source)))


def test_simulators_know_nothing_of_the_gateway() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for package, path in files()
        if package == "connectors" and SIMULATORS in path.parts
        for module, line in imported(parsed(path))
        if module.partition(".")[0] in {"gateway", "credentials", "scopes"}
    ]
    assert found == []
