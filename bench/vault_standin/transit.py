"""Transit: data keys that are wrapped, and signatures. Source: Vault HTTP API, "Transit secrets engine"."""

import base64
import binascii
import os
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bench.vault_standin.clock import Clock
from bench.vault_standin.refusal import Refusal, invalid, missing

_NONCE = 12
_Version = AESGCM | Ed25519PrivateKey


@dataclass(slots=True)
class _Key:
    kind: str
    created: str
    versions: list[_Version] = field(default_factory=list[_Version])
    least_decrypted: int = 1
    deletable: bool = False

    def add(self) -> None:
        signs = self.kind == "ed25519"
        self.versions.append(Ed25519PrivateKey.generate() if signs else AESGCM(AESGCM.generate_key(256)))


class Transit:
    """One mount."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._keys: dict[str, _Key] = {}

    def exists(self, path: str) -> bool:
        """Whether writing to a path is an update."""
        kind, _, rest = path.partition("/")
        return kind not in {"keys", "encrypt"} or "/" in rest or rest in self._keys

    def handle(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """Serve a request below the mount."""
        parts = path.split("/")
        match method, parts:
            case "POST", ["keys", name]:
                return self._make(name, str(body.get("type") or "aes256-gcm96"))
            case "GET", ["keys", name]:
                return self._shown(name)
            case "DELETE", ["keys", name]:
                return self._delete(name)
            case "POST", ["keys", name, "config"]:
                return self._config(name, body)
            case "POST", ["keys", name, "rotate"]:
                self._key(name).add()
                return None
            case "POST", ["datakey", "plaintext", name]:
                plain = os.urandom(int(body.get("bits") or 256) // 8)
                return {"plaintext": _text(plain), "ciphertext": self._wrap(name, plain)}
            case "POST", ["encrypt", name]:
                if name not in self._keys:  # `create` on the path lets encryption make the key
                    self._make(name, "aes256-gcm96")
                return {"ciphertext": self._wrap(name, _bytes(str(body.get("plaintext") or "")))}
            case "POST", ["decrypt", name]:
                return {"plaintext": _text(self._unwrap(name, str(body.get("ciphertext") or "")))}
            case "POST", ["rewrap", name]:
                return {"ciphertext": self._wrap(name, self._unwrap(name, str(body.get("ciphertext") or "")))}
            case "POST", ["sign", name]:
                return self._sign(name, body)
            case "POST", ["verify", name]:
                return self._verify(name, body)
            case _:
                raise Refusal(404, f"no handler for route {path!r}. route entry not found.")

    def _make(self, name: str, kind: str) -> dict[str, Any]:
        if kind not in {"aes256-gcm96", "ed25519"}:
            raise invalid(f"unknown key type {kind}")
        if name not in self._keys:
            self._keys[name] = _Key(kind, self._clock.text())
            self._keys[name].add()
        return self._shown(name)

    def _shown(self, name: str) -> dict[str, Any]:
        key = self._keys.get(name)
        if key is None:
            raise missing()
        shown: dict[str, Any] = {}
        for number, version in enumerate(key.versions, 1):
            public = version.public_key() if isinstance(version, Ed25519PrivateKey) else None
            raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw) if public is not None else None
            shown[str(number)] = {"public_key": _text(raw), "creation_time": key.created} if raw else 1
        return {
            "name": name,
            "type": key.kind,
            "keys": shown,
            "latest_version": len(key.versions),
            "min_decryption_version": key.least_decrypted,
            "deletion_allowed": key.deletable,
        }

    def _config(self, name: str, body: dict[str, Any]) -> None:
        key = self._key(name)
        key.deletable = bool(body.get("deletion_allowed", key.deletable))
        key.least_decrypted = int(body.get("min_decryption_version", key.least_decrypted))

    def _delete(self, name: str) -> None:
        key = self._keys.get(name)
        if key is None:
            raise invalid(f"error deleting policy {name}: could not delete key; not found")
        if not key.deletable:
            raise invalid(f"error deleting policy {name}: deletion is not allowed for this key")
        del self._keys[name]

    def _key(self, name: str) -> _Key:
        key = self._keys.get(name)
        if key is None:
            raise invalid("encryption key not found")
        return key

    def _wrap(self, name: str, plain: bytes) -> str:
        key = self._key(name)
        newest = key.versions[-1]
        if not isinstance(newest, AESGCM):
            raise invalid(f"message encryption not supported for key type {key.kind}")
        nonce = os.urandom(_NONCE)
        return f"vault:v{len(key.versions)}:{_text(nonce + newest.encrypt(nonce, plain, None))}"

    def _unwrap(self, name: str, wrapped: str) -> bytes:
        key = self._key(name)
        number, raw = _parsed(wrapped, "ciphertext")
        if number > len(key.versions):
            raise invalid("invalid ciphertext: version is too new")
        if number < key.least_decrypted:
            raise invalid("ciphertext or signature version is disallowed by policy (too old)")
        version = key.versions[number - 1]
        if not isinstance(version, AESGCM):
            raise invalid(f"message decryption not supported for key type {key.kind}")
        try:
            return version.decrypt(raw[:_NONCE], raw[_NONCE:], None)
        except (InvalidTag, ValueError):
            raise invalid("cipher: message authentication failed") from None

    def _sign(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        key = self._keys.get(name)
        if key is None:
            raise invalid("signing key not found")
        newest = key.versions[-1]
        if not isinstance(newest, Ed25519PrivateKey):
            raise invalid(f"key type {key.kind} does not support signing")
        signature = newest.sign(_bytes(str(body.get("input") or "")))
        return {"signature": f"vault:v{len(key.versions)}:{_text(signature)}", "key_version": len(key.versions)}

    def _verify(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        key = self._keys.get(name)
        if key is None:
            raise invalid("signature verification key not found")
        number, signature = _parsed(str(body.get("signature") or ""), "signature")
        version = key.versions[number - 1] if number <= len(key.versions) else None
        if not isinstance(version, Ed25519PrivateKey):
            raise invalid("invalid signature: version is too new")
        try:
            version.public_key().verify(signature, _bytes(str(body.get("input") or "")))
        except InvalidSignature:
            return {"valid": False}
        return {"valid": True}


def _parsed(text: str, what: str) -> tuple[int, bytes]:
    head, _, raw = text.removeprefix("vault:v").partition(":")
    if not text.startswith("vault:v") or not head.isdigit() or int(head) < 1:
        raise invalid(f"invalid {what}: no prefix")
    return int(head), _bytes(raw)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise invalid("unable to decode input as base64") from None
