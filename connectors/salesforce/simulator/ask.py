"""One authenticated request to Salesforce, as the resources' handlers see it."""

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, cast

import orjson

from connectors.salesforce.simulator.refusals import Fault, malformed
from connectors.salesforce.simulator.world import Row, World, stamp
from connectors.sdk.simulator import Answer, Call


@dataclass(frozen=True, slots=True)
class Ask:
    """The request, who makes it, and what there is. `base` is the path of the API with its version."""

    call: Call
    world: World
    user: str
    now: float
    base: str
    index_lag: float = 0.0

    @property
    def query(self) -> Mapping[str, str]:
        """The query's parameters."""
        return self.call.query

    @property
    def values(self) -> Mapping[str, str]:
        """What the route caught."""
        return self.call.values

    def body(self) -> dict[str, Any]:
        """Return the body's members. Raises 400 where it cannot be read."""
        try:
            return self.call.fields()
        except (orjson.JSONDecodeError, ValueError) as error:
            raise malformed(f"Unexpected character in JSON: {error}") from error

    def flag(self, name: str) -> bool:
        """Return a boolean of the query; false where it is missing."""
        return self.query.get(name, "false").lower() == "true"

    def applied(self, value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
        """Answer with what a write has made."""
        self.call.applied()
        return Answer.of(value, status, headers or {})

    def done(self) -> Answer:
        """Answer a write that gives nothing back."""
        self.call.applied()
        return Answer(204)

    def check_unmodified(self, row: Row) -> None:
        """Refuse where a record was changed after `If-Unmodified-Since`, to the second. Raises 412 and 400."""
        given = self.call.headers.get("if-unmodified-since")
        if given is None:
            return
        try:
            since = parsedate_to_datetime(given).timestamp()
        except ValueError as error:
            raise Fault("INVALID_HEADER", f"If-Unmodified-Since: {given}") from error
        if str(row.values["LastModifiedDate"]) > stamp(since):
            raise Fault("PRECONDITION_FAILED", "The record has been modified since the given date", status=412)


def dicts(value: object) -> list[dict[str, Any]]:
    """Return a list of objects. Raises 400 for anything else."""
    found = cast("list[object]", value) if isinstance(value, list) else [None]
    if not all(isinstance(one, dict) for one in found):
        raise malformed("Cannot deserialize instance of an array of objects")
    return cast("list[dict[str, Any]]", found)
