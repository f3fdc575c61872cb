"""Where a request goes: the connection's own host or a declared one, https but for opened loopback."""

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

from credentials import Target, Where

from connectors.sdk import Connector, InvalidInput
from connectors.sdk.errors import Issue, UpstreamUnavailable
from connectors.sdk.exchange import Request
from connectors.sdk.hosts import HostPattern, Network
from gateway.call import Connection


def check_base_url(connector: Connector, base_url: str, opened: Sequence[Network]) -> str:
    """Return an admin's base URL without its last slash. Raises `InvalidInput`.

    A host that is not one of the vendor's cloud is a self-hosted edition's; its address is checked at connect.
    """
    problem = _fault(connector, base_url, opened)
    if problem:
        raise InvalidInput(f"The base URL {problem}.", issues=[Issue(pointer="/base_url", message=problem)])
    return base_url.rstrip("/")


def _fault(connector: Connector, base_url: str, opened: Sequence[Network]) -> str | None:
    try:
        parts = urlsplit(base_url)
        port = parts.port
    except ValueError:
        return "cannot be read as a URL"
    if parts.scheme == "http" and not _is_opened_loopback(parts.hostname or "", opened):
        return "must be https; plain http is for loopback that the operator opened"
    if parts.scheme not in {"http", "https"}:
        return "must be an https URL"
    if not parts.hostname or parts.username or parts.query or parts.fragment or "@" in parts.netloc or port == 0:
        return f"must be a host and a path, as in {connector.base_url}"
    if ".." in parts.path or "%" in parts.path or "\\" in base_url:
        return "must not hold `..`, `%` or backslashes"
    return None


def api_root(connector: Connector, base_url: str, root: str | None, opened: Sequence[Network]) -> str | None:
    """Return a root that the vendor named for a connection at `base_url`, None where the connector must not use it."""
    target = Target(where=Where("", "", ""), title="", api_root=base_url, origin=base_url, hosts=connector.hosts)
    if root is None or not target.owns(root):
        return None
    try:
        return root if check_base_url(connector, root, opened) == root else None
    except InvalidInput:
        return None


def url_of(connector: Connector, connection: Connection, request: Request) -> str:
    """Return the absolute URL of a request. Raises `UpstreamUnavailable` for a host that was not declared."""
    if request.origin is None:
        return connection.base_url + request.target
    host = urlsplit(request.origin).hostname or ""
    own = urlsplit(connection.base_url).hostname or ""
    if request.origin.startswith("https://") and any(
        pattern.matches(host) for pattern in (*connector.hosts, *connector.upload_hosts)
    ):
        return request.origin + request.target
    if host == own and request.origin.startswith(connection.base_url[: len("http")]):
        return request.origin + request.target
    raise UpstreamUnavailable(f"The connector {connector.id} declares no host {host[:80]!r}.")


def download_target(connector: Connector, connection: Connection, location: str) -> str:
    """Return where a redirected download may go on, without the credential. Raises `UpstreamUnavailable`."""
    try:
        parts = urlsplit(location)
    except ValueError:
        parts = urlsplit("")
    host = parts.hostname or ""
    declared: tuple[HostPattern, ...] = connector.download_hosts
    if parts.scheme == "https" and not parts.username and any(pattern.matches(host) for pattern in declared):
        return location
    own = urlsplit(connection.base_url)
    if (parts.scheme, parts.netloc) == (own.scheme, own.netloc):
        return location
    raise UpstreamUnavailable(
        f"{connector.title} redirected to {host[:80]!r}, which is no declared download host; it was not followed."
    )


def _is_opened_loopback(host: str, opened: Sequence[Network]) -> bool:
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        return False
    return address.is_loopback and any(address.version == net.version and address in net for net in opened)
