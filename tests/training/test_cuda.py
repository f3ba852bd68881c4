"""What only a GPU can show; skipped where there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from molfun.models.precision import Precision
from molfun.training import Callback
from tests.tiny import tiny_model
from tests.training.test_fit import ALL, batches

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Use(Callback):
    """Computes a fit in one type of numbers."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype

    def on_fit_begin(self, loop) -> None:
        loop.precision = Precision(loop.distributed.device, amp=True, dtype=self.dtype)


@pytest.mark.parametrize("make", ALL)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_strategy_learns_in_half_precision(make, dtype: str) -> None:
    model = tiny_model()
    history = make(lr=3e-3, ema_decay=0.9, validate_raw=True).fit(
        model, batches(model), batches(model), epochs=12, callbacks=[Use(DTYPES[dtype])], seed=0
    )
    assert model.device.type == "cuda"
    assert history[-1]["train_loss"] < history[0]["train_loss"]


@pytest.mark.parametrize("make", ALL)
def test_float32_on_a_gpu_agrees_with_the_cpu(make) -> None:
    from molfun.training.distributed import SingleDevice

    found = []
    for device in ("cpu", "cuda"):
        model = tiny_model()
        strategy = make(lr=1e-3, amp=False, ema_decay=0.9)
        found.append(strategy.fit(model, batches(model), batches(model), 3, distributed=SingleDevice(device), seed=0))
    for ours, theirs in zip(*found, strict=True):
        assert ours["val_loss"] == pytest.approx(theirs["val_loss"], rel=1e-3)


def test_resume_on_a_gpu_goes_on_with_its_random_numbers(tmp_path: Path) -> None:
    from tests.training.test_checkpoint import STRATEGIES, StopAt, untimed

    models = [tiny_model(family="bert", num_blocks=2) for _ in range(3)]
    fit = [STRATEGIES["full"]().fit for _ in range(3)]
    same = {"epochs": 3, "seed": 4, "deterministic": True}
    expected = fit[0](models[0], batches(models[0]), batches(models[0]), **same)
    fit[1](models[1], batches(models[1]), batches(models[1]), callbacks=[StopAt(4)], checkpoint_dir=tmp_path, **same)
    history = fit[2](
        models[2], batches(models[2]), batches(models[2]), checkpoint_dir=tmp_path, resume_from="auto", **same
    )
    assert untimed(history) == untimed(expected)


@pytest.mark.parametrize("spread", ["ddp", "fsdp"])
def test_nccl_with_one_process_does_what_one_device_does(spread: str, tmp_path: Path) -> None:
    import json

    from tests.training.fit_jobs import run_job
    from tests.training.test_distributed import assert_same

    job = {"strategy": "lora", "spread": spread, "batch": 8, "out": str(tmp_path / "job.pt")}
    (tmp_path / "jobs.json").write_text(json.dumps([job]))
    script = Path(__file__).with_name("fit_jobs.py")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "1", str(script)]
    done = subprocess.run(
        [*command, str(tmp_path / "jobs.json")], env=dict(os.environ), capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[:4000]
    found = torch.load(tmp_path / "job.0.pt", weights_only=True, map_location="cpu")
    expected = run_job({**job, "spread": "single"})
    expected["weights"] = {name: tensor.cpu() for name, tensor in expected["weights"].items()}
    assert_same(found, expected)
