"""Trains in a child process, kills it with SIGKILL at a random instant, resumes, compares with an unbroken run.

    python tests/chaos/kill_and_resume.py FOLDER --kills 50 --seed 0

prints one JSON object. Children are forked from a process that has imported everything, so that an attempt starts at
once; torch keeps to one thread, because thread pools do not survive a fork.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import mmap
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

sys.path.insert(0, str(Path(__file__).parents[2]))

from molfun.data.batches import Collate, SequenceRows
from molfun.tracking.local import LocalTracker, read_metrics
from molfun.training import Callback, FullFinetune, HeadOnlyFinetune, LoRAFinetune, PartialFinetune
from molfun.training.resuming import newest_checkpoint
from tests.tiny import tiny_model

SHARED: dict[str, Any] = {
    "amp": False, "ema_decay": 0.9, "accumulation_steps": 2, "warmup_steps": 3, "validate_raw": True, "lr": 3e-3,
    "early_stopping_patience": 50,
}  # fmt: skip
STRATEGIES = {
    "head_only": lambda: HeadOnlyFinetune(**SHARED),
    "lora": lambda: LoRAFinetune(rank=2, dropout=0.1, **SHARED),
    "partial": lambda: PartialFinetune(unfreeze_last_n=1, **SHARED),
    "full": lambda: FullFinetune(**SHARED),
}
EPOCHS, NUM_ROWS, BATCH = 5, 45, 4
TRAINING, VALIDATION = b"t", b"v"
LETTERS = "ACDEFGHIKLMNPQRSTVWY"


class MarkedLoader:
    """Says in shared memory that its batches are being used."""

    def __init__(self, loader: DataLoader[Any], phase: mmap.mmap) -> None:
        self.loader, self.phase = loader, phase

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        self.phase[:1] = VALIDATION
        yield from self.loader
        self.phase[:1] = TRAINING


class SlowDown(Callback):
    """Gives the checkpoint writer and the killer time: without it an epoch takes less than a write."""

    def on_step_end(self, loop, metrics) -> None:
        time.sleep(0.004)


def rows(model: Any, num_rows: int, seed: int) -> SequenceRows:
    """Return random sequences of unequal length with a target."""
    draw = random.Random(seed)
    sequences = ["".join(draw.choices(LETTERS, k=draw.randint(4, 24))) for _ in range(num_rows)]
    targets = [s.count("G") + 0.1 * len(s) for s in sequences]
    return SequenceRows([sequences], encoder=model.adapter.alphabet, max_residues=100, targets=targets)


def train(folder: Path, kind: str, phase: mmap.mmap, segment: int) -> None:
    """Fit to the end, from the newest checkpoint on, and write what came out of it."""
    torch.manual_seed(3)
    model = tiny_model(family="bert", num_blocks=2)  # BERT has dropout, so random numbers matter
    collate = Collate(model.adapter.alphabet, "regression")
    # torch's own shuffle draws from the global random numbers: the hardest order to find again inside an epoch.
    loader = DataLoader(rows(model, NUM_ROWS, 1), batch_size=BATCH, shuffle=True, collate_fn=collate)
    val_loader = DataLoader(rows(model, 20, 2), batch_size=BATCH, collate_fn=collate)
    history = STRATEGIES[kind]().fit(
        model, loader, MarkedLoader(val_loader, phase), epochs=EPOCHS, tracker=LocalTracker(folder, segment=segment),
        callbacks=[SlowDown()], checkpoint_dir=folder / "checkpoints", save_every=2, save_every_steps=2,
        resume_from="auto", seed=5,
    )  # fmt: skip
    live = hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in model.parameters())).hexdigest()
    (folder / "result.json").write_text(json.dumps({"live": live, "history": history}))


def start(folder: Path, kind: str, phase: mmap.mmap, segment: int) -> int:
    """Fork a child that trains; return its process id."""
    phase[:1] = TRAINING
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        train(folder, kind, phase, segment)
        code = 0
    except BaseException:  # noqa: BLE001 - a forked child must never return into its parent's code
        traceback.print_exc()
    finally:
        os._exit(code)


def outcome(folder: Path) -> dict[str, Any]:
    """Return everything that must be the same to the bit."""
    result = json.loads((folder / "result.json").read_text())
    steps, epochs = read_metrics(folder / "metrics.jsonl")
    timing = ["t", "segment", "tokens_per_second", "seconds"]
    checkpoints = {}
    for name in ("best", "last", "epoch_2", "epoch_4"):
        for path in sorted((folder / "checkpoints" / name).rglob("*.safetensors")):
            checkpoints[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return {
        "live": result["live"],
        "history": [{k: v for k, v in row.items() if k != "seconds"} for row in result["history"]],
        "steps": steps.drop(columns=timing, errors="ignore").to_csv(index=False, float_format="%.17g"),
        "epochs": epochs.drop(columns=timing, errors="ignore").to_csv(index=False, float_format="%.17g"),
        "checkpoints": checkpoints,
    }


def half_written(folder: Path) -> bool:
    """Return whether a checkpoint was being written or put in place."""
    checkpoints = folder / "checkpoints"
    hidden = checkpoints.is_dir() and any(path.name.startswith(".") for path in checkpoints.iterdir())
    return bool(hidden or ((checkpoints / "previous").is_dir() and not (checkpoints / "last").is_dir()))


def main() -> None:
    """Run the trials."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    draw, phase = random.Random(options.seed), mmap.mmap(-1, 1)
    expected, duration = {}, {}
    for kind in STRATEGIES:
        folder = options.folder / f"whole-{kind}"
        folder.mkdir(parents=True)
        began = time.monotonic()
        assert os.waitpid(start(folder, kind, phase, 0), 0)[1] == 0
        duration[kind], expected[kind] = time.monotonic() - began, outcome(folder)
    report: dict[str, Any] = {"kills": 0, "in_validation": 0, "in_a_write": 0, "resumed": 0, "different": []}
    trial = 0
    while report["kills"] < options.kills:
        kind = list(STRATEGIES)[trial % len(STRATEGIES)]
        folder = options.folder / f"killed-{trial}"
        folder.mkdir()
        trial += 1
        pid = start(folder, kind, phase, 0)
        time.sleep(draw.uniform(0, duration[kind]))
        os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
        if not os.WIFSIGNALED(status):
            assert os.WEXITSTATUS(status) == 0
            continue  # it was done before the signal came
        report["kills"] += 1
        report["in_validation"] += phase[:1] == VALIDATION
        report["in_a_write"] += half_written(folder)
        report["resumed"] += newest_checkpoint(folder / "checkpoints")[0] is not None
        code = os.waitpid(start(folder, kind, phase, 1), 0)[1]
        found = outcome(folder) if code == 0 else {}
        odd = [name for name in expected[kind] if found.get(name) != expected[kind][name]]
        if odd:
            report["different"].append({"trial": trial - 1, "kind": kind, "code": code, "what": odd})
        else:
            shutil.rmtree(folder)
    report["seconds_of_a_run"] = duration
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
