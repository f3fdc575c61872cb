"""The doors of one gateway: every route, over the parts that `gateway/app.py` made."""

from typing import TYPE_CHECKING

from aiohttp import web

from gateway.catalogue import ActionCatalogue
from gateway.clock import Clock
from gateway.describe import Describer
from gateway.http.actions import ActionRoutes
from gateway.http.admin.door import AdminDoor
from gateway.http.agent import AgentDoor
from gateway.http.approval_page import ApprovalPage
from gateway.http.callers import Callers
from gateway.http.calls import CallRoutes
from gateway.http.challenge import Challenges
from gateway.http.connect import ConnectPages
from gateway.http.files import FileRoutes
from gateway.http.protected_resource import ProtectedResources
from gateway.http.public import PublicRoutes
from gateway.http.runs import RunRoutes
from gateway.leave import Hurry
from gateway.limits import Policy
from gateway.mcp.door import McpDoor, refuse
from gateway.mcp.listen import Listeners
from gateway.mcp.media import Media
from gateway.mcp.methods import Methods
from gateway.mcp.origin import Origins
from gateway.mcp.own_tools import OwnTools
from gateway.mcp.questions import Questions
from gateway.mcp.sessions import Sessions
from gateway.mcp.tasks import Tasks
from gateway.mcp.tools import Tools
from gateway.own_calls import OwnCalls
from gateway.preview import Preview

if TYPE_CHECKING:
    from gateway.app import Gateway


class Doors:
    """The second page of the composition root.

    `agents` is the door that agents come in by, `listeners` are those who stay.
    """

    def __init__(self, gateway: "Gateway", clock: Clock, intake: Policy) -> None:
        self._gateway = gateway
        self._clock = clock
        self._challenges = Challenges(gateway.settings.public_url)
        self.agents = AgentDoor(
            callers=Callers(gateway.directory, gateway.federation),
            challenges=self._challenges,
            freezes=gateway.freezes,
            limiter=gateway.intake_limiter,
            allowances=gateway.allowances,
            telemetry=gateway.telemetry,
            intake=intake,
            concurrency=gateway.settings.concurrency,
        )
        self._calls = OwnCalls(
            gateway.looks,
            gateway.waiting,
            gateway.journal,
            gateway.answers,
            gateway.approvals,
            gateway.reopener,
            gateway.cursors,
        )
        self._questions = Questions(gateway.approvals, gateway.cursors, gateway.settings.public_url)
        self._tasks = Tasks(self._calls, self._questions)
        self._catalogue = ActionCatalogue(gateway.registry)
        self._describer = Describer(
            self._catalogue, gateway.registry, gateway.custom_fields, gateway.errands, gateway.allowances, clock
        )

        self.origins = Origins(gateway.settings.mcp_origins, gateway.settings.public_url)
        self._tools = Tools(self._catalogue, clock)
        self.listeners = Listeners(
            gateway.directory, self._tools, self._calls, self._tasks, gateway.settings.mcp_listeners
        )

    def routes(self) -> list[web.RouteDef]:
        """Return all routes."""
        return [*self._action_api(), *self._mcp(), *self._public(), *self._people()]

    async def leave(self, patience: float) -> None:
        """End what only listens, in good order, within so many seconds."""
        self.listeners.leave()
        await Hurry().until(lambda: not self.listeners.open, patience)

    def _action_api(self) -> list[web.RouteDef]:
        gateway, door, clock = self._gateway, self.agents, self._clock
        preview = Preview(
            gateway.pipeline,
            gateway.executor,
            gateway.road,
            gateway.allowances,
            gateway.registry,
            gateway.answers,
            clock,
        )
        actions = ActionRoutes(
            gateway.pipeline, preview, self._catalogue, self._describer, gateway.waiting, gateway.cursors, clock
        )
        calls = CallRoutes(self._calls)
        files = FileRoutes(gateway.files, gateway.settings.uploads)
        runs = RunRoutes(gateway.runs, gateway.timeline, gateway.cursors)
        return [
            web.post("/v1/actions/{action}", door.route(actions.run, records_freezes=True)),
            web.get("/v1/actions", door.route(actions.list), allow_head=False),
            web.get("/v1/actions/{action}", door.route(actions.describe), allow_head=False),
            web.post("/v1/actions/{action}/preview", door.route(actions.preview)),
            web.get("/v1/calls/{id}", door.route(calls.get), allow_head=False),
            web.post("/v1/calls/{id}/cancel", door.route(calls.cancel)),
            web.get("/v1/calls/{id}/output", door.route(calls.output), allow_head=False),
            web.post("/v1/files", door.route(files.upload)),
            web.get("/v1/files/{id}", door.route(files.download), allow_head=False),
            web.post("/v1/runs", door.route(runs.open)),
            web.get("/v1/runs/{run}", door.route(runs.timeline), allow_head=False),
            web.post("/v1/runs/{run}/events", door.route(runs.note)),
            web.post("/v1/runs/{run}/outcome", door.route(runs.close)),
        ]

    def _mcp(self) -> list[web.RouteDef]:
        gateway, clock, calls = self._gateway, self._clock, self._calls
        methods = Methods(
            pipeline=gateway.pipeline,
            freezes=gateway.freezes,
            tools=self._tools,
            own_tools=OwnTools(self._catalogue, self._describer, calls, gateway.cursors, clock),
            calls=calls,
            looks=gateway.looks,
            waiting=gateway.waiting,
            questions=self._questions,
            tasks=self._tasks,
            media=Media(gateway.files),
            trace=gateway.telemetry.trace,
            clock=clock,
        )
        door = McpDoor(methods, Sessions(gateway.cursors), self.listeners, self.origins)
        # A freeze is refused by the pipeline, where the call is recorded.
        handler = self.agents.route(door.post, records_freezes=True, refuse=refuse)
        paths = ("/mcp", "/mcp/{tenant}/{environment}")
        return [
            *(web.post(path, handler) for path in paths),
            *(web.options(path, self.origins.preflight) for path in paths),
        ]

    def _public(self) -> list[web.RouteDef]:
        gateway = self._gateway
        public = PublicRoutes(
            gateway.registry,
            gateway.database,
            lambda: gateway.draining,
            gateway.shared.answers if gateway.shared is not None else None,
            gateway.keys_state if gateway.vault is not None else None,
        )
        return [*public.routes(), *ProtectedResources(gateway.database, self._challenges).routes()]

    def _people(self) -> list[web.RouteDef]:
        """The routes of admins, approvers and whoever connects an account."""
        gateway, clock = self._gateway, self._clock
        public_url, proxies = gateway.settings.public_url, gateway.settings.proxies()
        admin = gateway.admin
        return [
            *ConnectPages(
                gateway.consents, gateway.device_rounds, gateway.links, gateway.cursors, public_url, proxies
            ).routes(),
            *AdminDoor(admin, gateway.cursors, clock, proxies).routes(),
            *ApprovalPage(
                admin.tokens, admin.decisions, gateway.approvals, gateway.cursors, clock, public_url, proxies
            ).routes(),
        ]
