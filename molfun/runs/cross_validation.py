"""Runs that are folds of one cross-validation: which ones belong together, and what their predictions make together.

Which runs they are follows from their data and split, not from what people named them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from molfun.data.saved import read_facts
from molfun.data.settings import PRIMARY_METRIC, SplitSettings
from molfun.errors import MolfunError
from molfun.evaluation.names import BASELINES
from molfun.runs.certainty import read_baselines, read_predictions
from molfun.runs.comparison import SEED, differing_settings, name_groups
from molfun.runs.resampling import Interval, Resampled, resample
from molfun.runs.spec import RunSpec
from molfun.runs.status import run_status
from molfun.runs.store import RunFolder
from molfun.training.catalog import STRATEGIES

DATA = "data."  # begins the settings that folds may differ in
Round = tuple[int, int]  # split seed, training seed


@dataclass(frozen=True)
class FoldRun:
    """One run of a cross-validation.

    Attributes:
        folder: The run.
        arm: What it is called by the settings that tell it from runs of other arms.
        dealt: Split seed: which repeat it belongs to.
        seed: Training seed.
        fold: Which fold it tests, from 1 on.
    """

    folder: RunFolder
    arm: str
    dealt: int
    seed: int
    fold: int


@dataclass(frozen=True)
class CrossValidation:
    """Runs on folds of the same table, dealt in the same way.

    Attributes:
        runs: At least one.
        split: Of the first one.
        metric: By which the task is judged; higher is better.
        task: "regression", "classification" or "per_residue".
    """

    runs: tuple[FoldRun, ...]
    split: SplitSettings
    metric: str
    task: str

    @property
    def arms(self) -> list[str]:
        """Names of the arms, in the order of the runs."""
        return list(dict.fromkeys(run.arm for run in self.runs))


@dataclass(frozen=True)
class Arm:
    """What the folds of one arm make together.

    Attributes:
        title: Of the strategy and settings, or of the baseline.
        scores: Test score of every fold and round that has one, by (split seed, training seed, fold).
        num_expected: How many there would be if none were missing.
        missing: What is missing and why, such as "fold 3 (failed)".
        rounds: Predictions of each row by a run that did not train on it: `row`, `target`, `prediction`, `fold`, a
            table a round. Rounds without a missing fold; where there are none, the one with most folds.
        pooled: The score of these predictions, the mean over rounds; None where there is none.
    """

    title: str
    scores: dict[tuple[int, int, int], float]
    num_expected: int
    missing: tuple[str, ...]
    rounds: tuple[pd.DataFrame, ...]
    pooled: Resampled | None


def find_cross_validations(folders: Iterable[RunFolder]) -> list[CrossValidation]:
    """Return the cross-validations that runs belong to, in the order of the runs; other runs are left out."""
    found: dict[str, dict[RunFolder, RunSpec]] = {}
    for folder in folders:
        with suppress(MolfunError):
            spec = folder.spec
            if key := _key(folder, spec):
                found.setdefault(key, {})[folder] = spec
    return [_cross_validation(specs) for specs in found.values()]


def arms_of(folders: Iterable[RunFolder]) -> dict[str, str]:
    """Return the arm of every run that is part of a cross-validation, by its id."""
    return {run.folder.id: run.arm for one in find_cross_validations(folders) for run in one.runs}


def siblings_of(folder: RunFolder, others: Iterable[RunFolder]) -> list[RunFolder]:
    """Return the runs of the arm that a run belongs to, itself included; none where it is no fold."""
    for one in find_cross_validations([folder, *(other for other in others if other.id != folder.id)]):
        arms = {run.folder.id: run.arm for run in one.runs}
        if folder.id in arms:
            return [run.folder for run in one.runs if run.arm == arms[folder.id]]
    return []


def are_whole_folds(folders: Sequence[RunFolder]) -> bool:
    """Tell whether runs are all folds of one cross-validation, each as often as the others."""
    found = find_cross_validations(folders)
    if len(found) != 1 or len(found[0].runs) < len(folders):
        return False
    rounds: dict[tuple[str, int, int], list[int]] = {}
    for run in found[0].runs:
        rounds.setdefault((run.arm, run.dealt, run.seed), []).append(run.fold)
    whole = list(range(1, found[0].split.num_folds + 1))
    return all(sorted(folds) == whole for folds in rounds.values())


def _key(folder: RunFolder, spec: RunSpec) -> str:
    """Return what all runs of a cross-validation share of their data; empty for a run that is no fold."""
    split, columns = spec.data.split, spec.data.columns
    if split is None or columns is None or split.num_folds < 2:
        return ""
    table = _table_of(folder.path.parents[1] / "datasets" / spec.data.dataset)
    return json.dumps([table, columns.model_dump(mode="json"), split.model_dump(mode="json", exclude={"fold", "seed"})])


@lru_cache(maxsize=1024)
def _table_of(folder: Path) -> str:
    """Return the hash of a dataset's table; its own id where that is not known. A dataset never changes."""
    try:
        return read_facts(folder).about.table or folder.name
    except MolfunError:
        return folder.name


def _cross_validation(specs: dict[RunFolder, RunSpec]) -> CrossValidation:
    table = differing_settings({folder.id: spec for folder, spec in specs.items()})
    table = table.drop(index=[name for name in table.index if name == SEED or str(name).startswith(DATA)])
    titles = name_groups(table) if len(table) else {}
    runs = []
    for folder, spec in specs.items():
        assert spec.data.split is not None
        arm = titles.get(folder.id) or STRATEGIES[spec.strategy.kind].title
        runs.append(FoldRun(folder, arm, spec.data.split.seed, spec.training.seed, spec.data.split.fold))
    first = next(iter(specs.values())).data
    assert first.split is not None
    assert first.columns is not None
    return CrossValidation(tuple(runs), first.split, PRIMARY_METRIC[first.columns.task], first.columns.task)


def pool(cross: CrossValidation) -> list[Arm]:
    """Return what the folds of every arm make together, as far as they have predicted their test rows."""
    return [_pool_arm(cross, title) for title in cross.arms]


def pool_baselines(cross: CrossValidation) -> list[Arm]:
    """Return the same of the simple baselines, fitted on the training rows of each fold; a repeat is a round."""
    folds = {(run.dealt, 0, run.fold): run for run in reversed(cross.runs) if read_baselines(run.folder) is not None}
    tables = {place: read_baselines(run.folder) for place, run in folds.items()}
    names = [set(table) - {"row", "target"} for table in tables.values() if table is not None]
    arms = []
    common = set.intersection(*names) if names else set()
    for name in [*(name for name in BASELINES if name in common), *sorted(common - set(BASELINES))]:
        scores, predicted = {}, {}
        for place, run in folds.items():
            table = tables[place]
            if table is not None:
                predicted[place] = table[["row", "target"]].assign(prediction=table[name])
                scores[place] = _score(run.folder.read_scoreboard().get("baselines", {}).get(name), cross.metric)
        arms.append(_arm(cross, name, scores, predicted, num_expected=len(folds), missing=()))
    return [arm if _varies(arm) else replace(arm, pooled=None) for arm in arms]


def _varies(arm: Arm) -> bool:
    """Tell whether a baseline tells rows of one fold apart.

    The mean of the training rows does not: pooled, it is low wherever the rows that are tested are high, which looks
    like a negative correlation and is none (Parker et al. 2007, BMC Bioinformatics 8:326).
    """
    return any(
        fold["prediction"].astype(str).nunique() > 1 for table in arm.rounds for _, fold in table.groupby("fold")
    )


def _pool_arm(cross: CrossValidation, title: str) -> Arm:
    own = [run for run in cross.runs if run.arm == title]
    scores, predicted = {}, {}
    for run in reversed(own):  # of two runs of the same fold the one that is named first counts
        table = read_predictions(run.folder)
        if table is not None:
            place = (run.dealt, run.seed, run.fold)
            predicted[place] = table
            scores[place] = _score((run.folder.read_scoreboard().get("test") or {}).get("metrics"), cross.metric)
    rounds = sorted({(run.dealt, run.seed) for run in own})
    expected = [(*one, fold) for one in rounds for fold in range(1, cross.split.num_folds + 1)]
    states = {(run.dealt, run.seed, run.fold): run_status(run.folder).status for run in reversed(own)}
    missing = tuple(
        _missing(place, states.get(place, "no run"), len(rounds)) for place in expected if place not in predicted
    )
    return _arm(cross, title, scores, predicted, num_expected=len(expected), missing=missing)


def _missing(place: tuple[int, int, int], state: str, num_rounds: int) -> str:
    dealt, seed, fold = place
    where = f" of split seed {dealt}, seed {seed}" if num_rounds > 1 else ""
    return f"fold {fold}{where} ({'no test score' if state == 'finished' else state})"


def _score(metrics: object, metric: str) -> float:
    value = metrics.get(metric) if isinstance(metrics, dict) else None
    return float(value) if isinstance(value, int | float) else float("nan")


def _arm(
    cross: CrossValidation, title: str, scores: dict[tuple[int, int, int], float],
    predicted: dict[tuple[int, int, int], pd.DataFrame], *, num_expected: int, missing: tuple[str, ...],
) -> Arm:  # fmt: skip
    rounds: dict[Round, list[pd.DataFrame]] = {}
    for (dealt, seed, fold), table in sorted(predicted.items(), key=lambda item: item[0]):
        rounds.setdefault((dealt, seed), []).append(table.assign(fold=fold))
    whole = [tables for tables in rounds.values() if len(tables) == cross.split.num_folds]
    kept = whole or sorted(rounds.values(), key=len)[-1:]
    tables = tuple(pd.concat(tables, ignore_index=True) for tables in kept)
    return Arm(title, scores, num_expected, missing, tables, pooled_score(tables, cross.metric))


def pooled_score(rounds: Sequence[pd.DataFrame], metric: str, rows: set[int] | None = None) -> Resampled | None:
    """Return the score of predictions that every row got from a run which did not train on it.

    Args:
        rounds: Tables as `Arm.rounds`.
        metric: "spearman" or "balanced_accuracy".
        rows: Rows that count; None takes all.

    Returns:
        The mean over rounds, of the score and of each of its resamples; None where there are no rounds, they tested
        different rows, or the score is not defined.
    """
    tables = [table if rows is None else table[table["row"].isin(rows)] for table in rounds]
    found = [resample(table, metric) for table in tables]
    known = [one for one in found if one is not None]
    if not known or len(known) < len(found) or not all(one.is_paired(known[0]) for one in known):
        return None
    value, samples = np.mean([one.value for one in known]), np.mean([one.samples for one in known], axis=0)
    return replace(known[0], value=float(value), samples=samples)


def difference(first: Arm, second: Arm, metric: str) -> Interval | None:
    """Return how much higher one arm scores than another, on the rows that both predicted; None where there are none.

    Both are scored on the same resamples of the rows.
    """
    pair = first.pooled, second.pooled
    if pair[0] is None or pair[1] is None:
        return None
    if pair[0].is_paired(pair[1]):
        return pair[0].minus(pair[1])
    rows = [set(table["row"].tolist()) for arm in (first, second) for table in arm.rounds]
    common = set.intersection(*rows)
    again = [pooled_score(arm.rounds, metric, common) for arm in (first, second)] if common else [None]
    if again[0] is None or again[-1] is None or not again[0].is_paired(again[-1]):
        return None
    return again[0].minus(again[-1])


def spread(arm: Arm) -> tuple[float, float]:
    """Return mean and standard deviation (n - 1) of the scores of single folds; NaN where there are too few."""
    known = np.array([score for score in arm.scores.values() if np.isfinite(score)])
    mean = float(known.mean()) if len(known) else float("nan")
    return mean, float(known.std(ddof=1)) if len(known) > 1 else float("nan")
