"""Packages that come or go while the app runs are seen; otherwise nobody looks through all of them again."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from molfun import entry_points
from molfun.entry_points import installed_parts

GROUP = "molfun.tests"


def install(room: Path, name: str) -> Path:
    """Write what pip writes for a package that brings one entry point."""
    about = room / f"{name}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[{GROUP}]\n{name} = json:loads\n")
    # Folders of some file systems tell seconds only; two changes of this test may fall into one.
    os.utime(room, ns=(room.stat().st_atime_ns, room.stat().st_mtime_ns + 10**9))
    return about


def test_a_package_that_comes_or_goes_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    assert installed_parts(GROUP) == {}
    about = install(tmp_path, "first")
    install(tmp_path, "second")
    assert sorted(installed_parts(GROUP)) == ["first", "second"]
    shutil.rmtree(about)
    os.utime(tmp_path, ns=(tmp_path.stat().st_atime_ns, tmp_path.stat().st_mtime_ns + 10**9))
    assert sorted(installed_parts(GROUP)) == ["second"]


def test_packages_are_looked_through_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    install(tmp_path, "only")
    first = installed_parts(GROUP)
    looked = entry_points._look_through.cache_info().misses
    # What somebody does to the answer is nobody else's.
    first.clear()
    assert installed_parts(GROUP)["only"].load() is not None
    assert entry_points._look_through.cache_info().misses == looked
