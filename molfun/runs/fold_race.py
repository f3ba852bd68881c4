"""A race over folds: every strategy, combination and seed on each fold of one table, so that all rows are tested."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from molfun.adapters.catalog import find_model
from molfun.data.dataset import Dataset, load_dataset
from molfun.data.folds import refold, save_folds
from molfun.errors import SettingError
from molfun.runs.plan import plan_run, refuse_other_table, told_spec
from molfun.runs.race import Entry, Grid, count_runs, plan_race, refuse_many
from molfun.runs.resolve import check_hash, check_source, read_source
from molfun.runs.spec import DataSource, RunSpec
from molfun.runs.submit import resolve_spec
from molfun.training.catalog import STRATEGIES

FOLD_SUFFIX = "-cv"  # of the ids of races over folds


def plan_fold_race(
    home: Path,
    values: Mapping[str, Any],
    race_id: str,
    *,
    num_folds: int,
    repeats: int = 1,
    changes: Mapping[str, Any] | None = None,
    kinds: Sequence[str] = (),
    num_seeds: int = 1,
    grid: Grid | None = None,
) -> list[Entry]:
    """Return the runs of a race over the folds of what a spec names as data.

    Args:
        home: The data folder.
        values: A spec as plain values (`plan.read_target`).
        race_id: Begins the ids of all runs.
        num_folds: Into how many folds the rows are dealt.
        repeats: How often, each time with the next split seed.
        changes: Dotted settings that win over everything.
        kinds: Strategies; all of them where it is empty.
        num_seeds: Runs of each strategy on each fold, with one training seed after another.
        grid: As in `plan_race`.

    Raises:
        MolfunError: As in `plan_race`; nothing was created but, at most, the folds.
    """
    changes = dict(changes or {})
    spec, _ = told_spec(values, changes=changes)
    _refuse_trained(spec)
    refuse_other_table(home, spec.data, changes)
    known = [kind for kind in kinds or STRATEGIES if kind in STRATEGIES]
    refuse_many(num_folds * repeats * num_seeds * count_runs(known, grid or {}))
    folds = _save_folds(home, spec, num_folds, repeats)
    rest = {path: value for path, value in changes.items() if not path.startswith("data.")}
    base, _ = plan_run(home, {**values, "data": {"dataset": folds[0].id}}, changes=rest)
    first = base.training.seed
    return over_folds(home, base, folds, race_id, kinds=kinds, seeds=range(first, first + num_seeds), grid=grid)


def _save_folds(home: Path, spec: RunSpec, num_folds: int, repeats: int) -> list[Dataset]:
    check_source(spec.data)
    root = home / "datasets"
    if spec.data.sha256 and not spec.data.dataset:
        raise SettingError(
            "The setting data.sha256 is the hash of rows with their split, but folds divide the rows anew; name the "
            "saved dataset with that hash as data.dataset, or leave data.sha256 out."
        )
    if spec.data.dataset:
        whole = load_dataset(root, spec.data.dataset)
        check_hash(whole, spec.data.sha256)
        return refold(root, whole, num_folds, repeats=repeats)
    table = read_source(spec.data, find_model(spec.model.name))
    split = table.split.model_copy(update={"num_folds": num_folds, "fold": 1})
    return save_folds(
        root, table.frame, table.columns, split, name=table.name, repeats=repeats, about=table.about
    )  # fmt: skip


def over_folds(
    home: Path,
    spec: RunSpec,
    folds: Sequence[Dataset],
    race_id: str,
    *,
    kinds: Sequence[str] = (),
    seeds: Iterable[int] = (),
    grid: Grid | None = None,
) -> list[Entry]:
    """Return the runs of a race on each of some folds, all of them judged before any is created.

    Every fold has the same settings: where they are recommended by the number of training rows, by those of the first.

    Args:
        home: The data folder.
        spec: Everything but the data.
        folds: Of one table.
        race_id: Begins the ids of all runs.
        kinds: As in `plan_race`.
        seeds: As there.
        grid: As there.

    Raises:
        MolfunError: As there.
        SettingError: The runs would begin with weights that may have been trained on rows that a fold tests.
    """
    _refuse_trained(spec)
    first = plan_race(home, _on(spec, folds[0]), race_id, kinds=kinds, seeds=seeds, grid=grid)
    refuse_many(len(first) * len(folds))
    tag = f"cv-{race_id.removesuffix(FOLD_SUFFIX)[-4:]}"
    return [_entry(home, entry, folds, number, race_id, tag) for number in range(len(folds)) for entry in first]


def _refuse_trained(spec: RunSpec) -> None:
    if spec.model.start_from:
        raise SettingError(
            "Setting 'model.start_from' names a run that may have trained on rows which other folds test; leave it out."
        )


def _on(spec: RunSpec, dataset: Dataset) -> RunSpec:
    return spec.model_copy(update={"data": DataSource(dataset=dataset.id)})


def _entry(home: Path, entry: Entry, folds: Sequence[Dataset], number: int, race_id: str, tag: str) -> Entry:
    """Return the run of the first fold as that of another one."""
    fold, split = folds[number], folds[number].split
    repeat = split.seed - folds[0].split.seed + 1
    place = f"{f'r{repeat}' if len(folds) > split.num_folds else ''}f{split.fold}"
    run_id = f"{race_id}-{place}-{entry.id.removeprefix(f'{race_id}-')}"
    name = f"{fold.name}{entry.spec.name.removeprefix(folds[0].name)}"
    return Entry(run_id, resolve_spec(home, _on(entry.spec, fold).changed({"name": name}))[0], tag)
