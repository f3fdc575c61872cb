"""Vault's transit engine: data keys that only Vault can unwrap, and signatures by a key that never leaves it.

One key for each tenant, `tenant-{tenant}`, and `operators` for what belongs to none: destroying a tenant's key makes
all its data keys, and so all that they sealed, unreadable for ever. Source: Vault HTTP API, "Transit secrets engine".
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from credentials.vault_calls import Answer, Invalid, NotThere, Work, operators_turn
from credentials.vault_session import VaultSession, segment

_OPERATORS = "operators"
_MISSING = ("encryption key not found", "no existing key named")


class KeyDestroyed(Exception):
    """The key that wrapped a data key is gone, or it wrapped another: what the data key sealed cannot be read."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A data key of 32 bytes, and how it is stored."""

    plain: bytes = field(repr=False)
    wrapped: bytes


class TransitKeys:
    """Makes, opens and ends tenants' data keys. Every method raises `SecretStoreUnavailable`."""

    def __init__(self, session: VaultSession, *, mount: str = "gatehouse-transit") -> None:
        """Take the path where transit is mounted."""
        self._session = session
        self._mount = mount.strip("/")

    async def new(self, tenant: str) -> NewKey:
        """Return a new data key, wrapped by the tenant's key, which is made where there is none."""
        name = _name(tenant)
        ask: Work = lambda client: client.secrets.transit.generate_data_key(  # noqa: E731
            name=name, key_type="plaintext", mount_point=self._mount
        )
        try:
            told = await self._run(tenant, ask)
        except KeyDestroyed:
            await self._run(
                tenant, lambda client: client.secrets.transit.create_key(name=name, mount_point=self._mount)
            )
            told = await self._run(tenant, ask)
        return NewKey(_plain(told), _wrapped(told))

    async def wrap(self, tenant: str, plain: bytes) -> bytes:
        """Return a data key from elsewhere, wrapped by the tenant's key, which Vault makes where there is none."""
        name, text = _name(tenant), base64.b64encode(plain).decode()
        told = await self._run(
            tenant,
            lambda client: client.secrets.transit.encrypt_data(name=name, plaintext=text, mount_point=self._mount),
        )
        return _wrapped(told)

    async def unwrap(self, tenant: str, wrapped: bytes) -> bytes:
        """Return a data key. Raises `KeyDestroyed`."""
        name, text = _name(tenant), _text(wrapped)
        told = await self._run(
            tenant,
            lambda client: client.secrets.transit.decrypt_data(name=name, ciphertext=text, mount_point=self._mount),
            reads=True,
        )
        return _plain(told)

    async def rewrap(self, tenant: str, wrapped: bytes) -> bytes:
        """Return a data key wrapped by the newest version of the tenant's key. Raises `KeyDestroyed`."""
        name, text = _name(tenant), _text(wrapped)
        told = await self._run(
            tenant,
            lambda client: client.secrets.transit.rewrap_data(name=name, ciphertext=text, mount_point=self._mount),
            reads=True,
        )
        return _wrapped(told)

    async def rotate(self, tenant: str) -> None:
        """Give the tenant's key a new version; what older ones wrapped can still be opened. Raises `KeyDestroyed`."""
        name = _name(tenant)
        await self._run(tenant, lambda client: client.secrets.transit.rotate_key(name=name, mount_point=self._mount))

    async def destroy(self, tenant: str) -> None:
        """Destroy the tenant's key for ever; none there is no error. Needs the policy `admin`."""
        name = _name(tenant)
        try:
            await self._session.as_gateway(
                lambda client: client.secrets.transit.update_key_configuration(
                    name=name, deletion_allowed=True, mount_point=self._mount
                )
            )
            await self._session.as_gateway(
                lambda client: client.secrets.transit.delete_key(name=name, mount_point=self._mount)
            )
        except NotThere:
            return
        except Invalid as refusal:
            if not _is_missing(refusal):
                raise _unserved(self._mount) from refusal

    async def _run(self, tenant: str, work: Work, *, reads: bool = False) -> Answer:
        try:
            if tenant:
                return await self._session.as_tenant(tenant, work, reads=reads)
            return await self._session.as_gateway(work, reads=reads)
        except (Invalid, NotThere) as refusal:
            if isinstance(refusal, NotThere):
                raise _unserved(self._mount) from refusal
            raise KeyDestroyed("the key that wrapped a data key is gone, or it wrapped another") from None


class TransitSigner:
    """Signs with an Ed25519 key of transit's. Checking needs no Vault once the public keys were read."""

    def __init__(
        self, session: VaultSession, *, mount: str = "gatehouse-transit", name: str = "gatehouse-checkpoints"
    ) -> None:
        """Take the key's name; an operator makes the key."""
        self._session = session
        self._mount = mount.strip("/")
        self._name = name
        self._known: tuple[Ed25519PublicKey, ...] = ()

    async def open(self) -> None:
        """Read the public keys. Raises `SecretStoreUnavailable`."""
        try:
            told = await self._session.as_gateway(
                lambda client: client.secrets.transit.read_key(name=self._name, mount_point=self._mount), reads=True
            )
        except (Invalid, NotThere):
            raise operators_turn(
                f"There is no key {self._name} in the secret store to sign checkpoints with.",
                "Make it as the operations page says.",
            ) from None
        found = cast("Mapping[str, object]", (told.get("data") or {}).get("keys") or {})
        self._known = tuple(_public(found[number]) for number in sorted(found, key=int))

    async def sign(self, text: bytes) -> bytes:
        """Return the signature, 64 bytes. Raises `SecretStoreUnavailable`."""
        asked = base64.b64encode(text).decode()
        try:
            told = await self._session.as_gateway(
                lambda client: client.secrets.transit.sign_data(
                    name=self._name, hash_input=asked, mount_point=self._mount
                ),
                reads=True,  # Ed25519 gives the same signature each time, and nothing is kept of it
            )
        except (Invalid, NotThere) as refusal:
            raise _unserved(self._mount) from refusal
        signature = _decoded(str((told.get("data") or {}).get("signature")).rpartition(":")[2])
        if not self.checks(text, signature):
            await self.open()  # the key was rotated
        return signature

    def checks(self, text: bytes, signature: bytes) -> bool:
        """Whether a signature is one of this key's, by any of its versions, over a text."""
        return any(_verifies(key, text, signature) for key in self._known)

    def public_keys(self) -> tuple[Ed25519PublicKey, ...]:
        """Return the keys that check, oldest first; empty before `open`."""
        return self._known


def _name(tenant: str) -> str:
    return f"tenant-{segment(tenant)}" if tenant else _OPERATORS


def _is_missing(refusal: Invalid) -> bool:
    return any(word in reason for reason in refusal.reasons for word in (*_MISSING, "not found"))


def _plain(told: Answer) -> bytes:
    return _decoded(str((told.get("data") or {}).get("plaintext")))


def _wrapped(told: Answer) -> bytes:
    return str((told.get("data") or {}).get("ciphertext")).encode()


def _text(wrapped: bytes) -> str:
    try:
        return wrapped.decode("ascii")
    except UnicodeDecodeError:
        raise KeyDestroyed("what is stored is no data key that Vault wrapped") from None


def _public(shown: object) -> Ed25519PublicKey:
    text = cast("Mapping[str, object]", shown).get("public_key") if isinstance(shown, dict) else None
    return Ed25519PublicKey.from_public_bytes(_decoded(str(text)))


def _verifies(key: Ed25519PublicKey, text: bytes, signature: bytes) -> bool:
    try:
        key.verify(signature, text)
    except InvalidSignature:
        return False
    return True


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise operators_turn(
            "The secret store answered what is not Vault's.", "Look at the address in the settings."
        ) from None


def _unserved(mount: str) -> Exception:
    return operators_turn(
        f"The secret store does not serve {mount} as a transit engine.",
        "Mount one there, or name the right mount in the settings.",
    )
