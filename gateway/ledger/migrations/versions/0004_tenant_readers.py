"""What is read for a tenant is read under row-level security, by a role that sees one tenant. PostgreSQL only."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ROLE = "gatehouse_reader"
_TABLES = ("calls", "events", "runs", "approvals", "claims", "files", "agents", "connections", "grants")
_MINE = "tenant = current_setting('gatehouse.tenant', true)"


def upgrade() -> None:
    """Make the role where it is missing, and let it see rows of the tenant that the session names."""
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute(
        # Looked for first: who may not make roles could otherwise not use one that was made for them.
        f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{_ROLE}') THEN"
        f" CREATE ROLE {_ROLE} NOLOGIN; END IF;"
        " EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
    )
    op.execute(
        f"DO $$ BEGIN IF NOT pg_has_role(current_user, '{_ROLE}', 'MEMBER') THEN"
        f" EXECUTE format('GRANT {_ROLE} TO %I', current_user); END IF; END $$"
    )
    for table in (*_TABLES, "file_chunks"):
        op.execute(f"GRANT SELECT ON {table} TO {_ROLE}")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    for table in _TABLES:
        op.execute(f"CREATE POLICY one_tenant ON {table} FOR SELECT TO {_ROLE} USING ({_MINE})")
    op.execute(
        f"CREATE POLICY one_tenant ON file_chunks FOR SELECT TO {_ROLE}"
        " USING (EXISTS (SELECT 1 FROM files WHERE files.id = file_chunks.file))"
    )


def downgrade() -> None:
    """Take the policies away. The role stays: other databases of the server may use it."""
    if op.get_bind().dialect.name != "postgresql":
        return
    for table in (*_TABLES, "file_chunks"):
        op.execute(f"DROP POLICY one_tenant ON {table}")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
        op.execute(f"REVOKE SELECT ON {table} FROM {_ROLE}")
