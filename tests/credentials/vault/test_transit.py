"""Data keys that only Vault unwraps, and signatures by a key that never leaves it."""

import hvac
import pytest
from credentials.vault_transit import KeyDestroyed, TransitKeys, TransitSigner

from bench.vault_standin import VaultStandIn
from connectors.sdk.errors import SecretStoreUnavailable
from tests.credentials.vault.ground import Ground


@pytest.fixture
def keys(ground: Ground) -> TransitKeys:
    return TransitKeys(ground.session())


@pytest.fixture
def admin(ground: Ground) -> TransitKeys:
    """The keys as an admin has them, who may destroy."""
    return TransitKeys(ground.session(ground.token_login(ground.admin_token())))


async def test_a_new_data_key_opens_again(keys: TransitKeys, ground: Ground) -> None:
    made = await keys.new(ground.tenant)
    assert len(made.plain) == 32
    assert made.plain not in made.wrapped
    assert made.wrapped.startswith(b"vault:v1:")
    assert await keys.unwrap(ground.tenant, made.wrapped) == made.plain
    assert (await keys.new(ground.tenant)).plain != made.plain
    assert made.plain.hex() not in repr(made)


async def test_events_of_no_tenant_have_a_key_too(keys: TransitKeys) -> None:
    made = await keys.new("")
    assert await keys.unwrap("", made.wrapped) == made.plain


async def test_a_data_key_of_one_tenant_is_none_of_anothers(keys: TransitKeys, ground: Ground) -> None:
    made = await keys.new(ground.tenant)
    await keys.new(ground.other)
    with pytest.raises(KeyDestroyed):
        await keys.unwrap(ground.other, made.wrapped)


@pytest.mark.parametrize("wrapped", [b"", b"vault:v1:", b"vault:v9:AAAA", b"\xff\xfe", b"vault:v1:" + b"A" * 80])
async def test_what_is_no_wrapped_key_is_said_to_be_none(keys: TransitKeys, ground: Ground, wrapped: bytes) -> None:
    await keys.new(ground.tenant)
    with pytest.raises(KeyDestroyed):
        await keys.unwrap(ground.tenant, wrapped)


async def test_after_a_rotation_old_keys_open_and_can_be_wrapped_anew(keys: TransitKeys, ground: Ground) -> None:
    made = await keys.new(ground.tenant)
    await keys.rotate(ground.tenant)
    assert await keys.unwrap(ground.tenant, made.wrapped) == made.plain
    assert (await keys.new(ground.tenant)).wrapped.startswith(b"vault:v2:")
    anew = await keys.rewrap(ground.tenant, made.wrapped)
    assert anew.startswith(b"vault:v2:")
    assert await keys.unwrap(ground.tenant, anew) == made.plain


async def test_destroying_a_tenants_key_erases_what_it_wrapped_and_nothing_else(
    keys: TransitKeys, admin: TransitKeys, ground: Ground
) -> None:
    made, others = await keys.new(ground.tenant), await keys.new(ground.other)
    await admin.destroy(ground.tenant)
    with pytest.raises(KeyDestroyed):
        await keys.unwrap(ground.tenant, made.wrapped)
    assert await keys.unwrap(ground.other, others.wrapped) == others.plain
    # A new key of the same name is another key.
    await keys.new(ground.tenant)
    with pytest.raises(KeyDestroyed):
        await keys.unwrap(ground.tenant, made.wrapped)


async def test_destroying_what_is_not_there_is_no_error(admin: TransitKeys, ground: Ground) -> None:
    await admin.destroy(ground.tenant)


async def test_the_gateway_may_not_destroy(keys: TransitKeys, ground: Ground) -> None:
    made = await keys.new(ground.tenant)
    with pytest.raises(SecretStoreUnavailable) as refused:
        await keys.destroy(ground.tenant)
    assert not refused.value.retryable
    assert await keys.unwrap(ground.tenant, made.wrapped) == made.plain


async def test_a_signature_checks_without_vault(ground: Ground) -> None:
    signer = TransitSigner(ground.session())
    await signer.open()
    signature = await signer.sign(b"head 7")
    assert len(signature) == 64
    assert signer.checks(b"head 7", signature)
    assert not signer.checks(b"head 8", signature)
    assert not signer.checks(b"head 7", bytes(64))


async def test_what_an_older_version_signed_still_checks(ground: Ground) -> None:
    signer = TransitSigner(ground.session())
    await signer.open()
    before = await signer.sign(b"head 7")
    ground.root.secrets.transit.rotate_key("gatehouse-checkpoints", mount_point="gatehouse-transit")
    after = await signer.sign(b"head 8")
    assert signer.checks(b"head 7", before)
    assert signer.checks(b"head 8", after)
    assert len(signer.public_keys()) >= 2


async def test_a_signing_key_that_is_missing_is_the_operators_turn(ground: Ground) -> None:
    root = ground.session(ground.token_login(ground.root_token))
    with pytest.raises(SecretStoreUnavailable, match="no key nobody") as refused:
        await TransitSigner(root, name="nobody").open()
    assert not refused.value.retryable


async def test_the_signing_key_cannot_be_destroyed_by_an_admin(ground: Ground) -> None:
    client = hvac.Client(url=ground.url, token=ground.admin_token())
    with pytest.raises(hvac.exceptions.Forbidden):
        client.secrets.transit.delete_key("gatehouse-checkpoints", mount_point="gatehouse-transit")


async def test_a_sealed_vault_makes_and_signs_nothing(ground: Ground, standin: VaultStandIn) -> None:
    session = ground.session()
    keys, signer = TransitKeys(session), TransitSigner(session)
    await signer.open()
    made = await keys.new(ground.tenant)
    standin.sealed = True
    for attempt in (keys.new(ground.tenant), keys.unwrap(ground.tenant, made.wrapped), signer.sign(b"x")):
        with pytest.raises(SecretStoreUnavailable, match="sealed"):
            await attempt
    standin.sealed = False
    assert await keys.unwrap(ground.tenant, made.wrapped) == made.plain
