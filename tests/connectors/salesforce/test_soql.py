"""Values never become syntax: what goes in as a value comes back as that value out of a real parser of SOQL."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.salesforce.simulator.refusals import Fault
from connectors.salesforce.simulator.soql import Condition, Group, parse
from connectors.salesforce.soql import (
    LONGEST,
    AllOf,
    AnyOf,
    Comparison,
    Day,
    Moment,
    Order,
    Relative,
    Select,
    build,
    chunks,
    literal,
)
from connectors.sdk import InvalidInput

# The characters that mean something in SOQL come more often than others.
NASTY = st.text(st.one_of(st.sampled_from("'\"\\%_\n\r\t\b\f();,=<> "), st.characters(exclude_categories=["Cs"])))
SHORT = NASTY.map(lambda text: text[:60])
NUMBERS = st.one_of(
    st.integers(-(10**15), 10**15), st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15)
)
MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)).map(lambda at: at.replace(microsecond=0, tzinfo=UTC))


def query(*conditions: Any, **more: Any) -> str:
    return build(Select(object="Account", fields=["Id", "Name"], where=conditions, **more))


def only(text: str) -> Condition:
    found = parse(text)
    assert isinstance(found.where, Condition)
    assert (found.paths, found.source, found.limit) == (("Id", "Name"), "Account", None)
    return found.where


@given(SHORT)
def test_a_text_comes_back_as_itself_and_as_nothing_else(text: str) -> None:
    found = only(query(Comparison(field="Name", op="eq", value=text)))

    assert (found.path, found.op, len(found.values)) == ("Name", "=", 1)
    assert (found.values[0].kind, found.values[0].text) == ("text", text)


@given(st.lists(SHORT, min_size=1, max_size=5))
def test_each_text_of_a_list_comes_back_as_itself(texts: list[str]) -> None:
    found = only(query(Comparison(field="Name", op="not_in", value=list(texts))))

    assert (found.op, [value.text for value in found.values]) == ("NOT IN", texts)


@given(SHORT, st.sampled_from([("contains", "%", "%"), ("starts_with", "", "%"), ("ends_with", "%", "")]))
def test_wildcards_in_a_text_mean_themselves(text: str, how: tuple[Any, str, str]) -> None:
    op, before, after = how
    found = only(query(Comparison(field="Name", op=op, value=text)))

    value = found.values[0]
    assert (found.op, value.text) == ("LIKE", before + text + after)
    wild = (bool(before),) * len(before) + (False,) * len(text) + (bool(after),) * len(after)
    assert value.wild == wild


@given(NUMBERS)
def test_a_number_comes_back_as_itself(number: float) -> None:
    found = only(query(Comparison(field="Amount", op="ge", value=number)))

    assert (found.values[0].kind, found.op) == ("number", ">=")
    assert Decimal(found.values[0].text) == Decimal(repr(number))


@given(MOMENTS, st.integers(-12, 14))
def test_a_time_comes_back_as_itself_in_any_zone(moment: datetime, hours: int) -> None:
    from datetime import timezone

    local = moment.astimezone(timezone(timedelta(hours=hours)))
    found = only(query(Comparison(field="CreatedDate", op="lt", value=Moment(datetime=local))))

    assert (found.values[0].kind, datetime.fromisoformat(found.values[0].text)) == ("moment", moment)


@given(st.dates(date(1000, 1, 1)))
def test_a_date_comes_back_as_itself(day: date) -> None:
    found = only(query(Comparison(field="CloseDate", op="eq", value=Day(date=day))))

    assert (found.values[0].kind, found.values[0].text) == ("day", day.isoformat())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (1e20, "100000000000000000000"),
        (1e-7, "0.0000001"),
        (Relative(relative="LAST_N_DAYS:7"), "LAST_N_DAYS:7"),
        ("it's", "'it\\'s'"),
    ],
)
def test_a_value_is_written_as_soql_writes_it(value: Any, text: str) -> None:
    assert literal(value) == text


@given(SHORT, SHORT, SHORT)
def test_conditions_keep_together_what_was_together(one: str, two: str, three: str) -> None:
    def named(text: str) -> Comparison:
        return Comparison(field="Name", op="eq", value=text)

    either = AnyOf(any=[named(two), AllOf(all=[named(two), named(three)])])

    found = parse(query(named(one), either, order=[Order(field="Owner.Name", descending=True)], limit=7))

    assert isinstance(found.where, Group)
    first, second = found.where.parts
    assert (found.where.joined, found.order, found.limit) == ("AND", (("Owner.Name", True),), 7)
    assert isinstance(first, Condition)
    assert isinstance(second, Group)
    assert second.joined == "OR"
    assert [part.joined for part in second.parts if isinstance(part, Group)] == ["AND"]


@given(st.lists(NASTY.map(lambda text: text[:255]), min_size=1, max_size=40))
def test_long_lists_are_parted_and_each_part_can_be_sent(values: list[str]) -> None:
    parts = chunks(list(values))

    assert [value for part in parts for value in part] == values
    for part in parts:
        assert parse(query(Comparison(field="Name", op="in", value=part)))


def test_a_query_that_salesforce_could_not_take_is_not_sent() -> None:
    with pytest.raises(InvalidInput, match="too long"):
        query(Comparison(field="Name", op="in", value=["x" * 255] * (LONGEST // 255 + 1)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SELECT",
        "SELECT Id FROM Account WHERE",
        "SELECT Id FROM Account WHERE Name = 'a' OR Name = 'b' AND Name = 'c'",
        "SELECT Id FROM Account WHERE Name = 'a",
        "SELECT Id FROM Account WHERE Name = 'a\\x'",
        'SELECT Id FROM Account WHERE Name = "a"',
        "SELECT Id FROM Account; DELETE",
        "SELECT Id FROM Account LIMIT 'a'",
        "SELECT Id FROM Account LIMIT 1 LIMIT 2",
        "SELECT FROM Account",
        "SELECT Id, FROM Account",
        "SELECT Id FROM Account ORDER Name",
        "SELECT (SELECT Id FROM Contacts) FROM Account",
    ],
)
def test_the_parser_refuses_what_is_no_soql(text: str) -> None:
    with pytest.raises(Fault) as caught:
        parse(text)

    assert caught.value.code == "MALFORMED_QUERY"
