"""Data keys and signatures, whoever keeps the key: the same contract for the embedded one and for Vault's."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from credentials.vault_transit import KeyDestroyed, TransitKeys, TransitSigner
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench.vault_standin import VaultStandIn
from gateway.ledger.bodies import Bodies, Unreadable
from gateway.ledger.checkpoint import Signer as HeadSigner
from gateway.ledger.signing import FileSigner, Signer
from gateway.ledger.wrapping import KeyWrapper, MasterKeyWrapper, TransitKeyWrapper
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
        HeadSigner.load_or_create(tmp_path / "audit.key")
        return FileSigner.load(tmp_path / "audit.key")
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


async def test_the_master_keys_wrapping_is_the_one_that_ledgers_have() -> None:
    wrapper, bodies = MasterKeyWrapper(MASTER), Bodies(MASTER)
    stored = bodies.new_key("acme", 3)
    sealed = bodies.seal("acme", "row", {"a": 1})
    other = Bodies(MASTER)
    other.load("acme", 3, await wrapper.rewrap("acme", 3, stored))
    assert other.open("acme", "row", sealed) == {"a": 1}
    for tenant, number in (("rival", 3), ("acme", 4)):
        with pytest.raises(KeyDestroyed):
            await wrapper.unwrap(tenant, number, stored)
    with pytest.raises(Unreadable):
        Bodies(bytes(32)).load("acme", 3, (await wrapper.new("acme", 3)).wrapped)


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
        FileSigner.load(tmp_path / "audit.key")
