"""`/v1/actions`: what an agent may call, and calling it."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from gateway.call import Answer, Asked, Options
from gateway.catalogue import ActionCatalogue, full, summary, tool
from gateway.clock import Clock
from gateway.cursor import Cursors
from gateway.describe import Describer
from gateway.http.agent import Visit
from gateway.http.request import bad_parameter, check_parameters, header, limit, read_body
from gateway.http.response import json_response, listing, problem_body
from gateway.invoke import Pipeline
from gateway.options import LONGEST, MOST_WAIT_SECONDS, check_key, check_number
from gateway.output import inline
from gateway.preview import Preview
from gateway.waiting import Waiting

_EFFECTS = ("read", "create", "update", "delete", "send", "pay", "provision")
_LONGEST_SEARCH = 200
_LONGEST_KIND = 255
_FORMATS = ("gatehouse", "openai", "anthropic", "mcp")


class ActionRoutes:
    """The routes of the action API."""

    def __init__(
        self,
        pipeline: Pipeline,
        preview: Preview,
        catalogue: ActionCatalogue,
        describer: Describer,
        waiting: Waiting,
        cursors: Cursors,
        clock: Clock,
    ) -> None:
        self._pipeline = pipeline
        self._preview = preview
        self._catalogue = catalogue
        self._describer = describer
        self._waiting = waiting
        self._cursors = cursors
        self._clock = clock

    async def list(self, visit: Visit) -> web.StreamResponse:
        """Answer `GET /v1/actions`."""
        request = visit.request
        check_parameters(request, ("connector", "effect", "connection", "q", "fields", "format", "limit", "cursor"))
        query = request.query
        form, fields = query.get("format", "gatehouse"), query.get("fields", "summary")
        if form not in _FORMATS:
            raise bad_parameter("format", f"must be one of {', '.join(_FORMATS)}")
        if fields not in {"summary", "full"}:
            raise bad_parameter("fields", "must be summary or full")
        if "effect" in query and query["effect"] not in _EFFECTS:
            raise bad_parameter("effect", f"must be one of {', '.join(_EFFECTS)}")
        if len(query.get("q", "")) > _LONGEST_SEARCH:
            raise bad_parameter("q", f"must have at most {_LONGEST_SEARCH} characters")
        found = self._catalogue.callable(
            visit.principal,
            self._clock.now(),
            connector=query.get("connector"),
            effect=query.get("effect"),
            connection=query.get("connection"),
            q=query.get("q"),
        )
        binding = "actions:" + visit.principal.agent.id + str(sorted((k, v) for k, v in query.items() if k != "cursor"))
        start = int(self._cursors.open(query["cursor"], binding)) if "cursor" in query else 0
        end = start + limit(request)
        shown: list[dict[str, Any]] = [
            tool(action, form) if form != "gatehouse" else (full if fields == "full" else summary)(action, connections)
            for action, connections in found[start:end]
        ]
        return listing(shown, self._cursors.seal(str(end), binding) if end < len(found) else None)

    async def describe(self, visit: Visit) -> web.StreamResponse:
        """Answer `GET /v1/actions/{action}`."""
        check_parameters(visit.request, ("connection", "kind"))
        query = visit.request.query
        if len(query.get("kind", "")) > _LONGEST_KIND:
            raise bad_parameter("kind", f"must have at most {_LONGEST_KIND} characters")
        name = visit.request.match_info["action"]
        return json_response(
            await self._describer.of(visit.principal, name, query.get("connection"), query.get("kind"))
        )

    async def run(self, visit: Visit) -> web.StreamResponse:
        """Answer `POST /v1/actions/{action}`."""
        asked = await self._asked(visit, preview=False)
        answer = await self._pipeline.invoke(asked)
        answer = await self._waiting.wait(visit.principal, answer, asked.options.wait)
        return respond(answer, visit.lacking(answer.body))

    async def preview(self, visit: Visit) -> web.StreamResponse:
        """Answer `POST /v1/actions/{action}/preview`."""
        return json_response(await self._preview.of(await self._asked(visit, preview=True)))

    async def _asked(self, visit: Visit, *, preview: bool) -> Asked:
        check_parameters(visit.request, ())
        options = read_options(visit.request)
        raw = await read_body(visit.request)
        # What callers invent is recorded too, and a ledger keeps no NUL in a text.
        action = visit.request.match_info["action"].replace("\x00", "\ufffd")
        return Asked(visit.principal, action, raw, options, visit.address, visit.trace, preview)


def respond(answer: Answer, more: Mapping[str, str] | None = None) -> web.Response:
    """Write an answer of the pipeline, with more headers where there are any."""
    headers = {**({"Gatehouse-Call": answer.call} if answer.call else {}), **(more or {})}
    if answer.replayed:
        headers["Idempotency-Replayed"] = "true"
    if answer.location:
        headers["Location"] = answer.location
    if answer.status >= 400:
        return problem_body(answer.body, answer.status, answer.body.get("retry_after_ms"), headers)
    return json_response(inline(answer.body), answer.status, headers)


def read_options(request: web.BaseRequest) -> Options:
    """Read the headers of a run call. Raises `MalformedRequest`."""
    respond_async, wait = _prefer(header(request, "Prefer"))
    return Options(
        key=read_key(header(request, "Idempotency-Key", most=600)),
        run=header(request, "Gatehouse-Run", most=LONGEST["run"]),
        connection=header(request, "Gatehouse-Connection", most=LONGEST["connection"]),
        actor=header(request, "Gatehouse-Actor", most=LONGEST["actor"]),
        confidence=_number(request, "Gatehouse-Confidence", 0, 1),
        reason=header(request, "Gatehouse-Reason", most=LONGEST["reason"]),
        timeout=_number(request, "Gatehouse-Timeout", 0.001, 600),
        respond_async=respond_async,
        wait=wait,
    )


def _prefer(value: str | None) -> tuple[bool, float | None]:
    """Read `Prefer: respond-async, wait=N` (RFC 7240); preferences that are not known are ignored."""
    respond_async, wait = False, None
    for part in (value or "").split(","):
        name, _, given = part.strip().partition("=")
        if name.strip().lower() == "respond-async":
            respond_async = True
        elif name.strip().lower() == "wait" and given.strip().isdigit():
            wait = min(float(given.strip()[:9]), MOST_WAIT_SECONDS)
    return respond_async, wait


def read_key(text: str | None) -> str | None:
    """Return the key of an `Idempotency-Key` header, quoted or bare. Raises `MalformedRequest`."""
    if text is None:
        return None
    text = text.strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = text[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return check_key("Idempotency-Key", text)


def _number(request: web.BaseRequest, name: str, least: float, most: float) -> float | None:
    text = header(request, name, most=32)
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    return check_number(name, number, least, most)
