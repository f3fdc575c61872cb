"""What `gatehouse-client stubs` writes, checked by mypy and pyright as a program's own code would be."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gatehouse_client.stubs.command import main
from gatehouse_client.stubs.document import Document, NoDocument
from gatehouse_client.stubs.writing import stub
from tests.gateway.world import World

ROOT = Path(__file__).resolve().parents[4]
DOCUMENT = ROOT / "openapi" / "gateway.json"
CLIENT = ROOT / "clients" / "python"
GOOD = """
from acme_gatehouse import AsyncGatehouse, Gatehouse

gh = Gatehouse("https://gatehouse.example", "key")
number: int = gh.github.issue.create(owner="acme", repo="web", title="Broken").output["number"]
author: str | None = gh.using(actor="ann").github.issue.get(owner="acme", repo="web", number=1).output["author"]
titles: list[str] = [issue["title"] for issue in gh.github.issue.list.items(owner="acme", repo="web")]
changes = gh.github.issue.create.preview(owner="acme", repo="web", title="Broken").predicted_change
with gh.run("ticket 12", labels={"team": "support"}) as run:
    run.user_request("It is broken.")
    run.zendesk.ticket.get(ticket_id=12)
    run.outcome("escalated")


async def asynchronous(gh: AsyncGatehouse) -> int:
    async with gh.run() as run:
        async for issue in run.github.issue.list.items(owner="acme", repo="web"):
            issue["title"].upper()
        return (await run.github.issue.create(owner="acme", repo="web", title="Broken")).output["number"]
"""
BAD = {
    'gh.github.issue.create(owner="acme", repo="web")': "title",
    'gh.github.issue.create(owner="acme", repo="web", title=1)': "title",
    'gh.github.issue.create(owner="acme", repo="web", title="x", colour="red")': "colour",
    'gh.github.issue.list(owner="acme", repo="web", state="shut")': "state",
    "gh.github.isue.create": "isue",
    "gh.gihtub": "gihtub",
    'gh.github.issue.get(owner="a", repo="b", number=1).output["nmber"]': "TypedDict",
    'gh.github.issue.create.items(owner="acme", repo="web", title="x")': "items",
}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the written module, a program that uses it well, and one that does not, a mistake a line."""
    folder = tmp_path_factory.mktemp("program")
    assert main(["stubs", str(folder / "acme_gatehouse.py"), "--document", str(DOCUMENT)]) == 0
    (folder / "good.py").write_text(GOOD)
    head = 'from acme_gatehouse import Gatehouse\n\ngh = Gatehouse("https://gatehouse.example", "key")\n'
    (folder / "bad.py").write_text(head + "\n".join(BAD) + "\n")
    settings = {"extraPaths": [str(CLIENT)], "typeCheckingMode": "strict", "reportUnusedExpression": False}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    return folder


def mypy(folder: Path, *files: str) -> str:
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", *files]
    environment = {**os.environ, "MYPYPATH": str(CLIENT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False).stdout


def pyright(folder: Path, *files: str) -> str:
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, *files]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize("check", [mypy, pyright])
def test_a_program_that_uses_actions_well_passes(check: Callable[..., str], program: Path) -> None:
    said = check(program, "good.py", "acme_gatehouse.pyi")

    assert said.strip() in {"", "0 errors, 0 warnings, 0 informations"}


@pytest.mark.parametrize("check", [mypy, pyright])
def test_every_mistake_is_found_at_its_line(check: Callable[..., str], program: Path) -> None:
    said = check(program, "bad.py").splitlines()

    for line, (mistake, word) in enumerate(BAD.items(), 4):
        found = [text for text in said if f"bad.py:{line}:" in text and "error" in text]
        assert any(word in text for text in found), (mistake, found)


def test_at_run_time_the_module_is_the_client(program: Path) -> None:
    code = "import acme_gatehouse, gatehouse_client as c; assert acme_gatehouse.Gatehouse is c.Gatehouse"
    environment = {**os.environ, "PYTHONPATH": f"{CLIENT}{os.pathsep}{program}"}

    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


async def test_the_document_is_read_from_a_gateway(world: World, tmp_path: Path) -> None:
    out = tmp_path / "toy.py"
    command = [sys.executable, "-m", "gatehouse_client.stubs.command", "stubs", str(out), "--url", world.gateway.url]
    process = await asyncio.create_subprocess_exec(*command, env={**os.environ, "PYTHONPATH": str(CLIENT)})

    assert await process.wait() == 0
    assert "class ToyNoteCreateInput(TypedDict):" in out.with_suffix(".pyi").read_text()


def test_a_module_that_is_old_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "gh.py")
    given = ["stubs", out, "--document", str(DOCUMENT), "--connector", "github"]
    assert main([*given, "--check"]) == 1
    assert main(given) == 0
    assert main([*given, "--check"]) == 0
    (tmp_path / "gh.pyi").write_text("old")

    assert main([*given, "--check"]) == 1
    assert "gh.pyi is not what the gateway says" in capsys.readouterr().err
    assert (tmp_path / "gh.pyi").read_text() == "old"


@pytest.mark.parametrize("content", ["[]", "{}", '{"paths": {}}', "<html>", '{"paths": 1}'])
def test_what_is_no_document_is_said_in_a_line(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "d.json").write_text(content)

    assert main(["stubs", str(tmp_path / "gh.py"), "--document", str(tmp_path / "d.json")]) == 1
    assert capsys.readouterr().err.startswith("gatehouse-client: ")
    assert not (tmp_path / "gh.py").exists()


def document(input: dict[str, Any], output: dict[str, Any], **schemas: Any) -> Document:
    """Return a document of one action `acme.thing.do`."""
    known = {"acme.thing.do.input": input, "acme.thing.do.output": output, **schemas}
    post = {"summary": "Do it", "description": 'Ends """ here \\'}
    return Document({"paths": {"/v1/actions/acme.thing.do": {"post": post}}, "components": {"schemas": known}})


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def test_schemas_of_all_kinds_are_written_and_pass(tmp_path: Path) -> None:
    node = {"type": "object", "properties": {"next": {"anyOf": [ref("Node"), {"type": "null"}]}}}
    loop = {"anyOf": [{"type": "string"}, {"type": "array", "items": ref("Loop")}]}
    given = {
        "type": "object",
        "required": ["from", "kind"],
        "properties": {
            "from": {"type": "string"},
            "a-b": {"type": ["integer", "null"], "description": 'Quotes """ and \\ end it'},
            "list": {"type": "array", "items": {"type": "object", "properties": {"self": {"type": "boolean"}}}},
            "kind": {"enum": ["it's", 'a "b"', 3, None, True]},
            "node": ref("Node"),
            "loop": ref("Loop"),
            "map": {"type": "object", "additionalProperties": {"type": "number"}},
            "any": {},
            "fixed": {"const": "x"},
        },
    }
    written = stub(document(given, {}, Node=node, Loop=loop))
    (tmp_path / "acme.pyi").write_text(written)
    (tmp_path / "acme.py").write_text("")
    (tmp_path / "use.py").write_text(
        "from acme import Gatehouse, AcmeThingDoInput\n"
        'given: AcmeThingDoInput = {"from": "x", "kind": "it\'s", "a-b": None, "map": {"a": 1.5}}\n'
        "Gatehouse().acme.thing.do(**given)\n"
    )
    settings = {"extraPaths": [str(CLIENT)], "typeCheckingMode": "standard"}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))

    assert mypy(tmp_path, "use.py", "acme.pyi").strip() == ""
    assert "0 errors" in pyright(tmp_path, "use.py", "acme.pyi")


def test_a_reference_that_leads_nowhere_is_no_document() -> None:
    with pytest.raises(NoDocument, match="Nowhere"):
        stub(document({"type": "object", "properties": {"a": ref("Nowhere")}}, {"type": "object"}))
