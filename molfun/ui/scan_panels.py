"""What a mutation scan found: the grid of single substitutions, and the ranking with its files."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from molfun.data.dataset import Dataset
from molfun.data.exports import to_csv
from molfun.data.measured import changed_positions, held_out_correlation
from molfun.data.scan import WILD_TYPE
from molfun.data.scan_tables import grid_table, pick_variants, rank_variants, variants_fasta
from molfun.runs.predictions import PredictionJob
from molfun.ui import shell, text, theme
from molfun.ui.pair_panels import draw_pairs
from molfun.ui.scan_chart import scan_figure
from molfun.ui.scan_result import Scan, chart_config, read_scan

NUM_SHOWN = 200
MAX_SHOWN = 2_000
SIZES = {"all": "All", "single": "Single", "double": "Pairs"}
ORDERS = {"highest": "Highest", "lowest": "Lowest", "change": "Largest change", "epistasis": "Strongest epistasis"}


def draw_scan(job: PredictionJob, dataset: Dataset, found: pd.DataFrame) -> None:
    """Draw what a scan found.

    Args:
        job: The prediction that it was.
        dataset: The data of its run.
        found: Its rows with their predictions.
    """
    about, own = job.about, found[found["mutation"] == WILD_TYPE]
    if not own.empty and own["problem"].iloc[0]:
        reason = str(own["problem"].iloc[0]).rstrip(".")
        st.error(f"The wild type cannot be predicted: {shell.sentence(reason)}.", icon=":material/error:")
        return
    scan = read_scan(job, dataset, found)
    _draw_grid(scan, about, dataset)
    if len(scan.pairs):
        draw_pairs(scan)
    _draw_ranking(scan, dataset)


def _draw_grid(scan: Scan, about: Mapping[str, Any], dataset: Dataset) -> None:
    if scan.effects.grid.empty:
        st.info("This scan has no substitutions.", icon=":material/info:")
        return
    column = str(about.get("column", ""))
    chain = dataset.columns.sequence.index(column) if column in dataset.columns.sequence else 0
    changed = _changed(dataset.id, dataset, str(about["wild_type"]), chain, scan.first_number)
    figure = scan_figure(
        scan.effects, what=scan.what, reach=scan.reach, notes=_notes(scan), regions=scan.regions,
        first_number=scan.first_number, changed=changed,
    )  # fmt: skip
    st.plotly_chart(figure, key="scan.heat", config=chart_config(f"{scan.name}-scan"), alt=_in_words(scan))
    st.caption(shell.plain(_explanation(scan, about, changed)))


def _explanation(scan: Scan, about: Mapping[str, Any], changed: set[int] | None) -> str:
    said = [
        f"Wild type: {scan.what} {scan.effects.own:.5g}, marked by dots. Blue is above it, orange below; both ends of "
        "the scale are as far away. Beneath: the mean change of the 19 substitutions.",
    ]
    kept = about.get("kept") or {}
    if kept:
        said.insert(0, f"Scanned: {about.get('column', '')}; {', '.join(kept)} is kept as it is.")
    if changed is not None:
        said.append("Hatched: positions that no training row has changed, where the model has only its pretraining.")
    held_out = None if about.get("others") else _held_out(scan)
    if held_out is not None:
        said.append(
            f"{held_out[1]} of the variants are test rows, which training never saw: Spearman {held_out[0]:.3f}."
        )
    return " ".join(said)


def _held_out(scan: Scan) -> tuple[float, int] | None:
    if scan.values != "prediction":
        return None
    return held_out_correlation(pd.to_numeric(scan.found[scan.values], errors="coerce"), scan.measured)


def _notes(scan: Scan) -> dict[str, str]:
    """Return what was measured of each mutation, in words."""
    known = scan.measured["part"] != ""
    mutations, told = scan.found.loc[known, "mutation"], scan.measured[known]
    return {
        mutation: f"measured {shown} ({_part_title(part)})"
        for mutation, shown, part in zip(mutations, told["measured"].map(_shown), told["part"], strict=True)
    }


def _shown(value: Any) -> str:
    if pd.isna(value):
        return "several classes"
    return f"{value:.7g}" if isinstance(value, int | float) else str(value)


def _part_title(part: str) -> str:
    return f"{theme.PART_TITLES[part].lower()} row" if part in theme.PART_TITLES else "rows of several parts"


def _in_words(scan: Scan) -> str:
    variants = scan.found[scan.found["mutation"] != WILD_TYPE].sort_values(scan.values, ascending=False)
    best, worst = variants["mutation"].iloc[0], variants["mutation"].iloc[-1]
    return f"Mutation scan of {scan.what}: {len(variants):,} variants, {best} highest, {worst} lowest"


def _draw_ranking(scan: Scan, dataset: Dataset) -> None:
    st.markdown("**Ranking**")
    ranking = _ranking(f"{scan.name}-{scan.values}", scan)
    size, search, order, number = _draw_choices(ranking)
    picked = pick_variants(ranking, size=size, search=search, order=order)
    shown = picked.head(number)
    if "part" in shown.columns:
        shown = shown.assign(part=shown["part"].map(lambda part: theme.PART_TITLES.get(part, part)))
    st.dataframe(shown, hide_index=True, height=320, placeholder="–", alt="Variants in the order that was chosen")
    st.caption(f"{text.plural(len(picked), 'row')}, the first {min(number, len(picked)):,} are shown.")
    _draw_files(scan, picked, picked.head(number), dataset)


def _draw_choices(ranking: pd.DataFrame) -> tuple[str, str, str, int]:
    has_pairs = "epistasis" in ranking.columns
    columns = st.columns([2, 2, 3, 1] if has_pairs else [2, 3, 1])
    size = "all"
    if has_pairs:
        with columns[0]:
            size = st.segmented_control(
                "Variants", list(SIZES), default="all", required=True, format_func=SIZES.__getitem__, key="scan.size"
            ) or "all"  # fmt: skip
    with columns[-3]:
        known = [name for name in ORDERS if name != "epistasis" or has_pairs]
        order = st.selectbox("First", known, format_func=ORDERS.__getitem__, key="scan.order")
    with columns[-2]:
        search = st.text_input(
            "Search", key="scan.search", placeholder="24, A24, A24G, CDR-H3",
            help="Mutations, positions, residues at a position, regions; all words must fit.",
        )  # fmt: skip
    with columns[-1]:
        number = st.number_input("Top", 1, MAX_SHOWN, NUM_SHOWN, key="scan.top", help="Rows of the table and of FASTA.")
    return size, search, order, int(number)


def _draw_files(scan: Scan, picked: pd.DataFrame, top: pd.DataFrame, dataset: Dataset) -> None:
    """Offer what was picked of the ranking, the first of it as FASTA, and the grid."""
    buffer = io.BytesIO()
    picked.to_parquet(buffer, index=False)
    known = top.dropna(subset=[scan.values])
    fasta = variants_fasta(known, scan.found, dataset.columns.sequence)
    files: list[tuple[str, Any, str, str]] = [
        ("CSV", to_csv(picked), "csv", "The variants that are picked above, all of them."),
        ("Parquet", buffer.getvalue(), "parquet", "The same."),
        ("FASTA", fasta, "fasta", f"The sequences of the first {len(known):,}."),
        ("Grid", to_csv(grid_table(scan.effects)), "grid.csv", "The change at each position for each residue, as CSV."),
    ]
    with st.container(horizontal=True):
        for label, content, ending, told in files:
            st.download_button(
                label, content, f"{scan.name}.{ending}", icon=":material/download:", on_click="ignore",
                key=f"scan.file.{label.lower()}", help=told,
            )  # fmt: skip


@st.cache_data(max_entries=16, show_spinner="Sorting the variants")
def _ranking(stamp: str, _scan: Scan) -> pd.DataFrame:
    return rank_variants(
        _scan.found, _scan.values, regions=_scan.regions, first_number=_scan.first_number, measured=_scan.measured
    )


@st.cache_data(max_entries=32, show_spinner="Looking at the training rows")
def _changed(dataset_id: str, _dataset: Dataset, wild_type: str, chain: int, first_number: int) -> set[int] | None:
    return changed_positions(_dataset, wild_type, chain, first_number)
