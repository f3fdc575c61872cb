"""One authenticated request of an admin: who, where, which part of a list, which version."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from aiohttp import web

from connectors.sdk.errors import Issue, MalformedRequest
from gateway import body
from gateway.admin.control import By
from gateway.admin.roles import Admin
from gateway.admin.rows import Page, Place, Shown, Slice
from gateway.clock import Clock, moment, stamp
from gateway.cursor import Cursors
from gateway.http.request import bad_parameter, header, limit, root_of
from gateway.http.response import json_response, listing

_VERSION = re.compile(r'^(?:W/)?"?([0-9]{1,9})"?$')


@dataclass(frozen=True, slots=True)
class Visit:
    """A request that was let in. `place` is what its path names; parts that it does not name are empty."""

    request: web.Request
    by: By
    place: Place
    cursors: Cursors
    clock: Clock

    @property
    def admin(self) -> Admin:
        """Who asks."""
        return self.by.admin

    def path(self, name: str) -> str:
        """Return a part of the path."""
        return self.request.match_info[name]

    def root(self) -> str:
        """Return the gateway's root as this request was sent to it."""
        return root_of(self.request)

    def text(self, name: str, choices: tuple[str, ...] = ()) -> str | None:
        """Return a query parameter. Raises `InvalidInput` for none of the choices."""
        value = self.request.query.get(name)
        if value is not None and (len(value) > 200 or (choices and value not in choices)):
            raise bad_parameter(name, f"must be one of {', '.join(choices)}" if choices else "is too long")
        return value

    def time(self, name: str) -> str | None:
        """Return a query parameter that is a time, as it is stored. Raises `InvalidInput`."""
        value = self.request.query.get(name)
        if value is None:
            return None
        try:
            return stamp(moment(value))
        except (ValueError, OverflowError) as error:
            raise bad_parameter(name, "must be a time such as 2026-01-31T12:00:00Z") from error

    def window(self, days: int) -> tuple[str, str]:
        """Return `since` and `until`, by default the last days until now."""
        now = self.clock.now()
        return self.time("since") or stamp(now - timedelta(days=days)), self.time("until") or stamp(now)

    def version(self) -> int | None:
        """Return the version that `If-Match` names, None for none and for `*`. Raises `MalformedRequest`."""
        value = header(self.request, "If-Match", most=40)
        if value is None or value.strip() == "*":
            return None
        found = _VERSION.match(value.strip())
        if found is None:
            why = 'must be a version such as "3"'
            raise MalformedRequest(f"The header If-Match {why}.", issues=[Issue(why, parameter="If-Match")])
        return int(found.group(1))

    def slice(self) -> Slice:
        """Return which part of the list is asked for. Raises `InvalidInput`, `InvalidCursor`."""
        cursor = self.request.query.get("cursor")
        after = self.cursors.open(cursor, self._binding()) if cursor is not None else None
        return Slice(limit(self.request), after)

    def sealed(self, after: str | None) -> str | None:
        """Return the cursor that leads on after an item, for this query only."""
        return self.cursors.seal(after, self._binding()) if after is not None else None

    def listed(self, page: Page) -> web.Response:
        """Answer one part of a list."""
        return listing(page.items, self.sealed(page.next))

    def created(self, item: Shown, id: str | None = None) -> web.Response:
        """Answer what was made, and where it is."""
        location = f"{self.request.path}/{id or item['id']}"
        return json_response(item, 201, {"Location": location, **_etag(item)})

    def found(self, item: Shown) -> web.Response:
        """Answer one thing with its version."""
        return json_response(item, headers=_etag(item))

    def _binding(self) -> str:
        query = {name: value for name, value in self.request.query.items() if name not in {"cursor", "limit"}}
        bound: Mapping[str, Any] = {"path": self.request.path, "query": query, "token": self.admin.token}
        return body.digest("admin", self.place.tenant, self.place.environment, bound)


def _etag(item: Shown) -> dict[str, str]:
    return {"ETag": f'"{item["version"]}"'} if "version" in item else {}
