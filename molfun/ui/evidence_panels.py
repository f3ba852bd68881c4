"""The button that hands on the evidence of runs; the work is done when a file is asked for, and not before."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import streamlit as st

from molfun.runs.store import RunFolder
from molfun.ui.compared import View
from molfun.ui.evidence_bundle import evidence_html, evidence_zip


def draw_evidence(folders: Sequence[RunFolder], *, key: str, view: View | None = None, baseline: str = "") -> None:
    """Draw the button.

    Args:
        folders: One run or more.
        key: Of its widgets.
        view: How the curves of several runs are shown.
        baseline: Id of the run to which several are compared.
    """
    name = folders[0].id if len(folders) == 1 else "comparison"
    with st.popover("Evidence", icon=":material/fact_check:", help="What a reviewer needs to check a claim."):
        st.markdown(
            "Methods, data and split with their hashes, curves, scores with intervals, settings, versions: as one "
            "page that opens anywhere, or with the files behind it. It takes some seconds."
        )
        with_data = st.toggle(
            "With the sequences", key=f"{key}.data",
            help="Also the sequences and targets of the table; leave it off where the table is confidential.",
        )  # fmt: skip
        make: dict[str, Any] = {"with_data": with_data, "view": view, "baseline": baseline}
        with st.container(horizontal=True):
            st.download_button(
                "Zip", partial(evidence_zip, folders, **make), file_name=f"{name}-evidence.zip",
                mime="application/zip", icon=":material/folder_zip:", on_click="ignore", key=f"{key}.zip",
            )  # fmt: skip
            st.download_button(
                "HTML", partial(evidence_html, folders, **make), file_name=f"{name}-evidence.html",
                mime="text/html", icon=":material/web:", on_click="ignore", key=f"{key}.html",
            )  # fmt: skip
