"""Many records in one request, and composites.

A composite's subrequests are single records only here: creates, changes and upserts.
Source: REST API Developer Guide v67.0, "sObject Collections", "Composite".
"""

import re
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import unquote

import orjson

from connectors.salesforce.simulator import checks, rows
from connectors.salesforce.simulator.ask import Ask, dicts
from connectors.salesforce.simulator.refusals import Fault, malformed
from connectors.salesforce.simulator.routing import Route
from connectors.sdk.simulator import Answer, Call, Refusal, Routes

_MOST, _MOST_STEPS = 200, 25
_REFERENCE = re.compile(r"@\{([A-Za-z][A-Za-z0-9_]*)\.([A-Za-z]+)\}")
_ROLLED_BACK = Fault("ALL_OR_NONE_OPERATION_ROLLED_BACK", "Record rolled back because not all records were valid")
_HALTED = "The transaction was rolled back since another operation in the same transaction failed."

Json = dict[str, Any]


def create_many(ask: Ask) -> Answer:
    """POST /composite/sobjects."""

    def one(record: Json) -> Json:
        kind, given = _typed(ask, record)
        return {"id": rows.made(ask, kind, given).id, "success": True, "errors": []}

    return _each(ask, _records(ask), one)


def update_many(ask: Ask) -> Answer:
    """PATCH /composite/sobjects."""

    def one(record: Json) -> Json:
        kind, given = _typed(ask, record)
        row = checks.row_of(ask.world, kind, str(given.pop("id", given.pop("Id", ""))))
        ask.world.change(row, checks.checked(ask.world, kind, given, row), ask.user, ask.now)
        return {"id": row.id, "success": True, "errors": []}

    return _each(ask, _records(ask), one)


def upsert_many(ask: Ask) -> Answer:
    """PATCH /composite/sobjects/{object}/{field}."""
    name = ask.values["field"]

    def one(record: Json) -> Json:
        kind, given = _typed(ask, record)
        if kind.name.lower() != ask.values["object"].lower():
            raise Fault("INVALID_TYPE", "all records must be of the object in the address")
        value = next((given.pop(key) for key in list(given) if key.lower() == name.lower()), None)
        found = checks.by_external_id(ask.world, kind, name, value)
        if value is None:
            raise Fault("MISSING_ARGUMENT", f"{name} not specified", [])
        if len(found) > 1:
            text = f"{name}: more than one record found for external id field: [{', '.join(row.id for row in found)}]"
            raise Fault("DUPLICATE_EXTERNAL_ID", text, [])
        row, created = rows.saved(ask, kind, name, value, given, found)
        return {"id": row.id, "success": True, "errors": [], "created": created}

    return _each(ask, _records(ask), one)


def delete_many(ask: Ask) -> Answer:
    """DELETE /composite/sobjects?ids=: whatever object they are of."""
    ids = [one for one in ask.query.get("ids", "").split(",") if one]

    def one(record: Json) -> Json:
        row = ask.world.find(record["id"])
        if row is None:
            raise Fault("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        if row.deleted:
            raise Fault("ENTITY_IS_DELETED", "entity is deleted")
        ask.world.remove(row, ask.user, ask.now)
        return {"id": row.id, "success": True, "errors": []}

    return _each(ask, [{"id": one} for one in ids], one, all_or_none=ask.flag("allOrNone"))


def _records(ask: Ask) -> list[Json]:
    return dicts(ask.body().get("records"))


def _typed(ask: Ask, record: Json) -> tuple[Any, Json]:
    given = dict(record)
    stated = given.pop("attributes", None)
    name = stated.get("type") if isinstance(stated, dict) else None
    kind = ask.world.objects.get(str(name).lower())
    if kind is None:
        raise Fault("INVALID_TYPE", f"sObject type '{name}' is not supported.")
    return kind, given


def _each(ask: Ask, records: list[Json], one: Callable[[Json], Json], all_or_none: bool | None = None) -> Answer:
    if not 1 <= len(records) <= _MOST:
        raise Fault(
            "EXCEEDED_ID_LIMIT", f"record limit reached. cannot submit more than {_MOST} records into this call"
        )
    whole = bool(ask.body().get("allOrNone", False)) if all_or_none is None else all_or_none
    before = ask.world.kept()
    results: list[Json] = []
    for record in records:
        try:
            results.append(one(record))
        except Fault as fault:
            results.append({"success": False, "errors": [fault.result()]})
    if whole and not all(result["success"] for result in results):
        ask.world.rows = before
        results = [
            {"success": False, "errors": [_ROLLED_BACK.result()]} if result["success"] else result for result in results
        ]
    if any(result["success"] for result in results):
        return ask.applied(results)
    return Answer.of(results)


def composite(ask: Ask) -> Answer:
    """POST /composite: one after the other, with references to what came before."""
    body = ask.body()
    steps = dicts(body.get("compositeRequest"))
    if not 1 <= len(steps) <= _MOST_STEPS:
        raise Fault("LIMIT_EXCEEDED", f"The composite request has more than {_MOST_STEPS} subrequests")
    names = [str(step.get("referenceId")) for step in steps]
    if len(set(names)) < len(names) or not all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) for name in names):
        raise malformed("Reference ids must be unique, and letters, digits and underscores")
    whole = body.get("allOrNone") is True
    before, known, answers = ask.world.kept(), dict[str, Json](), list[Json]()
    for step in steps:
        answers.append(_step(ask, step, known))
    failed = [answer for answer in answers if answer["httpStatusCode"] >= 300]
    if whole and failed:
        ask.world.rows = before
        for answer in answers:
            if answer not in failed:
                answer |= {"httpStatusCode": 400, "body": [{"errorCode": "PROCESSING_HALTED", "message": _HALTED}]}
    if len(failed) < len(answers) and not (whole and failed):
        return ask.applied({"compositeResponse": answers})
    return Answer.of({"compositeResponse": answers})


def _step(ask: Ask, step: Json, known: dict[str, Json]) -> Json:
    name = str(step["referenceId"])
    try:
        answer = _answered(ask, step, known)
    except Fault as fault:
        answer = fault.refusal().answer
    except Refusal as refusal:
        answer = refusal.answer
    body = orjson.loads(answer.body) if answer.body else None
    if answer.status < 300 and isinstance(body, dict):
        known[name] = cast("Json", body)
    return {"body": body, "httpHeaders": {}, "httpStatusCode": answer.status, "referenceId": name}


def _answered(ask: Ask, step: Json, known: dict[str, Json]) -> Answer:
    url = str(step.get("url"))
    if not url.startswith(ask.base + "/"):
        raise Fault("NOT_FOUND", "The requested resource does not exist", status=404)
    found = _STEPS.find(str(step.get("method")), url.removeprefix(ask.base).partition("?")[0])
    if found is None:
        raise Fault("METHOD_NOT_ALLOWED", "HTTP Method not allowed here", status=405)
    handler, values = found
    body = _filled(step.get("body") or {}, known)
    inner = Call(str(step.get("method")), url, body=orjson.dumps(body), headers={})
    inner.values = {key: unquote(value) for key, value in values.items()}
    return handler(Ask(inner, ask.world, ask.user, ask.now, ask.base))


def _filled(value: Any, known: dict[str, Json]) -> Any:
    """Put in what references name. Raises where one names nothing."""
    if isinstance(value, dict):
        return {key: _filled(item, known) for key, item in cast("Json", value).items()}
    if not isinstance(value, str) or "@{" not in value:
        return value

    def named(match: re.Match[str]) -> str:
        step = known.get(match.group(1))
        if step is None or match.group(2) not in step:
            raise Fault("PROCESSING_HALTED", f"Invalid reference specified. No value for {match.group(0)} found")
        return str(step[match.group(2)])

    text = _REFERENCE.sub(named, value)
    if "@{" in text:
        raise malformed(f"Invalid reference specified: {value}")
    return text


_STEPS: Routes[Callable[[Ask], Answer]] = Routes(
    (
        ("POST", "/sobjects/{object}", rows.create),
        ("PATCH", "/sobjects/{object}/{id}", rows.update),
        ("PATCH", "/sobjects/{object}/{field}/{value}", rows.upsert),
    )
)

ROUTES = (
    Route("POST", "/composite/sobjects", create_many),
    Route("PATCH", "/composite/sobjects", update_many),
    Route("PATCH", "/composite/sobjects/{object}/{field}", upsert_many),
    Route("DELETE", "/composite/sobjects", delete_many),
    Route("POST", "/composite", composite),
)
