"""A stand-in issuer on loopback: metadata, a key set, and tokens. It answers as it is told to, well or badly."""

import asyncio
import base64
import time
from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

Key = ECKey | RSAKey | OKPKey | OctKey
OPENID, RFC8414 = "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"


def ec_key(kid: str | None, curve: str = "P-256") -> ECKey:
    return ECKey.generate_key(curve, {"kid": kid} if kid else None)  # type: ignore[arg-type]


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def signed(key: Key, header: Mapping[str, Any], body: Mapping[str, Any] | bytes, *, raw: bytes | None = None) -> str:
    """Return a token. `raw` is its header as it is to be written, where JSON would not write it so."""
    payload = body if isinstance(body, bytes) else orjson.dumps(body)
    text = f"{encoded(raw or orjson.dumps(header))}.{encoded(payload)}"
    algorithm = JWSRegistry.algorithms[header["alg"]]
    return f"{text}.{encoded(algorithm.sign(text.encode(), key))}"


class IssuerStandIn:
    """An issuer. `keys` are published; `asked` are the paths that were asked for."""

    def __init__(self, path: str = "") -> None:
        self.path = path
        self.keys: list[Any] = [ec_key("k1")]
        self.metadata_at = OPENID
        self.metadata: dict[str, Any] = {}
        self.answers: dict[str, web.Response] = {}
        self.asked: list[str] = []
        self.gate: asyncio.Event | None = None
        self.url = ""

    async def start(self) -> None:
        application = web.Application()
        application.router.add_get("/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.01)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", getattr(self, "_port", 0))
        await site.start()
        self._port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self._port}{self.path}"

    async def stop(self) -> None:
        if self.gate is not None:
            self.gate.set()
        await self._runner.cleanup()

    @property
    def key_sets_read(self) -> int:
        return self.asked.count("/keys")

    def claims(self, **more: Any) -> dict[str, Any]:
        """Return the claims of a good token. Those that are None are left out."""
        now = int(time.time())
        given = {"iss": self.url, "aud": "gatehouse", "sub": "ann", "iat": now, "exp": now + 300, "azp": "bot"} | more
        return {name: value for name, value in given.items() if value is not None}

    def token(self, key: Key | None = None, header: Mapping[str, Any] | None = None, **claims: Any) -> str:
        """Return a token, good but for what is given."""
        used = key or self.keys[0]
        known = {"alg": "ES256", "typ": "at+jwt", "kid": used.kid} | dict(header or {})
        return signed(used, {name: value for name, value in known.items() if value is not None}, self.claims(**claims))

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        if self.gate is not None:
            await self.gate.wait()
        if request.path in self.answers:
            told = self.answers[request.path]
            return web.Response(body=told.body, status=told.status, headers=told.headers)
        if request.path in {self.path + OPENID, RFC8414 + self.path}:
            if not request.path.replace(self.path, "", 1).startswith(self.metadata_at):
                return web.Response(status=404)
            root = self.url.removesuffix(self.path) if self.path else self.url
            return web.json_response({"issuer": self.url, "jwks_uri": f"{root}/keys", **self.metadata})
        if request.path == "/keys":
            listed = [key if isinstance(key, dict) else key.as_dict(private=False) for key in self.keys]
            return web.json_response({"keys": listed})
        return web.Response(status=404)
