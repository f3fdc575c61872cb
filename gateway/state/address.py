"""Where Redis is: one server, Sentinels that know it, or a Cluster, from one URL."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

_FORMS = "redis://host:port/0, redis+sentinel://host:port,host:port/master or redis+cluster://host:port,host:port"
_SENTINEL_PORT = 26379
_PORT = 6379


class Form(StrEnum):
    """How many servers there are, and who knows them."""

    SINGLE = "single"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """A parsed URL. `shown` is what logs and errors may hold: it has no credential."""

    form: Form
    hosts: tuple[tuple[str, int], ...]
    tls: bool
    database: int = 0
    master: str = ""
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    sentinel_password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None

    @property
    def shown(self) -> str:
        """The address without its credential."""
        hosts = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts)
        return f"{self.form} {hosts}" + (f"/{self.master}" if self.master else "") + (" (TLS)" if self.tls else "")


def parse_redis_url(url: str) -> RedisAddress:
    """Parse a URL: `redis://`, `redis+sentinel://`, `redis+cluster://`, each with `rediss` for TLS.

    Raises `ValueError`, which never quotes the URL: it may hold a password.
    """
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        raise ValueError(f"is not a URL; write {_FORMS}") from None
    scheme, _, kind = parts.scheme.partition("+")
    if scheme not in {"redis", "rediss"} or kind not in {"", "sentinel", "cluster"}:
        raise ValueError(f"has another scheme; write {_FORMS}, with rediss for TLS")
    if parts.query or parts.fragment:
        raise ValueError("has a query or a fragment; what they would say are settings of their own")
    form = Form(kind) if kind else Form.SINGLE
    username, password, places = _credential(parts)
    hosts = tuple(_host(place, _SENTINEL_PORT if form is Form.SENTINEL else _PORT) for place in places.split(","))
    if form is Form.SINGLE and len(hosts) > 1:
        raise ValueError("names several servers; write redis+sentinel:// or redis+cluster://")
    master, database = _path(form, parts.path)
    return RedisAddress(form, hosts, scheme == "rediss", database, master, username, password)


def _credential(parts: SplitResult) -> tuple[str | None, str | None, str]:
    """Part the credential from the servers: `urlsplit` cannot, where there are several of them."""
    credential, at, places = parts.netloc.rpartition("@")
    if not at:
        return None, None, places
    username, _, password = credential.partition(":")
    return unquote(username) or None, unquote(password) or None, places


def _host(place: str, port: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{place}")
        found = (parts.hostname, parts.port or port)
    except ValueError:
        found = (None, 0)
    if not found[0]:
        raise ValueError("names a server without a host, or with a port that is no number")
    return found[0], found[1]


def _path(form: Form, path: str) -> tuple[str, int]:
    """Return the master's name and the database's number."""
    parts = [part for part in path.split("/") if part]
    master = ""
    if form is Form.SENTINEL:
        if not parts:
            raise ValueError("does not name the master; write redis+sentinel://host:port,host:port/master")
        master = unquote(parts.pop(0))
    if len(parts) > 1 or (parts and not (parts[0].isascii() and parts[0].isdigit())):
        raise ValueError("has a path that is no number of a database")
    if form is Form.CLUSTER and parts and parts[0] != "0":
        raise ValueError("names a database; a Cluster has only number 0")
    return master, int(parts[0]) if parts else 0
