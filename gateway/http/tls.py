"""TLS on the gateway's own listener: its certificate, followed when the file changes, and those of its callers."""

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware

from connectors.sdk.errors import Unauthenticated
from gateway.http.response import problem_response
from gateway.installation import NotSetUp
from gateway.settings import Settings

_LOOK_SECONDS = 10.0
# What asks whether a process lives has no certificate.
_OPEN = frozenset({"/healthz", "/readyz"})
_log = structlog.get_logger("gatehouse.tls")
Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]
_Stamp = tuple[tuple[int, int], ...]


class ListenerTls:
    """The context of a listener. With `callers`, a file of authorities, each caller needs a certificate of theirs.

    `context` is one for the whole life: connections that begin after the certificate was renewed get the new one.
    Authorities are read once.
    """

    def __init__(self, certificate: Path, key: Path | None = None, callers: Path | None = None) -> None:
        """Read the files; without `key` it stands in the certificate's. Raises `OSError` (`ssl.SSLError` is one)."""
        self._certificate, self._key = certificate, key or certificate
        self.asks = callers is not None
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])
        if callers is not None:
            self.context.load_verify_locations(callers)
            # Not required by the handshake, so that `/healthz` answers and others hear what is missing.
            self.context.verify_mode = ssl.CERT_OPTIONAL
        self._read = self._stamp()
        self._load(self.context)

    async def follow(self) -> None:
        """Look for a new certificate every ten seconds, until cancelled. One that cannot be used is left alone."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            self.renew()

    def renew(self) -> bool:
        """Take a new certificate where the files changed. Returns whether it was taken."""
        try:
            stamp = self._stamp()
            if stamp == self._read:
                return False
            self._read = stamp
            self._load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))  # half a renewal must not spoil the one in use
            self._load(self.context)
        except OSError as error:
            _log.error("certificate_not_renewed", reason=type(error).__name__)
            return False
        _log.info("certificate_renewed")
        return True

    def _load(self, context: ssl.SSLContext) -> None:
        context.load_cert_chain(self._certificate, self._key, password=_no_password)

    def _stamp(self) -> _Stamp:
        found = [os.stat(path) for path in (self._certificate, self._key)]
        return tuple((one.st_mtime_ns, one.st_ino) for one in found)


def listener_tls(settings: Settings) -> ListenerTls | None:
    """Return the TLS of the gateway's own listener. Raises `NotSetUp` for files that cannot be used."""
    if settings.tls_certificate_file is None:
        return None
    try:
        return ListenerTls(settings.tls_certificate_file, settings.tls_key_file, settings.tls_client_ca_file)
    except OSError as error:
        raise NotSetUp(
            f"the listener's certificate, its key or its callers' authorities cannot be used: {type(error).__name__};"
            " GATEHOUSE_TLS_CERTIFICATE_FILE, GATEHOUSE_TLS_KEY_FILE and GATEHOUSE_TLS_CLIENT_CA_FILE name PEM files,"
            " the key unencrypted"
        ) from error


def only_certified(asks: bool) -> Middleware:
    """Return the middleware that turns away whoever shows no certificate where the listener `asks` for one."""

    @web.middleware
    async def check(request: web.Request, handler: Handle) -> web.StreamResponse:
        if not asks or request.path in _OPEN:
            return await handler(request)
        if request.transport is None or not request.transport.get_extra_info("peercert"):
            error = Unauthenticated(
                "This gateway takes requests only over TLS with a client certificate.",
                hint="Show one that the operator's authority has signed.",
            )
            return problem_response(error)
        return await handler(request)

    return check


def _no_password() -> str:
    """Keep OpenSSL from asking at a terminal."""
    return ""
