"""The commands that race strategies, also over folds: `molfun race`, `molfun runs pooled`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from molfun.commands.runs import AsJson, Changes
from molfun.errors import SettingError

if TYPE_CHECKING:
    from molfun.runs.race import Entry


def register(app: typer.Typer, runs_app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(race)
    runs_app.command()(pooled)


def race(
    targets: Annotated[
        list[str],
        typer.Argument(metavar="SPEC...", help="A spec (YAML), a table, or an example; or several specs."),
    ],
    strategies: Annotated[str, typer.Option(help="Strategies with commas between; all four where it is empty.")] = "",
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each strategy, with one seed after another.")] = 1,
    grid: Annotated[
        list[str] | None, typer.Option(metavar="KEY=A,B,...", help="Race every value of a setting; may be repeated.")
    ] = None,
    folds: Annotated[int, typer.Option(min=0, help="Cross-validate: so many runs, each tests other rows.")] = 0,
    repeats: Annotated[int, typer.Option(min=1, help="Deal the rows into folds so many times.")] = 1,
    changes: Changes = None,
) -> None:
    """Train the same data and split under several strategies, in the background; compare them in the app.

    Several specs of the same data race as they are. With --folds every row is tested once, by a run that did not train
    on it; --set data.split.kind=identity chooses what a fold keeps together.
    """
    from molfun.home import data_home
    from molfun.runs.race import enter

    kinds = [kind.strip() for kind in strategies.split(",") if kind.strip()]
    if repeats > 1 and not folds:
        raise SettingError("--repeats deals rows into folds again; say into how many with --folds.")
    plan = _planned_folds if folds else _planned
    entries = plan(targets, kinds, seeds, grid or [], changes or [], folds=folds, repeats=repeats)
    for entry in entries:
        enter(data_home(), entry)
        typer.echo(entry.id)
    typer.echo(_where(entries, has_seeds=seeds > 1) if not folds else _where_folds(entries[0].tag), err=True)


def _where(entries: Sequence[Entry], *, has_seeds: bool) -> str:
    place = f"/compare?runs={','.join(entry.id for entry in entries)}" + ("&group=but_seed" if has_seeds else "")
    return f"Watch them with `molfun runs list`, or in the app at {place}"


def _where_folds(tag: str) -> str:
    place = f"/compare?tag={tag}&group=but_fold"
    return f"See what they make together with `molfun runs pooled {tag}`, or in the app at {place}"


def _planned(
    targets: Sequence[str], kinds: Sequence[str], seeds: int, grid: Sequence[str], changes: list[str], **folds: int
) -> list[Entry]:
    from molfun.home import data_home
    from molfun.runs.plan import parse_changes, plan_run, read_target
    from molfun.runs.race import SUFFIX, parse_grid, plan_race
    from molfun.runs.store import new_run_id

    home, told = data_home(), parse_changes(changes)
    planned = [plan_run(home, read_target(target, home), changes=told) for target in targets]
    specs, dataset = [spec for spec, _ in planned], planned[0][1]
    first = specs[0].training.seed
    race_id = f"{new_run_id(dataset.name)}{SUFFIX}"
    return plan_race(home, specs, race_id, kinds=kinds, seeds=range(first, first + seeds), grid=parse_grid(grid))


def _planned_folds(
    targets: Sequence[str], kinds: Sequence[str], seeds: int, grid: Sequence[str], changes: list[str], *, folds: int,
    repeats: int,
) -> list[Entry]:  # fmt: skip
    from molfun.home import data_home
    from molfun.runs.fold_race import FOLD_SUFFIX, plan_fold_race
    from molfun.runs.plan import parse_changes, read_target
    from molfun.runs.race import parse_grid
    from molfun.runs.store import new_run_id

    if len(targets) > 1:
        raise SettingError(f"--folds takes one spec, table or example, but {len(targets)} were given; give one.")
    stem = targets[0].rpartition("/")[2].rpartition(".")[0] or targets[0]
    home = data_home()
    return plan_fold_race(
        home, read_target(targets[0], home), f"{new_run_id(stem)}{FOLD_SUFFIX}", num_folds=folds, repeats=repeats,
        changes=parse_changes(changes), kinds=kinds, num_seeds=seeds, grid=parse_grid(grid),
    )  # fmt: skip


def pooled(
    tag: Annotated[str, typer.Argument(metavar="TAG", help="Tag of a cross-validation, such as cv-ab12.")],
    json: AsJson = False,
) -> None:
    """Show what the folds of a cross-validation make together: pooled scores with intervals, beside baselines."""
    from dataclasses import asdict

    from rich.console import Console

    from molfun.errors import RunError
    from molfun.home import data_home
    from molfun.runs.cross_validation import find_cross_validations
    from molfun.runs.files import as_json
    from molfun.runs.notes import tags_of
    from molfun.runs.pooled import find_pooled, lead, meaning, missing, pooled_table
    from molfun.runs.store import RunStore
    from molfun.runs.terminal import folds_table

    runs = reversed(RunStore(data_home()).list())
    found = find_cross_validations(run for run in runs if tag in tags_of(run))
    if not found:
        raise RunError(f"No fold of a cross-validation has the tag {tag!r}; `molfun race SPEC --folds 5` starts one.")
    for result in map(find_pooled, found):
        table, metric = pooled_table(result), result.cross.metric
        if json:
            said = {"metric": metric, "lead": lead(result), "missing": missing(result), "meaning": meaning(result)}
            differences = {name: [one and asdict(one) for one in table[name]] for name in ("to_best", "to_baseline")}
            typer.echo(as_json({"tag": tag, **said, "table": table.assign(**differences).to_dict("records")}))
            continue
        Console().print(folds_table(table, metric))
        for sentence in (lead(result), *missing(result), meaning(result)):
            typer.echo(sentence)
