"""Save results: what Salesforce says of each record that it was given, inside answers of success.

Source: REST API Developer Guide v67.0, "sObject Collections", "sObject Rows".
"""

from collections.abc import Sequence
from typing import Any

from pydantic import Field, TypeAdapter

from connectors.salesforce.answers import code_of, told
from connectors.salesforce.names import COLLECTION, OBJECT, Key, sent
from connectors.salesforce.record_view import Saved, unambiguous
from connectors.sdk import (
    Output,
    Response,
    Upstream,
    UpstreamConflict,
    UpstreamInvalidResponse,
    UpstreamProblem,
    UpstreamRejected,
)
from connectors.sdk.errors import ActionError, Issue, UpstreamUnavailable

ROLLED_BACK = {"ALL_OR_NONE_OPERATION_ROLLED_BACK", "PROCESSING_HALTED"}
_AGAIN = {"UNABLE_TO_LOCK_ROW"}
_SEVERAL = {"DUPLICATE_EXTERNAL_ID"}


class Result(Output):
    """What became of one record."""

    id: str | None = None
    success: bool
    created: bool | None = None
    errors: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])


RESULTS = TypeAdapter(list[Result])


def refusal(errors: Sequence[dict[str, Any]]) -> tuple[str, str]:
    """Return the code and the text of a record's refusal."""
    code = next(filter(None, map(code_of, errors)), None) or "UNKNOWN"
    return code, "; ".join(filter(None, map(told, errors)))[:500] or code


def refused(status: int, errors: Sequence[dict[str, Any]], issues: Sequence[Issue] = ()) -> ActionError:
    """Return the error of a save that was refused inside an answer of success."""
    code, text = refusal(errors)
    problem = UpstreamProblem(status, code, text)
    if code in _AGAIN:
        return UpstreamUnavailable(f"Salesforce saved nothing: {text}", upstream=problem, retry_after_ms=1000)
    kind = UpstreamConflict if code in _SEVERAL else UpstreamRejected
    return kind(f"Salesforce saved nothing: {text}", upstream=problem, issues=issues)


def saved(api: Upstream, response: Response, object: str, *, created: bool | None = None) -> Saved:
    """Read a save result of one record. Raises the error for one that was refused."""
    result = api.read(Result, unambiguous(response))
    return _one(result, response, object, created)


def _one(result: Result, response: Response, object: str, created: bool | None) -> Saved:
    if not result.success:
        raise refused(response.status, result.errors)
    if not result.id:
        raise UpstreamInvalidResponse("Salesforce reports success and names no record.")
    return Saved(object=object, id=result.id, created=result.created if created is None else created)


async def create(api: Upstream, object: str, values: dict[str, Any], headers: dict[str, str] | None = None) -> Saved:
    """Create one record."""
    response = await api.post(OBJECT, {"object": object}, json=sent(values), headers=headers or {})
    return saved(api, response, object, created=True)


async def upsert(api: Upstream, object: str, key: Key, values: dict[str, Any], *, update_only: bool = False) -> Saved:
    """Create or change the record with that external id.

    A value with a dot or a slash goes in the body: in a path Salesforce can take what follows for a file's extension.
    """
    text = str(key.value)
    if update_only or not ({".", "/", "\\", "%"} & set(text)):
        path, names = OBJECT + "/{field}/{value}", {"object": object, "field": key.field, "value": text}
        params = {"updateOnly": True} if update_only else None
        return saved(api, await api.patch(path, names, json=sent(values), params=params), object)
    record = {"attributes": {"type": object}, **sent(values), key.field: key.value}
    names = {"object": object, "field": key.field}
    body = {"allOrNone": True, "records": [record]}
    response = await api.patch(COLLECTION + "/{object}/{field}", names, json=body)
    results = api.read(RESULTS, response)
    if len(results) != 1:
        raise UpstreamInvalidResponse("Salesforce answers for another number of records than it was given.")
    return _one(results[0], response, object, None)
