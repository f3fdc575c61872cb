"""One authenticated request to Jira, as the resources' handlers see it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

import orjson

from connectors.jira.simulator import adf
from connectors.jira.simulator.access import Token
from connectors.jira.simulator.refusals import invalid, malformed, no_issue, refusal
from connectors.jira.simulator.world import Issue, Json, Project, User, World
from connectors.sdk.simulator import Answer, Call

ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True)
class Ask:
    """The request, who makes it, and what there is. `root` is the address before `/rest`, `version` 2 or 3."""

    call: Call
    world: World
    token: Token
    now: float
    root: str
    version: int
    index_lag: float = 0.0

    @property
    def query(self) -> Mapping[str, str]:
        """The query's parameters."""
        return self.call.query

    @property
    def user(self) -> User:
        """Who acts."""
        return self.world.users[self.token.account_id]

    @property
    def api(self) -> str:
        """The address that links begin with."""
        return f"{self.root}/rest/api/{self.version}"

    def value(self, name: str) -> str:
        """Return a value of the path."""
        return self.call.values[name]

    def all(self, name: str) -> list[str]:
        """Return the values of a parameter that may be repeated, or hold commas."""
        multi: Any = self.call.query
        found: list[str] = multi.getall(name, [])
        return [part for text in found for part in text.split(",") if part]

    def body(self) -> Any:
        """Return the parsed body, whatever it is. Raises 400 where it is no JSON."""
        try:
            return self.call.json()
        except orjson.JSONDecodeError as error:
            raise malformed() from error

    def fields(self) -> Json:
        """Return the body's members. Raises 400 where it is no object."""
        parsed = self.body()
        if not isinstance(parsed, dict):
            raise malformed()
        return cast("dict[str, Any]", parsed)

    def sees(self, issue: Issue) -> bool:
        """Whether the issue exists for this user."""
        return self.token.projects is None or issue.project.key in self.token.projects

    def issue(self, name: str = "issue") -> Issue:
        """Return the issue of the path, also under a former key. Raises 404."""
        return self.named(self.value(name))

    def named(self, id_or_key: str) -> Issue:
        """Return an issue that the user sees. Raises 404."""
        found = self.world.find(id_or_key)
        if found is None or not self.sees(found):
            raise no_issue()
        return found

    def projects(self) -> list[Project]:
        """Return the projects that the user sees, by key."""
        shown = self.token.projects
        return [one for key, one in sorted(self.world.projects.items()) if shown is None or key in shown]

    def project(self, id_or_key: str) -> Project:
        """Return a project that the user sees. Raises 404."""
        for project in self.projects():
            if id_or_key in {project.id, project.key} or id_or_key.upper() == project.key:
                return project
        raise refusal(404, f"No project could be found with key '{id_or_key}'.")

    def rich(self, field: str, value: object) -> Json | None:
        """Read a rich text: ADF, or a plain text in version 2."""
        if self.version == 2:
            if value is not None and not isinstance(value, str):
                raise invalid(field, "Operation value must be a string")
            return adf.document(value) if value else None
        return adf.check(field, value)

    def shown(self, text: Json | None) -> Json | str | None:
        """Return a rich text as this version gives it."""
        return adf.plain(text) if self.version == 2 else text

    def span(self, most: int = 100, size: int = 50) -> tuple[int, int]:
        """Return `startAt` and `maxResults`, bounded. Raises 400."""
        try:
            start, wanted = int(self.query.get("startAt", 0)), int(self.query.get("maxResults", size))
        except ValueError as error:
            raise refusal(400, "The paging parameters must be numbers.") from error
        return max(start, 0), min(max(wanted, 0), most)

    def cut(self, items: Sequence[ItemT], render: Callable[[ItemT], object], name: str, most: int = 100) -> Answer:
        """Answer one page under a name of its own."""
        start, size = self.span(most, most)
        shown = [render(item) for item in items[start : start + size]]
        return Answer.of({"startAt": start, "maxResults": size, "total": len(items), name: shown})

    def page(self, items: Sequence[ItemT], render: Callable[[ItemT], object], most: int = 100) -> Answer:
        """Answer one page of `values`, with whether it is the last."""
        start, size = self.span(most)
        end = start + size
        value: Json = {
            "self": f"{self.root}{self.call.path}",
            "startAt": start,
            "maxResults": size,
            "total": len(items),
            "isLast": end >= len(items),
            "values": [render(item) for item in items[start:end]],
        }
        if end < len(items):
            value["nextPage"] = f"{self.root}{self.call.path}?startAt={end}&maxResults={size}"
        return Answer.of(value)

    def applied(self, value: object, status: int = 200) -> Answer:
        """Answer with what a write has made."""
        self.call.applied()
        return Answer.of(value, status)

    def done(self, status: int = 204) -> Answer:
        """Answer a write that gives nothing back."""
        self.call.applied()
        return Answer(status)


def stamp(seconds: float) -> str:
    """Return a time as Jira writes it: milliseconds, and no colon in the offset."""
    at = datetime.fromtimestamp(seconds, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}+0000"


def entity_properties(fields: Mapping[str, Any]) -> Json:
    """Return the properties that a body sets. Raises 400 for what is none."""
    found: Json = {}
    for one in cast("list[Json]", fields.get("properties") or []):
        key = one.get("key")
        if not isinstance(key, str) or not 0 < len(key) <= 255 or "value" not in one:
            raise refusal(400, "A property needs a key and a value.")
        if len(orjson.dumps(one["value"])) > 32_768:
            raise refusal(400, "The property value cannot be longer than 32768 characters.")
        found[key] = one["value"]
    return found
