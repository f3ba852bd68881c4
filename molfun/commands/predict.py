"""The commands that use a finished run: `molfun predict`, `molfun scan`, `molfun export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import pandas as pd

ENDINGS = (".csv", ".tsv", ".parquet")
SHOWN_PROBLEMS = 10


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(predict)
    app.command()(scan)
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

    _check_output(output)
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
    _write(_joined(rows, found), output)
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


def scan(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Id of a run, or ID/last for another checkpoint.")],
    wild_type: Annotated[str, typer.Argument(metavar="SEQUENCE", help="The protein, or a FASTA file with it.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where predictions go: .csv, .tsv or .parquet.")],
    first: Annotated[int, typer.Option(help="Number of the first residue.")] = 1,
    pairs: Annotated[list[int] | None, typer.Option(help="Residues of which all pairs are added; repeat it.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Predict every single substitution of a protein, the highest first, with its change from the wild type."""
    from molfun.data.scan import WILD_TYPE, clean_wild_type, scan_rows
    from molfun.data.tables import read_table
    from molfun.errors import DataError

    _check_output(output)
    if Path(wild_type).is_file():
        wild_type = str(read_table(Path(wild_type))["sequence"].iloc[0])
    sequence = clean_wild_type(wild_type)
    from molfun.runs.loading import load

    predictor = load(run, device=device)
    if predictor.task != "regression" or len(predictor.columns.sequence) > 1:
        raise DataError("A scan needs a model of one number for one chain; predict a table of variants instead.")
    rows = scan_rows(sequence, first_number=first, doubles=pairs or [], column=predictor.columns.sequence[0])
    rows["prediction"] = predictor.predict(rows)["prediction"].to_numpy()
    own = float(rows.loc[rows["mutation"] == WILD_TYPE, "prediction"].iloc[0])
    rows = rows.assign(change=rows["prediction"] - own).sort_values("prediction", ascending=False, ignore_index=True)
    _write(rows, output)
    typer.echo(f"{len(rows):,} variants, the wild type at {own:.4g}, written to {output}")


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


def _check_output(output: Path) -> None:
    from molfun.errors import DataError

    if output.suffix.lower() not in ENDINGS:
        raise DataError(f"{output.name}: expected a name that ends in {', '.join(ENDINGS)}.")
    if output.exists():
        raise DataError(f"{output} exists; nothing is written over. Choose another name.")
    if not output.absolute().parent.is_dir():
        raise DataError(f"There is no folder {output.absolute().parent}; make it, or choose another place.")


def _numbers(rows: pd.DataFrame) -> Any:
    from molfun.data.tables import file_rows

    return file_rows(rows)


def _joined(rows: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """Return the table with its predictions behind; a column of the same name is kept under another one."""
    import pandas as pd

    kept = rows.rename(columns={name: f"{name} (of the table)" for name in found.columns if name in rows.columns})
    kept.attrs = {}
    return pd.concat([kept, found], axis=1)


def _write(table: pd.DataFrame, output: Path) -> None:
    from molfun.data.exports import neutralise

    if output.suffix.lower() == ".parquet":
        table.to_parquet(output, index=False)
        return
    lists = [name for name in table if table[name].map(lambda cell: isinstance(cell, list)).any()]
    text = table.assign(**{name: table[name].map(_label_text) for name in lists})
    neutralise(text).to_csv(output, index=False, sep="\t" if output.suffix.lower() == ".tsv" else ",")


def _label_text(cell: Any) -> Any:
    """Return labels of residues as one text: letter by letter where each is one, else parted by semicolons."""
    if not isinstance(cell, list):
        return cell
    return ("" if all(len(label) == 1 for label in cell) else ";").join(cell)
