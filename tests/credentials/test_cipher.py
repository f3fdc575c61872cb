import pytest
from credentials.cipher import SealBroken, Sealer
from hypothesis import given
from hypothesis import strategies as st

SEALER = Sealer(b"k" * 32)


@given(st.binary(max_size=200), st.binary(max_size=50))
def test_what_is_sealed_opens_at_its_place(plain: bytes, aad: bytes) -> None:
    sealed = SEALER.seal(plain, aad)
    assert SEALER.open(sealed, aad) == plain
    assert sealed != SEALER.seal(plain, aad)


@given(st.binary(max_size=50), st.data())
def test_a_changed_seal_does_not_open(plain: bytes, data: st.DataObject) -> None:
    sealed = bytearray(SEALER.seal(plain, b"here"))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(SealBroken):
        SEALER.open(bytes(sealed), b"here")


def test_a_seal_does_not_open_elsewhere_or_by_another_key_or_cut() -> None:
    sealed = SEALER.seal(b"plain", b"here")
    for sealer, bytes_there, place in (
        (SEALER, sealed, b"there"),
        (Sealer(b"o" * 32), sealed, b"here"),
        (SEALER, sealed[:-1], b"here"),
        (SEALER, b"", b"here"),
    ):
        with pytest.raises(SealBroken):
            sealer.open(bytes_there, place)


def test_a_key_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Sealer(b"k" * 16)
