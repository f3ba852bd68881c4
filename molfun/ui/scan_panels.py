"""What a mutation scan found: the grid of single substitutions, the pairs, and the ranking with its files."""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any, NamedTuple

import pandas as pd
import streamlit as st

from molfun.data import numbering
from molfun.data.dataset import Dataset
from molfun.data.effects import Effects, pair_effects, single_effects, strongest_pairs
from molfun.data.exports import to_csv
from molfun.data.measured import changed_positions, held_out_correlation, measured_values
from molfun.data.numbering import Region
from molfun.data.scan import WILD_TYPE
from molfun.data.scan_tables import favoured_class, grid_table, pick_variants, rank_variants, variants_fasta
from molfun.runs.predictions import PredictionJob
from molfun.ui import shell, text, theme
from molfun.ui.live_chart import CONFIG
from molfun.ui.pair_chart import TITLES, overview_figure, pair_figure
from molfun.ui.scan_chart import reach_of, scan_figure

NUM_SHOWN = 200
MAX_SHOWN = 2_000
SIZES = {"all": "All", "single": "Single", "double": "Pairs"}
ORDERS = {"highest": "Highest", "lowest": "Lowest", "change": "Largest change", "epistasis": "Strongest epistasis"}
COLOURS = {"change": "Change", "epistasis": "Epistasis"}


class Scan(NamedTuple):
    """A scan as it is drawn.

    Attributes:
        name: Of its files.
        found: Its rows with their predictions.
        values: The column of numbers that is drawn.
        what: What they are, in words.
        effects: Of single substitutions.
        pairs: As `pair_effects` returns them, empty where there are none.
        measured: As `measured_values` returns it.
        regions: Of the chain that is scanned.
        first_number: Number of its first residue.
    """

    name: str
    found: pd.DataFrame
    values: str
    what: str
    effects: Effects
    pairs: pd.DataFrame
    measured: pd.DataFrame
    regions: tuple[Region, ...]
    first_number: int

    @property
    def reach(self) -> float:
        """The change at both ends of every scale of this scan."""
        return reach_of(self.effects.grid, self.pairs["change"])


def draw_scan(job: PredictionJob, dataset: Dataset, found: pd.DataFrame) -> None:
    """Draw what a scan found.

    Args:
        job: The prediction that it was.
        dataset: The data of its run.
        found: Its rows with their predictions.
    """
    about, own = job.about, found[found["mutation"] == WILD_TYPE]
    if not own.empty and own["problem"].iloc[0]:
        st.error(f"The wild type cannot be predicted: {shell.sentence(str(own['problem'].iloc[0]))}.")
        return
    scan = _read_scan(job, dataset, found)
    _draw_grid(scan, about, dataset)
    if len(scan.pairs):
        _draw_pairs(scan)
    _draw_ranking(scan, dataset)


def _read_scan(job: PredictionJob, dataset: Dataset, found: pd.DataFrame) -> Scan:
    about = job.about
    values, what = _scanned(dataset, found)
    first, wild_type = int(about.get("first_number", 1)), str(about.get("wild_type", ""))
    with shell.sentences():
        effects = single_effects(found, wild_type, values, first_number=first)
    regions = numbering.find_regions(wild_type) if numbering.can_number() else None
    name = f"{job.path.parents[2].name}-{job.id}"
    return Scan(
        name, found, values, what, effects, pair_effects(found, values), _measured(name, dataset.id, dataset, found),
        regions or (), first,
    )  # fmt: skip


def _scanned(dataset: Dataset, found: pd.DataFrame) -> tuple[str, str]:
    """Return the column of numbers that is drawn, and what it is."""
    if dataset.task == "regression":
        return "prediction", dataset.columns.target
    favoured = favoured_class(found, dataset.classes)
    chosen = st.selectbox(
        "Class", list(dataset.classes), index=dataset.classes.index(favoured), key="scan.class",
        help="Its probability is drawn. Proposed: the class that the model gives the wild type.",
    )  # fmt: skip
    return f"p_{chosen}", f"the probability of {chosen}"


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
    st.plotly_chart(figure, key="scan.heat", config=_config(f"{scan.name}-scan"), alt=_in_words(scan))
    st.caption(shell.plain(_explanation(scan, about, changed)))


def _explanation(scan: Scan, about: Mapping[str, Any], changed: set[int] | None) -> str:
    said = [
        f"Wild type: {scan.what} {scan.effects.own:.7g}, marked by dots. Blue is above it, orange below; both ends of "
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
    return f"{value:.7g}" if isinstance(value, int | float) else ("several classes" if pd.isna(value) else str(value))


def _part_title(part: str) -> str:
    return f"{theme.PART_TITLES[part].lower()} row" if part in theme.PART_TITLES else "rows of several parts"


def _in_words(scan: Scan) -> str:
    variants = scan.found[scan.found["mutation"] != WILD_TYPE].sort_values(scan.values, ascending=False)
    best, worst = variants["mutation"].iloc[0], variants["mutation"].iloc[-1]
    return f"Mutation scan of {scan.what}: {len(variants):,} variants, {best} highest, {worst} lowest"


def _draw_pairs(scan: Scan) -> None:
    """Draw the overview of all pairs of positions, and the one that is opened."""
    st.markdown("**Pairs**")
    positions = scan.pairs[["first", "second"]].drop_duplicates().itertuples(index=False)
    known = {f"{first}-{second}": (int(first), int(second)) for first, second in positions}
    beyond = reach_of(scan.pairs["epistasis"])
    if len(known) > 1:
        _draw_overview(scan, beyond, known)
    if st.session_state.get("scan.pair") not in known:
        asked = shell.query("pair")
        st.session_state["scan.pair"] = asked if asked in known else next(iter(known))
    left, right = st.columns(2)
    with left:
        pair = st.selectbox(
            "Positions", list(known), key="scan.pair", format_func=lambda name: " and ".join(map(str, known[name]))
        )
    with right:
        by = st.segmented_control(
            "Colours", list(COLOURS), default="change", required=True, format_func=COLOURS.__getitem__, key="scan.by"
        ) or "change"  # fmt: skip
    shell.keep_in_address({"pair": pair})
    figure = pair_figure(
        scan.pairs, scan.effects, *known[pair], what=scan.what, by=by, reach=scan.reach if by == "change" else beyond
    )
    st.plotly_chart(
        figure, key="scan.pair_grid", config=_config(f"{scan.name}-{pair}"), alt=f"Pairs of substitutions at {pair}"
    )
    st.caption(
        "Epistasis is what a pair does beyond the sum of its halves: its change minus both changes alone; 0 means that "
        "they are independent. The scale of changes is that of the grid above."
    )


def _draw_overview(scan: Scan, beyond: float, known: Mapping[str, tuple[int, int]]) -> None:
    by = st.segmented_control(
        "Overview", list(TITLES), default="highest", required=True, format_func=TITLES.__getitem__, key="scan.overview"
    ) or "highest"  # fmt: skip
    strongest = strongest_pairs(scan.pairs, by)
    figure = overview_figure(strongest, by, what=scan.what, reach=beyond if by == "epistasis" else scan.reach)
    st.plotly_chart(
        figure, key="scan.pairs", config=_config(f"{scan.name}-pairs"), on_select=partial(_open_chosen, set(known)),
        selection_mode="points", alt=f"{TITLES[by]} of {len(known)} pairs of positions",
    )  # fmt: skip
    st.caption("A click on a field opens its 20 × 20 substitutions.")


def _open_chosen(known: Collection[str]) -> None:
    """Open the pair of the field that was clicked."""
    pair = chosen_pair(st.session_state.get("scan.pairs"))
    if pair in known:
        st.session_state["scan.pair"] = pair


def chosen_pair(told: Any) -> str | None:
    """Return the pair of the last field that was chosen, e.g. "24-39", None where there is none.

    Args:
        told: What a chart with a choice of points reports; both positions come first in a field's own data, which the
            browser sends as a list or by number.
    """
    try:
        data = told["selection"]["points"][-1]["customdata"]
        first, second = list(data.values() if isinstance(data, Mapping) else data)[:2]
        return f"{int(first)}-{int(second)}"
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return None


def _draw_ranking(scan: Scan, dataset: Dataset) -> None:
    st.markdown("**Ranking**")
    ranking = _ranking(f"{scan.name}-{scan.values}", scan)
    size, search, order, number = _draw_choices(ranking)
    picked = pick_variants(ranking, size=size, search=search, order=order)
    shown = picked.head(number)
    if "part" in shown.columns:
        shown = shown.assign(part=shown["part"].map(lambda part: theme.PART_TITLES.get(part, part)))
    st.dataframe(shown, hide_index=True, height=320, alt="Variants in the order that was chosen")
    st.caption(f"{text.plural(len(picked), 'variant')}, the first {min(number, len(picked)):,} are shown.")
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


def _config(name: str) -> dict[str, Any]:
    """Return what the buttons of a chart do; pictures are SVG under a name of their own."""
    return {**CONFIG, "toImageButtonOptions": {"format": "svg", "filename": name}}


@st.cache_data(max_entries=16, show_spinner="Sorting the variants")
def _ranking(stamp: str, _scan: Scan) -> pd.DataFrame:
    return rank_variants(
        _scan.found, _scan.values, regions=_scan.regions, first_number=_scan.first_number, measured=_scan.measured
    )


@st.cache_data(max_entries=16, show_spinner="Looking for measured values")
def _measured(stamp: str, dataset_id: str, _dataset: Dataset, _found: pd.DataFrame) -> pd.DataFrame:
    return measured_values(_dataset, _found)


@st.cache_data(max_entries=32, show_spinner="Looking at the training rows")
def _changed(dataset_id: str, _dataset: Dataset, wild_type: str, chain: int, first_number: int) -> set[int] | None:
    return changed_positions(_dataset, wild_type, chain, first_number)
