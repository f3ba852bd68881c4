"""New run: three decisions (data, model, strategy), the settings that follow from them, and Start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from molfun.adapters.catalog import MODELS, ModelCard
from molfun.data.dataset import Dataset, list_datasets, load_dataset
from molfun.errors import MolfunError, RunError, SettingError
from molfun.losses.names import losses_for
from molfun.models.settings import HeadSettings
from molfun.runs.advice import advise, knowledge_gap
from molfun.runs.spec import RunSpec
from molfun.runs.store import RunStore, new_run_id
from molfun.runs.submit import check_loss_options, monitors_for, submit_run
from molfun.training.catalog import STRATEGIES
from molfun.training.settings import TrainingSettings
from molfun.ui import draft, forms, preview, shell, start, text

WEIGHTS = {"pretrained": "Pretrained", "random": "Random", "folder": "Folder"}
OF_CLASSES = ("class_weights", "focal_gamma")  # settings that mean nothing for numbers


def read_base() -> dict[str, Any] | None:
    """Return the spec of the run named by ?from=ID as plain values, changed by ?weights=, or None."""
    if not shell.query("from"):
        return None
    try:
        base = shell.store().get(shell.query("from")).spec
    except MolfunError as error:
        st.warning(f"The settings of that run cannot be read: {error}", icon=":material/warning:")
        return None
    changes = {"model.weights": shell.query("weights")} if shell.query("weights") else {}
    return base.changed(changes).model_dump(mode="json")


def choose_dataset(base: Mapping[str, Any] | None, form: str) -> Dataset:
    """Draw the choice of a saved dataset; without any, offer the examples and stop."""
    entries = {str(entry["id"]): entry for entry in list_datasets(shell.datasets_root())}
    if not entries:
        st.info("A run needs data. Take an example with one click, or bring your own.", icon=":material/lightbulb:")
        start.draw_example_starts(key="new.start")
        st.page_link(shell.DATA, label="Bring your own table", icon=":material/table_rows:")
        st.stop()
    wanted = shell.query("dataset") or (base or {}).get("data", {}).get("dataset", "")
    if wanted and wanted not in entries:
        st.warning(f"There is no dataset {wanted!r} any more; another one is chosen.", icon=":material/warning:")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            "Dataset",
            list(entries),
            index=draft.choose_default(list(entries), wanted),
            key=f"{form}.dataset",
            format_func=lambda name: shell.dataset_line(entries[name]),
            persist_state="session",
            help="Saved datasets, newest first; the page Data makes them.",
        )
        st.page_link(shell.DATA, label="Add", icon=":material/add:")
    return load_dataset(shell.datasets_root(), chosen)


def choose_model(base: Mapping[str, Any] | None, form: str) -> tuple[ModelCard, dict[str, Any]]:
    """Draw backbone and weights; return its card and the spec's model section without the head."""
    chosen = (base or {}).get("model", {"name": "antiberty", "weights": "pretrained"})
    left, right = st.columns([4, 5])
    with left:
        name = st.selectbox(
            "Model",
            list(MODELS),
            index=draft.choose_default(list(MODELS), chosen["name"]),
            key=f"{form}.model",
            format_func=lambda key: MODELS[key].title,
            help="The pretrained backbone that is fine-tuned.",
            persist_state="session",
        )
    with right:
        known = chosen["weights"] if chosen["weights"] in WEIGHTS else "folder"
        weights = st.segmented_control(
            "Weights",
            list(WEIGHTS),
            default=known,
            format_func=WEIGHTS.__getitem__,
            required=True,
            key=f"{form}.weights",
            help="Random is the true architecture, untrained: a control that shows what pretraining adds.",
            persist_state="session",
        )
    folder = ""
    if weights == "folder":
        folder = st.text_input(
            "Folder",
            value="" if known != "folder" else chosen["weights"],
            key=f"{form}.folder",
            persist_state="session",
            help="On this machine, in Hugging Face format: config.json and model.safetensors.",
        )
    card = MODELS[name]
    st.caption(
        f"{text.short_count(card.num_parameters)} parameters in {card.num_blocks} blocks · knows {card.knows} · up to "
        f"{card.num_residues_limit:,} residues · {card.licence} · {card.citation}"
    )
    if note := draft.download_note(card, weights or "pretrained"):
        st.caption(f":material/download: {note}")
    return card, draft.model_values(name, weights or "pretrained", folder, {})


def choose_strategy(base: Mapping[str, Any] | None, form: str) -> str:
    """Draw the four strategies and what the chosen one means."""
    kind = st.segmented_control(
        "Strategy",
        list(STRATEGIES),
        default=(base or {}).get("strategy", {}).get("kind", "head_only"),
        required=True,
        format_func=lambda key: STRATEGIES[key].title,
        key=f"{form}.strategy",
        persist_state="session",
        help="Which part of the model learns. Head only is the quick baseline; Full changes everything.",
    )
    card = STRATEGIES[kind or "head_only"]
    st.caption(f"Trains {card.trains}. Suits: {card.suits}.")
    return card.kind


def draw_settings(
    kind: str, dataset: Dataset, card: ModelCard, base: Mapping[str, Any] | None, form: str
) -> dict[str, Any]:
    """Draw the settings of training, strategy and head; return the spec's three sections."""
    begin = draft.starting_values(kind, dataset, card, base)
    head = (base or {}).get("model", {}).get("head", {})
    skip = ["kind", *(OF_CLASSES if dataset.task == "regression" else ())]
    cls = STRATEGIES[kind].settings
    training = forms.draw_settings(TrainingSettings, key=f"{form}.training", defaults=begin["training"])
    strategy = forms.draw_settings(cls, key=f"{form}.strategy", defaults=begin["strategy"], skip=skip)
    choices = {"loss_fn": losses_for(dataset.task), "monitor": monitors_for(dataset.task)}
    with st.expander("Advanced settings", icon=":material/tune:"):
        forms.draw_advanced(
            cls, strategy, key=f"{form}.strategy", defaults=begin["strategy"], skip=skip, choices=choices
        )
        forms.draw_advanced(TrainingSettings, training, key=f"{form}.training", defaults=begin["training"])
        st.caption("**Head**")
        pooling = forms.draw_settings(HeadSettings, key=f"{form}.head", defaults=head)
        forms.draw_advanced(HeadSettings, pooling, key=f"{form}.head", defaults=head, titled=False)
    return {"training": training, "strategy": {"kind": kind, **strategy}, "head": pooling}


def draw_start(spec: RunSpec | None, problem: str, form: str) -> None:
    """Draw Start, or why it cannot be pressed."""
    clicked = st.button(
        "Start",
        type="primary",
        icon=":material/play_arrow:",
        width="stretch",
        disabled=bool(problem),
        key="new.start_button",
        help=problem or "Starts training in the background; it goes on when the browser is closed.",
    )
    if problem:
        st.caption(f":material/block: {problem}")
    run_id = minted_id(form, spec, clicked=clicked)
    if clicked and spec is not None and not problem:
        launch(spec, run_id)


def minted_id(form: str, spec: RunSpec | None, *, clicked: bool) -> str:
    """Return the id of the run that this form will start: a second click finds the same one, a new form another."""
    key, store = f"{form}.run_id", RunStore(shell.home())
    known = st.session_state.get(key)
    is_used = known is not None and any(folder.id == known for folder in store.list())
    if known is None or (is_used and not clicked):
        name = "run" if spec is None else f"{spec.model.name}-{spec.strategy.kind}"
        known = st.session_state[key] = new_run_id(name)
    return str(known)


def launch(spec: RunSpec, run_id: str) -> None:
    """Start the run and go to its page; one that exists already was started by the first of two clicks."""
    try:
        with st.spinner("Checking the data and starting"):
            submit_run(shell.home(), spec, run_id=run_id)
    except RunError as error:
        if not any(folder.id == run_id for folder in shell.store().list()):
            st.error(str(error), icon=":material/error:")
            return
    except MolfunError as error:
        st.error(str(error), icon=":material/error:")
        return
    st.switch_page(shell.LIVE, query_params={"run": run_id})


def draw_spec(spec: RunSpec) -> None:
    """Show the same run as a file and a command."""
    with st.expander("The same run as YAML and command line", icon=":material/terminal:"):
        st.code(draft.COMMAND_LINE, language="bash")
        st.code(spec.to_yaml(), language="yaml", height=280)
        st.download_button(
            "Download spec.yaml",
            spec.to_yaml(),
            file_name="spec.yaml",
            icon=":material/download:",
            on_click="ignore",
            help="Holds every setting of this form.",
        )


shell.page_title("New run", "Choose data, model and strategy; everything else has a sensible start.")
base = read_base()
form = f"new.{shell.query('from')}.{shell.query('weights')}.{shell.query('dataset')}"
left, right = st.columns([5, 3], gap="large")
with left, shell.sentences():
    st.subheader("1 · Data", anchor=False)
    dataset = choose_dataset(base, form)
    st.subheader("2 · Model", anchor=False)
    card, model = choose_model(base, form)
    if gap := knowledge_gap(card, dataset):
        st.warning(gap, icon=":material/lightbulb:")
    st.subheader("3 · Strategy", anchor=False)
    kind = choose_strategy(base, form)
    st.subheader("Settings", anchor=False)
    inner = f"{form}.{dataset.id}.{card.name}.{kind}"
    sections = draw_settings(kind, dataset, card, base, inner)
    proposed = f"{dataset.name}, {STRATEGIES[kind].title}, {card.short_title}"
    name = st.text_input(
        "Run name",
        placeholder=proposed,
        key=f"{inner}.name",
        help="Shown in lists; empty takes data, strategy and model.",
        persist_state="session",
    )

spec, problem = None, ""
try:
    model["head"] = sections["head"]
    spec = draft.draft_spec(dataset.id, model, sections["strategy"], sections["training"], name or proposed)
    check_loss_options(dataset.task, spec.strategy.loss_fn, spec)
except SettingError as error:
    problem = str(error)

with right, st.container(border=True, key="preview_card"):
    st.subheader("Preview", anchor=False)
    if spec is not None:
        with shell.sentences():
            answer = preview.draw_parameters(preview.preview_desk(shell.home()), spec)
        preview.draw_schedule(spec, dataset)
        preview.draw_advice([*advise(spec, dataset)[:4], *((answer or {}).get("warnings") or [])])
        problem = problem or draft.blocker(spec, dataset, answer)
    draw_start(spec, problem, inner)
if spec is not None:
    with left:
        draw_spec(spec)
