"""The model of a run, with the weights of one of its checkpoints. Loads torch; the app does not import it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch

from molfun.data.dataset import Dataset, load_dataset
from molfun.data.settings import ONE_VALUE_A_ROW
from molfun.errors import DataError
from molfun.evaluation.conformal import FEWEST_ROWS, Calibration, calibrate
from molfun.evaluation.fold_intervals import FoldCalibration, calibrate_folds
from molfun.evaluation.predictor import Predictor
from molfun.evaluation.uncertainty import Ensemble
from molfun.models.build import build_model
from molfun.models.precision import Precision
from molfun.models.structure import MolfunStructureModel
from molfun.runs.certainty import read_predictions
from molfun.runs.cross_validation import are_whole_folds
from molfun.runs.folder import RunFolder
from molfun.runs.spec import RunSpec
from molfun.runs.steering import checkpoint_of
from molfun.runs.store import place_run
from molfun.training.build import build_strategy
from molfun.training.checkpoint import load_weights
from molfun.training.distributed import SingleDevice
from molfun.training.shared_prefix import share_frozen

CALIBRATION_ROWS = 2_000


def build_run_model(spec: RunSpec, dataset: Dataset) -> MolfunStructureModel:
    """Build the model of a run as it was before its first step, without LoRA."""
    return build_model(
        spec.model, task=dataset.task, num_chains=dataset.num_chains, num_outputs=max(1, len(dataset.classes)),
        target_mean=dataset.about.get("target_mean", 0.0), target_std=dataset.about.get("target_std", 1.0),
    )  # fmt: skip


def load(
    run: str | Path, *, home: Path | None = None, device: str = "auto", keep_frozen: bool | None = None
) -> Predictor:
    """Load the model of a run, ready to predict.

    Args:
        run: Id of a run, with "/last" or another checkpoint behind it if not its best one is wanted; or its folder.
        home: The data folder; None takes `MOLFUN_HOME`.
        device: "auto", "cpu" or "cuda".
        keep_frozen: Whether states behind the frozen beginning of the trunk are read where they are kept already, and
            pooled ones kept; None does as the training did.

    Raises:
        RunError: There is no such run or checkpoint, or it is damaged.
        DataError: Its dataset is gone.
        SettingError: The device is absent.
    """
    home, name = place_run(run, home)
    predictor = _load(name, home, device)
    _read_frozen([predictor], name, home, keep_frozen)
    return predictor


def _load(name: str, home: Path, device: str) -> Predictor:
    """Load a model that computes everything anew."""
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
    model.adapter.weights = spec.model.start_from or spec.model.weights
    precision = Precision(distributed.device, amp=strategy.settings.amp)
    return Predictor(model, dataset.columns, dataset.classes, precision=precision)


def _read_frozen(members: Sequence[Predictor], first: str, home: Path, keep_frozen: bool | None) -> None:
    """Let models compute the frozen beginning that they have in common once, and read what is known of it.

    Args:
        members: The models.
        first: Name of the first one, whose training decides how much room states may take.
        home: The data folder.
        keep_frozen: As in `load`; models that predict together share a beginning in any case.
    """
    training = _folder_of(first, home).spec.training
    wants = training.keep_frozen if keep_frozen is None else keep_frozen
    models, precisions = [member.model for member in members], [member.precision for member in members]
    folder = home / "cache" / "frozen" if wants and training.keep_frozen_gb > 0 else None
    trunks = share_frozen(models, precisions, folder, max_gigabytes=training.keep_frozen_gb)
    for member, trunk in zip(members, trunks, strict=True):
        member.trunk = trunk


def load_together(
    run: str | Path,
    others: Sequence[str] = (),
    *,
    coverage: float = 0.0,
    home: Path | None = None,
    device: str = "auto",
    keep_frozen: bool | None = None,
) -> tuple[Predictor | Ensemble, Calibration | None]:  # fmt: skip
    """Load a run, or several as one, and learn how wide the intervals of its predictions have to be.

    Intervals of all folds of a cross-validation are learned from what each of them got wrong on rows that it did not
    train on, and are the ensemble's own; those of everything else from the validation rows of the first run.

    Args:
        run: As in `load`.
        others: Ids of runs whose predictions are averaged with those of `run`.
        coverage: Wanted share of true values inside; 0 learns nothing.
        home: As in `load`.
        device: As there.
        keep_frozen: As there.

    Returns:
        The model, and what `conformal.add_intervals` needs to add intervals; None where it adds them itself, or none
        were wanted.

    Raises:
        DataError: As in `Ensemble` and `calibrate`; or too few rows are left that no run trained on.
        RunError: As in `load`.
        SettingError: As there.
    """
    home, name = place_run(run, home)
    names = [name, *others]
    members = [_load(own, home, device) for own in names]
    _read_frozen(members, name, home, keep_frozen)
    first = members[0]
    if not others:
        return first, _calibrate(first, [name], coverage, home) if coverage else None
    learned = _learn_from_folds(names, coverage, home) if coverage else None
    ensemble = Ensemble(members, learned)
    return ensemble, _calibrate(ensemble, names, coverage, home) if coverage and learned is None else None


def _learn_from_folds(names: Sequence[str], coverage: float, home: Path) -> FoldCalibration | None:
    """Return what all folds of a cross-validation learn from the rows that each left out; None for other runs."""
    folders = [_folder_of(name, home) for name in names]
    tables = [read_predictions(folder) for folder in folders]
    known = [table for table in tables if table is not None]
    is_best = not any("/" in name for name in names)  # the predictions of test rows are those of the best weights
    if not is_best or not are_whole_folds(folders) or len(known) < len(folders):
        return None
    return calibrate_folds(known, load_dataset(home / "datasets", folders[0].spec.data.dataset).task, coverage)


def _calibrate(predictor: Predictor | Ensemble, names: Sequence[str], coverage: float, home: Path) -> Calibration:
    """Learn from the validation rows of the first run, but for those that another one trained on.

    The best epoch was chosen on these rows, which makes intervals a little too narrow where they are few.
    """
    first, *others = [load_dataset(home / "datasets", _folder_of(name, home).spec.data.dataset) for name in names]
    rows = first.fitting(predictor.max_residues).part("val")
    if first.task not in ONE_VALUE_A_ROW:
        return calibrate(pd.DataFrame(), first.task, coverage)
    unseen = _unseen(rows, [other for other in others if other.id != first.id])
    if len(unseen) < len(rows) and len(unseen) < FEWEST_ROWS:
        raise DataError(
            f"Intervals need validation rows that none of these runs trained on, and {len(unseen)} of {len(rows)} are "
            "such; take all folds of a cross-validation, or runs of one split, or leave intervals out."
        )
    rows = unseen.iloc[:: max(1, -(-len(unseen) // CALIBRATION_ROWS))]
    chains = {name: rows[f"chain_{i}"] for i, name in enumerate(first.columns.sequence, start=1)}
    targets = [first.classes[int(i)] for i in rows["target"]] if first.task == "classification" else rows["target"]
    return calibrate(predictor.predict(pd.DataFrame(chains)).assign(target=targets), first.task, coverage)


def _unseen(rows: pd.DataFrame, others: Sequence[Dataset]) -> pd.DataFrame:
    """Return the rows whose sequences no other dataset trains on."""
    if not others:
        return rows
    seen = {chains for other in others for chains in _sequences(other.part("train"))}
    return rows[[chains not in seen for chains in _sequences(rows)]]


def _sequences(rows: pd.DataFrame) -> list[tuple[str, ...]]:
    names = [name for name in rows.columns if str(name).startswith("chain_")]
    return list(rows[names].itertuples(index=False, name=None))


def _folder_of(name: str, home: Path) -> RunFolder:
    return RunFolder(checkpoint_of(home, name).parents[1])
