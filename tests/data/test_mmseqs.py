"""MMseqs2 as a guest: found or not, what it finds, and that nothing of it stays behind when it fails or is slow."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from molfun.data import mmseqs
from molfun.errors import DataError
from tests.data.test_families import program  # noqa: F401  a fixture
from tests.data.test_identity import related


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that holds temporary ones."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def stand_in(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a program of our own in MMseqs2's place."""
    path = folder / "mmseqs-stand-in"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    monkeypatch.setenv("MOLFUN_MMSEQS", str(path))


@pytest.mark.usefixtures("program")
def test_related_sequences_are_found(place: Path) -> None:
    rows = related(30, 1, families=3, length=60)
    found = mmseqs.find_pairs(rows[:10], [*rows, "M*KT"], max_hits=50)
    assert {(i, i) for i in range(10)} <= set(map(tuple, found.tolist()))
    assert found.max() < 31
    assert list(place.iterdir()) == []


@pytest.mark.usefixtures("program")
def test_near_copies_have_a_representative() -> None:
    rows = related(1, 2, length=80) * 2 + related(1, 3, length=80)
    found = mmseqs.find_near_copies(rows, 0.9)
    of_row = {member: representative for representative, member in found.tolist()}
    assert of_row[0] == of_row[1] != of_row[2]


@pytest.mark.usefixtures("program")
def test_dna_letters_are_read_as_residues() -> None:
    assert len(mmseqs.find_pairs(["ACGTACGTGGCATTACGGAC"], ["ACGTACGTGGCATTACGGAC"], max_hits=5)) == 1


def test_an_absent_program_gives_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOLFUN_MMSEQS", "no-such-program")
    assert mmseqs.find_program() == ""
    with pytest.raises(DataError, match=r"MMseqs2 is not installed; install MMseqs2 \(apt-get .* MOLFUN_MMSEQS\."):
        mmseqs.find_pairs(["MKT"], ["MKT"], max_hits=1)


def test_its_last_words_are_told(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(place, "echo; echo 'Cannot write: no space'; exit 3", monkeypatch)
    with pytest.raises(DataError, match=r"stopped in 'createdb' \(Cannot write: no space\); check the free disk space"):
        mmseqs.find_pairs(["MKT"], ["MKT"], max_hits=1)
    assert [path.name for path in place.iterdir()] == ["mmseqs-stand-in"]


def wait_for_the_end_of(pid: int) -> None:
    """Wait until a process is gone; fail where it stays."""
    end = time.monotonic() + 20
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_slow_program_is_ended_with_its_children(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(place, f"sleep 300 & echo $! > {place}/child; wait", monkeypatch)
    with pytest.raises(DataError, match=r"did not end within 0 minutes; use a machine with more cores"):
        mmseqs.find_pairs(["MKT"], ["MKT"], max_hits=1, limit_seconds=2.0)
    wait_for_the_end_of(int((place / "child").read_text()))


def test_it_ends_with_whoever_wanted_it(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(place, f"sleep 300 & echo $! > {place}/new && mv {place}/new {place}/child; wait", monkeypatch)
    code = "from molfun.data import mmseqs; mmseqs.find_pairs(['MKT'], ['MKT'], max_hits=1)"
    with subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(place)}) as wanted:
        end = time.monotonic() + 60
        while not (place / "child").exists():
            assert time.monotonic() < end
            time.sleep(0.05)
        wanted.kill()
    wait_for_the_end_of(int((place / "child").read_text()))


def test_keys_of_trackers_are_not_handed_on(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "secret")
    stand_in(place, f"env > {place}/env; exit 1", monkeypatch)
    with pytest.raises(DataError, match="exit code 1"):
        mmseqs.find_pairs(["MKT"], ["MKT"], max_hits=1)
    assert "secret" not in (place / "env").read_text()
