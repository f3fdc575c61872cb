"""Every setting: its type, unit, default and one sentence. The environment is read here and nowhere else."""

import ipaddress
import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from connectors.sdk.hosts import Network
from gateway.state.address import RedisAddress, parse_redis_url

_TO_LOG_IN = {
    "token": ("vault_token_file",),
    "approle": ("vault_role_id", "vault_secret_id_file"),
    "kubernetes": ("vault_role",),
}


class Settings(BaseSettings):
    """Read from the environment (`GATEHOUSE_...`) at start. All problems are listed at once."""

    model_config = SettingsConfigDict(env_prefix="GATEHOUSE_", extra="ignore", frozen=True, hide_input_in_errors=True)

    home: Path = Field(
        default=Path(".gatehouse"), description="Folder of the embedded ledger, its keys and its credentials."
    )
    database_url: str | None = Field(
        default=None,
        description="URL of the PostgreSQL ledger that replicas share (postgresql://...); without it the ledger is"
        " embedded in the home.",
        repr=False,
    )
    database_password_file: Path | None = Field(
        default=None, description="File with the password of PostgreSQL, where the URL has none."
    )
    database_readers: int = Field(
        default=8, ge=2, le=200, description="Connections that a process reads the PostgreSQL ledger through."
    )
    database_seconds: float = Field(
        default=30, gt=0, le=600, description="Seconds that one statement on the PostgreSQL ledger may take."
    )
    lease_seconds: float = Field(
        default=10,
        ge=0.5,
        le=300,
        description="Seconds without a sign of life after which other processes take over a process's calls.",
    )
    workers: int = Field(
        default=1, ge=1, le=256, description="Processes that serve; more than one needs the PostgreSQL ledger."
    )
    host: str = Field(default="127.0.0.1", description="Address that the gateway listens on.")
    port: int = Field(default=8080, ge=0, le=65535, description="Port that the gateway listens on; 0 takes a free one.")
    tls_certificate_file: Path | None = Field(
        default=None,
        description="PEM file of the gateway's certificate and what stands between it and its authority; with it the"
        " gateway speaks TLS. Read again when it changes.",
    )
    tls_key_file: Path | None = Field(
        default=None, description="PEM file of that certificate's key; without it the key is in the same file."
    )
    tls_client_ca_file: Path | None = Field(
        default=None,
        description="PEM file of the authorities whose client certificates callers must show, all but `/healthz` and"
        " `/readyz`.",
    )
    metrics_host: str = Field(default="127.0.0.1", description="Address of the metrics' own listener.")
    metrics_port: int = Field(
        default=9464, ge=0, le=65535, description="Port of the metrics' own listener; 0 takes a free one."
    )
    public_url: str | None = Field(
        default=None, description="Root URL under which people reach this gateway, for links."
    )
    master_key: str | None = Field(
        default=None,
        description="Master key, 32 bytes in base 64; without it `master.key` in the home is read.",
        repr=False,
    )
    connectors: Annotated[list[str], NoDecode] = Field(
        default_factory=list[str], description="Names of installed connector packages to load, parted by commas."
    )
    opened_networks: Annotated[list[str], NoDecode] = Field(
        default_factory=list[str],
        description="CIDRs of private networks that connections may reach; loopback allows plain http.",
    )
    trusted_proxies: Annotated[list[str], NoDecode] = Field(
        default_factory=list[str], description="CIDRs of proxies whose X-Forwarded-For is believed, parted by commas."
    )
    outbound_proxy: str | None = Field(
        default=None,
        pattern=r"^https?://[^/]+/?$",
        description="URL of a proxy that requests to vendors go through, but those to loopback and opened networks.",
        repr=False,
    )
    connections_per_host: int = Field(
        default=64, ge=1, le=4096, description="Connections to one host of a vendor, from one process."
    )
    ca_file: Path | None = Field(
        default=None, description="PEM file of further certificate authorities for vendors' hosts."
    )
    vault_addr: str | None = Field(
        default=None,
        description="Address of Vault or OpenBao; without it credentials are kept in the home.",
    )
    vault_namespace: str | None = Field(default=None, description="Namespace at Vault that holds the mounts.")
    vault_mount: str = Field(
        default="gatehouse", min_length=1, description="Path of the KV engine, version 2, for credentials."
    )
    vault_transit_mount: str = Field(
        default="gatehouse-transit",
        min_length=1,
        description="Path of the transit engine, for data keys and the key that signs checkpoints.",
    )
    vault_login: Literal["token", "approle", "kubernetes"] = Field(
        default="approle", description="How the gateway logs in at Vault."
    )
    vault_login_mount: str | None = Field(
        default=None, description="Path of that auth method at Vault; without it the method's own name."
    )
    vault_token_file: Path | None = Field(
        default=None, validate_default=True, description="File with a token, for the login `token`."
    )
    vault_role_id: str | None = Field(
        default=None, validate_default=True, description="Role id, for the login `approle`."
    )
    vault_secret_id_file: Path | None = Field(
        default=None, validate_default=True, description="File with a secret id, for the login `approle`."
    )
    vault_secret_id_wrapped: bool = Field(
        default=False, description="Whether that file holds a wrapping token, which opens once for a secret id."
    )
    vault_role: str | None = Field(default=None, validate_default=True, description="Role, for the login `kubernetes`.")
    vault_jwt_file: Path = Field(
        default=Path("/var/run/secrets/kubernetes.io/serviceaccount/token"),
        description="File with the service account's JWT, read again at each login, for the login `kubernetes`.",
    )
    vault_timeout_seconds: float = Field(
        default=5.0, gt=0, le=60, description="Seconds that one request at Vault may take."
    )
    vault_at_once: int = Field(default=8, ge=1, le=64, description="Requests at Vault at once.")
    vault_ca_file: Path | None = Field(
        default=None, description="PEM file of the certificate authority that vouches for Vault's host."
    )
    trace_ratio: float = Field(
        default=0.1, ge=0, le=1, description="Share of calls that are traced where a caller does not say."
    )
    log_level: str = Field(
        default="info", pattern="^(debug|info|warning|error)$", description="Least level that is logged."
    )
    intake_per_second: int = Field(
        default=2000, ge=1, description="Requests per second from one address or key, before all else."
    )
    agent_per_minute: int = Field(
        default=3000, ge=1, description="Calls per minute of an agent without limits of its own."
    )
    writes_per_minute: int = Field(
        default=1200, ge=1, description="Writes per minute of an agent without limits of its own."
    )
    connection_per_minute: int = Field(default=12_000, ge=1, description="Calls per minute over one connection.")
    tenant_per_minute: int = Field(default=60_000, ge=1, description="Calls per minute in one environment of a tenant.")
    concurrency: int = Field(
        default=1024, ge=1, description="Calls at work at once; over it the gateway answers `overloaded`."
    )
    queued_in_memory: int = Field(
        default=10_000,
        ge=1,
        description="Queued calls that a process holds; over it further ones are answered `overloaded`.",
    )
    uploads: int = Field(
        default=32, ge=1, description="Uploads under way at once; over it further ones are answered `overloaded`."
    )
    ledger_waiting_mib: int = Field(
        default=64,
        ge=1,
        description="MiB of records that wait for the ledger; over it no new call is taken on: `overloaded`.",
    )
    approval_hours: float = Field(default=24, gt=0, le=720, description="Hours until a pending approval expires.")
    drain_seconds: float = Field(default=30, ge=0, description="Seconds that calls under way get to finish at a stop.")
    drain_delay_seconds: float = Field(
        default=0,
        ge=0,
        description="Seconds at a stop in which new connections are still taken while `/readyz` says no, for load"
        " balancers that ask it.",
    )
    drain_idle_seconds: float = Field(
        default=3,
        ge=0,
        description="Seconds at a stop until idle connections are closed; a request that comes before is answered."
        " Proxies should keep theirs shorter.",
    )

    redis_url: str | None = Field(
        default=None,
        description="What replicas share for speed: redis://, redis+sentinel:// or redis+cluster://, rediss with TLS;"
        " without it each process limits for itself.",
        repr=False,
    )
    redis_username: str | None = Field(default=None, description="Redis ACL user, where the URL names none.")
    redis_password_file: Path | None = Field(
        default=None, description="File with the password of Redis, where the URL has none."
    )
    redis_sentinel_password_file: Path | None = Field(
        default=None, description="File with the password of the Sentinels, where they ask for one."
    )
    redis_ca_file: Path | None = Field(
        default=None, description="PEM file of the certificate authorities for Redis, besides the system's."
    )
    redis_timeout_ms: int = Field(
        default=50, ge=5, le=1000, description="Milliseconds that a request waits for Redis before it goes on without."
    )
    redis_prefix: str = Field(
        default="gatehouse",
        pattern="^[A-Za-z0-9_.-]{1,64}$",
        description="First part of all keys and of the channel in Redis; installations that share one need their own.",
    )
    replicas: int | None = Field(
        default=None,
        ge=1,
        description="Replicas among which limits are divided while Redis is away; without it the number last seen.",
    )

    @field_validator("redis_url")
    @classmethod
    def _redis_url(cls, value: str | None) -> str | None:
        if value is not None:
            parse_redis_url(value)
        return value

    @field_validator(
        *("database_password_file", "redis_password_file", "redis_sentinel_password_file", "redis_ca_file"),
        *("tls_certificate_file", "tls_key_file", "tls_client_ca_file"),
    )
    @classmethod
    def _readable(cls, value: Path | None) -> Path | None:
        if value is not None and not os.access(value, os.R_OK):
            raise ValueError("names a file that cannot be read")
        return value

    @field_validator("tls_key_file", "tls_client_ca_file")
    @classmethod
    def _with_certificate(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is not None and info.data.get("tls_certificate_file") is None:
            raise ValueError("is of no use without tls_certificate_file")
        return value

    @field_validator("connectors", "opened_networks", "trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        return value

    @field_validator("opened_networks", "trusted_proxies")
    @classmethod
    def _networks(cls, value: list[str]) -> list[str]:
        for text in value:
            ipaddress.ip_network(text)
        return value

    @field_validator("vault_addr")
    @classmethod
    def _vault_addr(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        loopback = parts.hostname in {"127.0.0.1", "::1", "localhost"}
        if parts.scheme != "https" and not (parts.scheme == "http" and loopback):
            raise ValueError("must be https; plain http is for loopback")
        if not parts.hostname or parts.username or parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError("must be a scheme, a host and perhaps a port, as in https://vault.example:8200")
        return value.rstrip("/")

    @field_validator("vault_token_file", "vault_role_id", "vault_secret_id_file", "vault_role")
    @classmethod
    def _needed_to_log_in(cls, value: object, info: ValidationInfo) -> object:
        login = info.data.get("vault_login")
        if value is None and info.data.get("vault_addr") and info.field_name in _TO_LOG_IN.get(str(login), ()):
            raise ValueError(f"is needed for the login {login}")
        return value

    def opened(self) -> tuple[Network, ...]:
        """Return the networks that connections may reach besides public addresses."""
        return tuple(ipaddress.ip_network(text) for text in self.opened_networks)

    def database_password(self) -> str | None:
        """Return the password of PostgreSQL from its file; None where the URL has it, or none is asked for."""
        return _first_line(self.database_password_file)

    def redis(self) -> RedisAddress | None:
        """Return where Redis is, with its credential; None where there is none."""
        if self.redis_url is None:
            return None
        address = parse_redis_url(self.redis_url)
        return replace(
            address,
            username=address.username or self.redis_username,
            password=address.password or _first_line(self.redis_password_file),
            sentinel_password=_first_line(self.redis_sentinel_password_file),
            ca_file=self.redis_ca_file,
        )

    def proxies(self) -> tuple[Network, ...]:
        """Return the networks of trusted proxies."""
        return tuple(ipaddress.ip_network(text) for text in self.trusted_proxies)


def _first_line(path: Path | None) -> str | None:
    return path.read_text().strip() or None if path is not None else None


class HealthSettings(BaseSettings):
    """What the health check of an image reads from the environment (`GATEHOUSE_...`)."""

    model_config = SettingsConfigDict(env_prefix="GATEHOUSE_", extra="ignore", frozen=True)

    port: int = Field(default=8080, description="Port to ask.")
    tls_certificate_file: Path | None = Field(default=None, description="Whether the gateway speaks TLS.")


class RemoteSettings(BaseSettings):
    """What the commands that ask a running gateway read from the environment (`GATEHOUSE_...`)."""

    model_config = SettingsConfigDict(env_prefix="GATEHOUSE_", extra="ignore", frozen=True)

    home: Path = Field(
        default=Path(".gatehouse"), description="Folder whose `sandbox.json` serves where nothing is given."
    )
    url: str | None = Field(default=None, description="Root URL of the gateway to ask.")
    token: str | None = Field(default=None, description="Admin token to ask with.", repr=False)
    tenant: str | None = Field(default=None, description="Tenant that commands are about.")
    environment: str | None = Field(default=None, description="Environment that commands are about.")
