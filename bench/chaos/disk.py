"""A small disk of its own for a home, that can be filled: a tmpfs, where this process may mount one."""

import asyncio
import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

_MEBIBYTES = 48
_CHUNK = b"\0" * 65_536


class NoDisk(RuntimeError):
    """This process may not mount a disk of its own."""


class SmallDisk:
    """A mounted folder, `_MEBIBYTES` large."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self) -> None:
        """Leave no room at all."""
        with self._filler.open("ab", buffering=0) as file:
            for size in (len(_CHUNK), 1):
                try:
                    while True:
                        file.write(_CHUNK[:size])
                except OSError:
                    continue

    def free(self) -> None:
        """Give the room back."""
        self._filler.unlink(missing_ok=True)


@contextmanager
def small_disk(folder: Path) -> Generator[SmallDisk]:
    """Mount one at a folder, and take it away in the end. Raises `NoDisk`."""
    folder.mkdir()
    mounting = ("mount", "-t", "tmpfs", "-o", f"size={_MEBIBYTES}m,mode=0700", "tmpfs", str(folder))
    if os.getuid() != 0 or subprocess.run(mounting, capture_output=True, check=False).returncode != 0:
        raise NoDisk("a tmpfs cannot be mounted here")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(("umount", "--lazy", str(folder)), check=False)


def can_mount(scratch: Path) -> bool:
    """Whether a small disk can be had here."""
    try:
        with small_disk(scratch):
            return True
    except NoDisk:
        return False


async def fill_for(disk: SmallDisk, seconds: float) -> None:
    """Leave no room for so many seconds."""
    await asyncio.to_thread(disk.fill)
    await asyncio.sleep(seconds)
    disk.free()
