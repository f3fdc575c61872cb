"""Queries: SOQL, of which an agent gives the parts. Source: REST API Developer Guide v67.0, "Query", "Query More"."""

import re
from collections.abc import Sequence

from pydantic import Field

from connectors.salesforce.connector import API, API_SCOPE, salesforce
from connectors.salesforce.ids import canonical
from connectors.salesforce.names import ObjectName, identity
from connectors.salesforce.record_view import Found, Record
from connectors.salesforce.soql import AnyOf, Comparison, Order, Path, Select, Where, build
from connectors.sdk import (
    ConstraintDenied,
    CursorQuery,
    Effect,
    Page,
    Searched,
    Upstream,
    UpstreamInvalidResponse,
)
from connectors.sdk.errors import InvalidCursor

_NEXT = re.compile(re.escape(API) + r"/query(?:All)?/([A-Za-z0-9]{10,40}-[0-9]{1,9})")
_LOCATOR = re.compile(r"[A-Za-z0-9]{10,40}-[0-9]{1,9}")
_MOST_IDS = 200


class QueryRecords(CursorQuery):
    """What to look for."""

    object: ObjectName
    fields: list[Path] = Field(min_length=1, max_length=100, description="What to read of each record.")
    where: Where = Field(default_factory=list[Comparison | AnyOf])
    order: list[Order] = Field(default_factory=list[Order], max_length=5, description="Without it any order may come.")
    first: int = Field(default=200, ge=1, le=50_000, description="At most so many records, over all pages.")
    include_deleted: bool = Field(default=False, description="Those in the recycle bin and archived tasks too.")

    @property
    def page_records(self) -> int:
        """Salesforce gives 2,000 records on a page at most."""
        return min(self.first, 2_000)


def _narrow(query: QueryRecords, patterns: Sequence[str]) -> QueryRecords:
    """Cut a query to the records that a grant names. Raises `ConstraintDenied`.

    A path through a parent would read, or compare with, what belongs to another object.
    """
    if "*" in patterns:
        return query
    own = canonical(query.object)
    named = [record for name, _, record in (one.partition("/") for one in patterns) if name in {own, "*"} and record]
    if not named:
        raise ConstraintDenied(
            f"No grant names records of {query.object}.", hint=f"The grants name: {', '.join(patterns[:10])}."
        )
    beyond = sorted(path for path in _paths(query) if "." in path)
    if beyond:
        raise ConstraintDenied(
            f"{beyond[0]} belongs to a record that the grants may not name.", hint="Read fields of the object itself."
        )
    if "*" in named:
        return query
    if len(named) > _MOST_IDS:
        raise ConstraintDenied("The grants name too many single records for a query.", hint="Read them one by one.")
    only = Comparison(field="Id", op="in", value=list(named))
    return query.model_copy(update={"where": [*query.where, only]})


def _paths(query: QueryRecords) -> set[str]:
    found = {*query.fields, *(one.field for one in query.order)}
    for condition in query.where:
        for inner in condition.any if isinstance(condition, AnyOf) else [condition]:
            found |= {inner.field} if isinstance(inner, Comparison) else {one.field for one in inner.all}
    return found


@salesforce.action(
    "record.query",
    scopes={"salesforce:record:read"},
    effect=Effect.READ,
    resource=Searched(_narrow, identity, canonical),
    vendor_scopes=API_SCOPE,
    max_output_bytes=4 * 1024 * 1024,
)
async def query_records(api: Upstream, query: QueryRecords) -> Page[Record]:
    """Find records of an object by the values of their fields, with fields of their parents.

    Reads the database, not a search index. Conditions all hold together; `{'any': [...]}` joins some by OR. To find
    words anywhere use `salesforce.record.search`. Pages hold 200 records or more; `first` bounds them all.
    """
    path, params = API + ("/queryAll" if query.include_deleted else "/query"), {}
    if query.cursor is None:
        fields = list(dict.fromkeys(["Id", *(name for name in query.fields if name.lower() != "id")]))
        select = Select(object=query.object, fields=fields, where=query.where, order=query.order, limit=query.first)
        params = {"q": build(select)}
    elif not _LOCATOR.fullmatch(query.cursor):
        raise InvalidCursor("The cursor is none of this action's.", hint="Leave it out to start from the first page.")
    else:
        path += "/{locator}"
    response = await api.get(
        path, {"locator": query.cursor}, params=params, headers={"Sforce-Query-Options": "batchSize=200"}
    )
    found = api.read(Found, response)
    return Page[Record](items=found.records, next_cursor=_cursor(found))


def _cursor(found: Found) -> str | None:
    """Return the locator of the next page. Raises where its address is not one of the queries of this version."""
    if found.done or found.next_url is None:
        return None
    match = _NEXT.fullmatch(found.next_url)
    if match is None:
        raise UpstreamInvalidResponse("The next page of the query is not at an address of Salesforce's queries.")
    return match.group(1)
