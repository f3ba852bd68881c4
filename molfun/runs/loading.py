"""The model of a run, with the weights of one of its checkpoints. Loads torch; the app does not import it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import torch

from molfun.data.dataset import Dataset, load_dataset
from molfun.errors import RunError
from molfun.evaluation.predictor import Predictor
from molfun.evaluation.uncertainty import Calibration, Ensemble, calibrate
from molfun.home import data_home
from molfun.models.build import build_model
from molfun.models.precision import Precision
from molfun.models.structure import MolfunStructureModel
from molfun.runs.folder import RunFolder
from molfun.runs.spec import RunSpec
from molfun.runs.steering import checkpoint_of
from molfun.training.build import build_strategy
from molfun.training.checkpoint import load_weights
from molfun.training.distributed import SingleDevice

CALIBRATION_ROWS = 2_000


def build_run_model(spec: RunSpec, dataset: Dataset) -> MolfunStructureModel:
    """Build the model of a run as it was before its first step, without LoRA."""
    return build_model(
        spec.model, task=dataset.task, num_chains=dataset.num_chains, num_outputs=max(1, len(dataset.classes)),
        target_mean=dataset.about.get("target_mean", 0.0), target_std=dataset.about.get("target_std", 1.0),
    )  # fmt: skip


def load(run: str | Path, *, home: Path | None = None, device: str = "auto") -> Predictor:
    """Load the model of a run, ready to predict.

    Args:
        run: Id of a run, with "/last" or another checkpoint behind it if not its best one is wanted; or its folder.
        home: The data folder; None takes `MOLFUN_HOME`.
        device: "auto", "cpu" or "cuda".

    Raises:
        RunError: There is no such run or checkpoint, or it is damaged.
        DataError: Its dataset is gone.
        SettingError: The device is absent.
    """
    home, name = _place(run, home)
    checkpoint = checkpoint_of(home, name)
    spec = RunFolder(checkpoint.parents[1]).spec
    dataset = load_dataset(home / "datasets", spec.data.dataset)
    distributed = SingleDevice(device)
    with torch.random.fork_rng():
        # Weights that were drawn at random are drawn again, those of the trunk before those of the head.
        torch.manual_seed(spec.training.seed)
        model = build_run_model(spec, dataset)
        strategy = build_strategy(spec.strategy.model_dump())
        strategy.setup(model)
    load_weights(model, checkpoint)
    precision = Precision(distributed.device, amp=strategy.settings.amp)
    return Predictor(model, dataset.columns, dataset.classes, precision=precision)


def calibrate_run(run: str, predictor: Predictor | Ensemble, coverage: float, *, home: Path) -> Calibration:
    """Learn from the validation rows of a run how wide intervals of its predictions have to be.

    Its best epoch was chosen on these rows, which makes intervals a little too narrow where they are few.

    Args:
        run: Id of the run.
        predictor: Its model, or an ensemble that it is the first member of.
        coverage: Wanted share of true values inside.
        home: The data folder.

    Raises:
        DataError: There are too few validation rows.
        RunError: There is no such run.
    """
    dataset = load_dataset(home / "datasets", RunFolder(checkpoint_of(home, run).parents[1]).spec.data.dataset)
    rows = dataset.fitting(predictor.max_residues).part("val")
    rows = rows.iloc[:: max(1, -(-len(rows) // CALIBRATION_ROWS))]
    chains = {name: rows[f"chain_{i}"] for i, name in enumerate(dataset.columns.sequence, start=1)}
    targets = [dataset.classes[int(i)] for i in rows["target"]] if dataset.task == "classification" else rows["target"]
    if dataset.task == "per_residue":
        return calibrate(pd.DataFrame(), dataset.task, coverage)
    return calibrate(predictor.predict(pd.DataFrame(chains)).assign(target=targets), dataset.task, coverage)


def _place(run: str | Path, home: Path | None) -> tuple[Path, str]:
    """Return the data folder and the name of a run or checkpoint in it."""
    path = Path(run)
    if isinstance(run, Path) or path.is_absolute() or (path.is_dir() and (path / "spec.yaml").is_file()):
        if path.parent.name != "runs" or not path.is_dir():
            raise RunError(f"{path} is no run folder; expected MOLFUN_HOME/runs/<id>.")
        return path.absolute().parents[1], path.name
    return home or data_home(), str(run)
