"""How the members of `fields` and `update` change an issue: checked all first, then done."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, cast

from connectors.jira.simulator.ask import Ask, stamp
from connectors.jira.simulator.refusals import invalid
from connectors.jira.simulator.world import CUSTOM, OPTIONS, PRIORITIES, RESOLUTIONS, TYPES, Issue, Json, Project, User

Change = Callable[[Issue], None]
UNKNOWN = "Field '{}' cannot be set. It is not on the appropriate screen, or unknown."


class Edits:
    """Reads the members into changes. Raises Jira's refusal of the first that is wrong."""

    def __init__(self, ask: Ask, project: Project) -> None:
        self._ask = ask
        self._project = project
        self._plain: Mapping[str, Callable[[object], Change]] = {
            "summary": self._summary,
            "description": self._description,
            "issuetype": self._type,
            "priority": self._priority,
            "assignee": self._assignee,
            "reporter": self._reporter,
            "labels": self._labels,
            "components": lambda value: self._list("components", self._names(project.components, "components", value)),
            "fixVersions": lambda value: self._list("versions", self._names(project.versions, "fixVersions", value)),
            "parent": self._parent,
            "duedate": self._due,
            "resolution": self._resolution,
        }

    def of(self, fields: Json, update: Json) -> list[Change]:
        """Return the changes that a body asks for."""
        both = set(fields) & set(update)
        if both:
            name = sorted(both)[0]
            raise invalid(name, f"Field '{name}' cannot appear in both 'fields' and 'update'")
        found = [self._field(name, value) for name, value in fields.items() if name != "project"]
        for name, verbs in update.items():
            found += [self._verb(name, verb) for verb in cast("list[object]", verbs)]
        return found

    def _field(self, name: str, value: object) -> Change:
        if name in CUSTOM:
            return self._custom(name, value)
        if name not in self._plain:
            raise invalid(name, UNKNOWN.format(name))
        return self._plain[name](value)

    def _verb(self, name: str, verb: object) -> Change:
        if not isinstance(verb, dict) or len(cast("Json", verb)) != 1:
            raise invalid(name, "expected Object containing one operation")
        operation, value = next(iter(cast("Json", verb).items()))
        if operation == "set":
            return self._field(name, value)
        if name == "comment" and operation == "add":
            return self._comment(value)
        if name != "labels" or operation not in {"add", "remove"}:
            raise invalid(name, UNKNOWN.format(name))
        label = self._label(value)

        def change(issue: Issue) -> None:
            kept = [one for one in issue.labels if one != label]
            issue.labels = sorted([*kept, label]) if operation == "add" else kept

        return change

    def _summary(self, value: object) -> Change:
        if not isinstance(value, str) or not value.strip():
            raise invalid("summary", "You must specify a summary of the issue.")
        if "\n" in value or len(value) > 255:
            raise invalid("summary", "The summary is invalid because it contains newline characters or is too long.")
        return _setter("summary", value)

    def _description(self, value: object) -> Change:
        return _setter("description", self._ask.rich("description", value))

    def _type(self, value: object) -> Change:
        found = next((one for one in TYPES if _names(value, one.id, one.name)), None)
        if found is None:
            raise invalid("issuetype", "Specify a valid issue type")
        return _setter("type", found)

    def _priority(self, value: object) -> Change:
        name = next((name for id, name in PRIORITIES.items() if _names(value, id, name)), None)
        if name is None:
            raise invalid("priority", "The priority selected is invalid.")
        return _setter("priority", name)

    def _resolution(self, value: object) -> Change:
        name = next((name for id, name in RESOLUTIONS.items() if _names(value, id, name)), None)
        if name is None and value is not None:
            raise invalid("resolution", "The resolution selected is invalid.")
        return _setter("resolution", name)

    def _person(self, field: str, value: object) -> User | None:
        members = cast("Json", value) if isinstance(value, dict) else {}
        account = members.get("accountId", members.get("id"))
        if value is None or account is None:
            return None
        if account not in self._ask.world.users:
            raise invalid(field, "Specify a valid value for " + field)
        return self._ask.world.users[account]

    def _assignee(self, value: object) -> Change:
        return _setter("assignee", self._person("assignee", value))

    def _reporter(self, value: object) -> Change:
        person = self._person("reporter", value)
        if person is None:
            raise invalid("reporter", "Reporter is required.")
        return _setter("reporter", person)

    def _label(self, value: object) -> str:
        if not isinstance(value, str) or not value or " " in value:
            raise invalid("labels", f"The label '{value}' contains spaces which is invalid.")
        return value

    def _labels(self, value: object) -> Change:
        if not isinstance(value, list):
            raise invalid("labels", "data was not an array")
        return self._list("labels", sorted({self._label(one) for one in cast("list[object]", value)}))

    def _names(self, table: Mapping[str, str], field: str, value: object) -> list[str]:
        found: list[str] = []
        for wanted in cast("list[object]", value or []):
            name = next((name for id, name in table.items() if _names(wanted, id, name)), None)
            if name is None:
                shown = cast("Json", wanted).get("name") if isinstance(wanted, dict) else wanted
                raise invalid(field, f"The name '{shown}' is not valid in project '{self._project.key}'.")
            found.append(name)
        return found

    def _list(self, name: str, values: list[str]) -> Change:
        return _setter(name, values)

    def _parent(self, value: object) -> Change:
        members = cast("Json", value) if isinstance(value, dict) else {}
        found = self._ask.world.find(str(members.get("key") or members.get("id") or ""))
        if found is None or not self._ask.sees(found):
            raise invalid("parent", "Could not find issue by id or key.")
        return _setter("parent", found.id)

    def _due(self, value: object) -> Change:
        try:
            return _setter("due", None if value is None else date.fromisoformat(str(value)).isoformat())
        except ValueError as error:
            raise invalid("duedate", "Operation value must be a string in the format 'yyyy-MM-dd'") from error

    def _custom(self, name: str, value: object) -> Change:
        kept: object = value
        if CUSTOM[name] == "option" and value is not None:
            kept = cast("Json", value).get("value") if isinstance(value, dict) else None
            if kept not in OPTIONS:
                raise invalid(name, f"Option value '{kept}' is not valid")
        elif CUSTOM[name] == "textarea":
            kept = self._ask.rich(name, value)
        elif CUSTOM[name] == "number" and value is not None and type(value) not in {int, float}:
            raise invalid(name, "Operation value must be a number")

        def change(issue: Issue) -> None:
            issue.custom[name] = kept

        return change

    def _comment(self, value: object) -> Change:
        from connectors.jira.simulator.comments import add

        body = self._ask.rich("comment", cast("Json", value).get("body"))

        def change(issue: Issue) -> None:
            if body is not None:
                add(self._ask, issue, body, {})

        return change


def apply(ask: Ask, issue: Issue, changes: list[Change]) -> None:
    """Do the changes and write them into the issue's history."""
    before = _watched(issue)
    for change in changes:
        change(issue)
    issue.updated = ask.now
    items = [
        {
            "field": name,
            "fieldtype": "jira",
            "fieldId": name,
            "from": None,
            "fromString": was,
            "to": None,
            "toString": now,
        }
        for (name, was), now in zip(before.items(), _watched(issue).values(), strict=True)
        if was != now
    ]
    if items:
        issue.changes.append({"id": ask.world.next_id(), "user": ask.user, "at": stamp(ask.now), "items": items})


def _watched(issue: Issue) -> dict[str, str | None]:
    return {
        "summary": issue.summary,
        "status": issue.status.name,
        "assignee": issue.assignee.name if issue.assignee else None,
        "priority": issue.priority,
        "labels": " ".join(issue.labels),
        "resolution": issue.resolution,
    }


def _setter(name: str, value: Any) -> Change:
    def change(issue: Issue) -> None:
        setattr(issue, name, value)

    return change


def _names(value: object, id: str, name: str) -> bool:
    members = cast("Json", value) if isinstance(value, dict) else {}
    return members.get("id") == id or str(members.get("name", "")).lower() == name.lower()
