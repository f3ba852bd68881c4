"""Offline runs of the real wandb, read back from the file that it would send."""

from __future__ import annotations

import json
import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from molfun.tracking.wandb import WandbTracker

pytest.importorskip("wandb")
BLOCK_BYTES, HEADER_BYTES = 32768, 7
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def payloads(data: bytes) -> Iterator[bytes]:
    """Yield the records of a .wandb file: a LevelDB log in blocks of 32 KiB behind a header of 7 bytes."""
    assert data[:4] == b":W&B"
    place, parts = HEADER_BYTES, b""
    while place + HEADER_BYTES <= len(data):
        if BLOCK_BYTES - place % BLOCK_BYTES < HEADER_BYTES:
            place += BLOCK_BYTES - place % BLOCK_BYTES
            continue
        crc, length, kind = struct.unpack("<IHB", data[place : place + HEADER_BYTES])
        body = data[place + HEADER_BYTES : place + HEADER_BYTES + length]
        if len(body) < length:
            return
        assert crc == zlib.crc32(bytes([kind]) + body)
        parts = body if kind in (FULL, FIRST) else parts + body
        if kind in (FULL, LAST):
            yield parts
        place += HEADER_BYTES + length


def records(folder: Path) -> list[Any]:
    """Return the records of the one run below `folder`; on a busy machine its writer ends a little after `finish`."""
    from wandb.proto.wandb_internal_pb2 import Record

    (path,) = folder.rglob("*.wandb")
    for _ in range(200):
        found = [Record.FromString(payload) for payload in payloads(path.read_bytes())]
        if any(record.HasField("exit") for record in found):
            return found
        time.sleep(0.1)
    raise AssertionError(f"{path} has no exit record")


def history(found: list[Any]) -> list[dict[str, Any]]:
    rows = [record.history.item for record in found if record.WhichOneof("record_type") == "history"]
    return [{item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in row} for row in rows]


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WandbTracker:
    for kind in ("DATA", "CACHE", "CONFIG"):  # also takes back what the tracker sets
        monkeypatch.setenv(f"WANDB_{kind}_DIR", str(tmp_path / kind))
    return WandbTracker(project="molfun-test", mode="offline", folder=tmp_path / "wandb")


def test_offline_run_holds_every_epoch_and_every_tenth_step(offline: WandbTracker, tmp_path: Path) -> None:
    with offline:
        offline.start_run("run-1", name="a run", tags=("x",))
        offline.log_config({"strategy": {"lr": 1e-3}})
        for step in range(1, 2001):
            offline.log_step({"loss": 1 / step, "lr/head": 1e-3}, step)
            if step % 1000 == 0:
                offline.log_metrics({"val_loss": 0.5, "train_loss": float("nan")}, step // 1000)
    found = records(tmp_path)
    rows = history(found)
    steps = [row for row in rows if "global_step" in row]
    epochs = [row for row in rows if "val_loss" in row]
    assert [row["global_step"] for row in steps] == list(range(10, 2001, 10))
    assert steps[0]["step/loss"] == 0.1
    assert steps[0]["step/lr/head"] == 0.001
    assert [(row["epoch"], row["val_loss"]) for row in epochs] == [(1, 0.5), (2, 0.5)]
    assert not any("train_loss" in row for row in rows)
    axes = {r.metric.name or r.metric.glob_name: r.metric.step_metric for r in found if r.HasField("metric")}
    assert axes["val_loss"] == "epoch"
    assert axes["step/*"] == "global_step"


def test_offline_run_holds_id_name_and_config(offline: WandbTracker, tmp_path: Path) -> None:
    with offline:
        offline.start_run("run-2", name="a run", group="race")
        offline.log_config({"lr": 0.25})
    found = records(tmp_path)
    run = next(record.run for record in found if record.HasField("run"))
    assert (run.run_id, run.display_name, run.run_group, run.project) == ("run-2", "a run", "race", "molfun-test")
    updates = [item for r in found if r.HasField("config") for item in r.config.update]
    assert {item.key: json.loads(item.value_json) for item in updates}["lr"] == 0.25


@pytest.mark.parametrize(("error", "code"), [("", 0), ("ValueError: no room", 1)])
def test_offline_run_ends_with_its_exit_code(offline: WandbTracker, tmp_path: Path, error: str, code: int) -> None:
    offline.log_metrics({"val_loss": 1.0}, 1)  # starts by itself
    offline.end_run("failed" if error else "finished", error)
    (exit_record,) = [record.exit for record in records(tmp_path) if record.HasField("exit")]
    assert exit_record.exit_code == code


def test_offline_artifact_is_referred_to_not_copied(offline: WandbTracker, tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"0" * 1_000_000)
    with offline:
        offline.log_artifact(weights, "best weights")
    (artifact,) = [record.artifact for record in records(tmp_path) if record.HasField("artifact")]
    assert artifact.name == "best-weights"
    assert artifact.manifest.contents[0].local_path == str(weights)
    copies = [path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size >= 1_000_000]
    assert copies == [weights]


def test_a_run_of_the_script_itself_goes_on(offline: WandbTracker, tmp_path: Path) -> None:
    import wandb

    settings = wandb.Settings(console="off", silent=True, disable_git=True, x_disable_machine_info=True)
    own = wandb.init(project="mine", mode="offline", dir=tmp_path / "own", settings=settings)
    with offline:
        offline.log_metrics({"val_loss": 0.5}, 1)
    wandb.log({"mine": 1.0})
    own.finish()
    assert [row["mine"] for row in history(records(tmp_path / "own"))] == [1.0]
    assert [row["val_loss"] for row in history(records(tmp_path / "wandb"))] == [0.5]


def test_end_run_without_a_run_does_nothing(offline: WandbTracker, tmp_path: Path) -> None:
    offline.end_run()
    assert not (tmp_path / "wandb").exists()
