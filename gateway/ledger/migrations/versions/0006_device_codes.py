"""People who authorize a connection by typing a code at the vendor. An older replica's sessions are by redirect."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    op.add_column("oauth_sessions", sa.Column("flow", sa.Text(), nullable=False, server_default="code"))
    op.add_column("oauth_sessions", sa.Column("device", sa.LargeBinary(), nullable=True))
    op.add_column("oauth_sessions", sa.Column("poll_at", sa.Text(), nullable=True))
    op.add_column("oauth_sessions", sa.Column("poll_seconds", sa.Integer(), nullable=True))


def downgrade() -> None:
    """Drop the columns."""
    for name in ("poll_seconds", "poll_at", "device", "flow"):
        op.drop_column("oauth_sessions", name)
