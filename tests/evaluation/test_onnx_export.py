"""ONNX: what the graph predicts where neither Molfun nor torch can be imported, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
import torch

from molfun.adapters.weights import package_folder
from molfun.data.settings import Task
from molfun.errors import ModelError
from molfun.evaluation import export, onnx_export
from molfun.evaluation.export import export_model
from molfun.evaluation.predictor import Predictor
from molfun.models.build import build_model
from molfun.models.settings import HeadSettings, ModelSettings
from molfun.training import LoRAFinetune
from tests.evaluation.test_export import SEQUENCES, same, trained

# Importing one of them fails.
BLOCKED = "import sys\nfor name in ('molfun', 'torch', 'transformers', 'peft'): sys.modules[name] = None\n"


def answers_of(folder: Path, sequences: Sequence[str]) -> list[object]:
    """Return what predict_onnx.py prints in a process without Molfun and torch."""
    code = f"{BLOCKED}import runpy; del sys.argv[0]; runpy.run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, "-c", code, str(folder / "predict_onnx.py"), *sequences]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("task", "strategy", "family", "head"),
    [
        ("regression", "lora", "esm", HeadSettings(pooling="attention")),
        ("classification", "lora", "bert", HeadSettings(hidden_size=16)),
        ("per_residue", "full", "esm", HeadSettings()),
        ("regression", "lora", "t5", HeadSettings()),
        ("regression", "lora", "esmc", HeadSettings()),
    ],
)
def test_the_graph_predicts_the_same_without_torch(
    task: Task, strategy: str, family: str, head: HeadSettings, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    predictor = trained(task, strategy, family=family, head=head)
    expected = predictor.predict(SEQUENCES)
    about = export_model(predictor, tmp_path / "onnx", kind="onnx", head=head)
    assert capfd.readouterr() == ("", "")
    assert about["onnx_difference"] < 1e-5
    written = json.loads((tmp_path / "onnx" / "molfun.json").read_text())
    assert (written["opset"], written["onnx_difference"]) == (18, about["onnx_difference"])
    assert same(answers_of(tmp_path / "onnx", SEQUENCES), expected, task)
    graph = onnx.load(tmp_path / "onnx" / "model.onnx")
    onnx.checker.check_model(graph)
    assert [opset.version for opset in graph.opset_import if opset.domain in ("", "ai.onnx")] == [18]
    axes = [axis.dim_param for axis in graph.graph.input[0].type.tensor_type.shape.dim]
    assert axes == ["batch", "length_1"]
    assert sorted(path.name for path in (tmp_path / "onnx").iterdir()) == [
        "README.md", "model.onnx", "molfun.json", "predict_onnx.py",
    ]  # fmt: skip


def test_chains_have_lengths_of_their_own_and_batches_any_size(tmp_path: Path) -> None:
    predictor = trained("regression", "lora", num_chains=2, head=HeadSettings(pooling="cls"))
    heavy = [*SEQUENCES * 9, "M" * 300]  # more than two batches of the script
    rows = pd.DataFrame({"sequence": heavy, "light": heavy[::-1]})
    expected = predictor.predict(rows)
    about = export_model(predictor, tmp_path / "two", kind="onnx", head=HeadSettings(pooling="cls"))
    assert about["inputs"] == ["tokens_1", "residues_1", "tokens_2", "residues_2"]
    joined = [f"{a}:{b}" for a, b in zip(rows["sequence"], rows["light"], strict=True)]
    assert same(answers_of(tmp_path / "two", joined), expected, "regression")


@pytest.mark.slow
def test_antiberty_with_its_weights_predicts_the_same(tmp_path: Path) -> None:
    try:
        package_folder("antiberty", "trained_models/AntiBERTy_md_smooth")
    except ModelError:
        pytest.skip("The package with the weights is not installed.")
    torch.manual_seed(0)
    model = build_model(ModelSettings(name="antiberty"), task="regression", num_chains=1, num_outputs=1,
                        target_mean=2.0, target_std=3.0)  # fmt: skip
    LoRAFinetune().setup(model)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.05 * torch.randn(parameter.shape))
    small = trained("regression", "head")
    predictor = Predictor(model, small.columns, (), precision=small.precision)
    expected = predictor.predict(SEQUENCES)
    about = export_model(predictor, tmp_path / "real", kind="onnx", head=HeadSettings())
    assert about["onnx_difference"] < 1e-4
    assert same(answers_of(tmp_path / "real", SEQUENCES), expected, "regression")


@pytest.mark.parametrize(
    ("wanted", "found", "is_right"),
    [
        ([0.0, 1.0], [0.00009, 1.0], True),
        ([0.0, 1.0], [0.00011, 1.0], False),
        ([5000.0, 0.0], [5000.4, 0.0], True),
        ([5000.0, 0.0], [5000.6, 0.0], False),
        ([0.0], [np.nan], False),
        ([0.0, 1.0], [0.0, 1.0, 2.0], False),
    ],
)
def test_the_tolerance_is_a_part_of_the_prediction_or_of_one(
    wanted: list[float], found: list[float], is_right: bool
) -> None:
    values = np.array(wanted), np.array(found)
    if is_right:
        assert onnx_export._largest_difference(*values) == pytest.approx(np.abs(values[1] - values[0]).max())
        return
    with pytest.raises(ModelError, match="The ONNX graph predicts something else than the model"):
        onnx_export._largest_difference(*values)


def test_a_graph_of_other_weights_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weights change between the export and the comparison, as a wrong conversion would show."""
    predictor, session = trained("regression", "head"), onnx_export._session

    def changed(path: Path) -> object:
        with torch.no_grad():
            predictor.model.head.norm.bias.add_(1.0)  # type: ignore[operator, union-attr]
        return session(path)

    monkeypatch.setattr(onnx_export, "_session", changed)
    with pytest.raises(ModelError, match="Export the merged model instead"):
        export_model(predictor, tmp_path / "x", kind="onnx", head=HeadSettings())
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_gives_its_install_line_before_anything_is_merged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = trained("regression", "lora")
    monkeypatch.setattr(onnx_export, "NEEDED", ("onnx", "no_such_package"))
    with pytest.raises(ModelError, match=r'package no_such_package, which is absent; .* "molfun\[onnx\]"'):
        export_model(predictor, tmp_path / "x", kind="onnx", head=HeadSettings())
    assert predictor.model.lora_config is not None
    assert list(tmp_path.iterdir()) == []


def test_warnings_are_hidden_for_the_export_alone() -> None:
    with onnx_export._quietly():
        warnings.warn("unheard", stacklevel=1)
    with pytest.raises(UserWarning, match="heard"):
        warnings.warn("heard", stacklevel=1)


def test_probes_are_read_by_every_model() -> None:
    assert export.PROBES is onnx_export.PROBES
    assert len({len(probe) for probe in onnx_export.PROBES}) == len(onnx_export.PROBES)
