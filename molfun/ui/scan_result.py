"""A mutation scan as the panels draw it: what its job asked for, what was predicted, what is known of its variants."""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd
import streamlit as st

from molfun.data import numbering
from molfun.data.dataset import Dataset
from molfun.data.effects import Effects, pair_effects, single_effects
from molfun.data.measured import measured_values
from molfun.data.numbering import Region
from molfun.data.scan_tables import favoured_class
from molfun.runs.predictions import PredictionJob
from molfun.ui import shell
from molfun.ui.live_chart import CONFIG
from molfun.ui.scan_chart import reach_of


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


def read_scan(job: PredictionJob, dataset: Dataset, found: pd.DataFrame) -> Scan:
    """Return a scan ready to be drawn; of classes, the one that is chosen.

    Args:
        job: The prediction that it was.
        dataset: The data of its run.
        found: Its rows with their predictions.
    """
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


def chart_config(name: str) -> dict[str, Any]:
    """Return what the buttons of a chart do; pictures are SVG under a name of their own."""
    return {**CONFIG, "toImageButtonOptions": {"format": "svg", "filename": name}}


@st.cache_data(max_entries=16, show_spinner="Looking for measured values")
def _measured(stamp: str, dataset_id: str, _dataset: Dataset, _found: pd.DataFrame) -> pd.DataFrame:
    return measured_values(_dataset, _found)
