"""Migrations: what they leave is what the code expects, from every version on."""

import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from gateway.ledger import migrate
from gateway.ledger.migrate import NEWEST, LedgerTooNew, upgrade, version_of
from gateway.ledger.schema import metadata
from gateway.ledger.sqlite import connect, engine_over

pytestmark = pytest.mark.embedded


def run(path: Path, to: str) -> None:
    raw = connect(path)
    with engine_over(raw).connect() as connection:
        migrate.run(connection, to)
    raw.close()


def test_a_new_ledger_has_the_tables_that_the_code_expects(tmp_path: Path) -> None:
    upgrade(tmp_path / "ledger.db")
    raw = connect(tmp_path / "ledger.db")
    with engine_over(raw).connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    assert version_of(raw) == NEWEST
    raw.close()


def test_an_old_ledger_keeps_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    run(path, "0001")
    raw = connect(path)
    raw.execute("INSERT INTO tenants (id, title, version, created_at) VALUES ('acme', 'Acme', 1, '')")
    raw.close()
    upgrade(path)
    raw = connect(path)
    assert version_of(raw) == NEWEST
    assert raw.execute("SELECT title FROM tenants").fetchall() == [("Acme",)]
    assert raw.execute("SELECT count(*) FROM oauth_sessions").fetchone() == (0,)
    raw.close()


def test_a_migration_can_be_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    upgrade(path)
    run(path, "0001")
    raw = connect(path)
    assert version_of(raw) == "0001"
    assert raw.execute("SELECT 1 FROM sqlite_master WHERE name LIKE 'oauth_sessions%'").fetchone() is None
    raw.close()


def test_issuers_come_and_go_with_their_version(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    run(path, "0005")
    raw = connect(path)
    raw.execute("INSERT INTO tenants (id, title, version, created_at) VALUES ('acme', 'Acme', 1, '')")
    raw.close()
    upgrade(path)
    raw = connect(path)
    insert = "INSERT INTO issuers (id, tenant, environment, issuer, audience, version, created_at, deleted_at)"
    for id, deleted in (("iss_1", "'2026'"), ("iss_2", "NULL")):
        raw.execute(f"{insert} VALUES ('{id}', 'acme', 'prod', 'https://login.example', 'a', 1, '', {deleted})")
    with pytest.raises(sqlite3.IntegrityError):
        raw.execute(f"{insert} VALUES ('iss_3', 'acme', 'prod', 'https://login.example', 'a', 1, '', NULL)")
    raw.close()
    run(path, "0005")
    raw = connect(path)
    assert raw.execute("SELECT 1 FROM sqlite_master WHERE name LIKE 'issuers%'").fetchone() is None
    assert raw.execute("SELECT title FROM tenants").fetchall() == [("Acme",)]
    raw.close()


def test_a_ledger_of_a_newer_gateway_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    upgrade(path)
    raw = connect(path)
    raw.execute("UPDATE alembic_version SET version_num='9999'")
    with pytest.raises(LedgerTooNew):
        upgrade(path)
    assert version_of(raw) == "9999"
    raw.close()
