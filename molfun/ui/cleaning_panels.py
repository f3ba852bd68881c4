"""The part of the Data page that mends a table: remedies in one click, the recipe so far, one that was saved."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st
import yaml

from molfun.data.changes import Change
from molfun.data.limits import shown_name
from molfun.data.recipe import Step, apply_recipe, dump_recipe, parse_recipe
from molfun.data.settings import ColumnSettings
from molfun.ui import shell, text
from molfun.ui.sources import Source, add_step, fixes_of, recipe_key, remove_step, set_steps, steps_of
from molfun.yaml_files import parse_mapping

NUM_SHOWN = 500


def draw_recipe_file(source: Source) -> None:
    """Offer to clean a table by a recipe that was saved before, while it has no step yet."""
    if steps_of(source):
        return
    with st.expander("Clean by a recipe"):
        file = st.file_uploader(
            "Recipe (YAML)", type=["yaml", "yml"], key=f"{source.key}.recipe", max_upload_size=1,
            help="Saved on this page or by molfun data check --save-recipe: the same cleaning for this table.",
        )  # fmt: skip
        if file is None:
            return
        with shell.sentences():
            steps = parse_recipe(parse_mapping(file.getvalue(), shown_name(file.name), what="recipe").get("steps"))
            _, changes = apply_recipe(source.frame, steps)
        for step, changed in zip(steps, changes, strict=True):
            rows = text.plural(len({change.row for change in changed}), "row")
            st.markdown(f"- {shell.plain(step.title())}: {rows}")
        st.button("Clean it so", icon=":material/healing:", on_click=set_steps, key=f"{source.key}.recipe.use",
                  args=(recipe_key(source), dump_recipe(steps)))  # fmt: skip


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
                f"{shell.plain(step.title())} ({text.plural(count, 'row')})", icon=":material/healing:",
                on_click=add_step, args=(recipe_key(base), values), key=f"{base.key}.fix.{values}",
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
                st.button("Undo", icon=":material/undo:", key=f"{base.key}.undo.{place}", on_click=remove_step,
                          args=(recipe_key(base), place), help=f"Take back: {step.title()}")  # fmt: skip
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
