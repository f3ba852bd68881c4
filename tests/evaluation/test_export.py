"""Export: peft and transformers load it in a process that cannot import Molfun, and predict the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from molfun.data.settings import ColumnSettings, Task
from molfun.errors import ModelError
from molfun.evaluation.export import export_model, vocabulary
from molfun.evaluation.predictor import Predictor
from molfun.models.precision import Precision
from molfun.models.settings import HeadSettings
from molfun.training import FullFinetune, HeadOnlyFinetune, LoRAFinetune
from tests.evaluation.conftest import PlainPython
from tests.tiny import tiny_model

SEQUENCES = ["MKTAYIAKQRQISFVKSHFSRQ", "EVQLVESGGG", "ACDEFGHIKLMNPQRSTVWY", "AAAA"]
BLOCKED = "import sys; sys.modules['molfun'] = None\n"  # importing it fails
RUN = "import runpy, sys; runpy.run_path(sys.argv[0], run_name='__main__')"


def trained(
    task: Task, strategy: str, *, family: str = "esm", num_chains: int = 1, head: HeadSettings | None = None
) -> Predictor:
    """Return a model whose trainable weights are no longer what they were at the start."""
    model = tiny_model(task, family=family, num_chains=num_chains, head=head, target_mean=2.0, target_std=3.0)
    {"lora": LoRAFinetune, "full": FullFinetune, "head": HeadOnlyFinetune}[strategy]().setup(model)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    names = ["sequence", "light"][:num_chains]
    columns = ColumnSettings(sequence=names, target="y", task=task)
    classes = () if task == "regression" else ("a", "b", "c")
    return Predictor(model, columns, classes, precision=Precision(torch.device("cpu"), amp=False))


def answers_of(folder: Path, sequences: list[str], base: Path | None = None) -> list[object]:
    """Return what predict.py prints in a process without Molfun."""
    code = f"{BLOCKED}import runpy; del sys.argv[0]; runpy.run_path(sys.argv[0], run_name='__main__')"
    arguments = [*sequences, *(["--base", str(base)] if base else [])]
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder / "predict.py"), *arguments], capture_output=True, text=True,
        cwd=folder, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def answers_in(python: PlainPython, folder: Path, sequences: list[str], base: Path | None = None) -> list[object]:
    """Return what predict.py prints in an interpreter that is there already, also without Molfun."""
    arguments = [str(folder / "predict.py"), *sequences, *(["--base", str(base)] if base else [])]
    return [json.loads(line) for line in python.run(RUN, arguments, folder)]


def same(found: list[object], expected: pd.DataFrame, task: Task) -> bool:
    if task == "regression":
        return np.allclose(np.array(found, dtype=float), expected["prediction"], rtol=0, atol=1e-5)
    if task == "per_residue":
        return found == expected["prediction"].tolist()
    shares = [[row[name] for name in ("a", "b", "c")] for row in found]  # type: ignore[index, call-overload]
    return np.allclose(shares, expected[["p_a", "p_b", "p_c"]], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("task", "strategy", "family", "head"),
    [
        ("regression", "lora", "esm", HeadSettings()),
        ("classification", "full", "bert", HeadSettings(pooling="attention", hidden_size=16)),
        ("per_residue", "lora", "esm", HeadSettings()),
        ("regression", "head", "bert", HeadSettings(pooling="cls")),
        ("regression", "lora", "t5", HeadSettings()),
        ("per_residue", "full", "esmc", HeadSettings()),
    ],
)
def test_a_merged_model_predicts_the_same_without_molfun(
    task: Task, strategy: str, family: str, head: HeadSettings, tmp_path: Path, plain_python: PlainPython
) -> None:
    predictor = trained(task, strategy, family=family, head=head)
    expected = predictor.predict(SEQUENCES)
    about = export_model(predictor, tmp_path / "merged", kind="merged", head=head, card_text="# Card\n")
    assert about["largest_difference"] < 1e-5
    assert same(answers_in(plain_python, tmp_path / "merged", SEQUENCES), expected, task)
    # Merged is unmerged, in this process as well.
    assert same(_listed(predictor.predict(SEQUENCES), task), expected, task)
    assert not any("lora" in name for name, _ in predictor.model.named_parameters())
    assert (tmp_path / "merged" / "README.md").read_text() == "# Card\n"


def _listed(table: pd.DataFrame, task: Task) -> list[object]:
    if task != "classification":
        return table["prediction"].tolist()
    return [{name: row[f"p_{name}"] for name in ("a", "b", "c")} for _, row in table.iterrows()]


def test_an_adapter_is_loaded_by_peft(tmp_path: Path, plain_python: PlainPython) -> None:
    base = tmp_path / "base"
    tiny_model().adapter.backbone.save_pretrained(base)  # type: ignore[operator]
    predictor = trained("regression", "lora")
    expected = predictor.predict(SEQUENCES)
    export_model(predictor, tmp_path / "adapter", kind="adapter", head=HeadSettings())
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert (config["peft_type"], config["base_model_name_or_path"]) == ("LORA", "facebook/esm2_t6_8M_UR50D")
    assert same(answers_in(plain_python, tmp_path / "adapter", SEQUENCES, base), expected, "regression")
    assert not (tmp_path / "adapter" / "model.safetensors").exists()
    with pytest.raises(AssertionError, match="nothing"):
        answers_in(plain_python, tmp_path / "adapter", SEQUENCES, tmp_path / "nothing")


def test_chains_are_joined_by_a_colon(tmp_path: Path, plain_python: PlainPython) -> None:
    predictor = trained("regression", "full", num_chains=2, head=HeadSettings(pooling="attention"))
    rows = pd.DataFrame({"sequence": SEQUENCES, "light": SEQUENCES[::-1]})
    expected = predictor.predict(rows)
    export_model(predictor, tmp_path / "two", kind="merged", head=HeadSettings(pooling="attention"))
    joined = [f"{a}:{b}" for a, b in zip(rows["sequence"], rows["light"], strict=True)]
    assert same(answers_in(plain_python, tmp_path / "two", joined), expected, "regression")


def test_what_cannot_be_exported_is_refused_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = trained("regression", "head")
    with pytest.raises(ModelError, match="has no LoRA, so there is no adapter"):
        export_model(predictor, tmp_path / "x", kind="adapter", head=HeadSettings())
    (tmp_path / "there").mkdir()
    with pytest.raises(ModelError, match="exists; nothing is written over"):
        export_model(predictor, tmp_path / "there", kind="merged", head=HeadSettings())

    def broken(self: nn.Module, folder: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(predictor.model.adapter.backbone), "save_pretrained", broken)
    with pytest.raises(OSError, match="No space"):
        export_model(predictor, tmp_path / "x", kind="merged", head=HeadSettings())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["there"]


def test_the_vocabulary_has_every_token_at_its_place() -> None:
    alphabet = tiny_model().adapter.alphabet
    lines = vocabulary(alphabet, 33).splitlines()
    assert len(lines) == 33 == len(set(lines))
    assert all(lines[number] == letter for letter, number in alphabet.ids.items())
    assert (lines[alphabet.pad_id], lines[alphabet.mask_id]) == ("<pad>", "<mask>")
