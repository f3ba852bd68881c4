"""The commands that use a finished run: `molfun predict`, `molfun export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from molfun.commands.outputs import check_output, write_table

if TYPE_CHECKING:
    import pandas as pd

SHOWN_PROBLEMS = 10


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(predict)
    app.command()(export)


def predict(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Id of a run, or ID/last for another checkpoint.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, TSV, Excel, Parquet or FASTA with sequences.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where predictions go: .csv, .tsv or .parquet.")],
    others: Annotated[
        list[str] | None, typer.Option("--with", help="Another run, such as other seeds: the mean and its spread.")
    ] = None,
    coverage: Annotated[float, typer.Option(help="Add intervals that hold so much of new rows, e.g. 0.9.")] = 0.0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Predict new sequences with the weights of a run; every row is in the output, with a reason where it has none."""
    from rich.progress import Progress

    from molfun.data.tables import read_table
    from molfun.home import data_home
    from molfun.runs.new_rows import prepare_rows

    check_output(output)
    frame = read_table(file)
    rows = prepare_rows(data_home(), run, frame)
    from molfun.evaluation.uncertainty import Ensemble, add_intervals
    from molfun.runs.loading import calibrate_run, load

    first = load(run, device=device)
    predictor = Ensemble([first, *(load(name, device=device) for name in others)]) if others else first
    learned = calibrate_run(run, predictor, coverage, home=data_home()) if coverage else None
    with Progress(transient=True) as bar:
        task = bar.add_task("Predicting", total=len(rows))
        found = predictor.predict(rows, progress=lambda done, total: bar.update(task, completed=done, total=total))
    found = add_intervals(found, first.task, learned) if learned else found
    write_table(_joined(rows, found), output)
    problems = found["problem"] != ""
    typer.echo(f"{int((~problems).sum()):,} of {len(rows):,} rows predicted, written to {output}")
    for row, reason in list(zip(_numbers(rows)[problems.to_numpy()], found["problem"][problems], strict=True))[
        :SHOWN_PROBLEMS
    ]:
        typer.echo(f"Row {row}: {reason}", err=True)
    if problems.sum() > SHOWN_PROBLEMS:
        typer.echo(
            f"... and {int(problems.sum()) - SHOWN_PROBLEMS:,} more; the column 'problem' has them all", err=True
        )


def export(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Id of a run, or ID/last for another checkpoint.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to make.")],
    form: Annotated[str, typer.Option("--format", help="merged (whole model) or adapter (LoRA alone).")] = "merged",
) -> None:
    """Write a run's model for peft and transformers, with a script that predicts without Molfun."""
    from molfun.errors import SettingError
    from molfun.home import data_home

    if form not in ("merged", "adapter"):
        raise SettingError(f"--format is {form!r}; expected merged or adapter.")
    from molfun.runs.exporting import export_run

    about = export_run(data_home(), run, output.absolute(), kind="adapter" if form == "adapter" else "merged")
    largest = about.get("largest_difference")
    checked = "" if largest is None else f" Merging changed predictions by at most {largest:.1g}."
    typer.echo(f"Written to {output}.{checked} Try: python {output / 'predict.py'} MKTAYIAKQR")


def _numbers(rows: pd.DataFrame) -> Any:
    from molfun.data.tables import file_rows

    return file_rows(rows)


def _joined(rows: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """Return the table with its predictions behind; a column of the same name is kept under another one."""
    import pandas as pd

    kept = rows.rename(columns={name: f"{name} (of the table)" for name in found.columns if name in rows.columns})
    kept.attrs = {}
    return pd.concat([kept, found], axis=1)
