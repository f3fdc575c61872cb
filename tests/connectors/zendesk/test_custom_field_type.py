"""The ticket fields of a Zendesk account: typed, with their choices."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from connectors.zendesk import zendesk
from connectors.zendesk.custom_field_type import type_of
from gateway.contract import bench_of


@pytest.mark.parametrize(
    ("kind", "written", "sent"),
    [
        ("text", '"a"', "a"),
        ("integer", "3", 3),
        ("decimal", "2.5", 2.5),
        ("checkbox", "true", True),
        ("date", '"2026-12-24"', "2026-12-24"),
        ("tagger", '"toner"', "toner"),
        ("multiselect", '["toner", "ink"]', ["toner", "ink"]),
        ("lookup", '"4"', "4"),
    ],
)
def test_a_value_of_the_fields_type_passes(kind: str, written: str, sent: Any) -> None:
    assert TypeAdapter(type_of(kind, ["toner", "ink"])).validate_json(written, strict=True) == sent


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        ("text", "1"),
        ("integer", '"3"'),
        ("integer", "2.5"),
        ("checkbox", '"yes"'),
        ("date", '"tomorrow"'),
        ("tagger", '"Toner"'),
        ("multiselect", '["paper"]'),
        ("multiselect", '"toner"'),
    ],
)
def test_any_other_value_is_refused(kind: str, written: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(type_of(kind, ["toner", "ink"])).validate_json(written, strict=True)


async def test_an_unknown_choice_is_refused_before_the_ticket_is_opened() -> None:
    async with bench_of(zendesk) as bench:
        value = {**(await bench.arrange())["zendesk.ticket.create"]}
        product = list(value["custom_fields"])[1]

        refused = await bench.run("zendesk.ticket.create", {**value, "custom_fields": {product: "dragon"}})

        assert refused.code == "invalid_input"
        assert refused.body["errors"][0]["pointer"] == f"/custom_fields/{product}"
        assert bench.simulator.applied == []
