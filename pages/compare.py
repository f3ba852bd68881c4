"""Compare: the curves of several runs over each other, their scores with uncertainty, and what differs between them."""

from __future__ import annotations

import streamlit as st

from molfun.ui import compare_panels, compare_scores, evidence_panels, fold_panels, shell
from molfun.ui.compared import common_metrics, group_names

shell.page_title("Compare", "Runs over each other, scores with their uncertainty, and what differs.")
known = compare_panels.known_runs()
if len(known) < 2:
    st.info("Two runs with curves are needed. Start them on New run, and come back.", icon=":material/lightbulb:")
    st.page_link(shell.NEW_RUN, label="New run", icon=":material/add_circle:")
    st.stop()
chosen = compare_panels.draw_choice(known)
shell.keep_in_address({"runs": ",".join(one.folder.id for one in chosen), "tag": None})
if not chosen:
    st.info("Choose runs above, or tick them on the page Runs.", icon=":material/arrow_upward:")
    st.page_link(shell.RUNS, label="All runs", icon=":material/list_alt:")
    st.stop()
with shell.sentences():
    view = compare_panels.draw_view(common_metrics(chosen), group_names(chosen))
    compare_panels.draw_curves(chosen, view)
    fold_panels.draw_folds([one.folder for one in chosen])
    st.subheader("Scores", anchor=False)
    compare_scores.draw_scores(chosen, view)
    st.subheader("What differs", anchor=False)
    compare_scores.draw_settings(chosen)
    evidence_panels.draw_evidence(
        [one.folder for one in chosen], key="compare.evidence", view=view, baseline=shell.query("baseline")
    )
