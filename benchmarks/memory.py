"""The forecast of memory and time beside what a training step of the same batch really takes on this machine.

    python -m benchmarks.memory [MODEL ...]

Each case runs in a process of its own: a tiny batch first, so that libraries are loaded, then two optimiser steps of
the heaviest batch. Measured memory is what the resident set had at most above what it was before the model was built:
once with an allocator that hands freed memory back at once (glibc's MALLOC_MMAP_THRESHOLD_ of a megabyte), which is
what tensors hold, and once as usual, where it keeps pieces for later, which is faster. On a GPU it is what torch had
allocated at most. Time is that of the second step as usual, against the least that the forecast tells.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from typing import Any

import psutil
import torch

from molfun.models.build import build_model
from molfun.models.precision import Precision
from molfun.models.settings import ModelSettings
from molfun.runs.breakdown import ask_of_model
from molfun.training.build import build_strategy
from molfun.training.forecast import SPECIAL_TOKENS, forecast
from molfun.types import Batch, Chain

CASES = [
    (name, kind, size, length, amp, checkpointing)
    for name, size, length in (("antiberty", 16, 130), ("esm2_8m", 32, 254), ("esm2_35m", 4, 510))
    for kind in ("head_only", "lora", "partial", "full")
    for amp, checkpointing in ((True, False), (False, False), (False, True))
    if kind != "head_only" or not checkpointing
]
AT_ONCE = {"MALLOC_MMAP_THRESHOLD_": "1048576"}


def request_of(name: str, kind: str, size: int, length: int, amp: bool, checkpointing: bool) -> dict[str, Any]:
    """Return what the forecast is asked."""
    changes = {
        "training.batch_size": size, "strategy.amp": amp, "training.gradient_checkpointing": checkpointing,
        "model.weights": "random",
    }  # fmt: skip
    question = ask_of_model(name, strategy=kind, changes=changes)
    spec = question.spec.model_dump(mode="json")
    return {"spec": spec, **question.about, "lengths": [length], "limit_bytes": 0, "device": ""}


def measure(request: dict[str, Any]) -> dict[str, float]:
    """Return {"bytes", "seconds"} of real steps."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.rand(64, 64, device=device) @ torch.rand(64, 64, device=device)
    before = psutil.Process().memory_info().rss
    spec = request["spec"]
    model = build_model(ModelSettings.parse(spec["model"]), task="regression", num_chains=1, num_outputs=1)
    strategy = build_strategy(spec["strategy"])
    strategy.setup(model)
    model.to(device).train()
    model.adapter.set_gradient_checkpointing(enabled=spec["training"]["gradient_checkpointing"])
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-5)
    precision = Precision(device, amp=spec["strategy"]["amp"])
    seconds = 0.0
    for size, length in ((1, 10), *(((spec["training"]["batch_size"], request["lengths"][0]),) * 2)):
        mask = torch.ones(size, length + SPECIAL_TOKENS, dtype=torch.bool, device=device)
        mask[0, -1] = False
        tokens = torch.full(mask.shape, 5, device=device)
        begin = time.perf_counter()
        with precision.autocast():
            loss = model(Batch((Chain(tokens, mask, mask),), None, None, torch.arange(size)))["preds"].float().sum()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        float(loss.detach())
        seconds = time.perf_counter() - begin
    if device.type == "cuda":
        return {"bytes": torch.cuda.max_memory_allocated(), "seconds": seconds}
    return {"bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before, "seconds": seconds}


def main() -> None:
    """Print a table."""
    names = sys.argv[1:]
    if names and names[0].startswith("{"):
        print(json.dumps(measure(json.loads(names[0]))))
        return
    print("| model | strategy | batch | numbers | checkpoints | forecast, MB | at once | ratio | as usual | ratio "
          "| least s | s |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for name, kind, size, length, amp, checkpointing in CASES:
        if names and name not in names:
            continue
        request = request_of(name, kind, size, length, amp, checkpointing)
        told = forecast(request)
        strict, usual = run_apart(request, AT_ONCE), run_apart(request, {})
        numbers, is_checkpointing = told["precision"].split(",")[0], "yes" if checkpointing else ""
        cells = [name, kind, f"{size} x {length}", numbers, is_checkpointing, f"{told['total'] / 1e6:,.0f}"]
        for found in (strict, usual):
            cells += [f"{found['bytes'] / 1e6:,.0f}", f"{found['bytes'] / told['total']:.2f}"]
        print("|", " | ".join([*cells, f"{told['seconds']:.2f}", f"{usual['seconds']:.2f}"]), "|", flush=True)


def run_apart(request: dict[str, Any], environment: dict[str, str]) -> dict[str, float]:
    """Return what `measure` finds in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.memory", json.dumps(request)]
    env = {**os.environ, **environment}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=env)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
