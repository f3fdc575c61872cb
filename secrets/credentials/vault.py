"""The credential store in Vault or OpenBao: KV version 2 with check-and-set, one path a connection.

    {mount}/data/tenants/{tenant}/{environment}/connections/{connection}

All parts are immutable ids. Source: Vault HTTP API, "KV secrets engine - version 2". The mount should keep one
version (`max_versions=1`), so that a token that was replaced is gone; the store works with any number.
"""

from collections.abc import Mapping
from typing import cast

import structlog

from connectors.sdk.errors import SecretStoreUnavailable
from credentials.store import Credential, CredentialCorrupted, VersionConflict, Where
from credentials.vault_calls import Answer, Invalid, NotThere, operators_turn
from credentials.vault_session import VaultSession, segment

_log = structlog.get_logger("gatehouse.vault")
# What is written where a credential was destroyed: versions go on growing over it, so an old writer cannot win.
_GONE: Mapping[str, object] = {"destroyed": True}
_MISMATCH = "check-and-set parameter did not match the current version"
_TRIES = 20


class VaultStore:
    """`CredentialStore` in Vault. Each request goes by the child token of its tenant."""

    def __init__(self, session: VaultSession, *, mount: str = "gatehouse") -> None:
        """Take the path where a KV engine of version 2 is mounted."""
        self._session = session
        self._mount = mount.strip("/")

    async def open(self) -> None:
        """Log in now, so that what is set up wrongly is found at start. Raises `SecretStoreUnavailable`.

        A Vault that is only away or sealed is no reason not to start: the session goes on trying.
        """
        try:
            await self._session.open()
        except SecretStoreUnavailable as error:
            if not error.retryable:
                raise
            _log.warning("vault_unavailable", reason=error.detail)

    async def get(self, where: Where) -> Credential | None:
        """Return the credential, or None. Raises `CredentialCorrupted`."""
        version, data = await self._read(where)
        if data is None or data == _GONE:
            return None
        method, fields = data.get("method"), data.get("fields")
        if not isinstance(method, str) or not isinstance(fields, dict):
            raise CredentialCorrupted(f"the credential of {where.connection} cannot be read")
        named = cast("dict[str, object]", fields)
        if not all(isinstance(value, str) for value in named.values()):
            raise CredentialCorrupted(f"the credential of {where.connection} cannot be read")
        return Credential(method=method, fields=cast("dict[str, str]", named), version=version)

    async def put(self, where: Where, credential: Credential, *, expected: int) -> int:
        """Write if the version is `expected`; return the new one. Raises `VersionConflict`."""
        # Vault's own check alone would let a writer from before a deletion pass that guesses the version after it.
        # What is read here cannot become stale unseen: every change after it moves the version that the write names.
        version, there = await self._read(where)
        if expected != (0 if there is None or there == _GONE else version):
            raise VersionConflict(f"the credential of {where.connection} is at another version")
        data = {"method": credential.method, "fields": dict(credential.fields)}
        return await self._write(where, data, version)

    async def delete(self, where: Where) -> None:
        """Destroy the credential and all its versions. The path and its count stay."""
        for _ in range(_TRIES):
            version, there = await self._read(where)
            if version == 0:
                return None
            if there is None or there == _GONE:
                return await self._destroy_before(where, version if there is not None else version + 1)
            try:
                await self._write(where, _GONE, version)
            except VersionConflict:
                continue  # a refresh was written in between
        raise operators_turn("A credential changes so often that it cannot be destroyed.", "Delete it again.")

    async def erase(self, where: Where) -> None:
        """Destroy the credential with all its versions, and the path itself."""
        path = _path(where)
        await self._session.as_tenant(
            where.tenant,
            lambda client: client.secrets.kv.v2.delete_metadata_and_all_versions(path, mount_point=self._mount),
        )

    async def close(self) -> None:
        """End the gateway's token at Vault and let go of it. Waits for what is being written."""
        await self._session.close()

    async def _read(self, where: Where) -> tuple[int, Mapping[str, object] | None]:
        """Return the newest version, 0 where there was never one, and what it holds, None where it is destroyed."""
        path = _path(where)
        try:
            told = await self._session.as_tenant(
                where.tenant,
                lambda client: client.secrets.kv.v2.read_secret_version(
                    path, mount_point=self._mount, raise_on_deleted_version=True
                ),
                reads=True,
            )
        except NotThere as nothing:
            if nothing.told.get("errors"):  # without reasons where only the path has nothing
                raise self._unserved() from nothing
            return _version(nothing.told), None
        except Invalid as refusal:
            raise self._unserved() from refusal
        data, version = (told.get("data") or {}).get("data"), _version(told)
        if not isinstance(data, dict) or version == 0:
            raise self._unserved()
        return version, cast("Mapping[str, object]", data)

    async def _write(self, where: Where, data: Mapping[str, object], version: int) -> int:
        path = _path(where)
        try:
            told = await self._session.as_tenant(
                where.tenant,
                lambda client: client.secrets.kv.v2.create_or_update_secret(
                    path, dict(data), cas=version, mount_point=self._mount
                ),
            )
        except Invalid as refusal:
            if _MISMATCH in refusal.reasons:
                raise VersionConflict(f"the credential of {where.connection} is at another version") from None
            raise self._unserved() from refusal
        except NotThere as nothing:
            raise self._unserved() from nothing
        written = (told.get("data") or {}).get("version")
        if not isinstance(written, int):
            raise self._unserved()
        return written

    async def _destroy_before(self, where: Where, version: int) -> None:
        """Destroy the versions before one that holds no secret."""
        path = _path(where)
        try:
            told = await self._session.as_tenant(
                where.tenant,
                lambda client: client.secrets.kv.v2.read_secret_metadata(path, mount_point=self._mount),
                reads=True,
            )
        except NotThere:
            return
        found = cast("Mapping[str, Mapping[str, object]]", (told.get("data") or {}).get("versions") or {})
        left = [int(number) for number, it in found.items() if int(number) < version and not it.get("destroyed")]
        if left:
            await self._session.as_tenant(
                where.tenant,
                lambda client: client.secrets.kv.v2.destroy_secret_versions(path, left, mount_point=self._mount),
            )

    def _unserved(self) -> Exception:
        return operators_turn(
            f"The secret store does not serve {self._mount} as a KV engine of version 2.",
            "Mount one there, or name the right mount in the settings.",
        )


def _path(where: Where) -> str:
    tenant, environment = segment(where.tenant), segment(where.environment)
    return f"tenants/{tenant}/{environment}/connections/{segment(where.connection)}"


def _version(told: Answer) -> int:
    """Return the version of an answer; a 404 without metadata says that there was never one."""
    metadata = (told.get("data") or {}).get("metadata") or {}
    version = metadata.get("version")
    return version if isinstance(version, int) else 0
