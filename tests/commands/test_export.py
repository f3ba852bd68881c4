"""From a real run to other tools and back: `molfun export` in every format, `molfun push`, and what both refuse."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import molfun
from molfun.models.build import build_adapter
from molfun.runs.store import RunFolder
from tests.evaluation import test_export, test_onnx_export
from tests.real_runs import starting, wait_for_end
from tests.runs.hub_server import TOKEN, hub_server
from tests.runs.test_hub import assert_token_is_in_one_header_only, environment

ROOT = Path(__file__).parents[2]
SEQUENCES = ["MKTAYIAKQRGSW", "EVQLVESGGGLVQPGGSLRLSCAAS", "MK"]


def command(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "molfun.cli", *arguments], cwd=ROOT, env={**os.environ, **env}, capture_output=True,
        text=True, timeout=300, check=False,
    )  # fmt: skip


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """Return a folder with a backbone as transformers saves it."""
    torch.manual_seed(3)
    build_adapter("esm2_8m", "random").backbone.save_pretrained(tmp_path / "base")  # type: ignore[operator]
    return tmp_path / "base"


@pytest.fixture
def run(home: Path, tmp_path: Path, base: Path) -> Iterator[RunFolder]:
    """Return a finished LoRA run on that backbone."""
    runs = starting(home, tmp_path)
    folder = next(runs)(strategy="lora", training__epochs=1, model__weights=str(base), strategy__lr=0.01)
    wait_for_end(folder)
    yield folder
    next(runs, None)


@pytest.mark.slow
def test_a_real_run_predicts_the_same_in_every_format_and_on_the_hub(
    run: RunFolder, base: Path, home: Path, tmp_path: Path
) -> None:
    expected = molfun.load(run.id, device="cpu").predict(SEQUENCES)
    assert np.ptp(expected["prediction"]) > 1e-4
    folders = {kind: tmp_path / kind for kind in ("merged", "adapter", "onnx")}
    said = {}
    for kind, folder in folders.items():
        done = command("export", run.id, "-o", str(folder), "--format", kind)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        said[kind] = done.stdout
    assert "Merging changed predictions by at most" in said["merged"]
    assert "ONNX (opset 18) differs from torch by at most" in said["onnx"]
    assert "Try: python" in said["adapter"]
    answers = {
        "merged": test_export.answers_of(folders["merged"], SEQUENCES),
        "adapter": test_export.answers_of(folders["adapter"], SEQUENCES, base),
        "onnx": test_onnx_export.answers_of(folders["onnx"], SEQUENCES),
    }
    for found in answers.values():
        assert test_export.same(found, expected, "regression")
    for folder in folders.values():
        for path in folder.glob("*.[mj][ds]*"):  # nothing that people read names a folder of this machine
            assert str(tmp_path) not in path.read_text()
    with hub_server() as hub:
        env = environment(hub.url, tmp_path, TOKEN) | {"MOLFUN_HOME": str(home), "HF_HUB_OFFLINE": "0"}
        pushed = command("push", run.id, "my-lab/binders", "--format", "adapter", **env)
        assert pushed.returncode == 0, pushed.stderr
        assert pushed.stdout.strip() == f"Pushed to {hub.url}/my-lab/binders."
        assert hub.private == {"my-lab/binders": True}
        files = hub.files["my-lab/binders"]
        assert files == {path.name: path.read_bytes() for path in folders["adapter"].iterdir()}
        assert_token_is_in_one_header_only(hub)
        assert TOKEN not in pushed.stdout + pushed.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["export", "no-run", "-o", "x", "--format", "onx"], "--format is 'onx'; expected merged, adapter, onnx, did"),
        (["export", "no-run", "-o", "x"], "No run has the id 'no-run'"),
        (["push", "no-run", "a/b", "--format", "zip"], "--format is 'zip'; expected merged, adapter, onnx."),
        (["push", "no-run", "binders"], "'binders' is no name of a repository; expected OWNER/NAME"),
        (["push", "no-run", "a/b"], "No token of the Hugging Face hub was found; expected one that may write."),
    ],
)
def test_what_can_be_wrong_is_said_before_anything_is_loaded(arguments: list[str], said: str, tmp_path: Path) -> None:
    done = command(*arguments, HF_HOME=str(tmp_path), HF_TOKEN="")
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
