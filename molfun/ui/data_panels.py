"""Parts of the Data page: example cards, columns, problems, pictures, split, saved datasets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from molfun.data.checks import Problem
from molfun.data.doctor import length_costs
from molfun.data.examples import EXAMPLES
from molfun.data.proteins import STRUCTURE, has_structures
from molfun.data.settings import ColumnSettings, SplitSettings
from molfun.settings import describe_settings
from molfun.ui import distributions, shell, text
from molfun.ui.forms import draw_setting, info_of
from molfun.ui.live_chart import QUIET
from molfun.ui.sources import Source, rows_with_parts

CARDS_A_ROW = 3
PREVIEW_ROWS = 200
SHOWN_PROBLEMS = 8


def draw_example_cards(on_pick: Callable[[str], None], label: str, *, key: str) -> None:
    """Draw one card an example with a button that calls `on_pick` with its name."""
    places = [place for _ in range(0, len(EXAMPLES), CARDS_A_ROW) for place in st.columns(CARDS_A_ROW)]
    for place, example in zip(places, EXAMPLES.values(), strict=False):
        with place, st.container(border=True, height="stretch"):
            st.markdown(f"**{example.title}**")
            st.caption(example.summary)
            st.badge(text.TASKS[example.task], color="blue" if example.suits else "gray")
            st.button(
                label,
                key=f"{key}.{example.name}",
                on_click=on_pick,
                args=(example.name,),
                width="stretch",
                help=f"{label}: {example.title}",
            )


def draw_about(about: dict[str, Any]) -> None:
    """Show where data come from, under which licence, and what must be said beside results on them."""
    facts = [
        f"**{name.capitalize()}** · {shell.plain(str(about[name]))}"
        for name in ("citation", "licence", "source")
        if about.get(name)
    ]
    if facts:
        st.caption("  \n".join(facts))
    notes = about.get("notes") or []
    if notes:
        st.info("\n".join(f"- {shell.plain(str(note))}" for note in notes), icon=":material/lightbulb:")


def draw_preview(frame: pd.DataFrame) -> None:
    """Show the first rows and the size of a table; of structures what their files say."""
    shown_rows, widths = frame.head(PREVIEW_ROWS), {}
    if has_structures(frame):
        from molfun.ui import structure_sources  # noqa: PLC0415  biotite takes half a second

        shown_rows = structure_sources.preview_of(shown_rows)
        widths = structure_sources.narrow_columns(shown_rows)
        structure_sources.draw_notes(frame)
    st.dataframe(
        shown_rows, height=248, hide_index=True, alt="First rows of the table", column_config=widths, placeholder="–"
    )
    shown = f", the first {PREVIEW_ROWS} shown" if len(frame) > PREVIEW_ROWS else ""
    st.caption(f"{text.plural(len(frame), 'row')}, {text.plural(len(shown_rows.columns), 'column')}{shown}")


def draw_sheets(source: Source, read: Callable[[str], Source]) -> Source:
    """Draw which sheet of an Excel file is read, where several are filled; return the table of the chosen one.

    Args:
        source: The table of the sheet that was taken by itself.
        read: Returns that of another one, by its name.
    """
    names = [str(name) for name in source.frame.attrs.get("sheets", [])]
    if len(names) < 2:
        return source
    taken = str(source.frame.attrs.get("sheet", names[0]))
    chosen = st.selectbox(
        "Sheet", names, index=names.index(taken), key=f"{source.key}.sheet", persist_state="session",
        help="Proposed: the first sheet with sequences.",
    )  # fmt: skip
    return source if chosen == taken else read(chosen)


def draw_columns(source: Source) -> ColumnSettings:
    """Draw which columns are used and for what; the guess is the start."""
    names, guessed = [str(name) for name in source.frame.columns], source.columns
    infos = {info.name: info for info in describe_settings(ColumnSettings)}
    are_structures = has_structures(source.frame)
    left, right = st.columns(2)
    with left:
        sequence = st.multiselect(
            "Sequence columns",
            [name for name in names if name != STRUCTURE or not are_structures],
            default=[name for name in guessed.sequence if name in names],
            key=f"{source.key}.sequence",
            help=infos["sequence"].help,
            persist_state="session",
        )
    with right:
        target = st.selectbox(
            "Target column",
            names,
            index=names.index(guessed.target) if guessed.target in names else None,
            key=f"{source.key}.target",
            help=infos["target"].help,
            placeholder="Choose a column",
            persist_state="session",
        )
    task = st.segmented_control(
        "Task",
        [task for task in text.TASKS if task != "structure" or are_structures],
        default=guessed.task,
        format_func=text.TASKS.__getitem__,
        required=True,
        key=f"{source.key}.task",
        help=infos["task"].help,
        persist_state="session",
    )
    st.caption(text.TASK_SENTENCES[task or guessed.task])
    values = {"sequence": sequence, "target": target or "", "task": task or guessed.task, "too_long": guessed.too_long}
    return ColumnSettings.parse(values)


def draw_too_long(source: Source, columns: ColumnSettings) -> ColumnSettings:
    """Draw the policy for sequences beyond the model's limit."""
    policy = draw_setting(info_of(ColumnSettings, "too_long"), key=f"{source.key}.too_long", value=columns.too_long)
    return columns.model_copy(update={"too_long": policy})


def draw_length_costs(source: Source, columns: ColumnSettings, limit: int) -> None:
    """Say what each way to treat sequences beyond the model's limit costs, where there are such."""
    costs = length_costs(distributions.chain_lengths(source.frame, columns.sequence).to_numpy(), limit)
    if costs["rows"]:
        rows, share, lost = costs["rows"], costs["rows_share"], costs["residues_share"]
        st.caption(
            f"More than {limit:,} residues: {text.plural(int(rows), 'row')} ({share:.1%}). Skip leaves them out; crop "
            f"and window lose {lost:.1%} of their residues; refuse trains only without them."
        )


def draw_problems(problems: Sequence[Problem], model_title: str) -> bool:
    """Show what is wrong and return whether nothing forbids a run."""
    errors = [problem for problem in problems if problem.severity == "error"]
    warnings = [problem for problem in problems if problem.severity != "error"]
    if not problems:
        st.success(f"Every row is fine for {model_title}.", icon=":material/check_circle:")
    for found, show, icon in ((errors, st.error, ":material/error:"), (warnings, st.warning, ":material/warning:")):
        if found:
            show("\n".join(f"- {shell.sentence(problem.message)}" for problem in found[:SHOWN_PROBLEMS]), icon=icon)
        if len(found) > SHOWN_PROBLEMS:
            with st.expander(f"All {len(found)} of them, with row, column and value"):
                table = pd.DataFrame(
                    [{"Row": p.row, "Column": p.column, "Value": p.value, "What to do": p.message} for p in found]
                )
                st.dataframe(table, hide_index=True)
    return not errors


def draw_pictures(source: Source, columns: ColumnSettings, split: SplitSettings, *, limit: int) -> None:
    """Show lengths, targets and the rows of each part."""
    with shell.sentences():
        rows = rows_with_parts(source, columns, split)
    left, right = st.columns(2)
    with left:
        lengths = distributions.chain_lengths(source.frame, columns.sequence)
        figure = distributions.length_figure(lengths[lengths > 0], limit=limit)
        st.plotly_chart(figure, key=f"{source.key}.lengths", config=QUIET)
    with right:
        if columns.task == "per_residue":
            figure = distributions.class_figure(distributions.residue_rows(rows), what="Residues")
            st.plotly_chart(figure, key=f"{source.key}.residues", config=QUIET)
        elif columns.task == "regression":
            st.plotly_chart(distributions.target_figure(rows), key=f"{source.key}.targets", config=QUIET)
        elif columns.task == "structure":
            known = rows.assign(target=distributions.resolved_shares(rows["target"]))
            figure = distributions.target_figure(known, title="Residues with a known place", unit="Share of all")
            st.plotly_chart(figure, key=f"{source.key}.resolved", config=QUIET)
        else:
            st.plotly_chart(distributions.class_figure(rows), key=f"{source.key}.classes", config=QUIET)
    with st.expander("Rows of each part"):
        st.dataframe(distributions.split_table(rows, by_class=columns.task == "classification"), width="content")


def draw_saved(entry: dict[str, Any]) -> None:
    """Draw one saved dataset with a button that starts a run with it."""
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        parts = " / ".join(f"{entry['counts'].get(part, 0):,}" for part in ("train", "val", "test"))
        facts = [
            text.TASKS.get(entry["task"], entry["task"]),
            f"{text.plural(entry['rows'], 'row')} ({parts} training / validation / test)",
            shell.plain(text.moment(entry["created"])),
        ]
        st.markdown(f"**{shell.plain(str(entry['name']))}**  \n:gray[{' · '.join(facts)}]", width="stretch")
        if st.button("Start a run", key=f"saved.{entry['id']}", icon=":material/play_arrow:"):
            st.switch_page(shell.NEW_RUN, query_params={"dataset": entry["id"]})
