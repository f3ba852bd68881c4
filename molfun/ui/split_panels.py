"""The part of the Data page that divides rows: which way, with which settings, and how honest the test part is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from molfun.data.settings import ColumnSettings, SplitSettings
from molfun.data.splits import KINDS
from molfun.data.tables import file_rows
from molfun.settings import SettingInfo, describe_settings
from molfun.ui import distributions, shell
from molfun.ui.forms import draw_setting
from molfun.ui.live_chart import QUIET
from molfun.ui.sources import Source, leaks_of

NUM_SHOWN = 200


def draw_split(source: Source) -> SplitSettings:
    """Draw how rows are divided; settings only where they have an effect."""
    infos = {info.name: info for info in describe_settings(SplitSettings)}
    key, start = f"{source.key}.split", source.split
    kind = st.selectbox(
        "Split", list(KINDS), index=list(KINDS).index(start.kind), format_func=lambda name: KINDS[name].title,
        key=f"{key}.kind", help=infos["kind"].help, persist_state="session",
    )  # fmt: skip
    known = KINDS[kind]
    st.caption(known.question)
    values: dict[str, Any] = start.model_dump() | {"kind": kind}
    for name in known.settings:
        if name == "column":
            values[name] = _draw_column(source, infos[name], key, start.column)
        elif name == "wild_type":
            values[name] = draw_setting(infos[name], key=f"{key}.{name}", value=_wild_type(source) or values[name])
        else:
            values[name] = draw_setting(infos[name], key=f"{key}.{name}", value=values[name])
    shares = ["val_fraction", "test_fraction", "seed"] if known.has_shares else ["val_fraction", "seed"]
    if kind != "column":
        _draw_grid(shares, infos, key, values)
    if known.has_folds:
        with st.expander("Folds", expanded=bool(start.num_folds)):
            _draw_grid(["num_folds", "fold"], infos, key, values)
            st.caption(
                "Each fold leaves out other test rows. *Save all folds* below keeps them all, for a cross-validation: "
                "one run a fold, and a score over every row."
            )
    return SplitSettings.parse(values)


def _draw_column(source: Source, info: SettingInfo, key: str, start: str) -> str:
    names = [str(name) for name in source.frame.columns]
    chosen = st.selectbox(
        info.label, names, index=names.index(start) if start in names else None, key=f"{key}.column", help=info.help,
        placeholder="Choose a column", persist_state="session",
    )  # fmt: skip
    return chosen or ""


def _draw_grid(names: Sequence[str], infos: dict[str, SettingInfo], key: str, values: dict[str, Any]) -> None:
    for place, name in zip(st.columns(3), names, strict=False):
        with place:
            values[name] = draw_setting(infos[name], key=f"{key}.{name}", value=values[name])


def _wild_type(source: Source) -> str:
    """Return the wild type of which the table's sequences were built, "" where they were not."""
    steps = [step for step in source.about.get("recipe", []) if step["kind"] == "mutations"]
    return str(steps[-1]["wild_type"]) if steps else ""


def draw_leaks(source: Source, columns: ColumnSettings, split: SplitSettings) -> None:
    """Say how alike test rows are to training rows, draw it in bands, and list the most alike."""
    with shell.sentences():
        report = leaks_of(source, columns, split)
    flatters = bool(report.copies.get("test and training")) or report.share_from(0.95) >= 0.1
    show, icon = (st.warning, ":material/visibility:") if flatters else (st.info, ":material/verified:")
    show(shell.sentence(report.sentence()), icon=icon)
    if report.promise:
        st.caption(f":material/rule: {shell.sentence(report.promise)}")
    others = {name: count for name, count in report.copies.items() if count and name != "test and training"}
    for name, count in others.items():
        part, other = name.split(" and ")
        rows = "1 row has its" if count == 1 else f"{count:,} rows have their"
        st.caption(f":material/content_copy: Of {part}, {rows} very sequence in {other}, too.")
    if not len(report.nearest):
        return
    left, right = st.columns([2, 3])
    with left:
        st.plotly_chart(distributions.band_figure(report.bands()), key=f"{source.key}.leaks", config=QUIET)
    with right:
        drawn = f"{len(report.nearest):,} of {report.num_test:,} test rows, drawn at random" if report.is_sample else (
            f"all {report.num_test:,} test rows"
        )  # fmt: skip
        st.caption(
            f"Identity to the nearest training row, for {drawn}: identical residues of the best alignment over the "
            "length of the shorter sequence."
        )
        alike = _nearest_table(source, columns, report.nearest)
        if len(alike):
            with st.expander("The most alike rows"):
                st.dataframe(alike, hide_index=True, height=248)


def _nearest_table(source: Source, columns: ColumnSettings, nearest: pd.DataFrame) -> pd.DataFrame:
    rows, target = file_rows(source.frame), source.frame[columns.target]
    found = nearest[nearest["nearest"] >= 0].sort_values("identity", ascending=False).head(NUM_SHOWN)
    return pd.DataFrame({
        "Test row": rows[found["row"]], "Identity": (100 * found["identity"]).round(1).map("{:.1f} %".format),
        "Training row": rows[found["nearest"]],
        "Its value": target.iloc[found["row"]].astype(str).to_numpy(),
        "Training value": target.iloc[found["nearest"]].astype(str).to_numpy(),
    })  # fmt: skip
