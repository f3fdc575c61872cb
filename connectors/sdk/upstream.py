"""The vendor, as a handler sees it: already signed, bound to the connection's hosts, limited, retried, recorded."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, TypedDict, TypeVar, Unpack
from urllib.parse import quote, urlencode

import orjson
from pydantic import BaseModel, TypeAdapter, ValidationError

from connectors.sdk.errors import ActionError, Issue, UpstreamInvalidResponse
from connectors.sdk.exchange import Exchange, FileContent, LoadFile, Request, Response, SaveFile
from connectors.sdk.model import Done, FileRef, StoredFile
from connectors.sdk.path import fields_of, fill

if TYPE_CHECKING:
    from connectors.sdk.connector import Connector

OutT = TypeVar("OutT")
Values = BaseModel | Mapping[str, object]


class Options(TypedDict, total=False):
    """What a request may carry besides its path. `Upstream.request` says what each means."""

    params: Mapping[str, object] | None
    json: object
    body: bytes | None
    headers: Mapping[str, str] | None
    effect: bool | None
    step: str
    origin: str | None
    max_bytes: int | None
    download: bool


class Repeated(tuple[str, ...]):
    """Values of a query parameter that is written once for each: `keys=A&keys=B`."""

    __slots__ = ()


MARKER_PREFIX = "<!-- gatehouse:"
_MARKER_BYTES = MARKER_PREFIX.encode()
_MARKER = re.compile(r"(?:\r?\n){0,2}<!-- gatehouse:[0-9a-f]{32} -->")


def strip_markers(text: str) -> str:
    """Remove what `Upstream.mark` added."""
    return _MARKER.sub("", text)


class Upstream:
    """What a handler may do: send requests, read and keep files, mark what it creates.

    `marker` is an HMAC of tenant, agent and idempotency key; `since` is the moment before the first send, for
    reconcile reads that look back. `account` is the vendor's own id of the connected account. Where
    the vendor has a header for idempotency keys, every effect carries the marker in it.
    """

    __slots__ = ("_connector", "_key_header", "account", "marker", "since")

    def __init__(
        self,
        connector: "Connector",
        *,
        marker: str = "",
        since: datetime | None = None,
        account: str = "",
        key_header: str | None = None,
    ) -> None:
        self._connector = connector
        self._key_header = key_header
        self.marker = marker
        self.since = since
        self.account = account

    async def get(self, path: str, values: Values | None = None, **options: Unpack[Options]) -> Response:
        """Send a GET. See `request` for the options."""
        return await self.request("GET", path, values, **options)

    async def post(self, path: str, values: Values | None = None, **options: Unpack[Options]) -> Response:
        """Send a POST: an effect unless `effect=False` says that it only searches."""
        return await self.request("POST", path, values, **options)

    async def put(self, path: str, values: Values | None = None, **options: Unpack[Options]) -> Response:
        """Send a PUT."""
        return await self.request("PUT", path, values, **options)

    async def patch(self, path: str, values: Values | None = None, **options: Unpack[Options]) -> Response:
        """Send a PATCH."""
        return await self.request("PATCH", path, values, **options)

    async def delete(self, path: str, values: Values | None = None, **options: Unpack[Options]) -> Response:
        """Send a DELETE."""
        return await self.request("DELETE", path, values, **options)

    async def request(
        self,
        method: str,
        path: str,
        values: Values | None = None,
        *,
        params: Mapping[str, object] | None = None,
        json: object | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        effect: bool | None = None,
        step: str = "",
        origin: str | None = None,
        max_bytes: int | None = None,
        download: bool = False,
    ) -> Response:
        """Send one request and return its successful answer.

        `path` is a template filled from `values`; params that are None are left out, lists are joined by commas
        (`Repeated` ones are not).
        `download` lets the answer be a redirect to one of the connector's `download_hosts`. Raises the error that
        the connector's table names for a status of 400 and over.
        """
        effectful = method not in {"GET", "HEAD"} if effect is None else effect
        request = Request(
            method=method,
            path=self._connector.base_path + fill(path, _values_for(path, values)),
            query=_query(params),
            headers=self._headers(headers, has_json=json is not None),
            body=orjson.dumps(json) if json is not None else body,
            effect=effectful,
            step=step,
            origin=origin,
            max_bytes=max_bytes or self._connector.max_response_bytes,
            download=download,
        )
        if effectful and self._key_header is not None:
            # Each effect of several has a key of its own: the vendor would take the second for a repeat of the first.
            request = request.with_header(self._key_header.lower(), f"{self.marker}.{step}" if step else self.marker)
        response: Response = await Exchange(request)
        if response.status >= 400:
            raise self._connector.error_of(response)
        return response

    async def load(self, file: FileRef) -> FileContent:
        """Read a file that the calling agent uploaded."""
        content: FileContent = await Exchange(LoadFile(file.file))
        return content

    async def save(self, content: bytes, media_type: str) -> StoredFile:
        """Keep bytes as a file that the calling agent can fetch for 24 h."""
        stored: StoredFile = await Exchange(SaveFile(content, media_type))
        return stored

    def mark(self, text: str) -> str:
        """Append the call's marker, which vendors' Markdown hides, so that a reconcile read can find the record."""
        return f"{text}\n\n{self.comment}" if text else self.comment

    @property
    def comment(self) -> str:
        """The marker as an HTML comment."""
        return f"{MARKER_PREFIX}{self.marker} -->"

    def read(self, kind: "type[OutT] | TypeAdapter[OutT]", response: Response) -> OutT:
        """Type an answer. Raises `UpstreamInvalidResponse` with the pointer of what did not fit."""
        return read(kind, response)

    def done(self, response: Response) -> Done:
        """Accept an answer that says no more than success. Raises `UpstreamInvalidResponse` for a web page.

        A proxy's or a login page comes with status 200 too, and must not be taken for the vendor's word.
        """
        if response.body.strip():
            response.json()
        return Done()

    def _headers(self, extra: Mapping[str, str] | None, *, has_json: bool) -> tuple[tuple[str, str], ...]:
        base = self._connector.headers
        if not extra and not has_json:
            return base
        own = {name.lower(): value for name, value in (extra or {}).items()}
        if has_json:
            own.setdefault("content-type", "application/json")
        return (*(pair for pair in base if pair[0] not in own), *own.items())


def read(kind: "type[OutT] | TypeAdapter[OutT]", response: Response) -> OutT:
    """Type an answer, without the markers that this gateway left. Raises `UpstreamInvalidResponse`."""
    try:
        if _MARKER_BYTES in response.body:
            return _adapter(kind).validate_python(_unmarked(response.json()))
        return _adapter(kind).validate_json(response.body)
    except ValidationError as error:
        raise _unreadable(response, error) from error


def _unreadable(response: Response, error: ValidationError) -> ActionError:
    issues = [
        Issue(pointer="/" + "/".join(str(part) for part in fault["loc"]), message=fault["msg"])
        for fault in error.errors(include_url=False, include_input=False)[:20]
    ]
    where = issues[0].pointer if issues else "/"
    return UpstreamInvalidResponse(
        f"The vendor answered {response.status}, and {where} is not what its API describes.",
        issues=issues,
        hint="The raw answer is in the record of the call.",
    )


def _unmarked(value: object) -> object:
    if isinstance(value, str):
        return strip_markers(value)
    if isinstance(value, dict):
        return {key: _unmarked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_unmarked(item) for item in value]
    return value


_ADAPTERS: dict[object, TypeAdapter[object]] = {}


def _adapter(kind: "type[OutT] | TypeAdapter[OutT]") -> "TypeAdapter[OutT]":
    if isinstance(kind, TypeAdapter):
        return kind
    adapter = _ADAPTERS.get(kind)
    if adapter is None:
        adapter = _ADAPTERS[kind] = TypeAdapter(kind)
    return adapter  # type: ignore[return-value]


def _values_for(template: str, values: Values | None) -> Mapping[str, object]:
    if values is None:
        return {}
    if isinstance(values, BaseModel):
        return {name: getattr(values, name) for name in fields_of(template)}
    return values


def _query(params: Mapping[str, object] | None) -> str:
    if not params:
        return ""
    pairs: list[tuple[str, str]] = []
    for name, value in params.items():
        if isinstance(value, Repeated):
            pairs += [(name, one) for one in value]
        elif value is not None:
            pairs.append((name, _text(value)))
    return urlencode(pairs, quote_via=quote, safe="")


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple | set | frozenset):
        return ",".join(_text(item) for item in value)
    return str(value)
