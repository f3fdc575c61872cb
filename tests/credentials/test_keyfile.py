import base64
import os
import pickle
import stat
from pathlib import Path

import pytest
from credentials import KeyRefused, MasterKey


def test_a_created_key_is_read_back_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    made = MasterKey.create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert MasterKey.from_file(path).derive("x") == made.derive("x")
    assert [entry.name for entry in tmp_path.iterdir()] == ["master.key"]


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    first = MasterKey.open_or_create(path)
    with pytest.raises(FileExistsError):
        MasterKey.create(path)
    assert MasterKey.open_or_create(path).derive("x") == first.derive("x")
    assert [entry.name for entry in tmp_path.iterdir()] == ["master.key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o601])
def test_a_key_that_others_can_use_is_refused_with_the_command_that_mends_it(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "master.key"
    MasterKey.create(path)
    path.chmod(mode)
    with pytest.raises(KeyRefused, match=f"mode {mode:04o}.*chmod 600"):
        MasterKey.from_file(path)


def test_a_key_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "master.key"
    MasterKey.create(path)
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    with pytest.raises(KeyRefused, match="belongs to another user"):
        MasterKey.from_file(path)


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(KeyRefused, match="no regular file"):
            MasterKey.from_file(path)
    with pytest.raises(KeyRefused, match="cannot be opened"):
        MasterKey.from_file(tmp_path / "absent")


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 33, b"!" * 44, base64.b64encode(b"x" * 31)])
def test_a_file_without_a_whole_key_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "master.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyRefused, match="32 bytes") as refused:
        MasterKey.from_file(path)
    assert not content or content.decode() not in str(refused.value)


def test_raw_bytes_and_base64_are_the_same_key(tmp_path: Path) -> None:
    secret = bytes(range(32))
    path = tmp_path / "raw"
    path.write_bytes(secret)
    path.chmod(0o600)
    assert MasterKey.from_file(path).derive("x") == MasterKey.from_base64(base64.b64encode(secret).decode()).derive("x")


def test_a_bad_environment_value_is_refused_without_quoting_it() -> None:
    with pytest.raises(KeyRefused, match="openssl rand") as refused:
        MasterKey.from_base64("hunter2")
    assert "hunter2" not in str(refused.value)


def test_each_purpose_has_its_own_key(key: MasterKey) -> None:
    assert key.derive("a") == key.derive("a")
    assert key.derive("a") != key.derive("b")
    assert len(key.derive("a")) == 32


def test_a_key_shows_nothing_of_itself(key: MasterKey) -> None:
    assert repr(key) == str(key) == "MasterKey(...)"
    assert not hasattr(key, "__dict__")
    with pytest.raises(TypeError):
        pickle.dumps(key)
