"""A race: the same data, split and seeds under several strategies, settings or specs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from molfun.adapters.catalog import find_model
from molfun.data.dataset import Dataset
from molfun.errors import RunError, SettingError, nearest
from molfun.runs.notes import add_tags
from molfun.runs.plan import with_strategy
from molfun.runs.spec import RunSpec
from molfun.runs.status import run_status
from molfun.runs.store import RunFolder, RunStore
from molfun.runs.submit import resolve_spec, submit_run
from molfun.training.catalog import STRATEGIES
from molfun.training.defaults import recommended

MAX_RUNS = 56  # as many as Compare can draw
SUFFIX = "-race"  # of the ids of races
RACED = ("strategy", "training", "model", "head")  # sections whose settings may differ within a race
UNRACED = {
    "strategy.kind": "name strategies instead.",
    "training.seed": "give a number of seeds instead.",
    "model.start_from": "all runs begin with the same weights.",
}

Grid = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Entry:
    """One run of a race.

    Attributes:
        id: Of the run: that of the race, the strategy, the combination of settings and the seed, so that a race that is
            started twice is one race.
        spec: Resolved.
        tag: Which all runs of the race have.
    """

    id: str
    spec: RunSpec
    tag: str


def plan_race(
    home: Path,
    specs: RunSpec | Sequence[RunSpec],
    race_id: str,
    *,
    kinds: Sequence[str] = (),
    seeds: Iterable[int] = (),
    grid: Grid | None = None,
) -> list[Entry]:
    """Return the runs of a race, all of them judged before any is created.

    Args:
        home: The data folder.
        specs: One spec: data, model, head, place and length of every run; its settings of a strategy hold for that
            strategy, the other strategies get the recommended ones. Several of the same data race as they are.
        race_id: Begins the ids of all runs.
        kinds: Strategies, for one spec; all of them where it is empty.
        seeds: `training.seed` of the runs of each strategy; that of the spec where it is empty.
        grid: Values by dotted setting; every combination races. A strategy that lacks a setting of strategies races
            without it.

    Raises:
        MolfunError: Something forbids one of the runs; nothing was created but, at most, the dataset.
        SettingError: A strategy or setting is unknown or cannot be raced, or there are more than 56 runs.
    """
    seeds, grid = list(dict.fromkeys(seeds)), grid or {}
    _check_grid(grid)
    bases, dataset = _bases(home, specs, kinds, grid)
    are_several = not isinstance(specs, RunSpec) and len(specs) > 1
    found = [(name, base, changes) for name, base in bases for changes in _points(base, grid)]
    refuse_many(len(found) * max(1, len(seeds)))
    tag = f"race {race_id.removesuffix(SUFFIX)[-4:]}"
    entries = []
    for number, (name, base, changes) in enumerate(found):
        for seed in seeds or [base.training.seed]:
            own = base.changed({**changes, "training.seed": seed})
            own = _named(own, dataset, changes, with_seed=len(seeds) > 1, told=base.name if are_several else "")
            run_id = f"{race_id}-{name}{f'-g{number}' if grid else ''}-s{seed}"
            entries.append(Entry(run_id, resolve_spec(home, own)[0], tag))
    return entries


def refuse_many(num_runs: int) -> None:
    """Hold that a race has no more runs than can be compared.

    Raises:
        SettingError: It has.
    """
    if num_runs > MAX_RUNS:
        raise SettingError(f"The race would have {num_runs} runs; {MAX_RUNS} is the most.")


def count_runs(kinds: Sequence[str], grid: Grid) -> int:
    """Return how many runs a race has for each seed; a strategy that lacks a setting races without it."""
    fields = {kind: STRATEGIES[kind].settings.model_fields for kind in kinds}
    return sum(prod(len(values) for path, values in grid.items() if has_setting(fields[kind], path)) for kind in kinds)


def parse_grid(texts: Iterable[str]) -> dict[str, list[str]]:
    """Return {"strategy.rank": ["4", "8"]} of ["strategy.rank=4,8"].

    Raises:
        SettingError: One has no '=', or no value behind it.
    """
    grid = {}
    for text in texts:
        path, _, values = text.partition("=")
        found = list(dict.fromkeys(value.strip() for value in values.split(",") if value.strip()))
        if not path.strip() or not found:
            raise SettingError(f"--grid {text!r} is no setting with values; expected e.g. --grid strategy.rank=4,8,16.")
        grid[path.strip()] = found
    return grid


def _check_grid(grid: Grid) -> None:
    for path in grid:
        if path in UNRACED:
            raise SettingError(f"Setting '{path}' cannot be raced; {UNRACED[path]}")
        if path.partition(".")[0] not in RACED:
            raise SettingError(f"Setting '{path}' cannot be raced: only those of {', '.join(RACED)} can.")


def _bases(
    home: Path, specs: RunSpec | Sequence[RunSpec], kinds: Sequence[str], grid: Grid
) -> tuple[list[tuple[str, RunSpec]], Dataset]:
    """Return what races, by a name for its ids, without combinations and seeds; and the data of all."""
    if isinstance(specs, RunSpec) or len(specs) == 1:
        return _of_strategies(home, specs if isinstance(specs, RunSpec) else specs[0], kinds, grid)
    if kinds:
        raise SettingError("Several specs race as they are; strategies can be named for one spec only.")
    resolved = [resolve_spec(home, spec) for spec in specs]
    others = [spec for spec, _ in resolved if spec.data.dataset != resolved[0][0].data.dataset]
    if others:
        raise SettingError(
            f"The specs of a race need the same data and split, but one has the dataset "
            f"{resolved[0][0].data.dataset!r} and another {others[0].data.dataset!r}."
        )
    return [(f"{number}", spec) for number, (spec, _) in enumerate(resolved, 1)], resolved[0][1]


def _of_strategies(
    home: Path, spec: RunSpec, kinds: Sequence[str], grid: Grid
) -> tuple[list[tuple[str, RunSpec]], Dataset]:
    kinds = kinds or list(STRATEGIES)
    if unknown := [kind for kind in kinds if kind not in STRATEGIES]:
        known = f"; known are {', '.join(STRATEGIES)}."
        raise SettingError(f"No strategy is named {unknown[0]!r}{nearest(unknown[0], STRATEGIES) or known}")
    if spec.model.start_from and list(kinds) != [spec.strategy.kind]:
        raise SettingError(
            "Setting 'model.start_from' names a run of one strategy, so strategies cannot be raced from it; leave it "
            "out."
        )
    for path in grid:
        own = path.removeprefix("strategy.")
        if own != path and not any(own in STRATEGIES[kind].settings.model_fields for kind in kinds):
            raise SettingError(f"No strategy of the race has a setting '{path}'.")
    resolved, dataset = resolve_spec(home, spec)
    return [(kind.replace("_", "-"), _spec_of(resolved, kind, dataset)) for kind in kinds], dataset


def _points(spec: RunSpec, grid: Grid) -> list[dict[str, Any]]:
    """Return the combinations of a grid that make a difference to a spec: one without changes for an empty grid."""
    fields = type(spec.strategy).model_fields
    own = {path: values for path, values in grid.items() if has_setting(fields, path)}
    return [dict(zip(own, values, strict=True)) for values in product(*own.values())]


def has_setting(fields: Collection[str], path: str) -> bool:
    """Tell whether a dotted setting means something to a strategy with such fields."""
    return not path.startswith("strategy.") or path.removeprefix("strategy.") in fields


def _spec_of(spec: RunSpec, kind: str, dataset: Dataset) -> RunSpec:
    if kind == spec.strategy.kind:
        return spec
    card = find_model(spec.model.name)
    found = recommended(kind, num_rows=dataset.counts["train"], task=dataset.task, model=card)
    shared = {"strategy.loss_fn": spec.strategy.loss_fn, "strategy.monitor": spec.strategy.monitor}
    return with_strategy(spec, kind).changed({**found, **shared, "training.batch_size": spec.training.batch_size})


def _named(spec: RunSpec, dataset: Dataset, changes: Mapping[str, Any], *, with_seed: bool, told: str) -> RunSpec:
    """Return a spec under the name that its run has: what it is among the others of the race."""
    card = find_model(spec.model.name)
    parts = [told] if told else [dataset.name, STRATEGIES[spec.strategy.kind].title, card.short_title]
    parts += [f"{path.rpartition('.')[2]} {value}" for path, value in changes.items() if path != "model.name"]
    parts += [f"seed {spec.training.seed}"] if with_seed else []
    return spec.changed({"name": ", ".join(parts)})


def enter(home: Path, entry: Entry) -> RunFolder:
    """Start one run of a race, or return it where it was started before.

    Raises:
        RunError: It cannot be started.
    """
    place = RunStore(home).root / entry.id
    was_there = place.is_dir()
    try:
        folder = submit_run(home, entry.spec, run_id=entry.id)
    except RunError:
        # Another click may have been quicker by a moment; a launch that failed just now leaves a folder as well.
        if not was_there and (not place.is_dir() or run_status(RunFolder(place)).status == "failed"):
            raise
        return RunFolder(place)
    add_tags(folder, [entry.tag])
    return folder
