"""Data keys and signatures, whoever keeps the key: the same contract for the embedded one and for Vault's."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from credentials.vault_transit import KeyDestroyed, TransitKeys, TransitSigner
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench.vault_standin import VaultStandIn
from connectors.sdk.errors import SecretStoreUnavailable
from gateway.ledger.bodies import Bodies, Unreadable
from gateway.ledger.keyring import open_keys
from gateway.ledger.signing import LocalSigner, PublicKeys, Signer, SucceedingSigner, pem_of
from gateway.ledger.wrapping import (
    KeyWrapper,
    LedgerWrapper,
    MasterKeyWrapper,
    NoVault,
    TransitKeyWrapper,
    wrapped_by_vault,
)
from tests.credentials.vault.ground import REAL, Ground

MASTER = bytes(range(32))


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Ground]:
    standin = None if REAL else VaultStandIn().start()
    made = Ground(tmp_path, standin=standin)
    yield made
    await made.close()
    if standin is not None:
        standin.stop()


@pytest.fixture(params=["master key", "transit"])
def wrapper(request: pytest.FixtureRequest, ground: Ground) -> KeyWrapper:
    if request.param == "master key":
        return MasterKeyWrapper(MASTER)
    return TransitKeyWrapper(TransitKeys(ground.session()))


@pytest.fixture(params=["file", "transit"])
async def signer(request: pytest.FixtureRequest, ground: Ground, tmp_path: Path) -> Signer:
    if request.param == "file":
        LocalSigner.load_or_create(tmp_path / "audit.key")
        return LocalSigner.load(tmp_path / "audit.key")
    transit = TransitSigner(ground.session())
    await transit.open()
    return transit


async def test_a_data_key_opens_for_its_tenant_alone(wrapper: KeyWrapper, ground: Ground) -> None:
    made = await wrapper.new(ground.tenant, 1)
    await wrapper.new(ground.other, 1)
    assert len(made.plain) == 32
    assert made.plain not in made.wrapped
    assert await wrapper.unwrap(ground.tenant, 1, made.wrapped) == made.plain
    with pytest.raises(KeyDestroyed):
        await wrapper.unwrap(ground.other, 1, made.wrapped)
    with pytest.raises(KeyDestroyed):
        await wrapper.unwrap(ground.tenant, 1, made.wrapped[:-8])


async def test_a_data_key_that_is_wrapped_again_is_the_same_key(wrapper: KeyWrapper, ground: Ground) -> None:
    made = await wrapper.new(ground.tenant, 1)
    again = await wrapper.rewrap(ground.tenant, 1, made.wrapped)
    assert again != made.wrapped
    assert await wrapper.unwrap(ground.tenant, 1, again) == made.plain


async def test_the_master_keys_wrapping_is_bound_to_tenant_number_and_master_key() -> None:
    wrapper = MasterKeyWrapper(MASTER)
    made = await wrapper.new("acme", 3)
    for tenant, number in (("rival", 3), ("acme", 4)):
        with pytest.raises(KeyDestroyed):
            await wrapper.unwrap(tenant, number, made.wrapped)
    with pytest.raises(KeyDestroyed):
        await MasterKeyWrapper(bytes(32)).unwrap("acme", 3, made.wrapped)


# An installation that goes over to Vault


async def test_keys_from_before_vault_open_and_go_there_when_wrapped_again(ground: Ground) -> None:
    before = MasterKeyWrapper(MASTER)
    old = await before.new(ground.tenant, 1)
    wrapper = LedgerWrapper(before, TransitKeyWrapper(TransitKeys(ground.session())))

    assert await wrapper.unwrap(ground.tenant, 1, old.wrapped) == old.plain
    moved = await wrapper.rewrap(ground.tenant, 1, old.wrapped)

    assert wrapped_by_vault(moved)
    assert not wrapped_by_vault(old.wrapped)
    assert await wrapper.unwrap(ground.tenant, 1, moved) == old.plain
    assert wrapped_by_vault((await wrapper.new(ground.tenant, 2)).wrapped)


async def test_a_rotation_at_vault_leaves_what_was_wrapped_readable(ground: Ground) -> None:
    keys = TransitKeys(ground.session())
    wrapper = LedgerWrapper(MasterKeyWrapper(MASTER), TransitKeyWrapper(keys))
    made = await wrapper.new(ground.tenant, 1)

    await keys.rotate(ground.tenant)
    again = await wrapper.rewrap(ground.tenant, 1, made.wrapped)

    assert (made.wrapped[:9], again[:9]) == (b"vault:v1:", b"vault:v2:")
    for wrapped in (made.wrapped, again):
        assert await wrapper.unwrap(ground.tenant, 1, wrapped) == made.plain


async def test_what_vault_wrapped_does_not_open_without_vault(ground: Ground) -> None:
    made = await TransitKeyWrapper(TransitKeys(ground.session())).new(ground.tenant, 1)
    with pytest.raises(NoVault, match="GATEHOUSE_VAULT_ADDR"):
        await LedgerWrapper(MasterKeyWrapper(MASTER), None).unwrap(ground.tenant, 1, made.wrapped)


async def test_keys_that_vault_does_not_give_now_are_expected_and_the_rest_opens(ground: Ground) -> None:
    if ground.standin is None:
        pytest.skip("breaks the server, so it runs against the stand-in only")
    wrapper = LedgerWrapper(MasterKeyWrapper(MASTER), TransitKeyWrapper(TransitKeys(ground.session())))
    at_vault = await wrapper.new(ground.tenant, 1)
    here = await MasterKeyWrapper(MASTER).new(ground.other, 1)
    stored = [(ground.other, 1, here.wrapped), (ground.tenant, 1, at_vault.wrapped)]
    bodies = Bodies()

    ground.standin.sealed = True
    opened = await open_keys(bodies, wrapper, stored)

    assert opened == stored[:1]
    with pytest.raises(SecretStoreUnavailable):
        bodies.seal(ground.tenant, "row", {})
    assert bodies.open(ground.other, "row", bodies.seal(ground.other, "row", {"a": 1})) == {"a": 1}
    ground.standin.sealed = False
    assert await open_keys(bodies, wrapper, stored) == sorted(stored)
    assert bodies.open(ground.tenant, "row", bodies.seal(ground.tenant, "row", {"a": 1})) == {"a": 1}


async def test_another_master_key_is_refused(ground: Ground) -> None:
    made = await MasterKeyWrapper(MASTER).new("acme", 1)
    with pytest.raises(Unreadable, match="master key"):
        await open_keys(Bodies(), MasterKeyWrapper(bytes(32)), [("acme", 1, made.wrapped)])


# Signing


async def test_a_signer_that_succeeds_another_checks_what_that_signed(ground: Ground, tmp_path: Path) -> None:
    old = LocalSigner.load_or_create(tmp_path / "audit.key")
    transit = TransitSigner(ground.session())
    both = SucceedingSigner(transit, [old])
    await both.open()

    before, after = await old.sign(b"head 1"), await both.sign(b"head 2")

    assert both.checks(b"head 1", before)
    assert both.checks(b"head 2", after)
    assert not old.checks(b"head 2", after)
    (tmp_path / "keys.pem").write_text(pem_of(both.public_keys()))
    exported = PublicKeys.load(tmp_path / "keys.pem")
    assert exported.checks(b"head 1", before)
    assert exported.checks(b"head 2", after)
    assert not exported.checks(b"head 3", after)


def test_a_file_without_a_public_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "keys.pem").write_text("nothing")
    with pytest.raises(ValueError, match="no Ed25519 public key"):
        PublicKeys.load(tmp_path / "keys.pem")


async def test_a_signature_checks_over_its_text_alone(signer: Signer) -> None:
    signature = await signer.sign(b"head 7")
    assert len(signature) == 64
    assert signer.checks(b"head 7", signature)
    assert not signer.checks(b"head 8", signature)
    signer.public_keys()[-1].verify(signature, b"head 7")


def test_a_file_with_another_kind_of_key_is_refused(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "audit.key").write_bytes(pem)
    with pytest.raises(ValueError, match="Ed25519"):
        LocalSigner.load(tmp_path / "audit.key")
