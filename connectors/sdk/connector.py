"""A connector: what is true of a vendor as a whole, and the actions declared on it."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar, cast
from urllib.parse import urlsplit

import orjson

from connectors.sdk import errors
from connectors.sdk.action import Action, DeclarationError, Handler, check_facts, declare
from connectors.sdk.auth import Account, AuthMethod, MissingScopes, missing_by_equality
from connectors.sdk.exchange import Response
from connectors.sdk.facts import Resource, Undo
from connectors.sdk.hands import held_by
from connectors.sdk.hosts import HostPattern
from connectors.sdk.path import fields_of
from connectors.sdk.quota import Quota, Throttled
from connectors.sdk.upstream import Upstream

HandlerT = TypeVar("HandlerT", bound=Handler)
_ID = re.compile(r"^[a-z][a-z0-9_]{1,31}$")

DEFAULT_ERRORS: Mapping[int, type[errors.ActionError]] = {
    400: errors.UpstreamRejected,
    401: errors.ConnectionUnhealthy,
    402: errors.UpstreamRejected,
    403: errors.UpstreamForbidden,
    404: errors.UpstreamNotFound,
    405: errors.UpstreamConflict,
    409: errors.UpstreamConflict,
    410: errors.UpstreamNotFound,
    412: errors.UpstreamConflict,
    413: errors.UpstreamRejected,
    415: errors.UpstreamRejected,
    422: errors.UpstreamRejected,
    429: errors.UpstreamQuota,
}


class ReadsAccount(Protocol):
    """Says whose credential this is. Sends reads only. A function of the connector's own package."""

    __module__: str

    async def __call__(self, api: Upstream, method: str) -> Account:
        """Return the account behind the connection's credential."""
        ...


def origin_of(base_url: str) -> str:
    """Return the scheme, host and port of a base URL: where most vendors have their pages too."""
    parts = urlsplit(base_url)
    return f"{parts.scheme}://{parts.netloc}"


class Connector:
    """One vendor. Actions join it through `@connector.action(...)`.

    `scopes` is the catalogue: every scope with one plain sentence. `hosts` are the patterns that a connection's
    own host must match on the vendor's cloud; a self-hosted edition's `base_url` names its own. `errors` overrides
    the table of statuses. `problem` reads the vendor's error body, `quota` its limit headers, `throttled` tells a
    refusal for limits (nothing was changed) from any other. `account` names the account behind a credential.
    `web_origin` gives, for a connection's base URL, the origin where people log in (`{origin}` in OAuth URLs).
    """

    def __init__(
        self,
        *,
        id: str,
        title: str,
        version: str,
        base_url: str,
        hosts: Sequence[str],
        auth: Sequence[AuthMethod],
        scopes: Mapping[str, str],
        account: ReadsAccount,
        base_path: str = "",
        download_hosts: Sequence[str] = (),
        upload_hosts: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
        errors: Mapping[int, type[errors.ActionError]] | None = None,
        problem: Callable[[Response], errors.UpstreamProblem] | None = None,
        quota: Callable[[Response], Sequence[Quota]] | None = None,
        throttled: Callable[[Response, float], Throttled | None] | None = None,
        missing_scopes: MissingScopes = missing_by_equality,
        web_origin: Callable[[str], str] = origin_of,
        max_response_bytes: int = 10 * 1024 * 1024,
    ) -> None:
        if not _ID.match(id):
            raise DeclarationError(f"connector {id!r}: its id must be lower-case letters, digits and `_`")
        self.id = id
        self.title = title
        self.version = version
        self.base_url = base_url
        self.base_path = base_path
        self.hosts = tuple(HostPattern(host) for host in hosts)
        self.download_hosts = tuple(HostPattern(host) for host in download_hosts)
        self.upload_hosts = tuple(HostPattern(host) for host in upload_hosts)
        self.auth: Mapping[str, AuthMethod] = {method.id: method for method in auth}
        self.scopes = dict(scopes)
        self.account = account
        own = {name.lower(): value for name, value in (headers or {}).items()}
        self.headers = tuple({"user-agent": "gatehouse", "accept-encoding": "gzip, deflate", **own}.items())
        self.missing_scopes = missing_scopes
        self.web_origin = web_origin
        self.max_response_bytes = max_response_bytes
        self.actions: dict[str, Action] = {}
        self._errors = {**DEFAULT_ERRORS, **(errors or {})}
        self._problem = problem or _no_details
        self._quota = quota
        self._throttled = throttled or _too_many

    @property
    def package(self) -> str:
        """The package that holds the connector: its simulator and cases are beside it."""
        return self.account.__module__.rpartition(".")[0]

    @property
    def error_table(self) -> Mapping[int, type[errors.ActionError]]:
        """The table of statuses: the connector's own entries over those of all."""
        return self._errors

    def action(self, name: str, **facts: Any) -> Callable[[HandlerT], HandlerT]:
        """Declare a handler as the action `<connector>.<name>`. `action.declare` lists the facts.

        The function is returned unchanged, so a test can call it. Raises `DeclarationError`.
        """

        def register(handler: HandlerT) -> HandlerT:
            check_facts(f"action {self.id}.{name}", facts)
            action = declare(self.id, name, handler, **facts)
            self._check(action)
            self.actions[action.name] = action
            return handler

        return register

    def check_references(self) -> None:
        """Refuse actions whose `undo` names no action. Called by the loader, when all modules are in."""
        for action in self.actions.values():
            undo = action.reversibility
            if isinstance(undo, Undo) and undo.action not in self.actions:
                raise DeclarationError(f"action {action.name}: its undo {undo.action!r} is no action of {self.id}")

    def check_modules(self) -> None:
        """Refuse handlers whose modules have a way out of their own. Called by the loader.

        It sees what the modules hold; the contract suite reads their source too.
        """
        for module, handler in {action.handler.__module__: action.handler for action in self.actions.values()}.items():
            own = held_by(handler)
            if own:
                raise DeclarationError(
                    f"connector {self.id}: {module} imports {', '.join(own)}; a handler awaits its `Upstream` and "
                    "nothing else: the gateway signs, sends and records"
                )

    def error_of(self, response: Response) -> errors.ActionError:
        """Return the error for an unsuccessful answer, with what the vendor said."""
        kind = self._errors.get(response.status, errors.UpstreamRejected)
        if response.status >= 500:
            kind = self._errors.get(response.status, errors.UpstreamUnavailable)
        problem = self._problem(response)
        said = f": {problem.message}" if problem.message else ""
        return kind(f"{self.title} answered {response.status}{said}", upstream=problem)

    def quota_of(self, response: Response) -> Sequence[Quota]:
        """Return the vendor's budgets as this answer states them."""
        return self._quota(response) if self._quota else ()

    def throttled_by(self, response: Response, now: float) -> Throttled | None:
        """Say whether the vendor refused for its limits, before processing. `now` is Unix seconds."""
        return self._throttled(response, now)

    def _check(self, action: Action) -> None:
        where = f"action {action.name}"
        if action.name in self.actions:
            raise DeclarationError(f"{where}: declared twice")
        foreign = sorted(scope for scope in action.scopes if not scope.startswith(f"{self.id}:"))
        if foreign:
            raise DeclarationError(f"{where}: {', '.join(foreign)} is another connector's scope")
        unknown = sorted(action.scopes - self.scopes.keys())
        if unknown:
            raise DeclarationError(f"{where}: describe {', '.join(unknown)} in the connector's `scopes`")
        if isinstance(action.resource, Resource):
            missing = [n for n in fields_of(action.resource.template) if n not in action.input.model_fields]
            if missing:
                raise DeclarationError(f"{where}: its resource needs the input field {', '.join(missing)}")


def _no_details(response: Response) -> errors.UpstreamProblem:
    message: str | None = None
    try:
        parsed = orjson.loads(response.body)
        if isinstance(parsed, dict):
            found = cast("dict[str, object]", parsed).get("message")
            message = str(found)[:500] if found else None
    except orjson.JSONDecodeError:
        pass
    return errors.UpstreamProblem(response.status, message=message)


def _too_many(response: Response, now: float) -> Throttled | None:
    del now
    if response.status != 429:
        return None
    wait = response.headers.get("retry-after", "")
    return Throttled(float(wait) if wait.isdigit() else 60.0, "too many requests")
