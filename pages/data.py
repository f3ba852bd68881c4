"""Data: pick a table, look at it, say what it means, divide it, save it as a named dataset."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from molfun.adapters.catalog import MODELS
from molfun.data.dataset import Dataset, list_datasets, load_dataset, save_dataset
from molfun.data.folds import save_folds
from molfun.data.proteins import has_structures
from molfun.data.settings import ColumnSettings, SplitSettings
from molfun.data.tables import FORMATS
from molfun.ui import cleaning_panels, mutation_panels, outcomes, shell, split_panels, text
from molfun.ui import data_panels as panels
from molfun.ui.model_form import first_choice, offered_models
from molfun.ui.sources import (
    UPLOAD_MB,
    Source,
    cleaned_source,
    example_source,
    paste_source,
    problems_of,
    steps_of,
    upload_source,
)

SOURCES = {
    "example": "Example", "upload": "Upload", "structures": "Structures", "paste": "Paste", "saved": "Saved",
}  # fmt: skip
PASTE_HINT = "sequence,stability\nMQYKLILNGKTLKGETTTEAVDAATAEK,0.31\nMQYKLILNGKTLKGETTTEAVDAATAEQ,0.12"


def choose_source() -> Source | None:
    """Draw the choice of a table and return it, None while there is none."""
    chosen = st.segmented_control(
        "Where are your data?",
        list(SOURCES),
        default="example",
        format_func=SOURCES.__getitem__,
        required=True,
        key="data.source",
        persist_state="session",
    )
    if chosen == "upload":
        return uploaded()
    if chosen == "structures":
        from molfun.ui.structure_sources import draw_structure_upload  # noqa: PLC0415  biotite takes half a second

        return draw_structure_upload()
    if chosen == "paste":
        return pasted()
    if chosen == "saved":
        draw_saved_datasets()
        return None
    panels.draw_example_cards(pick_example, "Look at it", key="data.example")
    picked = st.session_state.get("data.picked")
    return example_source(picked) if picked else None


def pick_example(name: str) -> None:
    """Remember the example whose card was clicked."""
    st.session_state["data.picked"] = name


def uploaded() -> Source | None:
    """Draw the upload of a table, and of a second file where the first is FASTA."""
    file = st.file_uploader(
        "Table of sequences",
        type=[suffix.removeprefix(".") for suffix in FORMATS],
        key="data.file",
        max_upload_size=UPLOAD_MB,
        help="CSV, TSV, Excel and Parquet: one row a sequence, with a header. FASTA: a value in the header "
        "(>name value=1.5), or a second table with the columns id and value.",
    )
    st.caption("A column with one-letter sequences and a column with the measured value or class are enough.")
    if file is None:
        return None
    values = None
    if FORMATS.get(Path(file.name).suffix.lower()) == "fasta":
        second = st.file_uploader(
            "Values for the FASTA file (optional)",
            type=[suffix.removeprefix(".") for suffix in FORMATS],
            key="data.values",
            max_upload_size=UPLOAD_MB,
            help="A table with the column id (first word of each FASTA header) and a column of values; or FASTA with "
            "the same names, whose letters are labels of residues.",
        )
        values = None if second is None else (second.name, second.getvalue())
    source = upload_source(file.name, file.getvalue(), values)
    return panels.draw_sheets(source, lambda sheet: upload_source(file.name, file.getvalue(), sheet=sheet))


def pasted() -> Source | None:
    """Draw the field for pasted text."""
    content = st.text_area(
        "Table or FASTA",
        placeholder=PASTE_HINT,
        height=180,
        key="data.text",
        persist_state="session",
        help="Copied from a spreadsheet or a file, with the header line; or FASTA records.",
    )
    st.button("Read it", icon=":material/check:", help="Read the pasted text.")
    return paste_source(content) if content.strip() else None


def draw_saved_datasets() -> None:
    """List saved datasets, newest first."""
    saved = list_datasets(shell.datasets_root())
    if not saved:
        st.info(
            "No dataset is saved yet. Choose an example or upload a table, then save it.", icon=":material/lightbulb:"
        )
    for entry in saved:
        panels.draw_saved(entry)


def draw_checks(source: Source, base: Source, columns: ColumnSettings) -> tuple[ColumnSettings, bool, int]:
    """Draw the checks against a model; return the columns with their policy, whether a run may start, the limit."""
    left, right = st.columns(2)
    with left:
        are_structures = columns.task == "structure"
        names = offered_models(columns.task)
        model = st.selectbox(
            "Check against",
            names,
            index=names.index(first_choice(columns.task)["name"]),
            format_func=lambda name: MODELS[name].title,
            key="data.model.structure" if are_structures else "data.model",
            persist_state="session",
            help="Models differ in the letters that they know and in the longest sequence that they take.",
        )
    with right:
        columns = panels.draw_too_long(source, columns)
    card = MODELS[model]
    panels.draw_length_costs(source, columns, card.num_residues_limit)
    is_fine = panels.draw_problems(problems_of(source, columns, model), card.title)
    cleaning_panels.draw_fixes(source, base, columns, model)
    return columns, is_fine, card.num_residues_limit


def draw_save(source: Source, columns: ColumnSettings, split: SplitSettings, *, is_fine: bool) -> None:
    """Draw name and button, and what follows once the dataset is saved."""
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left:
        name = st.text_input(
            "Name", value=source.name, key=f"{source.key}.name", help="Runs show this name.", persist_state="session"
        )
    with right:
        clicked = st.button(
            "Save dataset",
            type="primary",
            icon=":material/save:",
            shortcut="Mod+Enter",
            disabled=not is_fine,
            width="stretch",
            help="Keep table, columns and split under this name." if is_fine else "Correct the problems above first.",
        )
    if not is_fine:
        st.caption(":material/info: The problems marked as errors must be corrected before the table can be saved.")
    all_folds = split.num_folds > 1 and st.button(
        f"Save all {split.num_folds} folds", icon=":material/library_add:", disabled=not is_fine,
        help="One dataset a fold, for a cross-validation: together they test every row once.",
    )  # fmt: skip
    if clicked:
        with shell.sentences():
            dataset = save_dataset(
                shell.datasets_root(), source.frame, columns, split, name=name or source.name, about=source.about
            )
        remember([dataset], source, f"Saved as {shell.plain(dataset.name)}.")
    if all_folds:
        with shell.sentences(), st.spinner("Saving the folds"):
            folds = save_folds(
                shell.datasets_root(), source.frame, columns, split, name=name or source.name, about=source.about
            )
        remember(folds, source, f"Saved {len(folds)} folds.")


def remember(saved: list[Dataset], source: Source, said: str) -> None:
    """Keep in the session what was saved of a table, and say so."""
    st.session_state[f"{source.key}.saved"] = saved[0].id
    st.session_state[f"{source.key}.num_saved"] = len(saved)
    st.toast(said, icon=":material/check_circle:")


def draw_next(dataset: Dataset, num_saved: int) -> None:
    """Offer a run with the saved dataset, or one a fold, and what simple methods reach on it."""
    with st.container(border=True):
        counts = dataset.counts
        if num_saved > 1:
            name = shell.plain(str(dataset.about.get("folds_of", dataset.name)))
            st.markdown(f"**{num_saved} folds of {name}** are saved. Together they test {folds_test(dataset)} once.")
        else:
            st.markdown(
                f"**{shell.plain(dataset.name)}** is saved: {counts['train']:,} rows train, {counts['val']:,} choose "
                f"the best epoch, {counts['test']:,} are kept for the final score."
            )
        with st.container(horizontal=True):
            label = "Cross-validate" if num_saved > 1 else "Start a run with it"
            if st.button(label, type="primary", icon=":material/play_arrow:"):
                st.switch_page(shell.NEW_RUN, query_params={"dataset": dataset.id})
            # What simple methods predict is no structure.
            wants = dataset.task != "structure" and st.button(
                "Score simple baselines",
                icon=":material/straighten:",
                help="Fit methods without a protein model on the training rows: what a model has to beat.",
            )
        if wants or (st.session_state.get("data.baselines") == dataset.id and dataset.task != "structure"):
            st.session_state["data.baselines"] = dataset.id
            draw_baselines(dataset)


def folds_test(dataset: Dataset) -> str:
    """Return which rows all folds test together, in words."""
    if dataset.split.kind == "position":
        return "every row with a mutation"
    return f"each of the {text.plural(len(dataset.frame), 'row')}"


def draw_baselines(dataset: Dataset) -> None:
    """Show test scores of simple methods."""
    with shell.sentences():
        scores = baselines_of(dataset.id)
    table = outcomes.scores_table({"baselines": scores}).drop(index="This run")
    st.dataframe(table.style.format("{:.3f}", na_rep="–"), width="content", placeholder="–")
    st.caption("Fitted on the training rows, scored on the test rows. A run shows its own score beside these.")


@st.cache_data(max_entries=16, show_spinner="Fitting simple baselines")
def baselines_of(dataset_id: str) -> dict[str, dict[str, float]]:
    """Return test scores of simple methods on a saved dataset; its id follows its content, so the answer stays true."""
    from molfun.evaluation.baselines import compute_baselines  # noqa: PLC0415  scikit-learn must not delay the first view

    return compute_baselines(load_dataset(shell.datasets_root(), dataset_id))


shell.page_title("Data", "A table of protein sequences with something measured: pick it, look at it, save it.")
with shell.sentences():
    source = choose_source()
if source is None:
    st.stop()

st.header(shell.plain(source.name), anchor=False)
panels.draw_about(source.about)
base, steps = source, steps_of(source)
with shell.sentences():
    source, changes = cleaned_source(base, steps)
panels.draw_preview(source.frame)
mutation_panels.draw_mutations(base)
cleaning_panels.draw_recipe_file(base)
cleaning_panels.draw_recipe(base, steps, changes)

st.subheader("Columns", anchor=False)
columns = panels.draw_columns(source)
if not columns.sequence or not columns.target:
    st.info("Choose at least one sequence column and the target column.", icon=":material/arrow_upward:")
    if has_structures(source.frame) and not source.columns.sequence:
        st.caption("No chain is in every file. Where *A row is a* chain, each chain is a row and all have one column.")
    st.stop()

st.subheader("Checks", anchor=False)
columns, is_fine, limit = draw_checks(source, base, columns)

st.subheader("Split", anchor=False)
split = split_panels.draw_split(source)
panels.draw_pictures(source, columns, split, limit=limit)
split_panels.draw_leaks(source, columns, split)

st.subheader("Save", anchor=False)
draw_save(source, columns, split, is_fine=is_fine)
saved_id = st.session_state.get(f"{source.key}.saved")
if saved_id:
    with shell.sentences():
        draw_next(load_dataset(shell.datasets_root(), saved_id), st.session_state[f"{source.key}.num_saved"])
