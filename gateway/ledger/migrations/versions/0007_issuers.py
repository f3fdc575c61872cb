"""Issuers whose tokens agents call with. Only added to, so that replicas of the version before go on beside it.

Who calls is looked up before it is known whose rows may be seen, as with keys: readers of one tenant see nothing of it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_LIVE = sa.text("deleted_at IS NULL")


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "issuers",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=True),
        sa.Column("agent_claim", sa.Text(), nullable=True),
        sa.Column("agents", sa.Text(), nullable=True),
        sa.Column("actor_claim", sa.Text(), nullable=True),
        sa.Column("scope_claim", sa.Text(), nullable=True),
        sa.Column("scopes_supported", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("deleted_at", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "issuers_by_place",
        "issuers",
        ["tenant", "environment", "issuer", "audience"],
        unique=True,
        sqlite_where=_LIVE,
        postgresql_where=_LIVE,
    )
    op.create_index("issuers_by_issuer", "issuers", ["issuer"])


def downgrade() -> None:
    """Drop the table."""
    op.drop_index("issuers_by_issuer", table_name="issuers")
    op.drop_index("issuers_by_place", table_name="issuers")
    op.drop_table("issuers")
