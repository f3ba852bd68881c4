"""One predicted structure on screen: in space beside the measured one, along the sequence, as a contact map."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from molfun.data.dataset import load_dataset
from molfun.data.folded import load_folded
from molfun.errors import DataError, MolfunError
from molfun.ui import shell
from molfun.ui.live_chart import CONFIG, draw_live_chart
from molfun.ui.structure_figures import COLORINGS, contact_figure, track_figure, viewer_figure
from molfun.ui.structure_view import StructureView, view_structure


def draw_structure(view: StructureView, *, key: str) -> None:
    """Draw a structure.

    Args:
        view: As `view_structure` returns it.
        key: Prefix of the keys of its widgets.
    """
    choices = [name for name in COLORINGS if name != "error" or view.is_compared]
    coloring = st.segmented_control(
        "Colour", choices, default="plddt", required=True, format_func=COLORINGS.__getitem__, key=f"{key}.coloring",
        help="pLDDT is the lDDT (0 to 100) that the model expects of a residue, in the colours of the AlphaFold "
        "database; the error is the distance to the measured residue after superposition.",
    )  # fmt: skip
    left, right = st.columns([3, 2])
    with left:
        draw_live_chart(
            lambda _: viewer_figure(view, coloring or "plddt"), key=f"{key}.space", stamp=(view.digest, coloring),
            revision=view.digest,  # in another colour it stays turned as it was
            alt="The backbone of the predicted structure, superposed with the measured one where there is one",
        )  # fmt: skip
        st.caption("Drag turns it, the wheel brings it nearer, the right button moves it. A click on a name hides it.")
    with right:
        st.plotly_chart(contact_figure(view), key=f"{key}.contacts", config=CONFIG, alt="Contact map")
        below = " Below it, in orange, those that were measured." if view.measured_contacts is not None else ""
        st.caption(f"Residues nearer than 8 Å (C-beta). Above the diagonal: predicted, the surer the darker.{below}")
    st.plotly_chart(track_figure(view), key=f"{key}.track", config=CONFIG, alt="pLDDT, lDDT and error along the chain")


def read_view(path: Path, dataset_id: str = "", row: int | None = None) -> StructureView | None:
    """Return a predicted structure beside the measured one, or say why it cannot be shown and return None.

    Args:
        path: Of the predicted one.
        dataset_id: Dataset of the measured one; "" where there is none.
        row: Its row of the file of data.
    """
    try:
        written = path.stat().st_mtime_ns
    except OSError:
        st.warning("This structure was not kept, or is gone. Predict it again.", icon=":material/search_off:")
        return None
    try:
        return _view(str(path), written, dataset_id, row)
    except MolfunError as error:
        st.warning(shell.sentence(str(error)), icon=":material/heart_broken:")
        return None


@st.cache_data(max_entries=32, show_spinner="Superposing structures")
def _view(path: str, written: int, dataset_id: str, row: int | None) -> StructureView:
    """Return a structure to look at.

    Raises:
        DataError: One of the two is damaged or gone, or they are not of the same sequence.
    """
    folded = load_folded(Path(path))
    if not dataset_id:
        return view_structure(folded)
    dataset = load_dataset(shell.datasets_root(), dataset_id)
    places = dataset.frame.index[dataset.frame["row"] == row]
    if not len(places):
        raise DataError(f"The dataset has no row {row}; the prediction is of other data.")
    return view_structure(folded, dataset.structure_of(int(places[0])))
