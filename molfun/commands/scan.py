"""`molfun scan`: every substitution of a protein with the model of a run, ranked, and the files that belong to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from molfun.commands.outputs import ENDINGS, check_output, write_table

if TYPE_CHECKING:
    import pandas as pd

    from molfun.data.dataset import Dataset
    from molfun.data.numbering import Region

FASTA_ENDINGS = (".fasta", ".fa", ".faa")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(scan)


def scan(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Id of a run, or ID/last for another checkpoint.")],
    sequences: Annotated[
        list[str], typer.Argument(metavar="SEQUENCE...", help="The protein, one a chain, or a FASTA file with them.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where the ranking goes: .csv, .tsv or .parquet.")],
    chain: Annotated[str, typer.Option(help="Of several chains the one to scan, by its column; the first one.")] = "",
    first: Annotated[int, typer.Option(help="Number of the first residue.")] = 1,
    positions: Annotated[str, typer.Option(help='Residues to exchange, e.g. "24-39, 52"; all where not given.')] = "",
    cdrs: Annotated[bool, typer.Option("--cdrs", help="Exchange the residues of an antibody's CDRs alone.")] = False,
    pairs: Annotated[
        list[str] | None, typer.Option(help='Residues of which all pairs are added, e.g. "24, 39"; may be repeated.')
    ] = None,
    label: Annotated[
        str, typer.Option("--class", help="Whose probability counts; the class that the wild type is given.")
    ] = "",
    grid: Annotated[Path | None, typer.Option(help="Also write the changes, positions by residues.")] = None,
    fasta: Annotated[Path | None, typer.Option(help="Also write the sequences of the first variants.")] = None,
    top: Annotated[int, typer.Option(min=1, help="How many of them.")] = 50,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Predict every single substitution of a protein, the highest first, with its change from the wild type."""
    from molfun.data.positions import parse_positions
    from molfun.data.scan import scan_rows
    from molfun.data.scan_tables import rank_variants, variants_fasta

    for path, endings in ((output, ENDINGS), (grid, ENDINGS), (fasta, FASTA_ENDINGS)):
        if path is not None:
            check_output(path, endings)
    dataset = _dataset(run)
    chains, column = _chains(sequences, dataset.columns.sequence), _column(chain, dataset.columns.sequence)
    regions = _regions(chains[column], is_needed=cdrs)
    rows = scan_rows(
        chains[column], first_number=first, positions=_positions(positions, cdrs, regions, first), column=column,
        doubles=[number for word in pairs or [] for number in parse_positions(word)],
        kept={name: own for name, own in chains.items() if name != column},
    )  # fmt: skip
    found, values = _predict(run, rows, dataset, label, device)
    ranking = rank_variants(found, values, regions=regions, first_number=first, measured=_measured(dataset, rows))
    _write_grid(found, values, chains[column], first, grid)
    if fasta is not None:
        best = ranking.dropna(subset=[values]).head(top)
        fasta.write_text(variants_fasta(best, rows, dataset.columns.sequence), encoding="utf-8")
    write_table(_with_sequences(ranking, rows), output)
    own = ranking.loc[ranking["mutation"] == "WT", values].iloc[0]
    of_class = f" Numbers are the probability of {values.removeprefix('p_')}." if values != "prediction" else ""
    typer.echo(f"{len(rows) - 1:,} variants, the wild type at {own:.4g}, written to {output}.{of_class}")


def _dataset(run: str) -> Dataset:
    """Return the data of a run whose model can be used for a scan."""
    from molfun.data.dataset import load_dataset
    from molfun.data.settings import ONE_VALUE_A_ROW
    from molfun.errors import DataError
    from molfun.home import data_home
    from molfun.runs.store import RunStore

    home = data_home()
    dataset = load_dataset(home / "datasets", RunStore(home).get(run.partition("/")[0]).spec.data.dataset)
    if dataset.task not in ONE_VALUE_A_ROW:
        raise DataError(
            "A scan needs one value a row, and this model predicts something of every residue; predict a table instead."
        )
    return dataset


def _chains(given: Sequence[str], columns: Sequence[str]) -> dict[str, str]:
    """Return the wild type of each chain by its column."""
    from molfun.commands.proteins import sequences_of
    from molfun.data.scan import clean_wild_type
    from molfun.errors import DataError

    found = [sequence for word in given for sequence in sequences_of(word)]
    if len(found) != len(columns):
        raise DataError(
            f"The model reads {len(columns)} chain{'s' if len(columns) > 1 else ''} ({', '.join(columns)}), and "
            f"{len(found)} sequences are given; give one for each, in this order."
        )
    return {column: clean_wild_type(sequence) for column, sequence in zip(columns, found, strict=True)}


def _column(chain: str, columns: Sequence[str]) -> str:
    from molfun.errors import SettingError, nearest

    if chain and chain not in columns:
        raise SettingError(f"--chain is {chain!r}; expected {' or '.join(columns)}{nearest(chain, columns) or '.'}")
    return chain or columns[0]


def _regions(sequence: str, *, is_needed: bool) -> tuple[Region, ...]:
    from molfun.data.numbering import can_number, find_regions
    from molfun.errors import DataError

    found = find_regions(sequence) if is_needed or can_number() else None
    if is_needed and not found:
        raise DataError("--cdrs needs an antibody, and this sequence has no variable domain; name --positions instead.")
    return found or ()


def _positions(typed: str, cdrs: bool, regions: Sequence[Region], first: int) -> list[int] | None:
    from molfun.data.positions import parse_positions
    from molfun.data.scan_tables import region_positions
    from molfun.errors import SettingError

    if typed and cdrs:
        raise SettingError("--positions and --cdrs are both given; expected one of them.")
    if cdrs:
        return region_positions(regions, first)
    return parse_positions(typed) if typed else None


def _predict(run: str, rows: pd.DataFrame, dataset: Dataset, label: str, device: str) -> tuple[pd.DataFrame, str]:
    """Return the rows with their predictions, and the column of numbers that counts."""
    from molfun.data.scan_tables import favoured_class
    from molfun.errors import DataError, SettingError, nearest

    if label and label not in dataset.classes:
        known = ", ".join(dataset.classes) or "none, because the model predicts a number"
        raise SettingError(f"--class is {label!r}; expected {known}{nearest(label, dataset.classes) or '.'}")
    from rich.progress import Progress

    from molfun.runs.loading import load

    predictor = load(run, device=device)
    with Progress(transient=True) as bar:
        task = bar.add_task("Predicting", total=len(rows))
        found = predictor.predict(rows, progress=lambda done, total: bar.update(task, completed=done, total=total))
    if found["problem"].iloc[0]:
        raise DataError(f"The wild type cannot be predicted: {found['problem'].iloc[0].rstrip('.')}.")
    found = found.assign(mutation=rows["mutation"])
    return found, f"p_{label or favoured_class(found, dataset.classes)}" if dataset.classes else "prediction"


def _measured(dataset: Dataset, rows: pd.DataFrame) -> pd.DataFrame:
    from molfun.data.measured import measured_values

    return measured_values(dataset, rows)


def _write_grid(found: pd.DataFrame, values: str, wild_type: str, first: int, grid: Path | None) -> None:
    from molfun.data.effects import single_effects
    from molfun.data.scan_tables import grid_table

    if grid is not None:
        write_table(grid_table(single_effects(found, wild_type, values, first_number=first)), grid)


def _with_sequences(ranking: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the ranking with the sequences behind the mutations."""
    by_mutation = rows.set_index("mutation")
    kept: Mapping[str, Any] = {name: ranking["mutation"].map(by_mutation[name]) for name in by_mutation.columns}
    rest = ranking.drop(columns="mutation").rename(columns=lambda name: f"{name} (scan)" if name in kept else name)
    return ranking[["mutation"]].assign(**kept).join(rest)
