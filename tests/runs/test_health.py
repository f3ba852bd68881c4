"""Checkpoints are compared with their hashes before anybody is offered to go on from one."""

from __future__ import annotations

import hashlib
import json

import pytest

from molfun.runs.health import inspect, where_it_resumes
from molfun.runs.store import RunFolder


def write(folder: RunFolder, name: str, step: int, *, content: bytes = b"weights", noted: bytes = b"weights") -> None:
    """Write a checkpoint of one file, whose manifest notes the hash of `noted`."""
    path = folder.checkpoints / name
    path.mkdir()
    (path / "weights.safetensors").write_bytes(content)
    files = {"weights.safetensors": hashlib.sha256(noted).hexdigest()}
    (path / "manifest.json").write_text(json.dumps({"format": 2, "step": step, "epoch": step // 10, "files": files}))


def test_the_newest_whole_checkpoint_is_offered(folder: RunFolder) -> None:
    write(folder, "best", 10)
    write(folder, "last", 30)
    point = where_it_resumes(folder)
    assert point.is_possible
    assert point.sentence == "Goes on after step 30, from the checkpoint last."


def test_a_damaged_checkpoint_is_named_and_the_one_before_offered(folder: RunFolder) -> None:
    write(folder, "previous", 20)
    write(folder, "last", 30, content=b"weighty")
    point = where_it_resumes(folder)
    assert point.sentence == "Goes on after step 20, from the checkpoint previous (last is damaged)."
    assert [(one.name, one.problem) for one in point.damaged] == [
        ("last", "weights.safetensors is not what was written")
    ]


def test_a_run_without_checkpoint_begins_anew(folder: RunFolder) -> None:
    assert where_it_resumes(folder).sentence == "Goes on from its beginning: no checkpoint was written."


@pytest.mark.parametrize(
    ("manifest", "problem"),
    [
        ("{", "its manifest cannot be read"),
        ('{"step": "x", "epoch": 1, "files": {}}', "its manifest cannot be read"),
        ('{"step": 3, "epoch": 1, "files": {"gone": "0"}}', "gone is missing"),
        (
            '{"step": 3, "epoch": 1, "files": {"../../spec.yaml": "0"}}',
            "its manifest names ../../spec.yaml, which lies outside",
        ),
    ],
)
def test_nothing_is_offered_where_no_checkpoint_can_be_used(folder: RunFolder, manifest: str, problem: str) -> None:
    (folder.checkpoints / "last").mkdir()
    (folder.checkpoints / "last" / "manifest.json").write_text(manifest)
    assert [one.problem for one in inspect(folder)] == [problem]
    assert not where_it_resumes(folder).is_possible
