"""The API against its own document: schemathesis with all its checks finds nothing but what is exempted here.

It runs as a command beside the gateway, over real sockets, with a fixed seed. Connectors of vendors are tried in
their own suites; here the toy shop's and all of GitHub's actions stand for them.
"""

import asyncio
import base64
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.gateway.caller import Caller
from tests.gateway.world import World

SEED, EXAMPLES = 20260105, 4
MOST = 6_000_000
GROUPS = {
    "fixed routes": r"^/v1/(runs|calls|files|actions$|actions/\{)|^/(healthz|readyz|openapi)",
    "mcp": r"^/mcp",
    "toy actions": r"^/v1/actions/toy\.(note|order|mail|payment|file)",
    "github actions on issues and files": r"^/v1/actions/github\.(issue|content)\.",
    "github actions from branch to member": r"^/v1/actions/github\.(branch|check_run|comment|label|member)\.",
    "github actions from notification on": r"^/v1/actions/github\.(notification|pull|re[a-z]+|workflow|workflow_run)\.",
}

VENDORS_FAULTS = {"upstream_unavailable", "upstream_timeout", "upstream_invalid_response", "upstream_quota"}


@dataclass(frozen=True)
class Finding:
    """One thing that schemathesis objects to."""

    check: str
    operation: str
    message: str
    status: int
    code: str
    detail: str

    def __str__(self) -> str:
        return f"{self.check} {self.operation} -> {self.status} {self.code} {self.detail[:160]}\n  {self.message[:300]}"


@dataclass(frozen=True)
class Exemption:
    """What is right although the check objects, and why."""

    reason: str
    check: str
    applies: Callable[[Finding], bool]


def says(*words: str) -> Callable[[Finding], bool]:
    return lambda finding: any(word in finding.detail or word in finding.message for word in words)


EXEMPTIONS = (
    Exemption(
        "not every JSON object is a message of the protocol, and the document leaves that to its specification",
        "positive_data_acceptance",
        lambda finding: finding.operation.startswith("POST /mcp") and finding.status == 400,
    ),
    Exemption(
        "a cursor is what the gateway sealed, and no schema can tell that",
        "positive_data_acceptance",
        lambda finding: finding.code == "invalid_cursor",
    ),
    Exemption(
        "one key for different inputs is what idempotency_mismatch is for; generated keys repeat",
        "positive_data_acceptance",
        lambda finding: finding.code == "idempotency_mismatch",
    ),
    Exemption(
        "a write needs its key unless its grant derives it, which the document cannot know",
        "positive_data_acceptance",
        says("The idempotency key is missing"),
    ),
    Exemption(
        "numbers inside free-form objects have no schema, and readers would round them",
        "positive_data_acceptance",
        says("beyond 2^53-1"),
    ),
    Exemption(
        "a value of a path is refused where any decoding of it would leave its place, which is no pattern",
        "positive_data_acceptance",
        says("it is one part of a path"),
    ),
    Exemption(
        "the vendor, here its simulator, has rules of its own and says no",
        "positive_data_acceptance",
        lambda finding: finding.code in {"upstream_rejected", "upstream_conflict"},
    ),
    Exemption(
        "rules between fields, and a pointer's target, are checked though no schema states them",
        "positive_data_acceptance",
        says("Value error", "names nothing in this output", "cannot be narrowed", "is no date"),
    ),
    Exemption(
        "JSON Schema takes 1.0 for an integer; inputs are strict, so that a rounding is never taken for a number",
        "positive_data_acceptance",
        says("Input should be a valid integer"),
    ),
    Exemption(
        "502 to 504 with a code of the contract is how a vendor's fault is told",
        "not_a_server_error",
        lambda finding: 502 <= finding.status <= 504 and finding.code in VENDORS_FAULTS,
    ),
    Exemption(
        "a header that nobody knows is let through, as HTTP has it",
        "negative_data_rejection",
        says("in header - object with unexpected properties"),
    ),
    Exemption(
        "GET of an action is described once for all, and POST once for each",
        "allow_header_conformance",
        lambda finding: "/v1/actions/" in finding.operation,
    ),
    Exemption(
        "POST of an action is described for each action, so it is no undeclared method",
        "unsupported_method",
        lambda finding: "/v1/actions/{action}" in finding.operation,
    ),
)


def findings(report: Path) -> Iterator[Finding]:
    """Yield the failures of an ndjson report, each with what was answered."""
    for line in report.read_bytes().splitlines():
        for event in orjson.loads(line).values():
            recorder = event.get("recorder") if isinstance(event, dict) else None
            for case, checks in (recorder or {}).get("checks", {}).items():
                for check in checks:
                    if check["status"] == "failure":
                        yield found(check, recorder["interactions"][case]["response"])


def found(check: dict[str, Any], response: dict[str, Any] | None) -> Finding:
    told = check["failure_info"]["failure"]
    body: Any = {}
    if response is not None and response.get("content"):
        try:
            body = orjson.loads(base64.b64decode(response["content"]["$base64"]))
        except (orjson.JSONDecodeError, KeyError):
            body = {}
    said = body if isinstance(body, dict) else {}
    status = response["status_code"] if response else 0
    return Finding(
        check["name"], told["operation"], told["message"], status, str(said.get("code")), str(said.get("detail", ""))
    )


@pytest.fixture
async def stage(make_world: Callable[..., Awaitable[World]], arrange: Callable[[Any], Any]) -> tuple[World, Caller]:
    bounds = ("agent_per_minute", "writes_per_minute", "connection_per_minute", "tenant_per_minute")
    world = await make_world(**dict.fromkeys(bounds, MOST))
    agent = await world.agent()
    for name in ("toy/main", "github/main"):
        await world.grant(agent, await world.connection(name))
    arrange(world.github)
    return world, agent


async def run(world: World, agent: Caller, paths: str, report: Path) -> str:
    command = (
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{world.gateway.url}/openapi.json"),
        *("--header", f"Authorization: Bearer {agent.key}", "--include-path-regex", paths),
        *("--seed", str(SEED), "--max-examples", str(EXAMPLES), "--phases", "examples,coverage,fuzzing"),
        *("--checks", "all", "--continue-on-failure", "--no-shrink", "--request-timeout", "20"),
        *("--report", "ndjson", "--report-ndjson-path", str(report), "--suppress-health-check", "all"),
    )
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=report.parent
    )
    out, _ = await process.communicate()
    return out.decode()


@pytest.mark.parametrize("group", GROUPS)
async def test_every_finding_is_exempted_with_its_reason(
    stage: tuple[World, Caller], tmp_path: Path, group: str
) -> None:
    world, agent = stage
    report = tmp_path / "report.ndjson"
    out = await run(world, agent, GROUPS[group], report)
    assert report.exists(), out
    assert "Test cases:" in out, out
    left = [
        finding
        for finding in findings(report)
        if not any(rule.check == finding.check and rule.applies(finding) for rule in EXEMPTIONS)
    ]
    assert not left, "\n".join(sorted({str(finding) for finding in left}))
    assert (await world.verify()).intact
    server_errors = await world.rows(
        "SELECT action, code FROM calls WHERE code='internal' AND action NOT LIKE 'toy.odd%'"
    )
    assert server_errors == []
