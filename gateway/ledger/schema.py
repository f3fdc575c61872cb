"""The tables. Everything is under (tenant, environment); a long table may stay long.

`events` is append-only and hash-chained; `calls`, `intents`, `approvals` and `runs` are the state that the
events explain. Bodies are encrypted under the tenant's data key before they are hashed.

In SQLite one process writes: `seq` is an event's place in the one chain. In PostgreSQL every process has a chain of its
own (`writers`): `number` is the place in it, and `seq` only orders the events of all. There `calls` and `events` are
partitioned by month, by their ids, which sort by time.
"""

from sqlalchemy import (
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData()


def _scope() -> list[Column[str]]:
    return [Column("tenant", Text, nullable=False), Column("environment", Text, nullable=False)]


meta = Table(
    "meta",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

tenants = Table(
    "tenants",
    metadata,
    Column("id", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("domains", Text, nullable=False, server_default="[]"),
    Column("when_state_is_gone", Text, nullable=False, server_default="continue"),
    Column("version", Integer, nullable=False),
    Column("created_at", Text, nullable=False),
)

environments = Table(
    "environments",
    metadata,
    *_scope(),
    Column("title", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Text, nullable=False),
    PrimaryKeyConstraint("tenant", "environment"),
)

data_keys = Table(
    "data_keys",
    metadata,
    Column("tenant", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    Column("created_at", Text, nullable=False),
    PrimaryKeyConstraint("tenant", "number"),
)

agents = Table(
    "agents",
    metadata,
    Column("id", Text, primary_key=True),
    *_scope(),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("limits", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("disabled_at", Text),
    UniqueConstraint("tenant", "environment", "name"),
)

agent_keys = Table(
    "agent_keys",
    metadata,
    Column("id", Text, primary_key=True),
    *_scope(),
    Column("agent", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("cidrs", Text, nullable=False),
    Column("expires_at", Text),
    Column("revoked_at", Text),
    Column("replaces", Text),
    Column("version", Integer, nullable=False),
    Column("created_at", Text, nullable=False),
    Index("agent_keys_by_agent", "agent"),
)

issuers = Table(
    "issuers",
    metadata,
    Column("id", Text, primary_key=True),
    *_scope(),
    Column("issuer", Text, nullable=False),
    Column("audience", Text, nullable=False),
    Column("agent", Text),
    Column("agent_claim", Text),
    Column("agents", Text),
    Column("actor_claim", Text),
    Column("scope_claim", Text),
    Column("scopes_supported", Text),
    Column("version", Integer, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("deleted_at", Text),
    Index(
        "issuers_by_place",
        "tenant",
        "environment",
        "issuer",
        "audience",
        unique=True,
        sqlite_where=text("deleted_at IS NULL"),
        postgresql_where=text("deleted_at IS NULL"),
    ),
    Index("issuers_by_issuer", "issuer"),
)

admin_tokens = Table(
    "admin_tokens",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text),
    Column("environment", Text),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("expires_at", Text),
    Column("revoked_at", Text),
    Column("version", Integer, nullable=False),
    Column("created_at", Text, nullable=False),
)

connections = Table(
    "connections",
    metadata,
    Column("id", Text, primary_key=True),
    *_scope(),
    Column("connector", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("base_url", Text, nullable=False),
    Column("owner_actor", Text),
    Column("account", Text),
    Column("account_label", Text),
    Column("granted", Text),
    Column("health", Text, nullable=False),
    Column("health_reason", Text),
    Column("checked_at", Text),
    Column("version", Integer, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("deleted_at", Text),
    Index(
        "connections_by_name",
        "tenant",
        "environment",
        "name",
        unique=True,
        sqlite_where=text("deleted_at IS NULL"),
        postgresql_where=text("deleted_at IS NULL"),
    ),
)

grants = Table(
    "grants",
    metadata,
    Column("id", Text, primary_key=True),
    *_scope(),
    Column("agent", Text, nullable=False),
    Column("connection", Text, nullable=False),
    Column("patterns", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("constraints", Text, nullable=False),
    Column("autonomy", Text, nullable=False),
    Column("rollout", Integer),
    Column("idempotency", Text, nullable=False),
    Column("idempotency_days", Integer, nullable=False),
    Column("expires_at", Text),
    Column("revoked_at", Text),
    Column("version", Integer, nullable=False),
    Column("created_at", Text, nullable=False),
    Index("grants_by_agent", "agent"),
    Index("grants_by_connection", "connection"),
)

access_requests = Table(
    "access_requests",
    metadata,
    Column("id", Text, primary_key=True),
    *_scope(),
    Column("agent", Text, nullable=False),
    Column("connection", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("decided_by", Text),
    Column("comment", Text),
    Column("grant", Text),
    Column("version", Integer, nullable=False),
    Column("created_at", Text, nullable=False),
)

freezes = Table(
    "freezes",
    metadata,
    Column("id", Text, primary_key=True),
    *_scope(),
    Column("kind", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("lifted_at", Text),
)

oauth_sessions = Table(
    "oauth_sessions",
    metadata,
    Column("id", Text, primary_key=True),
    *_scope(),
    Column("connection", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("base_url", Text, nullable=False),
    Column("scopes", Text),
    Column("made_by", Text, nullable=False),
    Column("link", LargeBinary, nullable=False),
    Column("client", Text, nullable=False),
    Column("candidate", Text),
    Column("step", Text, nullable=False),
    Column("round", Integer, nullable=False),
    Column("state", LargeBinary),
    Column("browser", LargeBinary),
    Column("verifier", LargeBinary),
    Column("redirect_uri", Text),
    Column("asked", Text),
    Column("found", Text),
    Column("step_until", Text),
    Column("expires_at", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("flow", Text, nullable=False, server_default="code"),
    Column("device", LargeBinary),
    Column("poll_at", Text),
    Column("poll_seconds", Integer),
    Index("oauth_sessions_by_link", "link", unique=True),
    Index("oauth_sessions_by_state", "state", unique=True),
    Index("oauth_sessions_by_browser", "browser", unique=True),
    Index("oauth_sessions_by_connection", "connection"),
    Index("oauth_sessions_by_expiry", "expires_at"),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Text, primary_key=True),
    *_scope(),
    Column("agent", Text, nullable=False),
    Column("actor", Text),
    Column("opened_at", Text, nullable=False),
    Column("closed_at", Text),
    Column("details", LargeBinary),
    Column("outcome", LargeBinary),
    Index("runs_by_environment", "tenant", "environment", "id"),
)

calls = Table(
    "calls",
    metadata,
    Column("id", Text, primary_key=True),
    *_scope(),
    Column("agent", Text, nullable=False),
    Column("run", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("connection", Text),
    Column("status", Text, nullable=False),
    Column("code", Text),
    Column("key", Text),
    Column("digest", Text),
    Column("created_at", Text, nullable=False),
    Column("finished_at", Text),
    Column("request", LargeBinary),
    Column("answer", LargeBinary),
    Column("owner", Text),
    Index("calls_by_environment", "tenant", "environment", "id"),
    Index("calls_by_run", "run"),
    Index(
        "calls_open",
        "status",
        sqlite_where=text("status IN ('queued','running','pending_approval','outcome_unknown')"),
        postgresql_where=text("status IN ('queued','running','pending_approval','outcome_unknown')"),
    ),
)

claims = Table(
    "claims",
    metadata,
    *_scope(),
    Column("agent", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("call", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("expires_at", Text),
    PrimaryKeyConstraint("tenant", "environment", "agent", "key"),
    Index("claims_by_expiry", "expires_at", sqlite_where=text("expires_at IS NOT NULL")),
    sqlite_with_rowid=False,
)

intents = Table(
    "intents",
    metadata,
    Column("call", Text, nullable=False),
    Column("step", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("opened_at", Text, nullable=False),
    Column("owner", Text, nullable=False),
    PrimaryKeyConstraint("call", "step"),
    sqlite_with_rowid=False,
)

approvals = Table(
    "approvals",
    metadata,
    Column("id", Text, primary_key=True),
    *_scope(),
    Column("call", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("connection", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("shown", LargeBinary, nullable=False),
    Column("expires_at", Text, nullable=False),
    Column("decided_by", Text),
    Column("decided_at", Text),
    Column("comment", LargeBinary),
    Column("created_at", Text, nullable=False),
    UniqueConstraint("call"),
    Index("approvals_by_environment", "tenant", "environment", "id"),
)

events = Table(
    "events",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False),
    *_scope(),
    Column("run", Text, nullable=False),
    Column("call", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("writer", Text, nullable=False, server_default=""),
    Column("number", Integer),
    Index("events_by_run", "run", "seq", sqlite_where=text("run != ''")),
    Index("events_by_type", "tenant", "environment", "seq", sqlite_where=text("run = ''")),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("count", Integer, nullable=False),
    Column("head", LargeBinary, nullable=False),
    Column("at", Text, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Column("heads", Text),
)

writers = Table(
    "writers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("started_at", Text, nullable=False),
    Column("lease_until", Text, nullable=False),
    Column("ended_at", Text),
    Column("proved", Integer, nullable=False, server_default="0"),
    Column("vouched", Integer, nullable=False, server_default="0"),
)

files = Table(
    "files",
    metadata,
    Column("id", Text, primary_key=True),
    *_scope(),
    Column("agent", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("expires_at", Text, nullable=False),
    Column("complete", Integer, nullable=False),
    Index("files_by_expiry", "expires_at"),
)

file_chunks = Table(
    "file_chunks",
    metadata,
    Column("file", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
    PrimaryKeyConstraint("file", "number"),
)
