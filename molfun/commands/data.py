"""Commands on tables before any run: `molfun data check`, `molfun data clean`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from molfun.commands.outputs import check_output, write_table
from molfun.commands.runs import AsJson, Changes

if TYPE_CHECKING:
    import pandas as pd

    from molfun.data.recipe import Step
    from molfun.data.settings import ColumnSettings

File = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="CSV, TSV, Excel, Parquet, FASTA, PDB, mmCIF, or a folder of the last two."),
]
Sheet = Annotated[str, typer.Option(help="Sheet of an Excel file; left out, the first one with sequences.")]
Values = Annotated[
    Path | None,
    typer.Option(help="Second file of FASTA or structures: a table with names and values, or FASTA of labels."),
]


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
    task: Annotated[str, typer.Option(help="regression, classification, per_residue or structure.")] = "",
    split: Annotated[str, typer.Option(help="How rows would be divided, e.g. random, identity, position.")] = "",
    changes: Changes = None,
    recipe: Annotated[Path | None, typer.Option(help="Clean the table by this recipe (YAML) first.")] = None,
    wild_type: Annotated[
        list[str] | None,
        typer.Option(
            help="Turn mutations into sequences: SEQUENCE or a FASTA file; of several chains COLUMN=SEQUENCE for each, "
            "or COLUMN:CHAIN=SEQUENCE where one column names the chains."
        ),
    ] = None,
    first: Annotated[int | None, typer.Option(help="Number of the wild type's first residue, found if absent.")] = None,
    save_recipe: Annotated[
        Path | None, typer.Option(help="Write every remedy that is offered as a recipe (YAML), to look at and use.")
    ] = None,
    sheet: Sheet = "",
    values: Values = None,
    rows: Annotated[
        str, typer.Option(help="Of structures: file (one row a file) or chain (one row a chain).")
    ] = "file",
    json: AsJson = False,
) -> None:
    """Say what is in a table, what is wrong with it, what would mend it, and how fair its test part is.

    --set takes settings of the split, e.g. --set max_identity=0.3. The exit code is 2 where a run could not start.
    """
    from rich.console import Console

    from molfun.adapters.catalog import find_model
    from molfun.commands.data_report import print_report, print_structures
    from molfun.data.doctor import examine
    from molfun.data.inputs import describe_structures
    from molfun.data.settings import SplitSettings
    from molfun.data.splits import guess_split
    from molfun.runs.files import as_json
    from molfun.runs.plan import parse_changes

    steps = _recipe(recipe) if recipe else []
    frame = _cleaned(_read(file, sheet, values, rows), steps)
    structures = describe_structures(frame)
    built = _mutations(frame, wild_type or [], first)
    frame, problems = _cleaned(frame, built), _misfits(frame, built)
    card, columns = find_model(model), _columns(frame, [*steps, *built], sequence or [], target, task)
    settings = guess_split(frame).model_dump() | ({"kind": split} if split else {}) | parse_changes(changes or [])
    letters, limit = card.alphabet.letters, card.num_residues_limit
    report = examine(
        frame, columns, SplitSettings.parse(settings), letters=letters, max_residues=limit, problems=problems
    )
    if save_recipe:
        _save(save_recipe, [*steps, *built, *_remedies(frame, columns, letters, limit)])
    if json:
        typer.echo(as_json(report.as_dict() | ({"structures": structures} if structures else {})))
    else:
        print_structures(structures)
        print_report(report, card.title, Console())
        if save_recipe:
            typer.echo(f"recipe written to {save_recipe}: molfun data clean {file} --recipe {save_recipe} -o NEW.csv")
    if not report.is_fine:
        raise typer.Exit(2)


def clean(
    file: File,
    recipe: Annotated[Path, typer.Option(help="Steps to do, as the page Data saves them (YAML).")],
    output: Annotated[Path, typer.Option("--output", "-o", help="New table: .csv, .tsv or .parquet.")],
    sheet: Sheet = "",
    values: Values = None,
) -> None:
    """Write a table cleaned by a recipe; the file itself stays as it is."""
    from molfun.data.recipe import apply_recipe

    check_output(output)
    steps = _recipe(recipe)
    frame, changes = apply_recipe(_read(file, sheet, values), steps)
    write_table(frame, output)
    for step, changed in zip(steps, changes, strict=True):
        typer.echo(f"{step.title()}: {_rows(len({change.row for change in changed}))}")
    typer.echo(f"{_rows(len(frame))} written to {output}")


def _read(file: Path, sheet: str, values: Path | None, rows: str = "file") -> pd.DataFrame:
    from molfun.data.inputs import read_input
    from molfun.runs.spec import DataSource

    of = DataSource.parse({"rows": rows}).rows
    return read_input(file, sheet=sheet, values=values, bad_files="skip", rows=of)


def _cleaned(frame: pd.DataFrame, steps: list[Step]) -> pd.DataFrame:
    from molfun.data.recipe import apply_recipe

    return apply_recipe(frame, steps)[0] if steps else frame


def _recipe(path: Path) -> list[Step]:
    from molfun.data.recipe import parse_recipe
    from molfun.yaml_files import load_mapping

    return parse_recipe(load_mapping(path, what="recipe").get("steps"))


def _mutations(frame: pd.DataFrame, wild_types: list[str], first: int | None) -> list[Step]:
    """Return the steps that build sequences of wild types: SEQUENCE, COLUMN=SEQUENCE or COLUMN:CHAIN=SEQUENCE."""
    from molfun.data.mutations import mutation_columns
    from molfun.data.sequence_steps import plan_mutations
    from molfun.errors import DataError

    known = mutation_columns(frame)
    steps: list[Step] = []
    for given in wild_types:
        named, _, text = given.rpartition("=")
        column, _, chain = (named, "", "") if named in frame.columns else named.partition(":")
        column = column or next(iter(known), "")
        if not column:
            raise DataError("No column holds mutations such as A24G; name it: --wild-type COLUMN=SEQUENCE.")
        is_only = len(wild_types) == 1 and "sequence" not in frame.columns
        into = "sequence" if is_only else "_".join(filter(None, (column, chain, "sequence")))
        steps.append(plan_mutations(frame, column, _wild_type(text), first, chain=chain, into=into))
    return steps


def _wild_type(text: str) -> str:
    from molfun.commands.proteins import sequences_of
    from molfun.data.scan import clean_wild_type
    from molfun.errors import DataError

    found = sequences_of(text)
    if len(found) != 1:
        raise DataError(
            f"{text} holds {len(found)} sequences, but one wild type is expected. Give a file with that one alone, and "
            "each chain with its name: --wild-type COLUMN:CHAIN=FILE."
        )
    return clean_wild_type(found[0])


def _misfits(frame: pd.DataFrame, steps: list[Step]) -> list[Any]:
    """Return the rows whose mutations do not fit to their wild type."""
    from molfun.data.mutations import read_sequences

    found = []
    for step in steps:
        if step.kind == "mutations":
            found += read_sequences(frame, step.column, step.wild_type, step.first_number, chain=step.chain)[1]
    return found


def _remedies(frame: pd.DataFrame, columns: ColumnSettings, letters: str, limit: int) -> list[Step]:
    """Return remedies one after the other, the first that is offered each time, until nothing is left to mend."""
    from molfun.data.recipe import MAKES_COLUMNS, NUM_STEPS, choose_columns
    from molfun.data.remedies import candidates

    steps: list[Step] = []
    while len(steps) < NUM_STEPS - 5:
        offered = candidates(frame, columns, letters=letters, max_residues=limit)
        step = next((step for step, _ in offered if step not in steps), None)
        if step is None:
            return steps
        frame = _cleaned(frame, [step])
        steps.append(step)
        columns = choose_columns(frame, steps) if step.kind in MAKES_COLUMNS else columns
    return steps


def _save(path: Path, steps: list[Step]) -> None:
    import yaml

    from molfun.data.recipe import dump_recipe

    _refuse_existing(path)
    path.write_text(yaml.safe_dump({"steps": dump_recipe(steps)}, sort_keys=False, allow_unicode=True), "utf-8")


def _refuse_existing(path: Path) -> None:
    from molfun.errors import DataError

    if path.exists():
        raise DataError(f"{path} exists; nothing is written over. Choose another name.")


def _columns(frame: pd.DataFrame, steps: list[Step], sequence: list[str], target: str, task: str) -> ColumnSettings:
    from molfun.data.recipe import choose_columns
    from molfun.data.settings import ColumnSettings

    values: dict[str, Any] = choose_columns(frame, steps).model_dump()
    given = {"sequence": sequence, "target": target, "task": task}
    return ColumnSettings.parse(values | {name: value for name, value in given.items() if value})


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"
