"""What a mutation scan is asked for: wild type, residues, pairs; how many variants that are, and about how long."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pandas as pd
import streamlit as st

from molfun.data import numbering
from molfun.data.dataset import Dataset
from molfun.data.mutations import consensus
from molfun.data.positions import parse_positions, write_positions
from molfun.data.scan import MAX_ROWS, clean_wild_type, scan_rows, scan_size
from molfun.data.scan_tables import region_positions
from molfun.data.settings import ONE_VALUE_A_ROW
from molfun.errors import DataError, MolfunError
from molfun.runs.predictions import forecast_seconds
from molfun.runs.store import RunFolder
from molfun.ui import shell, text

MANY = 500  # sequences of which the most frequent letters are looked for
ANTIBODY_MODEL = "antiberty"
RESIDUES = {"all": "All", "cdrs": "CDRs only", "chosen": "Chosen"}
Ask = Callable[[RunFolder, pd.DataFrame, dict[str, Any]], None]


class Wanted(NamedTuple):
    """A scan as it was asked for.

    Attributes:
        wild_type: Of the chain that is scanned.
        column: Its column.
        kept: The other chain by its column, none where there is one chain.
        first_number: Number of the first residue.
        positions: Numbers of residues that are exchanged, None for all.
        doubles: Numbers of residues of which all pairs are exchanged.
    """

    wild_type: str
    column: str
    kept: dict[str, str]
    first_number: int
    positions: list[int] | None
    doubles: list[int]

    @property
    def size(self) -> int:
        """How many rows it has."""
        return scan_size(self.wild_type, first_number=self.first_number, positions=self.positions, doubles=self.doubles)


def draw_scan_form(folder: RunFolder, dataset: Dataset, certainty: Mapping[str, Any], ask: Ask) -> None:
    """Draw what a scan needs, and the button that asks for it.

    Args:
        folder: The run.
        dataset: Its data.
        certainty: Of `predict_panels.draw_certainty`.
        ask: Starts a prediction of rows.
    """
    if dataset.task not in ONE_VALUE_A_ROW:
        st.info("A scan needs one value a row; this model predicts something of every residue.", icon=":material/info:")
        return
    if dataset.num_chains > 2:
        st.info(f"A scan needs one chain or two; this model has {dataset.num_chains}.", icon=":material/info:")
        return
    wanted = _draw_wanted(folder, dataset)
    _draw_hint(folder, dataset)
    said, is_possible = _size_in_words(folder, wanted, 1 + len(certainty.get("others", [])))
    is_asked = st.button(
        "Scan",
        type="primary",
        icon=":material/grid_on:",
        key="predict.scan",
        shortcut="Mod+Enter",
        disabled=not is_possible,
    )
    if not isinstance(wanted, Wanted) or not is_possible:
        if said:
            st.warning(shell.sentence(said), icon=":material/warning:")
        return
    st.caption(said)
    if is_asked:
        about = {name: value for name, value in wanted._asdict().items() if value is not None}
        name = f"Scan of {wanted.wild_type[:12]}…"
        ask(folder, scan_rows(**wanted._asdict()), {"name": name, "kind": "scan", **about, **certainty})


def _draw_wanted(folder: RunFolder, dataset: Dataset) -> Wanted | DataError | None:
    """Return what was asked for, None where there is no wild type yet, or what is wrong with it."""
    columns = dataset.columns.sequence
    column = columns[0]
    if len(columns) > 1:
        column = st.segmented_control(
            "Chain to scan", columns, default=columns[0], required=True, key=f"scan.{folder.id}.chain",
            format_func=shell.plain, persist_state="session", help="The other chain is kept as it is.",
        ) or column  # fmt: skip
    in_order = sorted(columns, key=lambda name: name != column)
    typed = {name: _draw_sequence(folder, dataset, name, is_scanned=name == column) for name in in_order}
    left, middle, right = st.columns([1, 2, 2])
    with left:
        first = st.number_input(
            "First residue", value=_told_wild_type(dataset, column)[1], step=1, persist_state="session",
            key=f"scan.{folder.id}.{column}.first", help="Number of the first residue of the chain that is scanned.",
        )  # fmt: skip
    if not all(sequence.strip() for sequence in typed.values()):
        return None
    try:
        cleaned = {name: clean_wild_type(sequence) for name, sequence in typed.items()}
    except DataError as error:
        return error
    with middle:
        chosen = _draw_residues(folder, column, cleaned[column], int(first))
    with right:
        doubles = _draw_doubles(folder, column)
    kept = {name: sequence for name, sequence in cleaned.items() if name != column}
    try:
        positions = None if chosen is None else _parse_chosen(chosen)
        return Wanted(cleaned[column], column, kept, int(first), positions, parse_positions(doubles))
    except DataError as error:
        return error


def _parse_chosen(typed: str) -> list[int]:
    if not typed.strip():
        raise DataError("No positions are chosen; expected numbers and stretches, such as 24-39, 52.")
    return parse_positions(typed)


def _draw_sequence(folder: RunFolder, dataset: Dataset, column: str, *, is_scanned: bool) -> str:
    named = f" of {shell.plain(column)}" if dataset.num_chains > 1 else ""
    return st.text_area(
        f"Wild type{named}" if is_scanned else f"Kept as it is: {shell.plain(column)}",
        value=_told_wild_type(dataset, column)[0], key=f"scan.{folder.id}.{column}.wild_type", height=96,
        persist_state="session", placeholder="One letter a residue, or FASTA",
        help="Proposed: the wild type of the training data, where they have one.",
    )  # fmt: skip


def _draw_residues(folder: RunFolder, column: str, wild_type: str, first: int) -> str | None:
    """Return the positions that are chosen, as they are written; None for all."""
    regions = numbering.find_regions(wild_type) if numbering.can_number() else None
    known = [name for name in RESIDUES if name != "cdrs" or regions]
    which = st.segmented_control(
        "Residues", known, default="all", required=True, format_func=RESIDUES.__getitem__,
        key=f"scan.{folder.id}.{column}.residues", persist_state="session",
        help="CDRs are those of IMGT." if regions else "Each is exchanged for the 19 others.",
    )  # fmt: skip
    if which == "cdrs" and regions:
        found = write_positions(region_positions(regions, first))
        st.caption(found)
        return found
    if which != "chosen":
        return None
    return st.text_input(
        "Positions", key=f"scan.{folder.id}.{column}.positions", placeholder="24-39, 52", persist_state="session",
    )  # fmt: skip


def _draw_doubles(folder: RunFolder, column: str) -> str:
    return st.text_input(
        "Pairs at positions", key=f"scan.{folder.id}.{column}.doubles", persist_state="session", placeholder="24, 39",
        help="All 361 pairs of substitutions at each two of these positions are predicted, too.",
    )  # fmt: skip


def _told_wild_type(dataset: Dataset, column: str) -> tuple[str, int]:
    """Return the wild type that the training data were built of, else their most frequent letters."""
    for step in dataset.about.get("recipe") or []:
        if isinstance(step, dict) and step.get("kind") == "mutations" and step.get("into", column) == column:
            return str(step.get("wild_type", "")), int(step.get("first_number", 1))
    chain = f"chain_{dataset.columns.sequence.index(column) + 1}"
    return consensus(dataset.frame[chain].iloc[:: max(1, len(dataset.frame) // MANY)]), 1


def _draw_hint(folder: RunFolder, dataset: Dataset) -> None:
    """Say how CDRs would be marked, where there may be any."""
    if numbering.can_number():
        return
    chains = [dataset.frame[f"chain_{i}"] for i in range(1, dataset.num_chains + 1)]
    if folder.spec.model.name == ANTIBODY_MODEL or any(map(numbering.looks_like_antibodies, chains)):
        st.caption(f"With `{numbering.INSTALL}`, CDRs are marked and can be scanned alone.")


def _size_in_words(folder: RunFolder, wanted: Wanted | DataError | None, num_models: int) -> tuple[str, bool]:
    """Return how large a scan is and about how long it takes, or why it is impossible; and whether it is possible."""
    if wanted is None:
        return "", False
    if isinstance(wanted, DataError):
        return str(wanted), False
    try:
        size = wanted.size
    except MolfunError as error:
        return str(error), False
    num_pairs = len(wanted.doubles) * (len(wanted.doubles) - 1) // 2
    pairs = f", {361 * num_pairs:,} of them pairs" if num_pairs else ""
    residues = size * (len(wanted.wild_type) + sum(map(len, wanted.kept.values())))
    seconds = forecast_seconds(folder, residues, num_models=num_models)
    known = "" if seconds is None else f"; about {text.duration(max(1.0, seconds))} and what loading the model takes"
    return f"{size - 1:,} variants{pairs} (limit {MAX_ROWS:,}){known}.", True
