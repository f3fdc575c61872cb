"""People who authorize connections in their browser."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_INDEXES = {
    "oauth_sessions_by_link": ("link", True),
    "oauth_sessions_by_state": ("state", True),
    "oauth_sessions_by_browser": ("browser", True),
    "oauth_sessions_by_connection": ("connection", False),
    "oauth_sessions_by_expiry": ("expires_at", False),
}


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "oauth_sessions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("connection", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("base_url", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=True),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("link", sa.LargeBinary(), nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("candidate", sa.Text(), nullable=True),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=True),
        sa.Column("browser", sa.LargeBinary(), nullable=True),
        sa.Column("verifier", sa.LargeBinary(), nullable=True),
        sa.Column("redirect_uri", sa.Text(), nullable=True),
        sa.Column("asked", sa.Text(), nullable=True),
        sa.Column("found", sa.Text(), nullable=True),
        sa.Column("step_until", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    for name, (column, unique) in _INDEXES.items():
        op.create_index(name, "oauth_sessions", [column], unique=unique)


def downgrade() -> None:
    """Drop the table."""
    for name in _INDEXES:
        op.drop_index(name, table_name="oauth_sessions")
    op.drop_table("oauth_sessions")
