"""Several writers: who runs a call, whose chain an event is in; calls and events in parts on PostgreSQL."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_OPEN = "status IN ('queued','running','pending_approval','outcome_unknown')"


def upgrade() -> None:
    """Add the columns and the table. On PostgreSQL nothing is older: calls and events are made anew, in parts."""
    op.create_table(
        "writers",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("started_at", sa.Text(), nullable=False),
        sa.Column("lease_until", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.Text(), nullable=True),
        sa.Column("proved", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("vouched", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.add_column("checkpoints", sa.Column("heads", sa.Text(), nullable=True))
    if op.get_bind().dialect.name == "postgresql":
        _in_parts()
        return
    op.add_column("calls", sa.Column("owner", sa.Text(), nullable=True))
    op.add_column("events", sa.Column("writer", sa.Text(), nullable=False, server_default=""))
    op.add_column("events", sa.Column("number", sa.Integer(), nullable=True))


def _in_parts() -> None:
    for statement in _POSTGRES:
        op.execute(statement)


_POSTGRES = (
    "ALTER TABLE checkpoints ALTER COLUMN seq TYPE bigint, ALTER COLUMN count TYPE bigint",
    "DROP INDEX claims_by_expiry",
    "CREATE INDEX claims_by_expiry ON claims (expires_at) WHERE expires_at IS NOT NULL",
    "DROP INDEX connections_by_name",
    "CREATE UNIQUE INDEX connections_by_name ON connections (tenant, environment, name) WHERE deleted_at IS NULL",
    "DROP TABLE calls",
    """CREATE TABLE calls (
        id text COLLATE "C" NOT NULL, tenant text NOT NULL, environment text NOT NULL, agent text NOT NULL,
        run text NOT NULL, action text NOT NULL, connection text, status text NOT NULL, code text, key text,
        digest text, created_at text NOT NULL, finished_at text, request bytea, answer bytea, owner text,
        PRIMARY KEY (id)
    ) PARTITION BY RANGE (id)""",
    "CREATE INDEX calls_by_environment ON calls (tenant, environment, id)",
    "CREATE INDEX calls_by_run ON calls (run)",
    f"CREATE INDEX calls_open ON calls (status) WHERE {_OPEN}",
    "CREATE TABLE calls_rest PARTITION OF calls DEFAULT",
    "DROP TABLE events",
    "CREATE SEQUENCE events_place AS bigint",
    """CREATE TABLE events (
        seq bigint NOT NULL DEFAULT nextval('events_place'), id text COLLATE "C" NOT NULL, tenant text NOT NULL,
        environment text NOT NULL, run text NOT NULL, call text NOT NULL, type text NOT NULL, at text NOT NULL,
        body bytea NOT NULL, hash bytea NOT NULL, writer text NOT NULL, number bigint NOT NULL, PRIMARY KEY (id)
    ) PARTITION BY RANGE (id)""",
    "CREATE INDEX events_by_run ON events (run, seq) WHERE run <> ''",
    "CREATE INDEX events_by_type ON events (tenant, environment, seq) WHERE run = ''",
    "CREATE INDEX events_by_writer ON events (writer, number)",
    "CREATE TABLE events_rest PARTITION OF events DEFAULT",
)


def downgrade() -> None:
    """Take the columns and the table away. A PostgreSQL ledger begins here, and can go no further back."""
    if op.get_bind().dialect.name == "postgresql":
        raise NotImplementedError("a PostgreSQL ledger has no earlier version")
    with op.batch_alter_table("events") as table:
        table.drop_column("number")
        table.drop_column("writer")
    with op.batch_alter_table("calls") as table:
        table.drop_column("owner")
    with op.batch_alter_table("checkpoints") as table:
        table.drop_column("heads")
    op.drop_table("writers")
