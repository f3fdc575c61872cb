"""`/v1/runs`: open, note, close, and the timeline."""

from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from gateway.clock import moment
from gateway.cursor import Cursors
from gateway.evidence.timeline import Timeline
from gateway.http.agent import Visit
from gateway.http.request import check_parameters, header, limit, read_object, typed
from gateway.http.response import json_response
from gateway.runs import Run, Runs


def _check_moment(text: str) -> str:
    moment(text)
    return text


Moment = Annotated[str, Field(max_length=40, json_schema_extra={"format": "date-time"}), AfterValidator(_check_moment)]


class OpenRun(BaseModel):
    """What a run is for."""

    model_config = ConfigDict(extra="forbid", strict=True)

    labels: dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=256)]] = Field(
        default_factory=dict[str, str], max_length=32
    )
    work_unit: str | None = Field(default=None, max_length=256)
    agent_version: str | None = Field(default=None, max_length=128)


class NoteEvent(BaseModel):
    """One of the agent's own links in the chain."""

    model_config = ConfigDict(extra="forbid", strict=True)

    type: Literal["user_request", "context_ref", "model_output", "final_output", "note"]
    data: dict[str, Any]
    at: Moment | None = None


class CloseRun(BaseModel):
    """How the run ended. `quantity` and `cost` are decimal strings."""

    model_config = ConfigDict(extra="forbid", strict=True)

    result: Literal["succeeded", "failed", "escalated"]
    cause: str | None = Field(default=None, max_length=2000)
    quantity: str | None = Field(default=None, pattern=r"^[0-9]{1,18}(\.[0-9]{1,9})?$")
    cost: str | None = Field(default=None, pattern=r"^[0-9]{1,18}(\.[0-9]{1,9})?$")


class RunRoutes:
    """The routes of runs."""

    def __init__(self, runs: Runs, timeline: Timeline, cursors: Cursors) -> None:
        self._runs = runs
        self._timeline = timeline
        self._cursors = cursors

    async def open(self, visit: Visit) -> web.StreamResponse:
        """Answer `POST /v1/runs`."""
        check_parameters(visit.request, ())
        wanted = typed(OpenRun, await read_object(visit.request, empty=True))
        said = header(visit.request, "Gatehouse-Actor", most=256)
        actor = visit.principal.acts_for(said)
        run = await self._runs.open(visit.principal.agent, actor, wanted.model_dump(exclude_none=True))
        return json_response(_shown(run), 201, {"Location": f"/v1/runs/{run.id}"})

    async def note(self, visit: Visit) -> web.StreamResponse:
        """Answer `POST /v1/runs/{run}/events`."""
        check_parameters(visit.request, ())
        wanted = typed(NoteEvent, await read_object(visit.request))
        run = visit.request.match_info["run"]
        event = await self._runs.note(visit.principal.agent, run, wanted.type, wanted.data, wanted.at)
        return json_response({"id": event.id, "run": run, "type": event.type, "at": event.at, "data": wanted.data}, 201)

    async def close(self, visit: Visit) -> web.StreamResponse:
        """Answer `POST /v1/runs/{run}/outcome`."""
        check_parameters(visit.request, ())
        wanted = typed(CloseRun, await read_object(visit.request))
        run = visit.request.match_info["run"]
        closed = await self._runs.close(visit.principal.agent, run, wanted.model_dump(exclude_none=True))
        return json_response(_shown(closed))

    async def timeline(self, visit: Visit) -> web.StreamResponse:
        """Answer `GET /v1/runs/{run}`."""
        request = visit.request
        check_parameters(request, ("limit", "cursor"))
        run = await self._runs.find(visit.principal.agent, request.match_info["run"])
        binding = f"run:{visit.principal.agent.id}:{run.id}"
        after, count = 0, 0
        if "cursor" in request.query:
            after, count = (int(part) for part in self._cursors.open(request.query["cursor"], binding).split(":"))
        size = limit(request)
        found = await self._timeline.for_agent(visit.principal, run.id, after=after, count=count, limit=size + 1)
        shown, more = found[:size], len(found) > size
        cursor = self._cursors.seal(f"{shown[-1].place}:{shown[-1].seq}", binding) if more else None
        return json_response(_shown(run) | {"items": [item.shown() for item in shown], "next_cursor": cursor})


def _shown(run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "agent": run.agent,
        "actor": run.actor,
        "status": "open" if run.closed_at is None else "closed",
        "outcome": run.outcome,
        "opened_at": run.opened_at,
        "closed_at": run.closed_at,
        **run.details,
    }
