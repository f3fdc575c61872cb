"""What a tenant's writes do while replicas cannot share limits."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column: tenants that were there go on."""
    op.add_column("tenants", sa.Column("when_state_is_gone", sa.Text(), nullable=False, server_default="continue"))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("tenants", "when_state_is_gone")
