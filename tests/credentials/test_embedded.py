import asyncio
import sqlite3
import stat
from pathlib import Path

import pytest
from credentials import Credential, CredentialCorrupted, EmbeddedStore, KeyRefused, MasterKey, VersionConflict, Where

from connectors.sdk.errors import SecretStoreUnavailable

HERE, THERE = Where("tnt_1", "prod", "conn_1"), Where("tnt_2", "prod", "conn_1")


def a_token(value: str) -> Credential:
    return Credential("token", {"token": value})


async def test_a_credential_is_read_back_with_its_version(embedded: EmbeddedStore) -> None:
    assert await embedded.get(HERE) is None
    assert await embedded.put(HERE, a_token("one"), expected=0) == 1
    assert await embedded.put(HERE, a_token("two"), expected=1) == 2
    assert await embedded.get(HERE) == Credential("token", {"token": "two"}, 2)
    assert await embedded.get(THERE) is None
    await embedded.close()


async def test_a_writer_that_did_not_see_the_last_write_changes_nothing(
    embedded: EmbeddedStore,
) -> None:
    with pytest.raises(VersionConflict):
        await embedded.put(HERE, a_token("x"), expected=1)
    await embedded.put(HERE, a_token("one"), expected=0)
    for expected in (0, 2):
        with pytest.raises(VersionConflict):
            await embedded.put(HERE, a_token("x"), expected=expected)
    assert await embedded.get(HERE) == Credential("token", {"token": "one"}, 1)
    await embedded.close()


async def test_of_many_writers_at_once_one_wins(tmp_path: Path, key: MasterKey) -> None:
    stores = [EmbeddedStore(tmp_path / "credentials.db", key) for _ in range(3)]
    tries = [store.put(HERE, a_token(str(n)), expected=0) for n, store in enumerate(stores * 3)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["VersionConflict"] * 8 + ["int"]
    for store in stores:
        await store.close()


async def test_the_file_and_what_belongs_to_it_are_the_owners_only(tmp_path: Path, key: MasterKey) -> None:
    path = tmp_path / "credentials.db"
    path.touch(mode=0o644)
    store = EmbeddedStore(path, key)
    await store.put(HERE, a_token("one"), expected=0)
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}
    assert len(list(tmp_path.iterdir())) == 3
    await store.close()


async def test_nothing_is_written_in_the_clear(tmp_path: Path, key: MasterKey) -> None:
    store = EmbeddedStore(tmp_path / "credentials.db", key)
    await store.put(HERE, a_token("very-secret-token"), expected=0)
    assert all(b"very-secret-token" not in file.read_bytes() for file in tmp_path.iterdir())
    await store.close()
    assert all(b"very-secret-token" not in file.read_bytes() for file in tmp_path.iterdir())


@pytest.mark.parametrize(
    "swap",
    [
        "UPDATE credentials SET tenant = CASE tenant WHEN 'tnt_1' THEN 'tnt_2' ELSE 'tnt_1' END",
        "UPDATE credentials SET version = version + 1",
        "UPDATE credentials SET environment = 'stage' || tenant",
    ],
)
async def test_a_row_that_was_moved_does_not_open(tmp_path: Path, key: MasterKey, swap: str) -> None:
    path = tmp_path / "credentials.db"
    store = EmbeddedStore(path, key)
    await store.put(HERE, a_token("one"), expected=0)
    await store.put(THERE, a_token("two"), expected=0)
    await store.close()
    rows = sqlite3.connect(path)
    if "CASE" in swap:
        # Two steps, because SQLite checks the primary key row by row.
        rows.execute("UPDATE credentials SET tenant = 'held' WHERE tenant = 'tnt_2'")
        rows.execute("UPDATE credentials SET tenant = 'tnt_2' WHERE tenant = 'tnt_1'")
        rows.execute("UPDATE credentials SET tenant = 'tnt_1' WHERE tenant = 'held'")
    else:
        rows.execute(swap)
    rows.commit()
    places = [Where(*row) for row in rows.execute("SELECT tenant, environment, connection FROM credentials")]
    rows.close()
    again = EmbeddedStore(path, key)
    assert len(places) == 2
    for where in places:
        with pytest.raises(CredentialCorrupted):
            await again.get(where)
    await again.close()


async def test_a_deletion_leaves_no_bytes_and_lets_no_earlier_writer_win(tmp_path: Path, key: MasterKey) -> None:
    path = tmp_path / "credentials.db"
    store = EmbeddedStore(path, key)
    await store.put(HERE, a_token("one"), expected=0)
    rows = sqlite3.connect(path)
    (sealed,) = rows.execute("SELECT sealed FROM credentials").fetchone()
    rows.close()
    await store.delete(HERE)
    await store.delete(HERE)
    assert await store.get(HERE) is None
    assert all(sealed[:24] not in file.read_bytes() for file in tmp_path.iterdir())
    with pytest.raises(VersionConflict):
        await store.put(HERE, a_token("late"), expected=1)
    assert await store.put(HERE, a_token("again"), expected=0) == 3
    await store.close()


async def test_another_master_key_is_found_out_at_start(tmp_path: Path, key: MasterKey) -> None:
    store = EmbeddedStore(tmp_path / "credentials.db", key)
    await store.open()
    await store.close()
    other = EmbeddedStore(tmp_path / "credentials.db", MasterKey(b"o" * 32))
    with pytest.raises(KeyRefused, match="another master key"):
        await other.open()
    await other.close()


async def test_a_store_that_cannot_be_used_says_so(tmp_path: Path, key: MasterKey) -> None:
    (tmp_path / "broken.db").write_bytes(b"this is no database" * 100)
    for path in (tmp_path / "absent" / "credentials.db", tmp_path / "broken.db", tmp_path):
        store = EmbeddedStore(path, key)
        with pytest.raises(SecretStoreUnavailable):
            await store.get(HERE)
        await store.close()


async def test_a_closed_store_says_so(embedded: EmbeddedStore) -> None:
    await embedded.put(HERE, a_token("one"), expected=0)
    await embedded.close()
    await embedded.close()
    with pytest.raises(SecretStoreUnavailable):
        await embedded.get(HERE)


def test_a_credential_shows_no_field() -> None:
    assert "one" not in repr(a_token("one"))
