"""Commands on tables before any run: `molfun data check`, `molfun data clean`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from molfun.commands.runs import AsJson, Changes

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from molfun.data.doctor import Report
    from molfun.data.settings import ColumnSettings

File = Annotated[Path, typer.Argument(metavar="FILE", help="CSV, TSV, Excel, Parquet or FASTA.")]
SHOWN_PROBLEMS = 20
ENDINGS = (".csv", ".tsv", ".parquet")


def register(app: typer.Typer) -> None:
    """Add the commands as `molfun data ...`."""
    data = typer.Typer(help="Examine and clean tables before any run.", no_args_is_help=True)
    data.command()(check)
    data.command()(clean)
    app.add_typer(data, name="data")


def check(
    file: File,
    model: Annotated[str, typer.Option(help="Model whose letters and limit of length count.")] = "esm2_8m",
    sequence: Annotated[list[str] | None, typer.Option(help="Sequence column; repeat it for several chains.")] = None,
    target: Annotated[str, typer.Option(help="Column with the measured value or class.")] = "",
    task: Annotated[str, typer.Option(help="regression, classification or per_residue.")] = "",
    split: Annotated[str, typer.Option(help="How rows would be divided, e.g. random, identity, position.")] = "",
    changes: Changes = None,
    recipe: Annotated[Path | None, typer.Option(help="Clean the table by this recipe (YAML) first.")] = None,
    json: AsJson = False,
) -> None:
    """Say what is in a table, what is wrong with it, what would mend it, and how fair its test part is.

    --set takes settings of the split, e.g. --set max_identity=0.3. The exit code is 2 where a run could not start.
    """
    from rich.console import Console

    from molfun.adapters.catalog import find_model
    from molfun.data.doctor import examine
    from molfun.data.settings import SplitSettings
    from molfun.data.splits import guess_split
    from molfun.runs.plan import parse_changes
    from molfun.runs.terminal import as_json

    frame = _read(file, recipe)
    card, columns = find_model(model), _columns(frame, sequence or [], target, task)
    values = guess_split(frame).model_dump() | ({"kind": split} if split else {}) | parse_changes(changes or [])
    report = examine(
        frame, columns, SplitSettings.parse(values), letters=card.alphabet.letters,
        max_residues=card.num_residues_limit,
    )  # fmt: skip
    if json:
        typer.echo(as_json(report.as_dict()))
    else:
        _print(report, card.title, Console())
    if not report.is_fine:
        raise typer.Exit(2)


def clean(
    file: File,
    recipe: Annotated[Path, typer.Option(help="Steps to do, as the page Data saves them (YAML).")],
    output: Annotated[Path, typer.Option("--output", "-o", help="New table: .csv, .tsv or .parquet.")],
) -> None:
    """Write a table cleaned by a recipe; the file itself stays as it is."""
    from molfun.data.exports import neutralise
    from molfun.data.recipe import apply_recipe
    from molfun.data.tables import read_table
    from molfun.errors import DataError

    if output.suffix.lower() not in ENDINGS:
        raise DataError(f"{output.name}: expected a name that ends in {', '.join(ENDINGS)}.")
    if output.exists():
        raise DataError(f"{output} exists; nothing is written over. Choose another name.")
    steps = _recipe(recipe)
    frame, changes = apply_recipe(read_table(file), steps)
    if output.suffix.lower() == ".parquet":
        frame.to_parquet(output, index=False)
    else:
        neutralise(frame).to_csv(output, index=False, sep="\t" if output.suffix.lower() == ".tsv" else ",")
    for step, changed in zip(steps, changes, strict=True):
        typer.echo(f"{step.title()}: {_rows(len({change.row for change in changed}))}")
    typer.echo(f"{_rows(len(frame))} written to {output}")


def _read(file: Path, recipe: Path | None) -> pd.DataFrame:
    from molfun.data.recipe import apply_recipe
    from molfun.data.tables import read_table

    frame = read_table(file)
    return apply_recipe(frame, _recipe(recipe))[0] if recipe else frame


def _recipe(path: Path) -> Any:
    from molfun.data.recipe import parse_recipe
    from molfun.yaml_files import load_mapping

    return parse_recipe(load_mapping(path, what="recipe").get("steps"))


def _columns(frame: pd.DataFrame, sequence: list[str], target: str, task: str) -> ColumnSettings:
    from molfun.data.settings import ColumnSettings
    from molfun.data.tables import guess_columns

    values: dict[str, Any] = guess_columns(frame).model_dump()
    given = {"sequence": sequence, "target": target, "task": task}
    return ColumnSettings.parse(values | {name: value for name, value in given.items() if value})


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _print(report: Report, title: str, console: Console) -> None:
    from rich.table import Table

    columns = report.columns
    chosen = ", ".join(columns.sequence) or "none found"
    typer.echo(f"{report.rows:,} rows; sequences: {chosen}; target: {columns.target or 'none found'} ({columns.task})")
    if report.lengths:
        lengths = report.lengths
        typer.echo(f"{lengths['shortest']:,} to {lengths['longest']:,} residues; {title} takes {lengths['limit']:,}")
    for problem in report.problems[:SHOWN_PROBLEMS]:
        console.print(f"[{'red' if problem.severity == 'error' else 'yellow'}]{problem.severity}[/]", end=" ")
        console.print(problem.message, markup=False, highlight=False)
    if len(report.problems) > SHOWN_PROBLEMS:
        typer.echo(f"... and {len(report.problems) - SHOWN_PROBLEMS} more; --json lists them all")
    for step, count in report.fixes:
        typer.echo(f"remedy: {step.title()} ({_rows(count)})")
    if report.split_error:
        typer.echo(f"split: {report.split_error}")
    if report.leaks:
        typer.echo(f"split: {', '.join(f'{count:,} {part}' for part, count in report.parts.items())}")
        table = Table("identity to the nearest training row", "test rows")
        for name, count in report.leaks.bands().items():
            table.add_row(name, f"{count:,}")
        console.print(table)
        typer.echo(report.leaks.sentence())
