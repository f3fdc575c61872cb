"""The credential store in Vault: check-and-set, destruction, and one tenant's path closed to the others."""

import asyncio

import hvac
import pytest
from credentials import Credential, CredentialCorrupted, VaultStore, VersionConflict, Where

from bench.vault_standin import VaultStandIn
from connectors.sdk.errors import SecretStoreUnavailable
from tests.credentials.vault.ground import Ground

ONE = Credential("oauth", {"access_token": "a1", "refresh_token": "r1"})
TWO = Credential("oauth", {"access_token": "a2", "refresh_token": "r2"})


@pytest.fixture
def store(ground: Ground) -> VaultStore:
    return ground.store()


def path(where: Where) -> str:
    return f"tenants/{where.tenant}/{where.environment}/connections/{where.connection}"


def all_versions(ground: Ground, where: Where) -> dict[str, dict[str, object]]:
    """Return what Vault still knows of a path, by its root token."""
    try:
        told = ground.root.secrets.kv.v2.read_secret_metadata(path(where), mount_point="gatehouse")
    except hvac.exceptions.InvalidPath:
        return {}
    return dict(told["data"]["versions"])


async def test_what_is_put_is_got_with_its_version(store: VaultStore, ground: Ground) -> None:
    assert await store.get(ground.where()) is None
    assert await store.put(ground.where(), ONE, expected=0) == 1
    assert await store.put(ground.where(), TWO, expected=1) == 2
    found = await store.get(ground.where())
    assert found is not None
    assert (found.method, dict(found.fields), found.version) == ("oauth", dict(TWO.fields), 2)


async def test_the_path_is_of_ids_alone(store: VaultStore, ground: Ground) -> None:
    await store.put(ground.where(), ONE, expected=0)
    told = ground.root.secrets.kv.v2.read_secret_version(
        f"tenants/{ground.tenant}/prod/connections/conn_1", mount_point="gatehouse", raise_on_deleted_version=True
    )
    assert told["data"]["data"] == {"method": "oauth", "fields": dict(ONE.fields)}


@pytest.mark.parametrize("expected", [0, 2, 7])
async def test_a_writer_that_did_not_see_the_last_write_changes_nothing(
    store: VaultStore, ground: Ground, expected: int
) -> None:
    await store.put(ground.where(), ONE, expected=0)
    with pytest.raises(VersionConflict):
        await store.put(ground.where(), TWO, expected=expected)
    found = await store.get(ground.where())
    assert found is not None
    assert (dict(found.fields), found.version) == (dict(ONE.fields), 1)


async def test_of_writers_at_once_one_wins(ground: Ground) -> None:
    stores = [ground.store() for _ in range(4)]
    results = await asyncio.gather(
        *(store.put(ground.where(), ONE, expected=0) for store in stores), return_exceptions=True
    )
    assert sorted(str(result) for result in results if isinstance(result, int)) == ["1"]
    assert sum(isinstance(result, VersionConflict) for result in results) == 3


async def test_deleting_destroys_every_version_and_goes_on_counting(store: VaultStore, ground: Ground) -> None:
    ground.root.secrets.kv.v2.update_metadata(path(ground.where()), max_versions=10, mount_point="gatehouse")
    await store.put(ground.where(), ONE, expected=0)
    await store.put(ground.where(), TWO, expected=1)
    await store.delete(ground.where())
    assert await store.get(ground.where()) is None
    assert [it["destroyed"] for _, it in sorted(all_versions(ground, ground.where()).items())] == [True, True, False]
    for number in (1, 2):
        with pytest.raises(hvac.exceptions.InvalidPath):
            ground.root.secrets.kv.v2.read_secret_version(
                path(ground.where()), version=number, mount_point="gatehouse", raise_on_deleted_version=True
            )
    assert await store.put(ground.where(), ONE, expected=0) == 4


async def test_a_writer_from_before_a_deletion_cannot_win(store: VaultStore, ground: Ground) -> None:
    await store.put(ground.where(), ONE, expected=0)
    await store.delete(ground.where())
    with pytest.raises(VersionConflict):
        await store.put(ground.where(), TWO, expected=1)
    with pytest.raises(VersionConflict):
        await store.put(ground.where(), TWO, expected=2)  # the version that the deletion has, which nobody was given
    version = await store.put(ground.where(), ONE, expected=0)
    with pytest.raises(VersionConflict):
        await store.put(ground.where(), TWO, expected=1)
    found = await store.get(ground.where())
    assert found is not None
    assert (dict(found.fields), found.version) == (dict(ONE.fields), version)


async def test_deleting_what_is_not_there_is_no_error(store: VaultStore, ground: Ground) -> None:
    await store.delete(ground.where())
    await store.erase(ground.where())
    await store.put(ground.where(), ONE, expected=0)
    await store.delete(ground.where())
    await store.delete(ground.where())
    assert await store.get(ground.where()) is None


async def test_erasing_leaves_nothing_at_all(store: VaultStore, ground: Ground) -> None:
    await store.put(ground.where(), ONE, expected=0)
    await store.erase(ground.where())
    assert all_versions(ground, ground.where()) == {}
    assert await store.get(ground.where()) is None
    with pytest.raises(VersionConflict):
        await store.put(ground.where(), TWO, expected=1)
    assert all_versions(ground, ground.where()) == {}


async def test_a_deletion_wins_over_refreshes_that_go_on(ground: Ground) -> None:
    store, refresher = ground.store(), ground.store()
    await store.put(ground.where(), ONE, expected=0)
    read = store._read

    async def overtaken(where: Where) -> tuple[int, object]:
        found = await read(where)
        if found[0] == 1:
            await refresher.put(where, TWO, expected=1)
        return found

    store._read = overtaken  # type: ignore[method-assign, assignment]
    await store.delete(ground.where())
    assert await refresher.get(ground.where()) is None


async def test_a_deletion_that_died_half_way_is_finished_by_the_next(ground: Ground) -> None:
    ground.root.secrets.kv.v2.update_metadata(path(ground.where()), max_versions=10, mount_point="gatehouse")
    store = ground.store()
    await store.put(ground.where(), ONE, expected=0)
    await store._write(ground.where(), {"destroyed": True}, 1)  # and here the process ended
    assert await store.get(ground.where()) is None
    await store.delete(ground.where())
    assert all_versions(ground, ground.where())["1"]["destroyed"] is True


@pytest.mark.parametrize(
    "content", [{"method": 7, "fields": {}}, {"method": "oauth"}, {"method": "o", "fields": {"a": 1}}]
)
async def test_what_somebody_else_wrote_there_is_corrupted(
    store: VaultStore, ground: Ground, content: dict[str, object]
) -> None:
    ground.root.secrets.kv.v2.create_or_update_secret(path(ground.where()), content, cas=0, mount_point="gatehouse")
    with pytest.raises(CredentialCorrupted):
        await store.get(ground.where())


async def test_what_an_operator_deleted_by_hand_is_not_there(store: VaultStore, ground: Ground) -> None:
    await store.put(ground.where(), ONE, expected=0)
    ground.root.secrets.kv.v2.delete_latest_version_of_secret(path(ground.where()), mount_point="gatehouse")
    assert await store.get(ground.where()) is None
    assert await store.put(ground.where(), TWO, expected=0) == 2


@pytest.mark.parametrize("part", ["", ".", "..", "a/b", "a\nb", "*", "+", "x" * 200])
async def test_an_id_that_is_no_segment_reaches_no_path(store: VaultStore, ground: Ground, part: str) -> None:
    for where in (Where(part, "prod", "c"), Where(ground.tenant, part, "c"), Where(ground.tenant, "prod", part)):
        with pytest.raises(SecretStoreUnavailable) as refused:
            await store.get(where)
        assert not refused.value.retryable


async def test_a_tenants_token_reaches_nothing_of_another(ground: Ground) -> None:
    store = ground.store()
    await store.put(ground.where(), ONE, expected=0)
    await store.put(ground.where(tenant=ground.other), TWO, expected=0)
    session = ground.sessions[0]
    child = (await session._child(ground.tenant)).lease.token
    client = hvac.Client(url=ground.url, token=child)
    kv, mount = client.secrets.kv.v2, "gatehouse"
    own, foreign = path(ground.where()), path(ground.where(tenant=ground.other))
    assert kv.read_secret_version(own, mount_point=mount, raise_on_deleted_version=True)["data"]["data"]
    for attempt in (
        lambda: kv.read_secret_version(foreign, mount_point=mount, raise_on_deleted_version=True),
        lambda: kv.create_or_update_secret(foreign, {"x": "y"}, cas=1, mount_point=mount),
        lambda: kv.read_secret_metadata(foreign, mount_point=mount),
        lambda: kv.delete_metadata_and_all_versions(foreign, mount_point=mount),
        lambda: kv.destroy_secret_versions(foreign, [1], mount_point=mount),
        lambda: kv.list_secrets(f"tenants/{ground.other}", mount_point=mount),
        lambda: kv.list_secrets(f"tenants/{ground.tenant}", mount_point=mount),
        lambda: client.secrets.transit.generate_data_key(
            f"tenant-{ground.other}", "plaintext", mount_point="gatehouse-transit"
        ),
        lambda: client.auth.token.create(role_name="gatehouse-tenant", entity_alias=ground.other),
        lambda: client.auth.token.create(),
        lambda: client.sys.create_or_update_acl_policy("gatehouse-tenant", 'path "*" { capabilities = ["read"] }'),
    ):
        with pytest.raises(hvac.exceptions.Forbidden):
            attempt()
    found = await store.get(ground.where(tenant=ground.other))
    assert found is not None
    assert dict(found.fields) == dict(TWO.fields)


async def test_the_gateways_own_token_reads_no_credential(ground: Ground) -> None:
    store = ground.store()
    await store.put(ground.where(), ONE, expected=0)
    own = (await ground.sessions[0]._own_token()).lease.token
    client = hvac.Client(url=ground.url, token=own)
    with pytest.raises(hvac.exceptions.Forbidden):
        client.secrets.kv.v2.read_secret_version(
            path(ground.where()), mount_point="gatehouse", raise_on_deleted_version=True
        )
    with pytest.raises(hvac.exceptions.InvalidRequest):
        client.auth.token.create(role_name="gatehouse-tenant", policies=["gatehouse-admin"])
    with pytest.raises(hvac.exceptions.Forbidden):
        client.sys.create_or_update_acl_policy("gatehouse-tenant", 'path "*" { capabilities = ["read"] }')


async def test_an_admins_token_reads_no_credential(ground: Ground) -> None:
    await ground.store().put(ground.where(), ONE, expected=0)
    client = hvac.Client(url=ground.url, token=ground.admin_token())
    with pytest.raises(hvac.exceptions.Forbidden):
        client.secrets.kv.v2.read_secret_version(
            path(ground.where()), mount_point="gatehouse", raise_on_deleted_version=True
        )
    with pytest.raises(hvac.exceptions.Forbidden):
        client.sys.create_or_update_acl_policy("anything", 'path "*" { capabilities = ["read"] }')


async def test_a_mount_that_is_not_there_is_no_missing_credential(ground: Ground) -> None:
    lost = VaultStore(ground.session(ground.token_login(ground.root_token)), mount="nowhere")
    lost._session._child = lambda tenant, instead_of=None: lost._session._own_token(instead_of)  # type: ignore[method-assign]
    with pytest.raises(SecretStoreUnavailable, match="nowhere") as refused:
        await lost.get(ground.where())
    assert not refused.value.retryable


async def test_a_cold_start_is_parallel_with_a_bound(ground: Ground, standin: VaultStandIn) -> None:
    await ground.store().put(ground.where("conn_0"), ONE, expected=0)
    store = ground.store(at_once=6)
    standin.slow_seconds = 0.002
    standin.most_at_once = 0
    wheres = [ground.where("conn_0" if at % 2 else f"conn_{at}") for at in range(1000)]
    found = await asyncio.gather(*(store.get(where) for where in wheres))
    assert sum(credential is not None for credential in found) == 501
    assert 2 <= standin.most_at_once <= 6
    assert ground.count("create/gatehouse-tenant") == 2  # one for each store, and not one for each connection
