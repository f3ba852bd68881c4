"""One process or many: the same numbers. Real torchrun, real gloo; sums in another order agree to about 1e-6."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from molfun.errors import SettingError
from molfun.training.distributed import DDPStrategy, SingleDevice
from tests.training.fit_jobs import STRATEGIES, run_job

SCRIPT = Path(__file__).with_name("fit_jobs.py")
TOLERANCE = {"rtol": 2e-4, "atol": 2e-5}  # Adam divides by the root of tiny sums, so 1e-7 grows over the steps


def torchrun(folder: Path, num_processes: int, jobs: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Run jobs on several processes; return for each job what every rank got."""
    folder.mkdir(exist_ok=True)
    for i, job in enumerate(jobs):
        job["out"] = str(folder / f"job{i}.pt")
    (folder / "jobs.json").write_text(json.dumps(jobs))
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(num_processes),
        "--max-restarts", "0", str(SCRIPT), str(folder / "jobs.json"),
    ]  # fmt: skip
    env = {**os.environ, "OMP_NUM_THREADS": "1", "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[:4000]
    return [
        [torch.load(Path(job["out"]).with_suffix(f".{rank}.pt"), weights_only=True) for rank in range(num_processes)]
        for job in jobs
    ]


def assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Hold that two fits took the same steps to the same weights."""
    assert len(found["history"]) == len(expected["history"])
    assert len(found["steps"]) == len(expected["steps"])
    pairs = [pair for what in ("history", "steps") for pair in zip(found[what], expected[what], strict=True)]
    for ours, theirs in pairs:
        assert {k: v for k, v in ours.items() if k != "seconds"} == pytest.approx(
            {k: v for k, v in theirs.items() if k != "seconds"}, rel=TOLERANCE["rtol"], abs=TOLERANCE["atol"]
        )
    if found["preds"] is not None:
        torch.testing.assert_close(found["preds"], expected["preds"], **TOLERANCE)
    for name, tensor in expected["weights"].items():
        torch.testing.assert_close(found["weights"][name], tensor, **TOLERANCE, msg=lambda m, n=name: f"{n}: {m}")


TASKS = [
    {"task": "classification", "loss": "cross_entropy", "class_weights": "balanced"},
    {"task": "per_residue", "loss": "cross_entropy"},
]


def test_two_processes_do_what_one_does(tmp_path: Path) -> None:
    """2 ranks x batch 4 = 1 rank x batch 8, for every strategy, DDP and FSDP2; odd ends, masks and EMA included."""
    jobs = [{"strategy": s, "spread": spread, "batch": 4} for s in STRATEGIES for spread in ("ddp", "fsdp")]
    jobs += [{"strategy": "lora", "spread": "ddp", "batch": 4, **task} for task in TASKS]
    jobs += [{"strategy": "full", "spread": "fsdp", "batch": 4, "gradient_checkpointing": True}]
    found = torchrun(tmp_path / "two", 2, jobs)
    for job, ranks in zip(jobs, found, strict=True):
        expected = run_job({**job, "spread": "single", "batch": 8})
        for rank in ranks:
            assert_same(rank, expected)
        # What processes agree on is the same to the bit.
        assert strip(ranks[0]["history"]) == strip(ranks[1]["history"])
        assert all(torch.equal(ranks[0]["weights"][n], ranks[1]["weights"][n]) for n in ranks[0]["weights"])


def test_two_processes_fold_as_one_does(tmp_path: Path) -> None:
    """Structures as predictions and targets: DDP and FSDP2 must see their tensors, or gradients are lost silently."""
    jobs = [
        {"strategy": s, "spread": spread, "batch": 2, "task": "structure"}
        for s, spread in (("full", "ddp"), ("full", "fsdp"), ("lora", "fsdp"), ("partial", "fsdp"))
    ]
    found = torchrun(tmp_path / "two", 2, jobs)
    for job, ranks in zip(jobs, found, strict=True):
        expected = run_job({**job, "spread": "single", "batch": 4})
        for rank in ranks:
            assert_same(rank, expected)


def strip(history: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in history]


def test_the_order_of_the_rows_does_not_depend_on_the_number_of_processes(tmp_path: Path) -> None:
    """Whoever draws it; and a stop for lack of improvement comes on all processes in the same epoch."""
    jobs = [{"strategy": "head_only", "spread": "ddp", "batch": 4, "order": order} for order in ("global", "own")]
    jobs += [{"strategy": "head_only", "spread": "ddp", "batch": 4, "epochs": 9, "patience": 2, "min_delta": 9.0}]
    found = torchrun(tmp_path / "two", 2, jobs)
    for job, ranks in zip(jobs, found, strict=True):
        assert_same(ranks[0], run_job({**job, "spread": "single", "batch": 8}))
    assert [len(rank["history"]) for rank in found[2]] == [3, 3]


def test_resume_inside_an_epoch_is_exact_on_two_processes_too(tmp_path: Path) -> None:
    """With dropout, whose random numbers are each process's own, and a shuffle from everybody's."""
    jobs = []
    for spread in ("ddp", "fsdp"):
        job = {"strategy": "full", "spread": spread, "batch": 4, "family": "bert", "order": "global"}
        kept = {**job, "checkpoint_dir": str(tmp_path / spread)}
        jobs += [job, {**kept, "stop_after": 5, "stopper": 1}, {**kept, "resume_from": "auto"}]
    found = torchrun(tmp_path / "two", 2, jobs)
    for whole, rest in ((found[0], found[2]), (found[3], found[5])):
        for rank in range(2):
            assert strip(rest[rank]["history"]) == strip(whole[rank]["history"])
            assert rest[rank]["steps"] == whole[rank]["steps"][5:]
            assert all(torch.equal(rest[rank]["weights"][n], t) for n, t in whole[rank]["weights"].items())


def test_resume_inside_an_epoch_of_batches_by_tokens_is_exact(tmp_path: Path) -> None:
    job = {"strategy": "full", "spread": "single", "batch": 4, "family": "bert", "order": "tokens"}
    kept = {**job, "checkpoint_dir": str(tmp_path)}
    whole, _, rest = (run_job(one) for one in (job, {**kept, "stop_after": 5}, {**kept, "resume_from": "auto"}))
    assert strip(rest["history"]) == strip(whole["history"])
    assert rest["steps"] == whole["steps"][5:]
    assert all(torch.equal(rest["weights"][n], t) for n, t in whole["weights"].items())


def test_processes_skip_and_fail_together(tmp_path: Path) -> None:
    """An overflow on one process is a skipped step on all; a row that is not finite is named by all, whoever has it."""
    half = [{"strategy": "lora", "spread": spread, "batch": 4, "half": True} for spread in ("ddp", "fsdp")]
    broken = [{"strategy": "full", "spread": spread, "batch": 4, "infinite_row": 13} for spread in ("ddp", "fsdp")]
    found = torchrun(tmp_path / "two", 2, [*half, *broken])
    for ranks in found[:2]:
        assert 0 < ranks[0]["skipped"] == ranks[1]["skipped"] < len(ranks[0]["steps"])
        assert all(torch.equal(ranks[0]["weights"][n], ranks[1]["weights"][n]) for n in ranks[0]["weights"])
    for ranks in found[2:]:
        assert ranks[0] == ranks[1]
        assert re.match(r"The (loss|gradient) became (inf|nan) in step \d \(rows 13\)", ranks[0]["error"])


def test_checkpoints_move_between_one_two_and_four_processes_ddp_and_fsdp(tmp_path: Path) -> None:
    """Stopped inside an epoch (step 4 of 3 an epoch) by any rank, gone on elsewhere, ended as if nothing had been."""
    single = {"spread": "single", "batch": 8}
    ways = {
        "1-ddp2": (single, {"spread": "ddp", "batch": 4}),
        "1-fsdp2": (single, {"spread": "fsdp", "batch": 4}),
        "ddp2-1": ({"spread": "ddp", "batch": 4, "stopper": 1}, single),
        "fsdp2-1": ({"spread": "fsdp", "batch": 4}, single),
        "fsdp2-ddp2": ({"spread": "fsdp", "batch": 4}, {"spread": "ddp", "batch": 4}),
        "ddp2-ddp4": ({"spread": "ddp", "batch": 4}, {"spread": "ddp", "batch": 2}),
        "ddp2-fsdp4": ({"spread": "ddp", "batch": 4}, {"spread": "fsdp", "batch": 2}),
    }
    # One pass over two processes to stop, one to go on, one over four; single processes run here.
    begun: list[dict[str, Any]] = []
    rest: list[dict[str, Any]] = []
    for i, (name, (first, second)) in enumerate(ways.items()):
        strategy = ("lora", "full", "partial", "head_only")[i % 4]
        common = {"strategy": strategy, "checkpoint_dir": str(tmp_path / name)}
        begun.append({**common, **first, "stop_after": 4})
        rest.append({**common, **second, "resume_from": "auto"})
    expected = {kind: run_job({"strategy": kind, **single}) for kind in STRATEGIES}

    def run_all(jobs: list[dict[str, Any]], label: str) -> dict[str, dict[str, Any]]:
        results = {}
        for num in {8: 1, 4: 2, 2: 4}.values():
            chosen = [job for job in jobs if job["batch"] * num == 8]
            ranks = [[run_job(job)] for job in chosen] if num == 1 else []
            if num > 1 and chosen:
                ranks = torchrun(tmp_path / f"{label}{num}", num, chosen)
            results |= {job["checkpoint_dir"]: found[0] for job, found in zip(chosen, ranks, strict=True)}
        return results

    run_all(begun, "begun")
    for job in rest:
        found = run_all([job], "alone")[job["checkpoint_dir"]] if job["spread"] == "single" else None
        if found:
            compare_rest(found, expected[job["strategy"]])
    spread = run_all([job for job in rest if job["spread"] != "single"], "rest")
    for job in rest:
        if job["spread"] != "single":
            compare_rest(spread[job["checkpoint_dir"]], expected[job["strategy"]])


def compare_rest(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Hold that a resumed fit took the steps that were left, and none twice."""
    assert len(found["steps"]) == len(expected["steps"]) - 4
    assert_same(found, {**expected, "steps": expected["steps"][4:]})


@pytest.mark.parametrize("device", ["cuda:1", "gpu", "CPU"])
def test_a_device_of_another_name_is_refused(device: str) -> None:
    with pytest.raises(SettingError, match=rf"No device is named '{device}'; expected 'auto', 'cpu' or 'cuda'\."):
        SingleDevice(device)


def test_ddp_without_torchrun_says_how_to_start() -> None:
    with pytest.raises(SettingError, match=r"expects RANK, WORLD_SIZE, LOCAL_RANK in the environment.*torchrun"):
        DDPStrategy()
