"""Who calls: the one place where a request of an agent becomes a principal, for every door."""

from aiohttp import web

from gateway.admin.directory import Directory
from gateway.call import Principal
from gateway.http.request import bearer


class Callers:
    """Knows callers by the credential of `Authorization: Bearer`: an agent key."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def of(self, request: web.BaseRequest, address: str) -> Principal:
        """Return who asks from an address. Raises `Unauthenticated`, `KeyExpired`, `IpNotAllowed`."""
        return await self._directory.authenticate(bearer(request), address)
