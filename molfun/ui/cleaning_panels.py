"""The part of the Data page that mends a table: sequences from mutations, remedies in one click, the recipe so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st
import yaml

from molfun.data.changes import Change
from molfun.data.guess import looks_like_protein
from molfun.data.mutations import Mutation, guess_first_number, looks_like_mutations, parse_mutations, read_sequences
from molfun.data.recipe import Step, dump_recipe, parse_recipe
from molfun.data.scan import clean_wild_type
from molfun.data.sequence_steps import MutationsStep
from molfun.data.settings import ColumnSettings
from molfun.errors import DataError
from molfun.ui import shell, text
from molfun.ui.sources import Source, fixes_of

NUM_SHOWN = 500
NUM_PROBLEMS = 5


def steps_of(source: Source) -> list[Step]:
    """Return the recipe that this session has for a table."""
    return parse_recipe(st.session_state.get(_key(source), []))


def _key(source: Source) -> str:
    return f"recipe.{source.key}"


def _add(key: str, step: dict[str, Any]) -> None:
    st.session_state[key] = [*st.session_state.get(key, []), step]


def _remove(key: str, place: int) -> None:
    steps = st.session_state.get(key, [])
    st.session_state[key] = [step for i, step in enumerate(steps) if i != place]


def draw_mutations(source: Source) -> None:
    """Offer to build sequences from mutations, where a column has any and none were built yet."""
    names = [str(name) for name in source.frame.columns if looks_like_mutations(source.frame[name])]
    if not names or any(step.kind == "mutations" for step in steps_of(source)):
        return
    with st.expander("Build sequences from mutations", expanded=not source.columns.sequence):
        st.caption("Each row is the wild type with its mutations, such as A24G, V39D:G41C or p.Val39Asp; WT is none.")
        left, right = st.columns([2, 1])
        with left:
            column = st.selectbox("Mutations", names, key=f"{source.key}.mutations", persist_state="session")
        with right:
            first = st.number_input(
                "Number of the first residue", value=None, step=1, placeholder="found by itself",
                key=f"{source.key}.first", persist_state="session",
                help="How the table numbers the first residue of the wild type: 1, 0, or where a construct begins.",
            )  # fmt: skip
        typed = st.text_area(
            "Wild type", value=_constant_protein(source.frame), key=f"{source.key}.wild_type", persist_state="session",
            placeholder="MQYKLILNGKTLKGETTTEAVDAATAEKVFKQYANDNGVDGEWTYDDATKTFTVTE",
            help="Its sequence, one letter a residue; a FASTA header above it is left out.",
        )  # fmt: skip
        if not typed.strip():
            return
        try:
            wild_type = clean_wild_type(typed)
        except DataError as error:
            st.error(shell.sentence(str(error)), icon=":material/error:")
            return
        _draw_build(source, column, wild_type, None if first is None else int(first))


def _constant_protein(frame: pd.DataFrame) -> str:
    """Return a sequence that stands in every row of a column, as public tables give the wild type."""
    for name in frame.columns:
        cells = frame[name].dropna()
        if len(cells) > 1 and cells.map(type).eq(str).all() and cells.nunique() == 1 and looks_like_protein(cells[:1]):
            return str(cells.iloc[0])
    return ""


def _draw_build(source: Source, column: str, wild_type: str, first: int | None) -> None:
    if first is None:
        first = guess_first_number(wild_type, _mutations(source.frame[column]))
    if first is None:
        st.error("No mutation of the column fits to this wild type; is it the right sequence?", icon=":material/error:")
        return
    sequences, problems = read_sequences(source.frame, column, wild_type, first)
    fitting = sum(map(bool, sequences))
    st.markdown(f"**{fitting:,} of {len(sequences):,}** rows fit, with {wild_type[0]} as residue {first}.")
    if problems:
        shown = "\n".join(f"- {shell.sentence(problem.message)}" for problem in problems[:NUM_PROBLEMS])
        st.warning(shown, icon=":material/warning:")
    into = "sequence" if "sequence" not in source.frame.columns else "mutated_sequence"
    step = MutationsStep(column=column, wild_type=wild_type, first_number=first, into=into)
    st.button(
        "Build the sequences", type="primary", icon=":material/build:", disabled=not fitting, on_click=_add,
        args=(_key(source), step.model_dump(mode="json")), key=f"{source.key}.build",
    )  # fmt: skip


def _mutations(column: pd.Series) -> list[Mutation]:
    found: list[Mutation] = []
    for cell in column.dropna().unique():
        try:
            found += parse_mutations(str(cell))
        except DataError:
            continue
    return found


def draw_fixes(source: Source, base: Source, columns: ColumnSettings, model: str) -> None:
    """Offer what would mend the table, one button a remedy.

    Args:
        source: As it is after the recipe.
        base: As it was read; the recipe is kept with it.
        columns: As chosen.
        model: Name of the model that the table is checked against.
    """
    with shell.sentences():
        fixes = fixes_of(source, columns, model)
    if not fixes:
        return
    st.caption("Remedies, each of which can be taken back:")
    with st.container(horizontal=True):
        for step, count in fixes:
            values = step.model_dump(mode="json")
            st.button(
                f"{shell.plain(step.title())} ({text.plural(count, 'row')})", icon=":material/healing:", on_click=_add,
                args=(_key(base), values), key=f"{base.key}.fix.{values}",
            )  # fmt: skip


def draw_recipe(base: Source, steps: Sequence[Step], changes: Sequence[Sequence[Change]]) -> None:
    """List the steps so far with what they changed, each with a way back, and the recipe as a file."""
    if not steps:
        return
    with st.container(border=True):
        st.markdown("**Cleaning so far**")
        for place, (step, changed) in enumerate(zip(steps, changes, strict=True)):
            with st.container(horizontal=True, vertical_alignment="center"):
                rows = len({change.row for change in changed})
                st.markdown(f"{place + 1}. {shell.plain(step.title())}: {text.plural(rows, 'row')}", width="stretch")
                st.button("Undo", icon=":material/undo:", key=f"{base.key}.undo.{place}", on_click=_remove,
                          args=(_key(base), place), help=f"Take back: {step.title()}")  # fmt: skip
        with st.expander("What changed, row by row"):
            st.dataframe(_changes_table(steps, changes), hide_index=True, height=248)
        content = yaml.safe_dump({"steps": dump_recipe(steps)}, sort_keys=False, allow_unicode=True)
        st.download_button(
            "Recipe (YAML)", content, "recipe.yaml",
            icon=":material/download:", on_click="ignore",
            help="The same cleaning for other tables: molfun data clean FILE --recipe recipe.yaml",
        )  # fmt: skip


def _changes_table(steps: Sequence[Step], changes: Sequence[Sequence[Change]]) -> pd.DataFrame:
    rows = [
        {"Step": i, "Row": c.row, "Column": c.column, "Before": c.before, "After": c.after or "left out"}
        for i, changed in enumerate(changes, start=1) for c in changed[:NUM_SHOWN]
    ]  # fmt: skip
    return pd.DataFrame(rows)
