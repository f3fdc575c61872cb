"""What the blocking and the asynchronous client share: whom they speak for, and with which options. No I/O."""

import os
from collections.abc import Mapping
from typing import Any, Self

from gatehouse_client.options import Options, address_of
from gatehouse_client.runs import Opening, Outcome, Result


class Shell:
    """A gateway as one agent sees it."""

    def __init__(self, url: str | None, key: str | None) -> None:
        """Take what is named; the environment has the rest."""
        self._address = address_of(url, key, os.environ)
        self._options = Options()
        self._owned = True

    def __repr__(self) -> str:
        """Name the gateway; the key is never shown."""
        return f"<{type(self).__name__} {self._address.url}>"

    @property
    def options(self) -> Options:
        """The options of its calls."""
        return self._options

    def using(self, **options: Any) -> Self:
        """Return this client with options for its calls, over the same connections.

        They are `connection`, `actor`, `key`, `run`, `reason`, `confidence`, `timeout` and `traceparent`. A `key` is
        for one call: another call under it is refused as `idempotency_mismatch`.
        """
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__, _options=self._options.with_(**options), _owned=False)
        return made


class RunShell(Shell):
    """A run, before and after it is open at the gateway."""

    _id: str | None
    _opening: Opening
    _outcome: Outcome | None
    _closed: bool

    @property
    def id(self) -> str:
        """The run's id. Raises `RuntimeError` before it is open."""
        if self._id is None:
            raise RuntimeError("the run is not open yet: use it by `with`, or call `open`")
        return self._id

    def outcome(
        self, result: Result, cause: str | None = None, *, quantity: str | None = None, cost: str | None = None
    ) -> None:
        """Say how it ends; sent when it closes. `quantity` and `cost` are decimal strings."""
        self._outcome = Outcome(result, cause, quantity, cost)

    def _of(self, client: Shell, opening: Opening) -> Self:
        """Make this a run of a client, over the same connections."""
        self.__dict__.update(client.__dict__, _owned=False, _id=None, _opening=opening, _outcome=None, _closed=False)
        return self

    def _is(self, id: str) -> Self:
        """Let its calls name it."""
        self._id, self._options = id, self._options.with_(run=id)
        return self


def given(**filters: str | None) -> Mapping[str, str]:
    """Return the query parameters that are there."""
    return {name: value for name, value in filters.items() if value is not None}
