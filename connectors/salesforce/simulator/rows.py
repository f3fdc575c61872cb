"""Single records and the objects.

Source: REST API Developer Guide v67.0, "sObject Rows", "sObject Rows by External ID", "Describe".
"""

from typing import Any

from connectors.salesforce.simulator import checks
from connectors.salesforce.simulator.ask import Ask
from connectors.salesforce.simulator.refusals import Fault
from connectors.salesforce.simulator.routing import Route
from connectors.salesforce.simulator.schema import SObject
from connectors.salesforce.simulator.soql_run import attributes
from connectors.salesforce.simulator.world import Row
from connectors.sdk.simulator import Answer


def list_objects(ask: Ask) -> Answer:
    """GET /sobjects."""
    shown = [one.listed(ask.base) for one in ask.world.objects.values()]
    return Answer.of({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": shown})


def describe(ask: Ask) -> Answer:
    """GET /sobjects/{object}/describe."""
    return Answer.of(checks.kind_of(ask.world, ask.values["object"]).described(ask.base))


def get(ask: Ask) -> Answer:
    """GET /sobjects/{object}/{id}."""
    kind = checks.kind_of(ask.world, ask.values["object"])
    return _shown(ask, checks.row_of(ask.world, kind, ask.values["id"]))


def get_by_key(ask: Ask) -> Answer:
    """GET /sobjects/{object}/{field}/{value}: 300 where several records have it."""
    kind = checks.kind_of(ask.world, ask.values["object"])
    rows = checks.by_external_id(ask.world, kind, ask.values["field"], ask.values["value"])
    if not rows:
        raise Fault("NOT_FOUND", "The requested resource does not exist", status=404)
    return several(ask, rows) if len(rows) > 1 else _shown(ask, rows[0])


def create(ask: Ask) -> Answer:
    """POST /sobjects/{object}."""
    kind = checks.kind_of(ask.world, ask.values["object"])
    row = made(ask, kind, _own(kind, ask.body()))
    location = f"{ask.base}/sobjects/{kind.name}/{row.id}"
    return ask.applied({"id": row.id, "success": True, "errors": []}, 201, {"location": location})


def update(ask: Ask) -> Answer:
    """PATCH /sobjects/{object}/{id}."""
    kind = checks.kind_of(ask.world, ask.values["object"])
    row = checks.row_of(ask.world, kind, ask.values["id"])
    ask.check_unmodified(row)
    values = checks.checked(ask.world, kind, _own(kind, ask.body()), row)
    ask.world.change(row, values, ask.user, ask.now)
    return ask.done()


def upsert(ask: Ask) -> Answer:
    """PATCH /sobjects/{object}/{field}/{value}: 201 for a new record, 200 for one that was there."""
    kind = checks.kind_of(ask.world, ask.values["object"])
    name, value = ask.values["field"], ask.values["value"]
    given = _own(kind, ask.body())
    if name.lower() in {one.lower() for one in given}:
        raise Fault("INVALID_FIELD", f"The {name} field should not be specified in the sobject data.", [name])
    rows = checks.by_external_id(ask.world, kind, name, value)
    if len(rows) > 1:
        return several(ask, rows)
    if not rows and ask.flag("updateOnly"):
        raise Fault("NOT_FOUND", "The requested resource does not exist", status=404)
    row, created = saved(ask, kind, name, value, given, rows)
    body = {"id": row.id, "success": True, "errors": [], "created": created}
    return ask.applied(body, 201 if created else 200)


def delete(ask: Ask) -> Answer:
    """DELETE /sobjects/{object}/{id}."""
    kind = checks.kind_of(ask.world, ask.values["object"])
    row = checks.row_of(ask.world, kind, ask.values["id"])
    if not kind.writable:
        raise Fault("INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id", status=403)
    ask.world.remove(row, ask.user, ask.now)
    return ask.done()


def made(ask: Ask, kind: SObject, given: dict[str, Any]) -> Row:
    """Make a record. Raises `Fault`."""
    return ask.world.insert(kind, checks.checked(ask.world, kind, given), ask.user, ask.now)


def saved(
    ask: Ask, kind: SObject, name: str, value: object, given: dict[str, Any], rows: list[Row]
) -> tuple[Row, bool]:
    """Make a record with an external id, or change the one that has it. Returns it, and whether it is new."""
    if rows:
        ask.check_unmodified(rows[0])
        ask.world.change(rows[0], checks.checked(ask.world, kind, given, rows[0]), ask.user, ask.now)
        return rows[0], False
    field = kind.by_name[name.lower()]
    typed = float(str(value)) if field.type == "double" else value
    return made(ask, kind, {**given, field.name: typed}), True


def several(ask: Ask, rows: list[Row]) -> Answer:
    """Answer that an external id is several records': their addresses."""
    return Answer.of([f"{ask.base}/sobjects/{row.object.name}/{row.id}" for row in rows], 300)


def _own(kind: SObject, body: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a body, whose `attributes` may say no more than its type."""
    given = dict(body)
    stated = given.pop("attributes", None)
    if isinstance(stated, dict) and str(stated.get("type", kind.name)).lower() != kind.name.lower():
        raise Fault("INVALID_TYPE", "the type in attributes is another one than the object's")
    if "id" in {name.lower() for name in given}:
        raise Fault("INVALID_FIELD", "The Id field should not be specified in the sobject data.", ["Id"])
    return given


def _shown(ask: Ask, row: Row) -> Answer:
    wanted = [name.strip() for name in ask.query["fields"].split(",")] if "fields" in ask.query else None
    if wanted is None:
        return Answer.of({"attributes": attributes(row, ask.base), **row.values})
    shown: dict[str, Any] = {"attributes": attributes(row, ask.base)}
    for name in wanted:
        field = row.object.by_name.get(name.lower())
        if field is None:
            raise Fault("INVALID_FIELD", f"No such column '{name}' on entity '{row.object.name}'.")
        shown[field.name] = row.values.get(field.name)
    return Answer.of(shown | {"Id": row.id})


ROUTES = (
    Route("GET", "/sobjects", list_objects),
    Route("GET", "/sobjects/{object}/describe", describe),
    Route("POST", "/sobjects/{object}", create),
    Route("GET", "/sobjects/{object}/{id}", get),
    Route("PATCH", "/sobjects/{object}/{id}", update),
    Route("DELETE", "/sobjects/{object}/{id}", delete),
    Route("GET", "/sobjects/{object}/{field}/{value}", get_by_key),
    Route("PATCH", "/sobjects/{object}/{field}/{value}", upsert),
)
