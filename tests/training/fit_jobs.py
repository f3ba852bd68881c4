"""Fits described as plain values, so that the same fit runs in a test, and under torchrun:

    torchrun --standalone --nproc-per-node 2 tests/training/fit_jobs.py JOBS.json

A job: {"out", "strategy", "spread": "single" | "ddp" | "fsdp", "batch", "task", "loss", "stop_after", ...}.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

sys.path.insert(0, str(Path(__file__).parents[2]))

from molfun.data.batches import Collate, EpochSampler, SequenceRows, heaviest_batch
from molfun.data.example_structures import example_protein
from molfun.data.labels import NO_LABEL
from molfun.data.length_batches import LengthBatches
from molfun.errors import MolfunError
from molfun.models.precision import Precision
from molfun.runs.rank import leave
from molfun.training import Callback, FullFinetune, HeadOnlyFinetune, LoRAFinetune, PartialFinetune
from molfun.training.distributed import BaseDistributedStrategy, DDPStrategy, FSDPStrategy, SingleDevice
from molfun.training.sharding import whole
from molfun.training.snapshot import kept_tensors
from tests.tiny import tiny_fold_model, tiny_model

STRATEGIES: dict[str, Any] = {
    "head_only": HeadOnlyFinetune,
    "lora": LoRAFinetune,
    "partial": PartialFinetune,
    "full": FullFinetune,
}
EXTRA: dict[str, dict[str, Any]] = {"lora": {"rank": 4}, "partial": {"unfreeze_last_n": 1}}
SPREADS: dict[str, Any] = {"single": SingleDevice, "ddp": DDPStrategy, "fsdp": FSDPStrategy}
SEQUENCES = ["ACDEFGHIKLMNPQRSTVWY"[i % 7 : 8 + i % 11] * (1 + i % 2) for i in range(37)]

STEER: dict[str, Any] = {
    "": lambda loop: None,
    "halve": lambda loop: loop.request_lr_factor(0.5),
    "pause": lambda loop: loop.request_pause(),
    "longer": lambda loop: loop.request_epochs(4),
}


class Watch(Callback):
    """Keeps the curve, and asks for a stop or fails where the job says so."""

    def __init__(self, job: dict[str, Any], spread: BaseDistributedStrategy) -> None:
        self.job, self.spread, self.steps = job, spread, []

    def on_fit_begin(self, loop) -> None:
        if self.job.get("half"):
            # A loss scale that overflows float16 until it has been halved often enough: the first steps are skipped.
            loop.precision = Precision(loop.distributed.device, amp=True, dtype=torch.float16)
            loop.precision.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**18)

    def on_step_end(self, loop, metrics) -> None:
        self.skipped = loop.progress.step - loop.scheduler.last_epoch
        self.steps.append({k: v for k, v in metrics.items() if k not in ("tokens_per_second",)})
        # Only one process asks; all must stop in the same step.
        if loop.progress.step == self.job.get("stop_after") and self.spread.rank == self.job.get("stopper", 0):
            loop.request_stop("the job says so")
        if self.spread.rank == 0:
            STEER[self.job.get("steer", {}).get(str(loop.progress.step), "")](loop)

    def on_alive(self, loop) -> None:
        # A pause lasts for one look.
        loop.request_go_on()


def loader(model: Any, job: dict[str, Any], *, shuffle: bool, num_rows: int) -> DataLoader:
    """Return the rows of a job; the last batch is smaller, and lengths differ."""
    sequences, task = SEQUENCES[:num_rows], job.get("task", "regression")
    if task == "structure":
        return structure_loader(model, job, shuffle=shuffle)
    targets = {
        "regression": [float(s.count("G") + 0.1 * len(s)) for s in sequences],
        "classification": [len(s) % 3 for s in sequences],
        "per_residue": [[NO_LABEL if letter in "AC" else ord(letter) % 3 for letter in s] for s in sequences],
    }[task]
    if shuffle and "infinite_row" in job:
        targets[job["infinite_row"]] = 1e30  # its square is infinite in float32
    rows = SequenceRows([sequences], encoder=model.adapter.alphabet, max_residues=99, targets=targets)
    lengths, size = [len(row.tokens[0]) for row in rows.rows], job["batch"]
    order: dict[str, Any] = {
        "sampler": {"batch_size": size, "sampler": EpochSampler(num_rows, shuffle=shuffle, seed=1)},
        "global": {"batch_size": size, "shuffle": shuffle},
        "own": {"batch_size": size, "shuffle": shuffle, "generator": torch.Generator().manual_seed(9)},
        "tokens": {"batch_sampler": LengthBatches(lengths, batch_size=size, by="tokens", shuffle=shuffle, seed=1)},
    }[job.get("order", "sampler")]
    return DataLoader(rows, collate_fn=Collate(model.adapter.alphabet, task), **order)


def structure_loader(model: Any, job: dict[str, Any], *, shuffle: bool) -> DataLoader:
    """Return stretches of a measured structure; the last batch is smaller, and lengths differ."""
    protein = example_protein("5pti")
    stretches = [np.arange(first, first + 8 + first % 3) for first in range(0, 48, 7)]
    proteins = [replace(protein, chains=(protein.chains[0].pick(kept),)) for kept in stretches]
    alphabet, sequences = model.adapter.alphabet, [protein.chains[0].sequence for protein in proteins]
    rows = SequenceRows([sequences], encoder=alphabet, max_residues=99, structures=proteins)
    order = EpochSampler(len(rows), shuffle=shuffle, seed=1)
    return DataLoader(rows, batch_size=job["batch"], collate_fn=Collate(alphabet, "structure"), sampler=order)


def build(job: dict[str, Any]) -> Any:
    """Return the untrained model of a job."""
    task = job.get("task", "regression")
    if task != "structure":
        return tiny_model(task, family=job.get("family", "esm"), num_blocks=2)
    model = tiny_fold_model()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0  # what is dropped depends on the rows beside
    return model


def rehearsed(model: Any, job: dict[str, Any]) -> Any:
    """Return the heaviest batch of a job that wants it tried first, else None."""
    return heaviest_batch(loader(model, job, shuffle=True, num_rows=37)) if job.get("rehearse") else None


def run_job(job: dict[str, Any]) -> dict[str, Any]:
    """Fit as a job says; return history, curve and final weights of this process."""
    torch.manual_seed(11)
    model = build(job)
    spread = SPREADS[job["spread"]]()
    watch = Watch(job, spread)
    settings = {
        "lr": 1e-2, "amp": False, "ema_decay": 0.8, "validate_raw": True, "accumulation_steps": 2, "grad_clip": 0.5,
        "loss_fn": job.get("loss", "mse"), "class_weights": job.get("class_weights", "none"),
        "early_stopping_patience": job.get("patience", 0), "early_stopping_min_delta": job.get("min_delta", 0.0),
        **EXTRA.get(job["strategy"], {}),
    }  # fmt: skip
    if job.get("task") == "structure":
        settings |= {"lr": 1e-3, "loss_fn": "structure_without_violation"}
        settings |= {"unfreeze_structure_module": True} if job["strategy"] == "partial" else {}
    try:
        history = STRATEGIES[job["strategy"]](**settings).fit(
            model, loader(model, job, shuffle=True, num_rows=37), loader(model, job, shuffle=False, num_rows=19),
            epochs=job.get("epochs", 3), callbacks=[watch], distributed=spread, seed=5,
            checkpoint_dir=job.get("checkpoint_dir"), resume_from=job.get("resume_from"),
            gradient_checkpointing=job.get("gradient_checkpointing", False), rehearse_batch=rehearsed(model, job),
        )  # fmt: skip
    except MolfunError as error:
        return {"error": str(error)}
    weights = {name: whole(tensor.detach()).clone() for name, tensor in kept_tensors(model).items()}
    preds = None
    if job["spread"] != "fsdp":  # an FSDP model stays shared out
        with torch.no_grad():
            preds = model.eval()(next(iter(loader(model, {**job, "batch": 8}, shuffle=False, num_rows=8))))["preds"]
            preds = preds.positions_BRA3 if job.get("task") == "structure" else preds
    return {"preds": preds, "history": history, "steps": watch.steps, "weights": weights, "skipped": watch.skipped}


def main() -> None:
    """Run every job of a file in one process group; each rank writes what it got."""
    spread = DDPStrategy()
    spread.setup()
    for job in json.loads(Path(sys.argv[1]).read_text()):
        torch.save(run_job(job), Path(job["out"]).with_suffix(f".{spread.rank}.pt"))
    spread.cleanup()


if __name__ == "__main__":
    main()
    leave(0)
