"""Search for words: SOSL, asked with parameters. Source: REST API Developer Guide v67.0, "Parameterized Search"."""

import re
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from connectors.salesforce.connector import API, API_SCOPE, salesforce
from connectors.salesforce.ids import canonical
from connectors.salesforce.names import FieldName, ObjectName, identity
from connectors.salesforce.record_view import Record
from connectors.sdk import ConstraintDenied, Effect, Input, Output, Page, Searched, Upstream

# Each of them means something in SOSL. `*` and `?` stay: they are what an agent looks for parts of words with.
_RESERVED = re.compile(r"[&|!{}\[\]()^~:\\\"'+\-]")


class SearchIn(Input):
    """One object to search."""

    object: ObjectName
    fields: list[FieldName] = Field(
        default_factory=list[str], max_length=50, description="What to read of each record; without it only the id."
    )


class SearchRecords(Input):
    """What to look for."""

    text: str = Field(
        min_length=2,
        max_length=200,
        pattern=r"^[^\x00-\x1f\x7f]+$",
        description="Words that must all be there; `*` ends a part of a word, `?` is one letter.",
    )
    scope: Literal["ALL", "NAME", "EMAIL", "PHONE"] = Field(default="ALL", description="Which fields are searched.")
    objects: list[SearchIn] = Field(min_length=1, max_length=20, description="Which objects are searched.")
    most: int = Field(default=25, ge=1, le=200, description="At most so many records, of each object.")


class _Found(Output):
    records: list[Record] = Field(validation_alias="searchRecords")


def _narrow(query: SearchRecords, patterns: Sequence[str]) -> SearchRecords:
    """Leave out objects of which a grant names no record. Raises `ConstraintDenied`."""
    if "*" in patterns:
        return query
    named = {name for name, _, record in (one.partition("/") for one in patterns) if record}
    kept = [one for one in query.objects if {canonical(one.object), "*"} & named]
    if not kept:
        raise ConstraintDenied(
            "No grant names records of these objects.", hint=f"The grants name: {', '.join(patterns[:10])}."
        )
    return query.model_copy(update={"objects": kept})


@salesforce.action(
    "record.search",
    scopes={"salesforce:record:read"},
    effect=Effect.READ,
    resource=Searched(_narrow, identity, canonical),
    vendor_scopes=API_SCOPE,
    max_output_bytes=1024 * 1024,
)
async def search_records(api: Upstream, query: SearchRecords) -> Page[Record]:
    """Search for words in records of several objects: names, e-mail addresses, phone numbers, any text.

    The index is some minutes behind: read what was just written with `salesforce.record.query`. There is one page.
    """
    body = {
        "q": _RESERVED.sub(r"\\\g<0>", query.text),
        "in": query.scope,
        "sobjects": [
            {"name": one.object, "limit": query.most, "fields": list(dict.fromkeys(["Id", *one.fields]))}
            for one in query.objects
        ],
        "overallLimit": min(query.most * len(query.objects), 2000),
    }
    found = api.read(_Found, await api.post(API + "/parameterizedSearch", json=body, effect=False))
    return Page[Record](items=found.records)
