from collections.abc import Callable
from pathlib import Path

import pytest
from credentials import EmbeddedStore, MasterKey, Road, Tokens
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.credentials.standins import Clock, MemoryStore


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def memory() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def tokens_on(clock: Clock) -> Callable[..., Tokens]:
    return lambda store, road=None: Tokens(store, road=road or Road(), clock=clock, sleep=clock.sleep)


@pytest.fixture
def tokens(memory: MemoryStore, tokens_on: Callable[..., Tokens]) -> Tokens:
    return tokens_on(memory)


@pytest.fixture
def key() -> MasterKey:
    return MasterKey(bytes(range(32)))


@pytest.fixture
def embedded(tmp_path: Path, key: MasterKey) -> EmbeddedStore:
    return EmbeddedStore(tmp_path / "credentials.db", key)


@pytest.fixture(scope="session")
def pem() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
