"""The stored password: a hash for its owner, and bounds."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from molfun.errors import RunError, SettingError
from molfun.ui.password import password_path, read_password, remove_password, set_password

PASSWORD = "correct horse battery"


def test_only_the_hash_is_kept_and_only_the_owner_reads_it(home: Path) -> None:
    set_password(home, PASSWORD)
    first = password_path(home).read_text()
    assert PASSWORD not in first
    assert stat.S_IMODE(password_path(home).stat().st_mode) == 0o600
    stored = read_password(home)
    assert stored is not None
    assert stored.matches(PASSWORD)
    assert not stored.matches(PASSWORD + " ")
    set_password(home, PASSWORD)
    assert password_path(home).read_text() != first  # another salt
    assert remove_password(home)
    assert not remove_password(home)
    assert read_password(home) is None


def test_accents_typed_in_two_ways_are_one_password(home: Path) -> None:
    set_password(home, "café au lait")
    stored = read_password(home)
    assert stored is not None
    assert stored.matches("cafe\u0301 au lait")


@pytest.mark.parametrize("password", ["", "short", "x" * 1025, "é" * 600])
def test_passwords_have_bounds(home: Path, password: str) -> None:
    with pytest.raises(SettingError, match="8 to 1024 characters is expected"):
        set_password(home, password)
    assert read_password(home) is None


def test_a_password_that_cannot_be_written_is_a_sentence(home: Path) -> None:
    with pytest.raises(RunError, match="cannot be written"):
        set_password(home / "absent", PASSWORD)
