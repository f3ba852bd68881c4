"""The command that races strategies: `molfun race`."""

from __future__ import annotations

from typing import Annotated

import typer

from molfun.commands.runs import Changes


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(race)


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
    changes: Changes = None,
) -> None:
    """Train the same data and split under several strategies, in the background; compare them in the app.

    Several specs of the same data race as they are.
    """
    from molfun.home import data_home
    from molfun.runs.plan import parse_changes, plan_run, read_target
    from molfun.runs.race import SUFFIX, enter, parse_grid, plan_race
    from molfun.runs.store import new_run_id

    home = data_home()
    told = parse_changes(changes or [])
    planned = [plan_run(home, read_target(target), changes=told) for target in targets]
    specs, dataset = [spec for spec, _ in planned], planned[0][1]
    kinds = [kind.strip() for kind in strategies.split(",") if kind.strip()]
    first = specs[0].training.seed
    race_id = f"{new_run_id(dataset.name)}{SUFFIX}"
    entries = plan_race(
        home, specs, race_id, kinds=kinds, seeds=range(first, first + seeds), grid=parse_grid(grid or [])
    )
    for entry in entries:
        enter(home, entry)
        typer.echo(entry.id)
    place = f"/compare?runs={','.join(entry.id for entry in entries)}" + ("&group=but_seed" if seeds > 1 else "")
    typer.echo(f"Watch them with `molfun runs list`, or in the app at {place}", err=True)
