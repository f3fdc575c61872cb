"""The fields and labels of the site. Shape: `FieldDetails`."""

from connectors.jira.simulator.ask import Ask
from connectors.jira.simulator.routing import Route
from connectors.jira.simulator.world import CUSTOM, Json
from connectors.sdk.simulator import Answer

_NAMES = {"customfield_10010": "Impact", "customfield_10011": "Steps", "customfield_10012": "Points"}
_TYPES = "com.atlassian.jira.plugin.system.customfieldtypes"
_SCHEMAS: dict[str, Json] = {
    "option": {"type": "option", "custom": f"{_TYPES}:select"},
    "textarea": {"type": "string", "custom": f"{_TYPES}:textarea"},
    "number": {"type": "number", "custom": f"{_TYPES}:float"},
}


def list_fields(ask: Ask) -> Answer:
    """GET /field."""
    del ask
    system = [
        _field(name, name.capitalize(), [name], {"type": "string"}) for name in ("summary", "description", "labels")
    ]
    own = [
        _field(
            id, _NAMES[id], [f"cf[{id[-5:]}]", _NAMES[id]], {**_SCHEMAS[kind], "customId": int(id.rpartition("_")[2])}
        )
        for id, kind in CUSTOM.items()
    ]
    return Answer.of(system + own)


def _field(id: str, name: str, clauses: list[str], schema: Json) -> Json:
    return {
        "id": id,
        "key": id,
        "name": name,
        "custom": id in CUSTOM,
        "orderable": True,
        "navigable": True,
        "searchable": True,
        "clauseNames": clauses,
        "schema": schema,
    }


def list_labels(ask: Ask) -> Answer:
    """GET /label."""
    return ask.page(sorted({label for issue in ask.world.issues.values() for label in issue.labels}), str, most=1000)


ROUTES = (
    Route("GET", "/field", list_fields),
    Route("GET", "/label", list_labels),
)
