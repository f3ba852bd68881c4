"""What a step costs beside the peers: time, EMA, the record, and memory, by the same batches in turns.

    python -m benchmarks.steps [--rounds 5] [--steps 12] [--rows 16] [--length 120] [--device cuda]

AntiBERTy's shape (26 M parameters) under Full and LoRA, float32, made-up sequences of one length. Ratios are told
twice: of the quickest steps over all rounds, which other work on the machine can only lengthen (as `timeit` does); and
of the medians within a round, with the lowest and highest round, which says how quiet the machine was.
Memory is the most that a process took above what it held before the fit, each fit in a process of its own.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import torch

from benchmarks.peers import PEERS, Work, versions
from benchmarks.training import make_batches
from molfun.models.build import build_model
from molfun.models.precision import Precision
from molfun.models.settings import ModelSettings
from molfun.models.structure import MolfunStructureModel
from molfun.tracking.local import LocalTracker
from molfun.training import FullFinetune, LoRAFinetune
from molfun.training.base import FinetuneStrategy

STRATEGIES: dict[str, type[FinetuneStrategy]] = {"Full": FullFinetune, "LoRA": LoRAFinetune}
MEGABYTE = 1e6
LOGGED_ROWS = 20_000


def make_model() -> MolfunStructureModel:
    """Return AntiBERTy's shape with weights of a fixed seed."""
    torch.manual_seed(0)
    return build_model(ModelSettings(name="antiberty", weights="random"), task="regression")


def work_of(strategy: type[FinetuneStrategy], options: argparse.Namespace, **settings: float) -> Work:
    """Return one epoch of a strategy."""

    def prepared() -> FinetuneStrategy:
        return strategy(amp=False, lr=1e-4, **settings)

    batches = make_batches(options.steps, options.rows, options.length)
    return Work(make_model, prepared, batches, device=options.device)


def in_turns(fits: dict[str, Callable[[], list[float]]], rounds: int) -> dict[str, list[list[float]]]:
    """Return the steps of each round but their first, by name; every round begins with another one."""
    found: dict[str, list[list[float]]] = {name: [] for name in fits}
    names = list(fits)
    for number in range(rounds):
        start = number % len(names)
        for name in names[start:] + names[:start]:
            found[name].append(fits[name]()[1:])
    return found


def quickest(rounds: list[list[float]]) -> float:
    """Return the shortest step of all rounds, seconds."""
    return min(min(steps) for steps in rounds)


def ratios(found: dict[str, list[list[float]]], name: str, base: str) -> str:
    """Return in words how long `name` takes over `base`: quickest steps, then medians within a round."""
    pairs = zip(found[name], found[base], strict=True)
    each = sorted(statistics.median(ours) / statistics.median(theirs) for ours, theirs in pairs)
    best = quickest(found[name]) / quickest(found[base])
    return f"{best:.3f} | {statistics.median(each):.3f} ({each[0]:.3f} to {each[-1]:.3f})"


def time_peers(options: argparse.Namespace) -> None:
    """Print the step of each strategy and peer."""
    print("| strategy | who | quickest step | over the loop by hand | medians over the loop by hand | peak MB |")
    print("|---|---|---|---|---|---|")
    for title, strategy in STRATEGIES.items():
        work = work_of(strategy, options)
        found = in_turns({name: lambda f=fit, w=work: f(w).steps for name, fit in PEERS.items()}, options.rounds)
        for name, rounds in found.items():
            print(
                f"| {title} | {name} | {quickest(rounds):.3f} s | {ratios(found, name, 'by hand')} | "
                f"{peak_of(title, name, options):.0f} |", flush=True,
            )  # fmt: skip


def time_average(options: argparse.Namespace) -> None:
    """Print what EMA adds to a step of Full, where it has most to average."""
    plain, averaged = work_of(FullFinetune, options), work_of(FullFinetune, options, ema_decay=0.99)
    found = in_turns(
        {"without": lambda: PEERS["molfun"](plain).steps, "with": lambda: PEERS["molfun"](averaged).steps},
        options.rounds,
    )
    print(f"\nEMA: a step of Full with it over one without: {ratios(found, 'with', 'without')}.")


def time_bfloat16(options: argparse.Namespace) -> None:
    """Print forward and backward in bfloat16 over those in float32, and what `amp` chooses here."""
    model, (batch,) = make_model().to(options.device), make_batches(1, options.rows, options.length)
    device = torch.device(options.device)

    def once(dtype: torch.dtype) -> list[float]:
        precision, each = Precision(device, amp=True, dtype=dtype), []
        for _ in range(4):
            began = time.perf_counter()
            with precision.autocast():
                loss = model(batch.to(device))["preds"].float().sum()
            loss.backward()
            model.zero_grad()
            each.append(time.perf_counter() - began)
        return each

    fits = {str(dtype): lambda d=dtype: once(d) for dtype in (torch.float32, torch.bfloat16)}
    over = ratios(in_turns(fits, options.rounds), "torch.bfloat16", "torch.float32")
    print(
        f"\nForward and backward in bfloat16 over float32: {over}; chosen here: {Precision(device, amp=True).reason}."
    )


def time_record() -> None:
    """Print what the local record of a step costs."""
    names = ("loss", "lr/head", "lr/trunk", "grad_norm", "tokens_per_second", "epoch")
    metrics = dict.fromkeys(names, 0.123456789)
    with tempfile.TemporaryDirectory() as folder, LocalTracker(Path(folder)) as tracker:
        each = []
        for first in range(0, LOGGED_ROWS, 1000):
            began = time.perf_counter()
            for step in range(first, first + 1000):
                tracker.log_step(metrics, step=step + 1)
            each.append((time.perf_counter() - began) * 1e3)
    print(f"\nThe local record takes {statistics.median(each):.1f} microseconds a step ({min(each):.1f} to "
          f"{max(each):.1f} over {len(each)} x 1,000 steps).")  # fmt: skip


def peak_of(strategy: str, name: str, options: argparse.Namespace) -> float:
    """Return the most memory that a fit took above what was there before it, in MB, in a fresh process."""
    command = [
        sys.executable, "-m", "benchmarks.steps", "--one", f"{strategy}/{name}", "--steps", "4", "--rows",
        str(options.rows), "--length", str(options.length), "--device", options.device,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1])["peak"]) / MEGABYTE


def one_peak(options: argparse.Namespace) -> None:
    """Fit once and print its peak."""
    title, _, name = options.one.partition("/")
    work = work_of(STRATEGIES[title], options)
    if options.device == "cuda":
        PEERS[name](work)
        print(json.dumps({"peak": torch.cuda.max_memory_allocated()}))
        return
    # A first fit of one small batch imports what a fit imports.
    small = argparse.Namespace(**{**vars(options), "steps": 1, "rows": 2, "length": 10})
    PEERS[name](work_of(STRATEGIES[title], small))
    gc.collect()
    # What the first fit freed would otherwise be used again and not be counted.
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    before = psutil.Process().memory_info().rss
    Path("/proc/self/clear_refs").write_text("5")  # forget the highest resident set so far (proc(5))
    PEERS[name](work)
    status = Path("/proc/self/status").read_text().split("VmHWM:")[1]
    print(json.dumps({"peak": int(status.split()[0]) * 1024 - before}))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--length", type=int, default=120)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--one", default="")
    options = parser.parse_args()
    if options.one:
        one_peak(options)
        return
    print(f"{versions(list(PEERS))}; {options.rows} rows of {options.length} residues, {options.device}\n")
    time_peers(options)
    time_average(options)
    time_bfloat16(options)
    time_record()


if __name__ == "__main__":
    main()
