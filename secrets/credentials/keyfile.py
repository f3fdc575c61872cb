"""The master key: 32 bytes from a file that only its owner can read, or from the environment."""

import base64
import binascii
import os
import secrets
import stat
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SIZE = 32


class KeyRefused(ValueError):
    """The master key cannot be used. The message says what to do and holds nothing of the key."""


class MasterKey:
    """The key from which every other key comes. It seals nothing itself and never shows itself."""

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        """Take exactly 32 bytes. Raises `KeyRefused`."""
        if len(secret) != SIZE:
            raise KeyRefused(f"a master key has {SIZE} bytes, this one has {len(secret)}")
        self._secret = secret

    def __repr__(self) -> str:
        """Say what it is, not what is in it."""
        return "MasterKey(...)"

    def __reduce__(self) -> str:
        """Refuse to be pickled."""
        raise TypeError("a master key is not pickled")

    @classmethod
    def from_base64(cls, value: str) -> "MasterKey":
        """Read the value of an environment variable: base64 of 32 bytes. Raises `KeyRefused`."""
        try:
            return cls(base64.b64decode(value.strip(), validate=True))
        except (binascii.Error, ValueError):
            raise KeyRefused(
                "the master key must be base64 of 32 bytes: make one with `openssl rand -base64 32`"
            ) from None

    @classmethod
    def from_file(cls, path: Path) -> "MasterKey":
        """Read a file with 32 bytes, or their base64. Raises `KeyRefused` for a file that others can read or own."""
        try:
            # Without O_NONBLOCK, opening a pipe would wait for a writer.
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise KeyRefused(f"the key file {path} cannot be opened: {error.strerror}") from error
        try:
            _check(path, os.fstat(handle))
            content = os.read(handle, 1024)
        finally:
            os.close(handle)
        if len(content) == SIZE:
            return cls(content)
        try:
            return cls.from_base64(content.decode("ascii"))
        except (KeyRefused, UnicodeDecodeError):
            raise KeyRefused(f"the key file {path} must hold {SIZE} bytes, or their base64") from None

    @classmethod
    def create(cls, path: Path) -> "MasterKey":
        """Make a key and its file at once, mode 0600. Raises `FileExistsError` where there is one: keys are kept."""
        secret = secrets.token_bytes(SIZE)
        whole = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        handle = os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            try:
                os.write(handle, base64.b64encode(secret) + b"\n")
                os.fsync(handle)
            finally:
                os.close(handle)
            # A link appears with its content, and only where no file is: a crash leaves no half key behind.
            os.link(whole, path)
        finally:
            os.unlink(whole)
        _sync_folder(path.parent)
        return cls(secret)

    @classmethod
    def open_or_create(cls, path: Path) -> "MasterKey":
        """Read the file, or make it where there is none. Two processes that start together get the same key."""
        if not path.exists():
            try:
                return cls.create(path)
            except FileExistsError:
                pass
        return cls.from_file(path)

    def derive(self, purpose: str) -> bytes:
        """Return the 32-byte key of one purpose (HKDF-SHA256). One purpose's key tells nothing of another's."""
        return HKDF(algorithm=SHA256(), length=SIZE, salt=None, info=b"gatehouse " + purpose.encode()).derive(
            self._secret
        )


def _check(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise KeyRefused(f"the key file {path} is no regular file")
    if found.st_uid != os.geteuid():
        raise KeyRefused(f"the key file {path} belongs to another user: give it to the user that runs the gateway")
    if found.st_mode & 0o077:
        mode = stat.S_IMODE(found.st_mode)
        raise KeyRefused(f"the key file {path} has mode {mode:04o}, others may use it: run `chmod 600 {path}`")


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
