"""The part of the Data page that builds sequences from mutations and the wild type, chain by chain."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from molfun.data.guess import looks_like_protein
from molfun.data.mutations import mutation_columns, read_sequences
from molfun.data.scan import clean_wild_type
from molfun.data.sequence_steps import MutationsStep, plan_mutations
from molfun.errors import DataError
from molfun.ui import shell
from molfun.ui.sources import Source, add_step, read_upload, recipe_key, steps_of

NUM_PROBLEMS = 5
SEQUENCE = "sequence"


def draw_mutations(source: Source) -> None:
    """Offer to build sequences from mutations, where a column has any that were not built yet.

    Args:
        source: As it was read; the recipe is kept with it.
    """
    left = _left_to_build(source)
    if not left:
        return
    with st.expander("Build sequences from mutations", expanded=not source.columns.sequence):
        st.caption(
            "Each row is the wild type with its mutations, such as A24G, V39D:G41C or p.Val39Asp; WT is none. Of "
            "several chains, build one after the other."
        )
        place, first = st.columns([2, 1])
        with place:
            chosen = st.selectbox(
                "Mutations", left, key=f"{source.key}.mutations", persist_state="session",
                format_func=lambda pair: f"{pair[0]}, chain {pair[1]}" if pair[1] else pair[0],
            )  # fmt: skip
        with first:
            number = st.number_input(
                "Number of the first residue", value=None, step=1, placeholder="found by itself",
                key=f"{source.key}.first.{chosen}", persist_state="session",
                help="How the table numbers the first residue of the wild type: 1, 0, or where a construct begins.",
            )  # fmt: skip
        typed = _draw_wild_type(source, chosen)
        if typed.strip():
            _draw_build(source, chosen, typed, None if number is None else int(number), is_only=len(left) == 1)


def _left_to_build(source: Source) -> list[tuple[str, str]]:
    """Return (column, chain) of the mutations that no step of the recipe builds yet."""
    built = {(step.column, step.chain) for step in steps_of(source) if isinstance(step, MutationsStep)}
    found = mutation_columns(source.frame)
    pairs = [(name, chain) for name, chains in found.items() for chain in (chains if len(chains) > 1 else [""])]
    return [pair for pair in pairs if pair not in built]


def _draw_wild_type(source: Source, chosen: tuple[str, str]) -> str:
    """Draw where the wild type is typed or dropped as a FASTA file, and return it as it was given."""
    key = f"{source.key}.wild_type.{chosen}"
    left, right = st.columns([2, 1])
    with right:
        file = st.file_uploader("or its FASTA file", type=["fasta", "fa", "faa", "fas", "txt"], key=f"{key}.file")
    with left:
        typed = st.text_area(
            "Wild type", value=_constant_protein(source.frame), key=key, persist_state="session",
            placeholder="MQYKLILNGKTLKGETTTEAVDAATAEKVFKQYANDNGVDGEWTYDDATKTFTVTE",
            help="Its sequence, one letter a residue; a FASTA header above it is left out.",
        )  # fmt: skip
    if file is None:
        return typed
    with shell.sentences():
        records: Any = read_upload(file.name, file.getvalue())
    return str(records[SEQUENCE].iloc[0]) if SEQUENCE in records else typed


def _constant_protein(frame: pd.DataFrame) -> str:
    """Return a sequence that stands in every row of a column, as public tables give the wild type."""
    for name in frame.columns:
        cells = frame[name].dropna()
        if len(cells) > 1 and cells.map(type).eq(str).all() and cells.nunique() == 1 and looks_like_protein(cells[:1]):
            return str(cells.iloc[0])
    return ""


def _draw_build(source: Source, chosen: tuple[str, str], typed: str, first: int | None, *, is_only: bool) -> None:
    column, chain = chosen
    try:
        wild_type = clean_wild_type(typed)
        step = plan_mutations(source.frame, column, wild_type, first, chain=chain, into=_into(source, chosen, is_only))
    except DataError as error:
        st.error(shell.sentence(str(error)), icon=":material/error:")
        return
    sequences, problems = read_sequences(source.frame, column, wild_type, step.first_number, chain=chain)
    fitting = sum(map(bool, sequences))
    st.markdown(f"**{fitting:,} of {len(sequences):,}** rows fit, with {wild_type[0]} as residue {step.first_number}.")
    if problems:
        shown = "\n".join(f"- {shell.sentence(problem.message)}" for problem in problems[:NUM_PROBLEMS])
        st.warning(shown, icon=":material/warning:")
    st.button(
        "Build the sequences", type="primary", icon=":material/build:", disabled=not fitting, on_click=add_step,
        args=(recipe_key(source), step.model_dump(mode="json")), key=f"{source.key}.build",
    )  # fmt: skip


def _into(source: Source, chosen: tuple[str, str], is_only: bool) -> str:
    """Return the name of the column that is made: plain where there is one chain, else that of the mutations."""
    has_built = any(isinstance(step, MutationsStep) for step in steps_of(source))
    if is_only and not has_built:
        return SEQUENCE if SEQUENCE not in source.frame.columns else "mutated_sequence"
    return "_".join(filter(None, (*chosen, SEQUENCE)))
