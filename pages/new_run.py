"""New run: three decisions (data, model, strategy), the settings that follow from them, and Start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from molfun.adapters.catalog import ModelCard
from molfun.data.dataset import Dataset, list_datasets, load_dataset
from molfun.errors import MolfunError, SettingError
from molfun.losses.names import losses_for
from molfun.models.settings import HeadSettings
from molfun.runs.advice import advise, knowledge_gap
from molfun.runs.plan import parse_changes
from molfun.runs.spec import RunSpec
from molfun.runs.steering import fork_spec
from molfun.runs.submit import check_loss_options, monitors_for
from molfun.runs.warm_start import shared_warm_start
from molfun.settings import Settings
from molfun.training.catalog import STRATEGIES
from molfun.training.settings import TrainingSettings
from molfun.ui import (
    draft,
    forms,
    launch_form,
    memory_panel,
    model_form,
    preview,
    race_button,
    shell,
    start,
    start_button,
    tracker_form,
)

CHANGE = "set."
OF_CLASSES = ("class_weights", "focal_gamma")  # settings that mean nothing for numbers


def read_base() -> dict[str, Any] | None:
    """Return the spec of the run named by ?from=ID as plain values, changed by ?weights= and ?set.NAME=, or None."""
    if not shell.query("from"):
        return None
    try:
        base = fork_spec(shell.store().get(shell.query("from")), {})
        changes = {"model.weights": shell.query("weights")} if shell.query("weights") else {}
        return base.changed({**changes, **told_changes()}).model_dump(mode="json")
    except MolfunError as error:
        st.warning(shell.sentence(f"The settings of that run cannot be used: {error}"), icon=":material/warning:")
        return None


def told_changes() -> dict[str, Any]:
    """Return the changes that the address tells, such as set.strategy.lr=1e-4."""
    told = sorted(name for name in st.query_params if name.startswith(CHANGE))
    return parse_changes([f"{name.removeprefix(CHANGE)}={shell.query(name)}" for name in told])


def draw_start_from(base: Mapping[str, Any] | None, model: dict[str, Any], kind: str) -> None:
    """Draw whether to begin with the weights of the run that the form starts from, and add it to the model section."""
    if base is None:
        return
    origin = shell.query("from")
    has_best = (shell.store().get(origin).checkpoints / "best" / "manifest.json").is_file()
    is_alike = base["model"]["name"] == model["name"] and base["strategy"]["kind"] == kind
    wants = st.toggle(
        "Start from its best weights",
        key=f"new.start_from.{origin}",
        disabled=not (has_best and is_alike),
        persist_state="session",
        help="Begins with what that run learned, instead of the weights above; needs the same model and strategy."
        if has_best
        else "That run has no best checkpoint.",
    )
    if wants and has_best and is_alike:
        model["start_from"] = origin
    elif is_alike and base["model"].get("start_from"):
        model["start_from"] = base["model"]["start_from"]


def choose_dataset(base: Mapping[str, Any] | None, form: str) -> Dataset:
    """Draw the choice of a saved dataset; without any, offer the examples and stop."""
    entries = {str(entry["id"]): entry for entry in list_datasets(shell.datasets_root())}
    if not entries:
        st.info("A run needs data. Take an example with one click, or bring your own.", icon=":material/lightbulb:")
        start.draw_example_starts(key="new.start", per_row=2)
        st.page_link(shell.DATA, label="Bring your own table", icon=":material/table_rows:")
        st.stop()
    wanted = shell.query("dataset") or (base or {}).get("data", {}).get("dataset", "")
    if wanted and wanted not in entries:
        gone = f"There is no dataset {wanted!r} any more; another one is chosen."
        st.warning(shell.sentence(gone), icon=":material/warning:")
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


class Part(NamedTuple):
    """Settings of one section of the spec: what was drawn so far, what they start from, what is drawn elsewhere."""

    name: str
    cls: type[Settings]
    values: dict[str, Any]
    begin: Mapping[str, Any]
    skip: list[str]


def draw_settings(
    kind: str, dataset: Dataset, card: ModelCard, base: Mapping[str, Any] | None, form: str
) -> tuple[dict[str, Any], DeltaGenerator | None]:
    """Draw training, strategy, model and place; return the spec's sections, and where its commands are shown, if so."""
    begin = draft.starting_values(kind, dataset, card, base)
    skip = ["kind", *(OF_CLASSES if dataset.task in ("regression", "structure") else ())]
    cls = STRATEGIES[kind].settings
    training = forms.draw_settings(TrainingSettings, key=f"{form}.training", defaults=begin["training"])
    strategy = forms.draw_settings(cls, key=f"{form}.strategy", defaults=begin["strategy"], skip=skip)
    more, cropped = model_form.draw_structure_settings(card, base, begin["training"], form=form)
    training |= cropped
    parts = [
        Part("strategy", cls, strategy, begin["strategy"], skip),
        Part("training", TrainingSettings, training, begin["training"], ["num_processes", *cropped]),
    ]
    advanced, trackers = st.container(), st.container()
    # Drawn before what stands above it: whether processes have to be spread depends on their number.
    launch, training["num_processes"], commands = draw_place(base, begin, form)
    with advanced:
        head = draw_advanced(parts, dataset.task, (base or {}).get("model", {}).get("head", {}), form)
    with trackers:
        tracked = draw_trackers(base, form)
    sections = {"training": training, "strategy": {"kind": kind, **strategy}, "launch": launch,
                "model": {**more, "head": head}, **tracked}  # fmt: skip
    return sections, commands


def draw_advanced(parts: list[Part], task: str, head: Mapping[str, Any], form: str) -> dict[str, Any]:
    """Draw the settings that few change, and add them to the values of each part; return those of the head."""
    has_head = task != "structure"  # whose head has the form of the structure module
    choices = {"loss_fn": losses_for(task), "monitor": monitors_for(task)}
    box, is_drawn = forms.fold("Advanced settings", key=forms.ADVANCED, icon=":material/tune:")
    if not is_drawn:
        for part in parts:
            part.values.update(forms.untouched(part.cls, defaults=part.begin, skip=part.skip, choices=choices))
        return dict(head) if has_head else {}
    with box:
        for part in parts:
            forms.draw_advanced(
                part.cls, part.values, key=f"{form}.{part.name}", defaults=part.begin, skip=part.skip, choices=choices
            )
        if not has_head:
            return {}
        st.caption("**Head**")
        pooling = forms.draw_settings(HeadSettings, key=f"{form}.head", defaults=head)
        forms.draw_advanced(HeadSettings, pooling, key=f"{form}.head", defaults=head, titled=False)
    return pooling


def draw_trackers(base: Mapping[str, Any] | None, form: str) -> dict[str, Any]:
    """Draw where the run is sent beside its own record; return the spec's "trackers" and "tracking"."""
    box, is_drawn = forms.fold("Trackers", key="new.trackers", icon=":material/cloud_upload:")
    if not is_drawn:
        return tracker_form.untouched(base)
    with box:
        return tracker_form.draw_trackers(base, key=f"{form}.trackers")


def draw_place(
    base: Mapping[str, Any] | None, begin: Mapping[str, Any], form: str
) -> tuple[dict[str, Any], int, DeltaGenerator | None]:
    """Draw where the run runs; return the spec's "launch", its processes, and where the commands are shown, if so."""
    launch, processes = (base or {}).get("launch", {}), int(begin["training"].get("num_processes") or 1)
    box, is_drawn = forms.fold("Where it runs", key="new.place", icon=":material/lan:")
    if not is_drawn:
        return launch_form.untouched(launch), processes, None
    with box:
        launch, processes = launch_form.draw_launch(launch, processes, key=f"{form}.place")
        return launch, processes, st.container()


def draw_spec(spec: RunSpec) -> None:
    """Show the same run as a file and a command."""
    with st.expander("The same run as YAML and command line", icon=":material/terminal:"):
        st.code(draft.COMMAND_LINE, language="bash")
        as_yaml = spec.to_yaml()
        st.code(as_yaml, language="yaml", height=280)
        st.download_button(
            "Download spec.yaml",
            as_yaml,
            file_name="spec.yaml",
            icon=":material/download:",
            on_click="ignore",
            help="Holds every setting of this form.",
        )


shell.page_title("New run", "Choose data, model and strategy; everything else has a sensible start.")
base = read_base()
told = "&".join(f"{name}={shell.query(name)}" for name in sorted(st.query_params))
form = f"new.{told}"
left, right = st.columns([5, 3], gap="large")
with left, shell.sentences():
    st.subheader("1 · Data", anchor=False)
    dataset = choose_dataset(base, form)
    st.subheader("2 · Model", anchor=False)
    card, model = model_form.choose_model(base, dataset.task, form)
    if gap := knowledge_gap(card, dataset):
        st.warning(gap, icon=":material/lightbulb:")
    st.subheader("3 · Strategy", anchor=False)
    kind = choose_strategy(base, form)
    draw_start_from(base, model, kind)
    st.subheader("Settings", anchor=False)
    inner = f"{form}.{dataset.id}.{card.name}.{kind}"
    sections, commands = draw_settings(kind, dataset, card, base, inner)
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
    model |= sections["model"]
    spec = draft.draft_spec(dataset.id, model, sections, name or proposed)
    check_loss_options(dataset.task, spec.strategy.loss_fn, spec)
    problem = launch_form.missing_place(spec)
except SettingError as error:
    problem = str(error)

with right, st.container(border=True, key="preview_card"):
    st.subheader("Preview", anchor=False)
    if spec is not None:
        with shell.sentences():
            answer = preview.draw_parameters(preview.preview_desk(shell.home()), spec)
        preview.draw_schedule(spec, dataset)
        preview.draw_rates(spec, dataset, answer)
        kept = preview.draw_kept(shell.home(), spec, dataset, answer)
        memory_panel.draw_memory(memory_panel.memory_desk(shell.home()), spec, dataset, inner, kept)
        advice = [sentence for sentence in advise(spec, dataset) if sentence != gap]  # that one stands below the model
        preview.draw_advice([*advice[:4], *((answer or {}).get("warnings") or [])])
        problem = problem or draft.blocker(spec, dataset, answer)
    run_id = start_button.minted_id(inner, spec)
    start_button.draw_start(spec, problem, run_id)
    if spec is not None:
        race_button.draw_race(spec, dataset, run_id, problem)
if spec is not None:
    if commands is not None:
        with commands:
            launch_form.draw_commands(spec, shell.store().root / run_id)
    with left:
        draw_spec(spec)
    if answer is not None and spec.launch.where == "local":
        shared_warm_start().want()
