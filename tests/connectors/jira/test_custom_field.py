"""The custom fields of a Jira site: what an agent writes, and what Jira gets."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter, ValidationError

from connectors.jira import jira
from connectors.jira.custom_field import type_of
from connectors.sdk import CustomField
from gateway.contract import bench_of
from gateway.custom_fields import Known

_RICH = "com.atlassian.jira.plugin.system.customfieldtypes:textarea"


@pytest.mark.parametrize(
    ("kind", "written", "sent"),
    [
        (("option",), '"High"', {"value": "High"}),
        (("option",), '{"id": "10"}', {"id": "10"}),
        (("array", "option"), '["A", {"value": "B"}]', [{"value": "A"}, {"value": "B"}]),
        (("array", "string"), '["one"]', ["one"]),
        (("user",), '"5b10"', {"accountId": "5b10"}),
        (("group",), '"devs"', {"name": "devs"}),
        (("number",), "2.5", 2.5),
        (("date",), '"2026-12-24"', "2026-12-24"),
        (("datetime",), '"2026-12-24T10:00:00+01:00"', "2026-12-24T10:00:00.000+0100"),
        (("string",), '"plain"', "plain"),
        (("sd-approvals",), '{"any": [1]}', {"any": [1]}),
    ],
)
def test_a_value_becomes_what_jira_takes(kind: tuple[str, ...], written: str, sent: Any) -> None:
    assert TypeAdapter(type_of(*kind)).validate_json(written, strict=True) == sent


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        (("number",), '"3"'),
        (("number",), "true"),
        (("date",), '"24.12.2026"'),
        (("datetime",), '"2026-12-24T10:00:00"'),
        (("array", "string"), '["two words"]'),
        (("array", "option"), '"High"'),
        (("option",), '""'),
        (("string",), "1"),
    ],
)
def test_a_value_that_jira_would_not_take_is_refused(kind: tuple[str, ...], written: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(type_of(*kind)).validate_json(written, strict=True)


def test_markdown_becomes_a_document() -> None:
    sent = TypeAdapter(type_of("string", None, _RICH)).validate_json('"Step *one*"', strict=True)

    assert sent["type"] == "doc"


async def test_an_issue_is_created_with_values_as_people_write_them() -> None:
    fields = {"customfield_10010": "High", "customfield_10011": "1. Open it", "customfield_10012": 3}
    new = {"project": "OPS", "type": "Bug", "summary": "Broken", "custom_fields": fields}
    async with bench_of(jira) as bench:
        await bench.arrange()

        made = await bench.run("jira.issue.create", new)
        read = await bench.run("jira.issue.get", {"issue": made.body["output"]["key"], "custom_fields": list(fields)})

    found = read.body["output"]["custom_fields"]
    assert (found["customfield_10010"]["value"], found["customfield_10012"]) == ("High", 3)
    assert found["customfield_10011"] == "1. Open it"


async def test_every_issue_of_a_batch_is_checked() -> None:
    issues = [
        {"project": "OPS", "type": "Task", "summary": "One", "custom_fields": {"customfield_10012": 1}},
        {"project": "OPS", "type": "Task", "summary": "Two", "custom_fields": {"customfield_10012": "two"}},
    ]
    async with bench_of(jira) as bench:
        await bench.arrange()

        refused = await bench.run("jira.issue.create_many", {"project": "OPS", "issues": issues})

        assert [error["pointer"] for error in refused.body["errors"]] == [
            "/issues/1/custom_fields/customfield_10012"
        ] * len(refused.body["errors"])
        assert bench.simulator.applied == []


def test_the_schema_of_all_kinds_of_fields_holds_together() -> None:
    kinds = [("option",), ("array", "option"), ("string", None, _RICH), ("user",), ("number",), ("sd-approvals",)]
    fields = {f"f{n}": CustomField(f"f{n}", "A field", type_of(*kind)) for n, kind in enumerate(kinds)}
    schema = Known(fields, 0.0).schema()

    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)

    validator.validate({"f0": "High", "f1": ["A", {"id": "1"}], "f2": "*text*", "f3": "5b10", "f4": 2, "f5": [{}]})
    assert not validator.is_valid({"f4": "two"})
