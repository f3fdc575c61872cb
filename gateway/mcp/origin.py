"""Who may speak MCP from a browser: pages of this gateway's own root and of configured origins, nobody's else.

Without this a page of anybody's could have its name resolve to the gateway's private address and speak to it from
inside ("DNS rebinding"). Source: the specification, "Streamable HTTP", "Security Warning".
"""

from collections.abc import Sequence
from urllib.parse import SplitResult, urlsplit

from aiohttp import web

from connectors.sdk.errors import PolicyDenied
from connectors.sdk.hosts import is_loopback

_PATH = "/mcp"
_HEADERS = (
    "Authorization, Content-Type, Mcp-Method, Mcp-Name, MCP-Protocol-Version, Mcp-Session-Id, traceparent, tracestate"
)


class Origins:
    """Checks `Origin` and `Host`. `public_url` is the gateway's root as people reach it."""

    def __init__(self, allowed: Sequence[str], public_url: str | None) -> None:
        self._allowed = {_origin(one) for one in (*allowed, *([public_url] if public_url else []))}
        self._hosts = {urlsplit(public_url).netloc.lower()} if public_url else set[str]()

    def knows(self, request: web.BaseRequest) -> bool:
        """Whether a request comes from a page of an allowed origin."""
        return _origin(request.headers.get("Origin", "")) in self._allowed

    async def preflight(self, request: web.Request) -> web.Response:
        """Answer `OPTIONS`, by which a browser asks whether a page may ask. Raises `PolicyDenied`."""
        self.check(request)
        return web.Response(status=204)

    async def sign(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        """Let pages of allowed origins read an answer (Fetch standard, "CORS protocol")."""
        if request.path.startswith(_PATH) and self.knows(request):
            response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
            response.headers["Vary"] = "Origin"
            response.headers["Access-Control-Expose-Headers"] = "Mcp-Session-Id, WWW-Authenticate, Retry-After"
            if request.method == "OPTIONS":
                response.headers["Access-Control-Allow-Methods"] = "POST"
                response.headers["Access-Control-Allow-Headers"] = _HEADERS
                response.headers["Access-Control-Max-Age"] = "600"

    def check(self, request: web.BaseRequest) -> None:
        """Raise `PolicyDenied` for a page of a foreign site, and for a foreign name of a local gateway."""
        here = is_loopback(_bare(request.host))
        origin = request.headers.get("Origin")
        if origin is not None and _origin(origin) not in self._allowed:
            own = here and is_loopback(_parts(origin).hostname or "")
            if not own:
                raise PolicyDenied(
                    "This page may not speak to the gateway.",
                    hint="An operator adds its origin: GATEHOUSE_MCP_ORIGINS.",
                )
        if not here and is_loopback(_listening(request)) and request.host.lower() not in self._hosts:
            raise PolicyDenied(
                "The gateway is not known by this name.", hint="An operator sets its root: GATEHOUSE_PUBLIC_URL."
            )


def _listening(request: web.BaseRequest) -> str:
    """Return the address that the request came in at."""
    name = request.transport.get_extra_info("sockname") if request.transport is not None else None
    return str(name[0]) if name else ""


def _origin(url: str) -> str:
    parts = _parts(url.strip().lower())
    return f"{parts.scheme}://{parts.netloc}"


def _bare(host: str) -> str:
    return _parts(f"//{host}").hostname or ""


def _parts(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:  # brackets that do not close
        return urlsplit("")
