"""`/approvals/{id}`: the page on which a person decides. Server-rendered, without scripts.

A session is a sealed cookie with the id of an admin token and a time; the token itself is checked at each request, so
revoking it ends the session. Forms carry a token of their own, sealed for this session and this approval.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from aiohttp import web

from connectors.sdk.errors import (
    ActionError,
    Internal,
    InvalidCursor,
    PolicyDenied,
    Refused,
)
from connectors.sdk.hosts import Network
from gateway.admin.control import By
from gateway.admin.decisions import Decision, Decisions
from gateway.admin.roles import Admin, Right
from gateway.admin.rows import Place
from gateway.admin.tokens import AdminTokens
from gateway.approvals import Approval, Approvals
from gateway.clock import Clock
from gateway.cursor import Cursors
from gateway.fault import log_fault
from gateway.http import approval_view as view
from gateway.http.hosted import html, read_form, see_other
from gateway.http.request import address_of, typed

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_LIFETIME = timedelta(minutes=30)
_SESSION = "approval page session"


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who signed in. `seal` is the cookie as it was sent."""

    admin: Admin
    seal: str


class SignInNeeded(Exception):
    """There is no session, or it ended."""


class ApprovalPage:
    """The page's routes. `public_url` is the gateway's root as people reach it, None for the address they used."""

    def __init__(
        self,
        tokens: AdminTokens,
        decisions: Decisions,
        approvals: Approvals,
        cursors: Cursors,
        clock: Clock,
        public_url: str | None,
        proxies: Sequence[Network] = (),
    ) -> None:
        self._tokens = tokens
        self._decisions = decisions
        self._approvals = approvals
        self._cursors = cursors
        self._clock = clock
        self._public_url = public_url
        self._proxies = proxies

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/approvals/{id}", self._guarded(self._show), allow_head=False),
            web.post("/approvals/{id}/login", self._guarded(self._login)),
            web.post("/approvals/{id}/decide", self._guarded(self._decide)),
            web.post("/approvals/{id}/logout", self._guarded(self._logout)),
        ]

    def _guarded(self, handler: Handler) -> Handler:
        """Wrap a handler: who must sign in gets the form, who may not gets a page that says so."""

        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request)
            except SignInNeeded:
                return self._html("Sign in", view.login(request.match_info["id"], None), 200)
            except ActionError as error:
                return self._html(error.title, view.notice(error.title, error.detail, error.hint), error.status)
            except Exception as error:
                log_fault(error, "")
                return self._html(Internal.title, view.notice(Internal.title, "It was logged.", None), 500)

        return handle

    async def _show(self, request: web.Request) -> web.Response:
        session = await self._session(request)
        approval = await self._visible(session, request)
        return self._question(session, approval)

    async def _login(self, request: web.Request) -> web.Response:
        form = await self._form(request)
        try:
            admin = await self._tokens.authenticate(form.get("token", "").strip())
        except Refused as error:
            return self._html("Sign in", view.login(request.match_info["id"], error.detail), 401)
        until = int((self._clock.now() + _LIFETIME).timestamp())
        answer = self._see_other(request)
        secure = self._secure(request)
        answer.set_cookie(
            _cookie_name(secure=secure),
            self._cursors.seal(f"{admin.token} {until}", _SESSION),
            max_age=int(_LIFETIME.total_seconds()),
            path="/",
            secure=secure,
            httponly=True,
            samesite="Strict",
        )
        return answer

    async def _logout(self, request: web.Request) -> web.Response:
        form = await self._form(request)
        session = await self._session(request)
        self._check_csrf(session, request, form)
        answer = self._see_other(request)
        secure = self._secure(request)
        answer.del_cookie(_cookie_name(secure=secure), path="/", secure=secure, httponly=True, samesite="Strict")
        return answer

    async def _decide(self, request: web.Request) -> web.Response:
        form = await self._form(request)
        session = await self._session(request)
        approval = await self._visible(session, request)
        self._check_csrf(session, request, form)
        decision = typed(
            Decision, {"decision": form.get("decision"), "comment": form.get("comment", "").strip() or None}
        )
        by = By(session.admin, address_of(request, self._proxies))
        try:
            await self._decisions.decide(Place(approval.tenant, approval.environment), by, approval.id, decision)
        except ActionError as error:
            now = await self._approvals.find(approval.id)
            return self._question(session, now, problem=error.detail, status=error.status)
        return self._see_other(request)

    def _question(
        self, session: Session, approval: Approval, *, problem: str | None = None, status: int = 200
    ) -> web.Response:
        csrf = self._cursors.seal("", _csrf_binding(session, approval.id))
        lapsed = self._decisions.lapsed(approval)
        content = view.question(approval, who=session.admin.name, csrf=csrf, lapsed=lapsed, problem=problem)
        return self._html(f"Approve {approval.action}?", content, status)

    async def _visible(self, session: Session, request: web.Request) -> Approval:
        """Return the approval, for who may decide it. Raises `NotFound` for another tenant's, `ScopeDenied`."""
        approval = await self._approvals.find(request.match_info["id"])
        session.admin.check(Right.DECIDE, approval.tenant, approval.environment)
        return approval

    async def _session(self, request: web.Request) -> Session:
        """Return who signed in, with the token as it is now. Raises `SignInNeeded`."""
        seal = request.cookies.get(_cookie_name(secure=self._secure(request)), "")
        try:
            token, _, until = self._cursors.open(seal, _SESSION).partition(" ")
            if int(until) <= self._clock.now().timestamp():
                raise SignInNeeded
            return Session(await self._tokens.admin(token), seal)
        except (InvalidCursor, ValueError, Refused) as error:
            raise SignInNeeded from error

    def _check_csrf(self, session: Session, request: web.Request, form: dict[str, str]) -> None:
        try:
            self._cursors.open(form.get("csrf", ""), _csrf_binding(session, request.match_info["id"]))
        except InvalidCursor as error:
            raise PolicyDenied("This form was not made for this session.", hint="Load the page again.") from error

    async def _form(self, request: web.Request) -> dict[str, str]:
        """Return a form that this page sent. Raises `PolicyDenied` for another site's."""
        return await read_form(request, self._public_url)

    def _secure(self, request: web.Request) -> bool:
        return self._public_url.startswith("https://") if self._public_url else request.secure

    def _see_other(self, request: web.Request) -> web.Response:
        return see_other(request.path.rpartition("/")[0])

    @staticmethod
    def _html(title: str, content: str, status: int) -> web.Response:
        return html(title, content, status)


def _cookie_name(*, secure: bool) -> str:
    return "__Host-gatehouse" if secure else "gatehouse_session"


def _csrf_binding(session: Session, approval: str) -> str:
    return f"approval page form {sha256(session.seal.encode()).hexdigest()} {approval}"
