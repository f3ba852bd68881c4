"""Parameters: what would train under each strategy, for any model, counted from its configuration alone."""

from __future__ import annotations

import streamlit as st

from molfun.adapters.catalog import MODELS
from molfun.runs.breakdown import ask_of_model
from molfun.training.catalog import STRATEGIES
from molfun.ui import parameter_panels, shell, text
from molfun.ui.draft import choose_default
from molfun.ui.preview import preview_desk

MAX_CLASSES = 100_000


def told(name: str, known: list[str], usual: str) -> str:
    """Return what the address tells, where it is known."""
    return shell.query(name) if shell.query(name) in known else usual


def told_classes() -> int:
    """Return the number of classes that the address tells, 3 without one."""
    typed = shell.query("classes")
    return min(max(int(typed), 2), MAX_CLASSES) if typed.isascii() and typed.isdigit() and len(typed) < 9 else 3


shell.page_title("Parameters", "What would train, before anything is downloaded or paid for.")
left, middle, right = st.columns([5, 7, 3])
with left:
    name = st.selectbox(
        "Model", list(MODELS), index=choose_default(list(MODELS), shell.query("model")), key="parameters.model",
        format_func=lambda key: MODELS[key].title, help="The backbone; nothing of it is downloaded.",
    )  # fmt: skip
with middle:
    task = st.segmented_control(
        "Task", list(text.TASKS), default=told("task", list(text.TASKS), "regression"), required=True,
        key="parameters.task", format_func=text.TASKS.__getitem__, help="Decides the size of the head.",
    )  # fmt: skip
num_classes = 2
if task != "regression":
    with right:
        num_classes = st.number_input(
            "Classes", min_value=2, max_value=MAX_CLASSES, value=told_classes(), key="parameters.classes",
            help="How many classes the head tells apart.",
        )  # fmt: skip
card = MODELS[name]
st.caption(
    f"{text.short_count(card.num_parameters)} parameters in {card.num_blocks} blocks of width {card.hidden_size:,} · "
    f"LoRA goes to {', '.join(card.lora_targets)} · knows {card.knows}"
)
kind = st.segmented_control(
    "Strategy", list(STRATEGIES), default=told("strategy", list(STRATEGIES), "lora"), required=True,
    key="parameters.strategy", format_func=lambda key: STRATEGIES[key].title,
    help="Which of the four is shown in full below.",
)  # fmt: skip
st.caption(f"Trains {STRATEGIES[kind].trains}. Suits: {STRATEGIES[kind].suits}.")
shell.keep_in_address(
    {"model": name, "task": task, "strategy": kind, "classes": num_classes if task != "regression" else None}
)
with shell.sentences():
    changes = parameter_panels.draw_strategy(kind, card, task)
    questions = {
        other: ask_of_model(
            name, strategy=other, task=task, num_classes=int(num_classes), changes=changes if other == kind else None
        )
        for other in STRATEGIES
    }
    parameter_panels.draw_when_counted(preview_desk(shell.home()), questions, kind)
