"""An org's fields as types: what an agent may write, and what Salesforce then gets."""

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from pydantic import TypeAdapter, ValidationError

import gateway.contract
from connectors.salesforce import salesforce
from connectors.salesforce.describe import for_both, for_changes, for_new, type_of
from connectors.salesforce.object import Choice, FieldFacts
from connectors.salesforce.simulator.seed import seeded

CHOICES = [Choice(value="North"), Choice(value="South"), Choice(value="Old", active=False)]
ID = "001000000000001AAA"


def field(type: str, **facts: Any) -> FieldFacts:
    return FieldFacts(name="F__c", label="F", type=type, **facts)


def checked(facts: FieldFacts, value: object) -> object:
    """Check a value as the gateway does: from JSON, strictly."""
    return TypeAdapter(type_of(facts)).validate_json(orjson.dumps(value), strict=True)


@pytest.mark.parametrize(
    ("facts", "value", "sent"),
    [
        (field("string", length=5), "abcde", "abcde"),
        (field("string"), "any", "any"),
        (field("textarea", length=10), "a\nb", "a\nb"),
        (field("picklist", choices=CHOICES, restricted=True), "North", "North"),
        (field("picklist", choices=CHOICES, length=255), "Other", "Other"),
        (field("multipicklist", choices=CHOICES, restricted=True), ["South", "North"], "South;North"),
        (field("multipicklist", choices=CHOICES), ["Other"], "Other"),
        (field("boolean"), True, True),
        (field("int"), 7, 7),
        (field("double", precision=18, scale=0), 7, 7),
        (field("double"), 1.5, 1.5),
        (field("currency", precision=5, scale=2), 999.99, 999.99),
        (field("percent", precision=5, scale=2), -12.5, -12.5),
        (field("date"), "2026-11-22", "2026-11-22"),
        (field("datetime"), "2026-11-22T10:00:00+01:00", "2026-11-22T09:00:00Z"),
        (field("reference"), ID[:15], ID),
        (field("reference"), ID.lower(), "001000000000001aaa"),
        (field("email", length=80), "a@b.example", "a@b.example"),
        (field("url", length=255), "https://x.example", "https://x.example"),
        (field("phone", length=40), "+49 30", "+49 30"),
        (field("location"), {"latitude": 1}, {"latitude": 1}),
    ],
)
def test_a_value_is_sent_as_salesforce_takes_it(facts: FieldFacts, value: object, sent: object) -> None:
    if sent == "001000000000001aaa":
        sent = ID  # the last three characters, in any case, tell the case of the others
    assert checked(facts, value) == sent


@pytest.mark.parametrize(
    ("facts", "value"),
    [
        (field("string", length=5), "abcdef"),
        (field("string", length=5), 7),
        (field("picklist", choices=CHOICES, restricted=True), "West"),
        (field("picklist", choices=CHOICES, restricted=True), "Old"),
        (field("multipicklist", choices=CHOICES, restricted=True), ["West"]),
        (field("multipicklist", choices=CHOICES, restricted=True), "North;South"),
        (field("multipicklist", choices=CHOICES), ["a;b"]),
        (field("boolean"), "true"),
        (field("boolean"), 1),
        (field("int"), 1.5),
        (field("int"), 2**31),
        (field("currency", precision=5, scale=2), 1000),
        (field("double", precision=18, scale=0), 1.5),
        (field("double"), "7"),
        (field("date"), "22.11.2026"),
        (field("date"), "2026-02-30"),
        (field("datetime"), "2026-11-22T10:00:00"),
        (field("datetime"), "yesterday"),
        (field("reference"), "nobody"),
        (field("email"), "nobody"),
        (field("email", length=5), "a@b.example"),
        (field("phone", length=4), "+49 30"),
    ],
)
def test_a_value_that_salesforce_would_refuse_is_refused_here(facts: FieldFacts, value: object) -> None:
    with pytest.raises(ValidationError):
        checked(facts, value)


def test_what_may_be_set_depends_on_whether_the_record_is_new() -> None:
    once = field("string", createable=True, nillable=False)
    later = FieldFacts(name="Later__c", label="L", type="string", updateable=True)
    never = FieldFacts(name="Never__c", label="N", type="string")
    usual = FieldFacts(name="Usual__c", label="U", type="boolean", createable=True, updateable=True, nillable=False)
    given = FieldFacts(name="Given__c", label="G", type="string", createable=True, nillable=False, defaulted=True)
    fields = [once, later, never, usual, given]

    assert [(one.key, one.required) for one in for_new(fields)] == [
        ("F__c", True),
        ("Usual__c", True),
        ("Given__c", False),
    ]
    assert [one.key for one in for_changes(fields)] == ["Later__c", "Usual__c"]
    assert [one.key for one in for_both(fields)] == ["F__c", "Later__c", "Usual__c", "Given__c"]
    assert not any(one.required for one in for_both(fields))


def test_every_type_of_the_simulated_org_is_known() -> None:
    kinds = {one.type for made in seeded(0).objects.values() for one in made.fields}

    assert all(repr(type_of(field(kind))) != repr(type_of(field("unheard of"))) for kind in kinds)


# Through a whole gateway.


@pytest.fixture
async def bench() -> AsyncIterator[Any]:
    async with gateway.contract.bench_of(salesforce) as made:
        await made.arrange()
        yield made


INVOICE = {"Name": "INV-3", "Amount__c": 12.5}


@pytest.mark.parametrize(
    ("action", "given", "pointer"),
    [
        ("record.create", {"fields": {**INVOICE, "Region__c": "West"}}, "/fields/Region__c"),
        ("record.create", {"fields": {**INVOICE, "Nothing__c": 1}}, "/fields/Nothing__c"),
        ("record.create", {"fields": {**INVOICE, "CreatedDate": "2026-11-22T10:00:00Z"}}, "/fields/CreatedDate"),
        ("record.create", {"fields": {**INVOICE, "Tags__c": ["vip", "x"]}}, "/fields/Tags__c/1"),
        ("record.update", {"id": ID, "fields": {"Paid__c": "yes"}}, "/fields/Paid__c"),
        (
            "record.upsert",
            {"key": {"field": "Gateway_Key__c", "value": "x"}, "fields": {"Due__c": "soon"}},
            "/fields/Due__c",
        ),
        (
            "record.create_many",
            {"records": [INVOICE, {**INVOICE, "Quantity__c": "many"}], "all_or_none": True},
            "/records/1/Quantity__c",
        ),
        (
            "record.update_many",
            {"records": [{"id": ID, "fields": {"Notes__c": "x" * 1001}}], "all_or_none": True},
            "/records/0/fields/Notes__c",
        ),
    ],
)
async def test_the_fields_of_the_org_are_checked_before_anything_is_sent(
    action: str, given: dict[str, Any], pointer: str, bench: Any
) -> None:
    answered = await bench.run(f"salesforce.{action}", {"object": "Invoice__c", **given})

    assert (answered.status, answered.code) == (422, "invalid_input")
    assert [fault["pointer"] for fault in answered.body["errors"]] == [pointer]
    assert bench.simulator.applied == []
    assert {received.method for received in bench.simulator.received} <= {"GET"}


async def test_typed_actions_check_their_further_fields_too(bench: Any) -> None:
    new = {"subject": "x", "fields": {"Gateway_Key__c": 7}}

    answered = await bench.run("salesforce.case.create", new)

    assert answered.body["errors"][0]["pointer"] == "/fields/Gateway_Key__c"


async def test_values_reach_the_org_in_its_own_form(bench: Any) -> None:
    fields = {**INVOICE, "Due__c": "2027-01-02", "Tags__c": ["late", "new"], "Sent_At__c": "2026-11-22T10:00:00+01:00"}

    answered = await bench.run("salesforce.record.create", {"object": "Invoice__c", "fields": fields})

    row = bench.simulator.world.find(answered.body["output"]["id"])
    assert answered.status == 200
    assert row.values["Tags__c"] == "new;late"
    assert row.values["Sent_At__c"] == "2026-11-22T09:00:00.000+0000"
    assert row.values["Due__c"] == "2027-01-02"


async def test_null_clears_a_field(bench: Any) -> None:
    invoice = next(bench.simulator.world.of("Invoice__c"))

    given = {"object": "Invoice__c", "id": invoice.id, "fields": {"Due__c": None}}
    answered = await bench.run("salesforce.record.update", given)

    assert answered.status == 200
    assert invoice.values["Due__c"] is None
