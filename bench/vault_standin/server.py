"""The stand-in's HTTP side: a thread a connection, one lock over all that is kept."""

import secrets
import ssl
import threading
import time
import uuid
from collections import deque
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import parse_qsl, unquote, urlsplit

import orjson

from bench.vault_standin.clock import Clock
from bench.vault_standin.logins import Kubernetes, seconds
from bench.vault_standin.realm import Realm
from bench.vault_standin.refusal import Refusal, denied, missing
from bench.vault_standin.tokens import Token

Answer = tuple[int, Mapping[str, Any] | None]


class VaultStandIn:
    """A server on loopback. Everything that happens to a real Vault can be done to it: see the methods.

    `seen` are the requests that arrived, as method and path; `most_at_once` is how many were inside at a time, and
    `entered` is set when one arrives. `standby` is the status of its health where it is none but a standby,
    `redirect` whereto it sends requests then; `drops` are methods of which the next request is served without an
    answer, `page` is what somebody else answers at its address.
    """

    def __init__(self, *, root_token: str | None = None, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        """Take a `tls` context with a certificate to serve https."""
        self.clock = Clock()
        self.root_token = root_token or f"hvs.{secrets.token_urlsafe(24)}"
        self.unseal_key = secrets.token_hex(16)
        self.sealed = False
        self.standby: int | None = None
        self.slow_seconds = 0.0
        self.drops: list[str] = []
        self.page: bytes | None = None
        self.redirect: str | None = None
        self.seen: deque[tuple[str, str]] = deque(maxlen=100_000)
        self.most_at_once = 0
        self.entered = threading.Event()
        self._inside = 0
        self._port = port
        self._tls = tls
        self._realms: dict[str, Realm] = {"": Realm(self.clock, self.root_token)}
        self._lock = threading.RLock()
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The address, which stays the same over a restart."""
        return f"{'https' if self._tls is not None else 'http'}://127.0.0.1:{self._port}"

    def start(self) -> "VaultStandIn":
        """Listen. What was kept before a `stop` is still there: a real Vault keeps it on disk."""
        self._server = _Server(("127.0.0.1", self._port), self)
        self._port = self._server.server_address[1]
        if self._tls is not None:
            self._server.socket = self._tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop listening and cut all connections."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server.cut()
            self._thread.join()
            self._server = None

    def realm(self, namespace: str = "") -> Realm:
        """Return a namespace, made if need be."""
        with self._lock:
            return self._realms.setdefault(namespace.strip("/"), Realm(self.clock, self.root_token))

    def service_account(self, namespace: str, name: str, mount: str = "kubernetes") -> str:
        """Return a new JWT of a service account; the one before is no longer good."""
        with self._lock:
            way_in = self._realms[""].ways_in[mount]
            assert isinstance(way_in, Kubernetes)
            return way_in.service_account(namespace, name)

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: dict[str, Any]) -> Answer:
        """Serve one request."""
        self.entered.set()
        with self._lock:
            self._inside += 1
            self.most_at_once = max(self.most_at_once, self._inside)
        try:
            if self.slow_seconds:
                time.sleep(self.slow_seconds)
            with self._lock:
                return self._served(method, path, headers, body)
        except Refusal as no:
            return no.status, {"errors": list(no.errors), **({"data": no.data} if no.data is not None else {})}
        finally:
            with self._lock:
                self._inside -= 1

    def _served(self, method: str, path: str, headers: Mapping[str, str], body: dict[str, Any]) -> Answer:
        if path.startswith("/standin/"):
            return 200, self._control(path.removeprefix("/standin/"), body)
        if not path.startswith("/v1/"):
            raise missing()
        path = path.removeprefix("/v1/")
        self.seen.append((method, path))
        if path == "sys/health":
            return self._health()
        if path == "sys/unseal":
            self.sealed = self.sealed and body.get("key") != self.unseal_key
            return 200, {"sealed": self.sealed}
        if self.sealed:
            raise Refusal(503, "Vault is sealed")
        if self.redirect is not None:
            return 307, None
        if self.standby is not None:
            raise Refusal(500, "local node not active but active cluster node not found")
        return self._kept(method, path, headers, body)

    def _kept(self, method: str, path: str, headers: Mapping[str, str], body: dict[str, Any]) -> Answer:
        namespace = headers.get("x-vault-namespace", "").strip("/")
        realm = self._realms.get(namespace)
        if realm is None:
            raise Refusal(404, f'no handler for route "{path}". route entry not found.')
        found = self._handled(realm, method, path, headers.get("x-vault-token", ""), body)
        said = _body(realm, found)
        ttl = seconds(headers.get("x-vault-wrap-ttl"))
        if ttl and said is not None:
            return 200, {**_EMPTY, "wrap_info": realm.wrap(said, path, ttl)}
        return (200, said) if said is not None else (204, None)

    def _handled(
        self, realm: Realm, method: str, path: str, token: str, body: dict[str, Any]
    ) -> Mapping[str, Any] | Token | None:
        if path == "sys/wrapping/lookup":
            wrapped = realm.find_wrapped(str(body.get("token") or token), take=False)
            return {"creation_path": wrapped.path, "creation_ttl": int(wrapped.ttl)}
        if path == "sys/wrapping/unwrap" and (token in realm.wrapped or not body.get("token")):
            return _Whole(realm.find_wrapped(token, take=True).body)
        way_in = realm.way_in(path)
        if way_in is not None and way_in[1] == "login":
            return way_in[0].login(body, way_in[2])
        caller = realm.tokens.find(token) if token else None
        if caller is None:
            raise denied()
        realm.check(caller, path, method)
        if path == "sys/wrapping/unwrap":
            return _Whole(realm.find_wrapped(str(body["token"]), take=True).body)
        if path == "sys/seal":
            self.sealed = True
            return None
        if path.startswith("sys/"):
            return realm.system(method, path.removeprefix("sys/"), body)
        if path.startswith("auth/token/"):
            return realm.token(method, path.removeprefix("auth/token/"), body, caller)
        if way_in is not None:
            return way_in[0].handle(method, way_in[1], body)
        engine = realm.engine(path)
        if engine is None:
            raise Refusal(404, f'no handler for route "{path}". route entry not found.')
        return engine[0].handle(method, engine[1], body)

    def _health(self) -> Answer:
        status = 503 if self.sealed else self.standby or 200
        return status, {"initialized": True, "sealed": self.sealed, "standby": self.standby is not None}

    def _control(self, what: str, body: dict[str, Any]) -> dict[str, Any]:
        """What is done to the stand-in from another process."""
        match what:
            case "forward":
                self.clock.forward(float(body["seconds"]))
            case "slow":
                self.slow_seconds = float(body["seconds"])
            case "standby":
                self.standby = int(body["status"]) if body.get("status") else None
            case "service-account":
                return {"jwt": self.service_account(str(body["namespace"]), str(body["name"]))}
            case "namespace":
                self.realm(str(body["name"]))
            case "seen":
                return {"seen": list(self.seen), "most_at_once": self.most_at_once}
            case _:
                raise missing()
        return {}


class _Whole(dict[str, Any]):
    """A body that goes out as it is."""


_EMPTY: Mapping[str, Any] = {
    "lease_id": "",
    "renewable": False,
    "lease_duration": 0,
    "data": None,
    "wrap_info": None,
    "warnings": None,
    "auth": None,
}


def _body(realm: Realm, found: Mapping[str, Any] | Token | None) -> Mapping[str, Any] | None:
    if found is None:
        return None
    if isinstance(found, _Whole):
        return found
    head = {"request_id": str(uuid.uuid4()), **_EMPTY}
    if isinstance(found, Token):
        return {**head, "auth": realm.tokens.auth(found)}
    return {**head, "data": found}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def __init__(self, address: tuple[str, int], vault: VaultStandIn) -> None:
        self.vault = vault
        self._open: set[Any] = set()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away."""

    def cut(self) -> None:
        """End every connection."""
        for request in list(self._open):
            self.shutdown_request(request)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""

    def _serve(self) -> None:
        vault = cast("_Server", self.server).vault
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query))
        method = "POST" if self.command == "PUT" else self.command
        if method == "GET" and query.pop("list", "") == "true":
            method = "LIST"
        try:
            found = orjson.loads(raw) if raw else {}
            body = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
        except orjson.JSONDecodeError:
            body = {}
        headers = {name.lower(): value for name, value in self.headers.items()}
        status, said = vault.answer(method, unquote(parts.path), headers, {**query, **body})
        if method in vault.drops:  # the request was served, and nobody hears of it
            vault.drops.remove(method)
            self.close_connection = True
            return
        content = orjson.dumps(said) if said is not None else b""
        if vault.page is not None:  # somebody else answers at this address
            status, content = 200, vault.page
        self.send_response(status)
        if status == 307:
            self.send_header("location", f"{vault.redirect}{self.path}")
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = do_LIST = _serve  # noqa: N815 - the library's names


__all__ = ["VaultStandIn"]
