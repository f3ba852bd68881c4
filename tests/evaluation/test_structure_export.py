"""Folding models taken away: transformers and peft load them without Molfun and put every atom in the same place."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from biotite.structure.io.pdb import PDBFile

from molfun.data.settings import ColumnSettings
from molfun.errors import ModelError
from molfun.evaluation.export import export_model
from molfun.evaluation.predictor import Predictor
from molfun.models.heads import PooledHead
from molfun.models.precision import Precision
from molfun.models.settings import HeadSettings
from molfun.models.structure import MolfunStructureModel
from molfun.training import FullFinetune, HeadOnlyFinetune, LoRAFinetune
from molfun.training.base import FinetuneStrategy
from tests.evaluation.conftest import PlainPython
from tests.tiny import tiny_fold_adapter, tiny_fold_model

SEQUENCES = ["MKTAYIAKQRQISFVKSH", "EVQLVESGGG"]
CODE = (
    "import runpy, sys; module = runpy.run_path(sys.argv[0])\n"
    "import json; found = module['predict'](json.loads(sys.argv[1]), sys.argv[2])\n"
    "print(json.dumps([{k: v if isinstance(v, str) else v.tolist() for k, v in one.items()} for one in found]))\n"
)


def trained(strategy: FinetuneStrategy, *, num_chains: int = 1, num_recycles: int = 0) -> Predictor:
    """Return a folding model whose trainable weights are no longer what they were at the start."""
    model = tiny_fold_model(num_recycles=num_recycles)
    strategy.setup(model)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    columns = ColumnSettings(sequence=["heavy", "light"][:num_chains], target="structure", task="structure")
    return Predictor(model, columns, (), precision=Precision(torch.device("cpu"), amp=False))


def answers(python: PlainPython, folder: Path, sequences: list[str], base: str = "") -> list[dict[str, object]]:
    said = python.run(CODE, [str(folder / "predict.py"), json.dumps(sequences), base], folder)
    return list(json.loads(said[-1]))


def assert_same(found: list[dict[str, object]], expected: pd.DataFrame) -> None:
    for own, protein in zip(found, expected["prediction"], strict=True):
        np.testing.assert_allclose(np.array(own["positions"]), protein.positions, atol=1e-3)  # angstrom
        np.testing.assert_allclose(np.array(own["plddt"]), protein.plddt, atol=1e-5)


@pytest.mark.parametrize(
    ("strategy", "num_recycles"), [(HeadOnlyFinetune(), 0), (LoRAFinetune(), 2), (FullFinetune(), 0)]
)
def test_a_merged_folding_model_predicts_the_same_without_molfun(
    strategy: FinetuneStrategy, num_recycles: int, tmp_path: Path, plain_python: PlainPython
) -> None:
    predictor = trained(strategy, num_recycles=num_recycles)
    expected = predictor.predict(SEQUENCES)
    about = export_model(predictor, tmp_path / "merged", kind="merged", head=HeadSettings())
    assert about["largest_difference"] < 1e-3
    assert_same(answers(plain_python, tmp_path / "merged", SEQUENCES), expected)
    assert_same([vars(p) for p in predictor.predict(SEQUENCES)["prediction"]], expected)


def test_an_adapter_of_a_folding_model_is_loaded_by_peft(tmp_path: Path, plain_python: PlainPython) -> None:
    tiny_fold_adapter().backbone.save_pretrained(tmp_path / "base")
    predictor = trained(LoRAFinetune())
    expected = predictor.predict(SEQUENCES)
    export_model(predictor, tmp_path / "adapter", kind="adapter", head=HeadSettings())
    assert_same(answers(plain_python, tmp_path / "adapter", SEQUENCES, str(tmp_path / "base")), expected)


def test_chains_are_folded_together_and_written_as_pdb(tmp_path: Path, plain_python: PlainPython) -> None:
    predictor = trained(FullFinetune(), num_chains=2)
    expected = predictor.predict(pd.DataFrame({"heavy": SEQUENCES, "light": SEQUENCES[::-1]}))
    export_model(predictor, tmp_path / "two", kind="merged", head=HeadSettings())
    found = answers(plain_python, tmp_path / "two", [":".join(SEQUENCES), ":".join(SEQUENCES[::-1])])
    assert_same(found, expected)
    (tmp_path / "two.pdb").write_text(str(found[0]["pdb"]))
    atoms = PDBFile.read(tmp_path / "two.pdb").get_structure(1, extra_fields=["b_factor"])
    own = expected["prediction"].iloc[0].atoms()
    assert atoms.chain_id.tolist() == own.chain_id.tolist()
    assert sorted(zip(atoms.res_id, atoms.atom_name, strict=True)) == sorted(
        zip(own.res_id, own.atom_name, strict=True)
    )
    np.testing.assert_allclose(atoms.b_factor.mean(), own.b_factor.mean(), atol=0.01)


def test_numbers_out_of_a_folding_model_are_taken_away(tmp_path: Path) -> None:
    adapter = tiny_fold_adapter(wants_structure=False, num_recycles=1)
    torch.manual_seed(3)
    model = MolfunStructureModel(adapter, PooledHead(adapter.hidden_size, 1, 1, HeadSettings()), target_mean=2.0)
    LoRAFinetune().setup(model)
    columns = ColumnSettings(sequence=["sequence"], target="y", task="regression")
    predictor = Predictor(model, columns, (), precision=Precision(torch.device("cpu"), amp=False))
    expected = predictor.predict(SEQUENCES)["prediction"]
    export_model(predictor, tmp_path / "number", kind="merged", head=HeadSettings())
    done = subprocess.run(
        [sys.executable, "predict.py", *SEQUENCES], capture_output=True, text=True, cwd=tmp_path / "number", check=True
    )
    np.testing.assert_allclose([float(line) for line in done.stdout.splitlines()], expected, atol=1e-5)


def test_interface_pooling_is_taken_away(tmp_path: Path) -> None:
    adapter, settings = tiny_fold_adapter(wants_structure=False), HeadSettings(pooling="interface")
    torch.manual_seed(3)
    model = MolfunStructureModel(adapter, PooledHead(adapter.hidden_size, 2, 1, settings, adapter.pair_size))
    HeadOnlyFinetune().setup(model)
    columns = ColumnSettings(sequence=["a", "b"], target="y", task="regression")
    predictor = Predictor(model, columns, (), precision=Precision(torch.device("cpu"), amp=False))
    expected = predictor.predict(pd.DataFrame({"a": SEQUENCES, "b": SEQUENCES[::-1]}))["prediction"]
    export_model(predictor, tmp_path / "number", kind="merged", head=settings)
    rows = [":".join(SEQUENCES), ":".join(SEQUENCES[::-1])]
    done = subprocess.run(
        [sys.executable, "predict.py", *rows], capture_output=True, text=True, cwd=tmp_path / "number", check=True
    )
    np.testing.assert_allclose([float(line) for line in done.stdout.splitlines()], expected, atol=1e-5)


def test_a_folding_model_is_not_written_as_onnx(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be written as ONNX; export the merged model"):
        export_model(trained(HeadOnlyFinetune()), tmp_path / "onnx", kind="onnx", head=HeadSettings())
    assert list(tmp_path.iterdir()) == []
