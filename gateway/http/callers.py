"""Who calls: the one place where a request of an agent becomes a principal, for every door."""

import re

from aiohttp import web

from gateway.admin.directory import Directory, refused
from gateway.admin.rows import Place
from gateway.call import Caller
from gateway.federation.federation import Federation
from gateway.federation.token import is_token
from gateway.http.request import bearer, header
from gateway.options import refused_option

ENVIRONMENT = "Gatehouse-Environment"
_LONGEST_HEADER = 16_384  # what the server reads of one; tokens have a bound of their own
_PLACE = re.compile(r"^([a-z0-9-]{1,40})/([a-z0-9-]{1,40})$")


class Callers:
    """Knows callers by the credential of `Authorization: Bearer`: an agent key, or a token of a registered issuer."""

    def __init__(self, directory: Directory, federation: Federation) -> None:
        self._directory = directory
        self._federation = federation

    async def of(self, request: web.BaseRequest, address: str) -> Caller:
        """Return who asks from an address.

        Raises `Unauthenticated`, `KeyExpired`, `IpNotAllowed`, `IssuerUnavailable`, `MalformedRequest`.
        """
        shown = bearer(request, most=_LONGEST_HEADER)
        named = _named(request)
        if is_token(shown):
            return await self._federation.authenticate(shown, named or _of_path(request))
        principal = await self._directory.authenticate(shown, address)
        if named is not None and named != Place(principal.agent.tenant, principal.agent.environment):
            raise refused()
        return Caller(principal)


def _named(request: web.BaseRequest) -> Place | None:
    """Return the environment that a caller names. Raises `MalformedRequest`."""
    text = header(request, ENVIRONMENT, most=100)
    if text is None:
        return None
    found = _PLACE.match(text.strip())
    if found is None:
        raise refused_option(ENVIRONMENT, "must be a tenant and an environment, such as acme/prod")
    return Place(found.group(1), found.group(2))


def _of_path(request: web.BaseRequest) -> Place | None:
    """Return the environment that the path names: /mcp/{tenant}/{environment}."""
    place = request.match_info if isinstance(request, web.Request) else {}
    return Place(place["tenant"], place["environment"]) if "tenant" in place else None
