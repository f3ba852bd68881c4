"""The commands that use a finished run: `molfun predict`, `molfun export`, `molfun push`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from molfun.commands.outputs import check_folder, check_output, write_table

if TYPE_CHECKING:
    import pandas as pd

FORMAT_HELP = "merged (whole model), adapter (LoRA alone) or onnx (a graph that needs no torch)."
SHOWN_PROBLEMS = 10


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(predict)
    app.command()(export)
    app.command()(push)


def predict(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Id of a run, or ID/last for another checkpoint.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, TSV, Excel, Parquet or FASTA with sequences.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where predictions go: .csv, .tsv or .parquet.")],
    others: Annotated[
        list[str] | None, typer.Option("--with", help="Another run, such as other seeds: the mean and its spread.")
    ] = None,
    coverage: Annotated[float, typer.Option(help="Add intervals that hold so much of new rows, e.g. 0.9.")] = 0.0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    sheet: Annotated[str, typer.Option(help="Sheet of an Excel file; left out, the first one with sequences.")] = "",
) -> None:
    """Predict new sequences with the weights of a run; every row is in the output, with a reason where it has none.

    Structures go to a folder beside the output, one mmCIF file a row.
    """
    from rich.progress import Progress

    from molfun.data.folded import write_structures
    from molfun.data.tables import read_table
    from molfun.home import data_home
    from molfun.runs.new_rows import prepare_rows
    from molfun.runs.weights import weights_in_words

    check_output(output)
    structures = output.with_name(f"{output.stem}_structures")
    check_folder(structures)
    frame = read_table(file, sheet=sheet)
    rows = prepare_rows(data_home(), run, frame)
    from molfun.evaluation.conformal import add_intervals
    from molfun.runs.loading import load_together

    predictor, learned = load_together(run, others or [], coverage=coverage, device=device)
    with Progress(transient=True) as bar:
        task = bar.add_task("Predicting", total=len(rows))
        found = predictor.predict(rows, progress=lambda done, total: bar.update(task, completed=done, total=total))
    found = add_intervals(found, predictor.task, learned) if learned else found
    if predictor.task == "structure":
        found = write_structures(found, structures, ending="cif")
    write_table(_joined(rows, found), output)
    problems = found["problem"] != ""
    used = "; ".join(weights_in_words(data_home(), name) for name in (run, *(others or [])))
    typer.echo(f"{int((~problems).sum()):,} of {len(rows):,} rows predicted with {used}; written to {output}")
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
    form: Annotated[str, typer.Option("--format", help=FORMAT_HELP)] = "merged",
) -> None:
    """Write a run's model for other tools, with a script that predicts without Molfun."""
    from molfun.home import data_home
    from molfun.runs.steering import checkpoint_of

    # All that can be wrong before the model is loaded is said before.
    kind = _format(form)
    checkpoint_of(data_home(), run)
    from molfun.runs.exporting import export_run

    about = export_run(data_home(), run, output.absolute(), kind=kind)
    script = output / ("predict_onnx.py" if kind == "onnx" else "predict.py")
    example = ":".join(["MKTAYIAKQR"] * len(about["sequence_columns"]))
    typer.echo(f"Written to {output}.{_checked(about)} Try: python {script} {example}")


def push(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Id of a run, or ID/last for another checkpoint.")],
    repository: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="Repository on the hub; made.")],
    form: Annotated[str, typer.Option("--format", help=FORMAT_HELP)] = "merged",
    public: Annotated[bool, typer.Option("--public", help="Let everybody see it; otherwise it is private.")] = False,
    update: Annotated[
        bool, typer.Option("--update", help="Add a commit where it exists; who may see it stays as it is.")
    ] = False,
) -> None:
    """Export a run's model to the Hugging Face hub; the token comes from HF_TOKEN, the keyring or `hf auth login`."""
    import tempfile

    from molfun.home import data_home
    from molfun.runs.hub import check_repository, hub_token, push_folder
    from molfun.runs.steering import checkpoint_of

    kind, name, token = _format(form), check_repository(repository), hub_token()
    checkpoint_of(data_home(), run)
    from molfun.runs.exporting import export_run

    with tempfile.TemporaryDirectory(prefix="molfun-") as room:
        folder = Path(room) / "model"
        about = export_run(data_home(), run, folder, kind=kind)
        place = push_folder(folder, name, token=token, is_public=public, update=update, words=f"Molfun run {run}")
    typer.echo(f"Pushed to {place}.{_checked(about)}")


def _format(form: str) -> Any:
    from molfun.errors import SettingError, nearest
    from molfun.runs.exports import FORMATS

    if form not in FORMATS:
        raise SettingError(f"--format is {form!r}; expected {', '.join(FORMATS)}{nearest(form, FORMATS) or '.'}")
    return form


def _checked(about: dict[str, Any]) -> str:
    """Say by how much predictions differ from those of the run, as far as that was compared."""
    merging, graph = about.get("largest_difference"), about.get("onnx_difference")
    words = "" if merging is None else f" Merging changed predictions by at most {merging:.1g}."
    return (
        words if graph is None else f"{words} ONNX (opset {about['opset']}) differs from torch by at most {graph:.1g}."
    )


def _numbers(rows: pd.DataFrame) -> Any:
    from molfun.data.tables import file_rows

    return file_rows(rows)


def _joined(rows: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """Return the table with its predictions behind; a column of the same name is kept under another one."""
    import pandas as pd

    kept = rows.rename(columns={name: f"{name} (of the table)" for name in found.columns if name in rows.columns})
    kept.attrs = {}
    return pd.concat([kept, found], axis=1)
