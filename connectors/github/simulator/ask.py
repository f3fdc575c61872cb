"""One authenticated request to GitHub, as the resources' handlers see it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlencode

import orjson

from connectors.github.simulator.access import Access, Caller
from connectors.github.simulator.refusals import invalid, malformed, moved, not_found
from connectors.github.simulator.world import Issue, Owner, Repository, World
from connectors.sdk.simulator import Answer, Call

ItemT = TypeVar("ItemT")
MAX_PAGE = 100


@dataclass(frozen=True, slots=True)
class Site:
    """The roots that links start with: of the API, and of the pages."""

    api: str
    web: str


@dataclass(frozen=True, slots=True)
class Ask:
    """The request, who makes it, and what there is."""

    call: Call
    world: World
    caller: Caller
    access: Access
    site: Site
    now: float

    @property
    def query(self) -> Mapping[str, str]:
        """The query's parameters."""
        return self.call.query

    @property
    def user(self) -> Owner:
        """The owner that acts: the user, or the app's bot."""
        return self.world.owners[self.caller.login]

    def value(self, name: str) -> str:
        """Return a value of the path."""
        return self.call.values[name]

    def number(self, name: str) -> int:
        """Return a number of the path; anything else is not found."""
        text = self.call.values[name]
        if not text.isdigit():
            raise not_found()
        return int(text)

    def fields(self) -> dict[str, Any]:
        """Return the body's members. Raises 400 where it cannot be read."""
        try:
            return self.call.fields()
        except orjson.JSONDecodeError as error:
            raise malformed() from error
        except ValueError as error:
            raise malformed("Body should be a JSON object") from error

    def repository(self) -> Repository:
        """Return the repository of the path, also under an old name (301). Raises 404 where it is hidden."""
        full_name = f"{self.value('owner')}/{self.value('repo').removesuffix('.git')}".lower()
        found = self.world.repositories.get(full_name)
        if found is None:
            self._redirect(full_name)
            raise not_found()
        if not self.caller.sees(self.world, found):
            raise not_found()
        return found

    def _redirect(self, full_name: str) -> None:
        repository = self.world.by_id.get(self.world.moved.get(full_name, 0))
        if repository is not None and self.caller.sees(self.world, repository):
            below = self.call.path.split("/repos/", 1)[1].split("/", 2)[2:]
            raise moved("/".join([f"{self.site.api}/repositories/{repository.id}", *below]))

    def issue(self, repository: Repository) -> Issue:
        """Return the issue of the path."""
        found = repository.issues.get(self.number("issue_number"))
        if found is None:
            raise not_found()
        return found

    def visible(self) -> list[Repository]:
        """Return all repositories that the caller sees and belongs to."""
        return [found for found in self.world.by_id.values() if self.caller.sees(self.world, found)]

    def page(self, items: Sequence[ItemT], render: Callable[[ItemT], object]) -> Answer:
        """Answer one page as an array, with links to the others."""
        shown, links = self.cut(items)
        return Answer.of([render(item) for item in shown], headers=links)

    def cut(self, items: Sequence[ItemT]) -> tuple[Sequence[ItemT], dict[str, str]]:
        """Return the page that the query asks for, and the `Link` header if there is more than one."""
        size = min(max(_number(self.query.get("per_page"), 30), 1), MAX_PAGE)
        page = max(_number(self.query.get("page"), 1), 1)
        last = max(1, -(-len(items) // size))
        links = [
            f'<{self._page_url(number)}>; rel="{rel}"'
            for rel, number, there in (
                ("prev", page - 1, page > 1),
                ("next", page + 1, page < last),
                ("last", last, page < last),
                ("first", 1, page > 1),
            )
            if there
        ]
        return items[(page - 1) * size : page * size], ({"link": ", ".join(links)} if links else {})

    def _page_url(self, number: int) -> str:
        path = self.call.path.removeprefix("/api/v3")
        return f"{self.site.api}{path}?{urlencode({**self.query, 'page': number})}"

    def applied(self, value: object, status: int = 200) -> Answer:
        """Answer with what a write has made."""
        self.call.applied()
        return Answer.of(value, status)

    def done(self, status: int = 204) -> Answer:
        """Answer a write that gives nothing back."""
        self.call.applied()
        return Answer(status)


def text_of(fields: Mapping[str, Any], name: str, resource: str, *, required: bool = False) -> str | None:
    """Return a text member. Raises 422 where it is of another type, or missing and required."""
    value = fields.get(name)
    if value is None:
        if required:
            raise invalid(resource, name, "missing_field")
        return None
    if not isinstance(value, str):
        raise invalid(resource, name, "invalid", f"{name} is not a string")
    return value


def needed(fields: Mapping[str, Any], name: str, resource: str) -> str:
    """Return a text member that must be there and not blank."""
    value = text_of(fields, name, resource, required=True)
    if value is None or not value.strip():
        raise invalid(resource, name, "missing_field")
    return value


def time_of(text: str, resource: str, field: str) -> float:
    """Read an ISO 8601 time as Unix seconds."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError as error:
        raise invalid(resource, field, "invalid") from error


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.isdigit() else otherwise
