"""What a refused caller is told of how to be let in: `WWW-Authenticate`, and where the rest is written.

Sources: RFC 6750, section 3; RFC 9728, sections 3 and 5.1; the MCP specification, "Authorization".
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from aiohttp import web

from gateway.authorize import NEEDED
from gateway.call import Principal
from gateway.http.request import root_of
from gateway.http.response import CHALLENGE

WELL_KNOWN = "/.well-known/oauth-protected-resource"
_PLAIN = re.compile(r"[A-Za-z0-9._~:/%\[\]-]+")


class Challenges:
    """Writes challenges. `public_url` is the gateway's root as callers reach it."""

    def __init__(self, public_url: str | None) -> None:
        self._public_url = public_url

    def root(self, request: web.BaseRequest) -> str:
        """Return the gateway's root, without a slash at its end."""
        return (self._public_url or root_of(request)).rstrip("/")

    def unauthenticated(self, request: web.BaseRequest) -> dict[str, str]:
        """Return the header for one who is not known. An error is named only where a credential was shown."""
        error = ['error="invalid_token"'] if "Authorization" in request.headers else []
        return self._header(request, error)

    def lacking(self, request: web.BaseRequest, principal: Principal, problem: Mapping[str, Any]) -> dict[str, str]:
        """Return the header for one whose token lacks scopes that the grants would allow; none for other problems.

        The scopes it says are those that the token has and those that are needed: ask for all of them.
        """
        needed = problem.get(NEEDED)
        if not needed or principal.proved is None:
            return {}
        wanted = sorted({*(principal.proved.scopes or ()), *_texts(needed)})
        return self._header(request, ['error="insufficient_scope"', f'scope="{" ".join(wanted)}"'])

    def _header(self, request: web.BaseRequest, parts: list[str]) -> dict[str, str]:
        path = request.rel_url.raw_path if request.path.startswith("/mcp") else ""
        url = f"{self.root(request)}{WELL_KNOWN}{path}"
        # A caller's own Host and path stand in it: nothing that could end the quotes.
        metadata = [f'resource_metadata="{url}"'] if _PLAIN.fullmatch(url) else []
        return {"WWW-Authenticate": ", ".join([CHALLENGE, *parts, *metadata])}


def _texts(needed: object) -> Iterable[str]:
    return [str(one) for one in needed] if isinstance(needed, list) else []
