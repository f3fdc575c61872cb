"""`/connect/{link}` and `/oauth/...`: where somebody authorizes a connection in their browser.

A cookie holds a random secret from the moment the browser is sent to the vendor, or gets a code to type there, until
the account is connected. The answer of the vendor is taken once and leads on at once to an address without the code.
"""

from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from urllib.parse import urlsplit

from aiohttp import web

from connectors.sdk.errors import ActionError, Internal, InvalidCursor, PolicyDenied, TryLater
from connectors.sdk.hosts import Network
from gateway.admin.authorizing import AuthorizationLinks
from gateway.admin.code_exchange import ConsentRefused
from gateway.admin.consent import Consent, Returned
from gateway.admin.consents import Consents
from gateway.admin.device_rounds import DeviceRounds
from gateway.admin.rounds import ROUND
from gateway.cursor import Cursors
from gateway.fault import log_fault
from gateway.http import approval_view, connect_view
from gateway.http.hosted import check_origin, html, read_form, see_other
from gateway.http.request import address_of, root_of

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
COOKIE = "__Host-gatehouse-oauth"
CONFIRM = "/oauth/confirm"
_LONGEST_SECRET = 200
_AFTER_TROUBLE = 10  # seconds


class ConnectPages:
    """The pages' routes. `public_url` is the gateway's root as people reach it, None for the address they used."""

    def __init__(
        self,
        consents: Consents,
        devices: DeviceRounds,
        links: AuthorizationLinks,
        cursors: Cursors,
        public_url: str | None,
        proxies: Sequence[Network] = (),
    ) -> None:
        self._consents = consents
        self._devices = devices
        self._links = links
        self._cursors = cursors
        self._public_url = public_url
        self._proxies = proxies

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/connect/{link}", _guarded(self._ask), allow_head=False),
            web.post("/connect/{link}", _guarded(self._send)),
            web.get("/oauth/callback", _guarded(self._callback), allow_head=False),
            web.get(connect_view.DEVICE, _guarded(self._device), allow_head=False),
            web.get(CONFIRM, _guarded(self._confirm), allow_head=False),
            web.post(CONFIRM, _guarded(self._decide)),
        ]

    async def _ask(self, request: web.Request) -> web.Response:
        consent = await self._consents.behind(_short(request.match_info["link"]))
        content = connect_view.ask(consent)
        return html(f"Connect {consent.connector.title}", content, form_action=_leading_to(consent))

    async def _send(self, request: web.Request) -> web.Response:
        check_origin(request, self._public_url)
        root = self._links.root(root_of(request))
        consent = await self._consents.behind(_short(request.match_info["link"]))
        if consent.session.flow == "device":
            begun = await self._devices.begin(consent, self._address(request))
            return _with_cookie(see_other(connect_view.DEVICE), begun.browser, begun.seconds)
        sent = await self._consents.send(consent, root, self._address(request))
        return _with_cookie(see_other(sent.url), sent.browser, int(2 * ROUND.total_seconds()))

    async def _callback(self, request: web.Request) -> web.Response:
        query = request.query
        returned = Returned(
            state=_short(query.get("state", "")),
            code=query.get("code"),
            error=query.get("error"),
            issuer=query.get("iss"),
        )
        await self._consents.returned(returned, self._browser(request), self._address(request))
        return see_other(CONFIRM)

    async def _device(self, request: web.Request) -> web.Response:
        try:
            waiting = await self._devices.look(self._browser(request), self._address(request))
        except TryLater as error:
            content = approval_view.notice(error.title, error.detail, "This page tries again by itself.")
            return html(error.title, content, error.status, refresh=_AFTER_TROUBLE)
        if waiting is None:
            return see_other(CONFIRM)
        title = f"Connect {waiting.consent.connector.title}"
        return html(title, connect_view.typing(waiting), refresh=waiting.again)

    async def _confirm(self, request: web.Request) -> web.Response:
        browser = self._browser(request)
        consent = await self._consents.waiting(browser)
        if connect_view.is_done(consent):
            return html("Connected", connect_view.done(consent))
        csrf = self._cursors.seal("", _binding(browser, consent))
        return html("Is this the account?", connect_view.confirm(consent, csrf))

    async def _decide(self, request: web.Request) -> web.Response:
        form = await read_form(request, self._public_url)
        browser = self._browser(request)
        consent = await self._consents.waiting(browser)
        try:
            self._cursors.open(form.get("csrf", ""), _binding(browser, consent))
        except InvalidCursor as error:
            raise PolicyDenied("This form was not made for this browser.", hint="Load the page again.") from error
        if form.get("decision") == "connect":
            await self._consents.accept(browser, self._address(request))
            return see_other(CONFIRM)
        await self._consents.decline(browser, self._address(request))
        return html("Nothing was connected", connect_view.declined())

    def _browser(self, request: web.Request) -> str | None:
        value = request.cookies.get(COOKIE)
        return value if value and len(value) <= _LONGEST_SECRET else None

    def _address(self, request: web.Request) -> str:
        return address_of(request, self._proxies)


def _guarded(handler: Handler) -> Handler:
    """Wrap a handler: what is refused is said on a page."""

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except (ConsentRefused, ActionError) as error:
            return html(error.title, approval_view.notice(error.title, error.detail, error.hint), error.status)
        except Exception as error:
            log_fault(error, "")
            return html(Internal.title, approval_view.notice(Internal.title, "It was logged.", None), 500)

    return handle


def _with_cookie(answer: web.Response, browser: str, seconds: int) -> web.Response:
    # Secure also over plain http: browsers take loopback, the only place where that is served, for trustworthy.
    answer.set_cookie(COOKIE, browser, max_age=seconds, path="/", secure=True, httponly=True, samesite="Lax")
    return answer


def _leading_to(consent: Consent) -> str:
    """Return where the form may lead. Browsers hold every redirect that follows it against this list.

    Vendors send people on to hosts of their own and to their company's log-in, so any https address is let through;
    plain http only for the vendor of a sandbox.
    """
    if consent.session.flow == "device":
        return "'self'"
    url = urlsplit(
        consent.method.authorize_url.replace("{origin}", consent.connector.web_origin(consent.connection.base_url))
    )
    return f"'self' https: {url.scheme}://{url.netloc}" if url.scheme == "http" else "'self' https:"


def _binding(browser: str | None, consent: Consent) -> str:
    digest = sha256((browser or "").encode()).hexdigest()
    return f"oauth confirm form {digest} {consent.session.mark()}"


def _short(secret: str) -> str:
    return secret if len(secret) <= _LONGEST_SECRET else ""
