"""What the loop costs: memory and time of gradient checkpointing, and how long a checkpoint holds up training.

    python -m benchmarks.training [--device cuda] [--rows 32] [--length 120]

Ratios are against the same work in the same run. On a GPU it also compares bfloat16, float16 and float32.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import torch

from molfun.data.batches import Collate, SequenceRows
from molfun.models.build import build_model
from molfun.models.precision import Precision
from molfun.models.settings import ModelSettings
from molfun.training import Callback, FullFinetune, HeadOnlyFinetune, LoRAFinetune, PartialFinetune
from molfun.training.checkpoint import write_checkpoint
from molfun.training.distributed import SingleDevice
from molfun.training.loop import Loop
from molfun.training.snapshot import take_snapshot
from molfun.types import Batch

STRATEGIES = {
    "head_only": HeadOnlyFinetune, "lora": LoRAFinetune, "partial": PartialFinetune, "full": FullFinetune,
}  # fmt: skip
MEGABYTE = 1024**2


def make_batches(num_batches: int, rows: int, length: int) -> list[Batch]:
    """Return batches of made-up antibody-like sequences of one length."""
    model = build_model(ModelSettings(name="antiberty", weights="random"), task="regression")
    sequences = ["".join("ACDEFGHIKLMNPQRSTVWY"[(i * j) % 20] for j in range(length)) for i in range(rows)]
    encoded = SequenceRows(
        [sequences], encoder=model.adapter.alphabet, max_residues=510, targets=[float(i) for i in range(rows)]
    )
    batch = Collate(model.adapter.alphabet, "regression")([encoded[i] for i in range(rows)])
    return [batch] * num_batches


class Watch(Callback):
    """Measures steps, and one checkpoint written with training waiting and one written beside it."""

    def __init__(self, folder: Path | None = None, dtype: torch.dtype | None = None) -> None:
        self.folder, self.dtype = folder, dtype
        self.marks: list[float] = []
        self.copy_seconds = self.write_seconds = 0.0

    def on_fit_begin(self, loop: Loop) -> None:
        if self.dtype is not None:
            loop.precision = Precision(loop.distributed.device, amp=True, dtype=self.dtype)

    def on_step_end(self, loop: Loop, metrics: Mapping[str, float]) -> None:
        if loop.distributed.device.type == "cuda":
            torch.cuda.synchronize()
        self.marks.append(time.monotonic())
        if self.folder is not None and loop.progress.step == 3:
            began = time.monotonic()
            snapshot = take_snapshot(loop)
            self.copy_seconds = time.monotonic() - began
            began = time.monotonic()
            write_checkpoint(snapshot, self.folder / "waiting", weights="raw")
            self.write_seconds = time.monotonic() - began

    @property
    def step_seconds(self) -> float:
        """Median seconds between steps, the first left out."""
        gaps = sorted(b - a for a, b in zip(self.marks[1:], self.marks[2:], strict=False))
        return gaps[len(gaps) // 2] if gaps else 0.0


def one_fit(options: argparse.Namespace) -> None:
    """Fit once, in a process of its own so that its peak is its own, and print seconds a step and peak MiB."""
    torch.manual_seed(0)
    model = build_model(ModelSettings(name="antiberty", weights="random"), task="regression")
    dtype = {"": None, "bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}[options.dtype]
    watch = Watch(dtype=dtype)
    STRATEGIES[options.fit](ema_decay=0.9, lr=1e-4).fit(
        model, make_batches(5, options.rows, options.length), epochs=1, callbacks=[watch],
        distributed=SingleDevice(options.device), gradient_checkpointing=options.checkpointing,
    )  # fmt: skip
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if options.device == "cuda":
        peak = torch.cuda.max_memory_allocated() / MEGABYTE
    print(f"{watch.step_seconds:.4f} {peak:.0f}")


def measure(options: argparse.Namespace, fit: str, *more: str) -> tuple[float, float]:
    """Return (seconds a step, peak MiB) of a fit in a fresh process."""
    command = [
        sys.executable, "-m", "benchmarks.training", "--fit", fit, "--device", options.device, "--rows",
        str(options.rows), "--length", str(options.length), *more,
    ]  # fmt: skip
    seconds, peak = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-2:]
    return float(seconds), float(peak)


def main() -> None:
    """Measure and print a table each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--length", type=int, default=120)
    parser.add_argument("--fit", default="")
    parser.add_argument("--dtype", default="")
    parser.add_argument("--checkpointing", action="store_true")
    options = parser.parse_args()
    if options.fit:
        one_fit(options)
        return
    print(f"AntiBERTy's architecture, {options.rows} rows of {options.length} residues, {options.device}\n")
    print("| strategy | peak MiB | with gradient checkpointing | seconds a step | with |\n|---|---|---|---|---|")
    for kind in STRATEGIES:
        plain, thrifty = measure(options, kind), measure(options, kind, "--checkpointing")
        print(
            f"| {kind} | {plain[1]:.0f} | {thrifty[1]:.0f} (x {thrifty[1] / plain[1]:.2f}) "
            f"| {plain[0]:.3f} | {thrifty[0]:.3f} (x {thrifty[0] / plain[0]:.2f}) |"
        )
    if options.device == "cuda":
        print(
            "\n| strategy | float32 s | bfloat16 | float16 | peak MiB fp32 | bf16 | fp16 |\n"
            "|---|---|---|---|---|---|---|"
        )
        for kind in STRATEGIES:
            found = [measure(options, kind, "--dtype", dtype) for dtype in ("fp32", "bf16", "fp16")]
            ratios = " | ".join(f"x {seconds / found[0][0]:.2f}" for seconds, _ in found[1:])
            print(f"| {kind} | {found[0][0]:.4f} | {ratios} | " + " | ".join(f"{peak:.0f}" for _, peak in found) + " |")
    with tempfile.TemporaryDirectory() as folder:
        watch = Watch(Path(folder))
        model = build_model(ModelSettings(name="antiberty", weights="random"), task="regression")
        FullFinetune(ema_decay=0.9, lr=1e-4).fit(
            model, make_batches(6, options.rows, options.length), epochs=1, callbacks=[watch],
            distributed=SingleDevice(options.device),
        )  # fmt: skip
    print(
        f"\nA checkpoint of Full with EMA holds training up {watch.copy_seconds:.2f} s (the copy); writing it takes "
        f"{watch.write_seconds:.2f} s in a thread. A step takes {watch.step_seconds:.2f} s."
    )


if __name__ == "__main__":
    main()
