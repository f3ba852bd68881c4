"""What trains, on screen: the strategies side by side, then one of them block by block and module by module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from molfun.adapters.catalog import ModelCard
from molfun.errors import SettingError
from molfun.runs.breakdown import Question, ask_of_model
from molfun.training.catalog import STRATEGIES
from molfun.training.settings import StrategySettings
from molfun.ui import forms, parameter_charts, shell, text
from molfun.ui.drawn import drawn
from molfun.ui.live_chart import QUIET
from molfun.ui.preview import POLL_SECONDS, Answer, PreviewDesk
from molfun.yaml_files import parse_value

# What every strategy has, or what changes neither what trains nor its rate.
SHARED = (*StrategySettings.model_fields, "kind", "dropout", "alpha")


def draw_strategy(kind: str, card: ModelCard, task: str) -> dict[str, Any]:
    """Draw what decides which parameters train, and at which rates; return it as changes of a spec.

    What differs from the recommendation stands in the page's address.
    """
    cls = STRATEGIES[kind].settings
    begin = ask_of_model(card.name, strategy=kind, task=task).spec.strategy.model_dump()
    names = ["lr", *(name for name in cls.model_fields if name not in SHARED)]
    told = {name: value for name in names if (value := _told(cls, name)) is not None}
    chosen = forms.draw_chosen(cls, names, key=f"parameters.{kind}.{card.name}", defaults={**begin, **told})
    others = dict.fromkeys(name for one in STRATEGIES.values() for name in one.settings.model_fields)
    changed = {name: _shown(chosen[name]) for name in names if chosen[name] != begin[name]}
    shell.keep_in_address({**dict.fromkeys(others), **changed})
    return {f"strategy.{name}": value for name, value in chosen.items()}


def _told(cls: type[StrategySettings], name: str) -> Any:
    """Return a setting that the address tells, None where it tells none that is possible."""
    if name not in st.query_params:
        return None
    try:
        text_value = shell.query(name)
        value = text_value.split(",") if name == "target_modules" else parse_value(text_value, name)
        return getattr(cls.parse({name: value}), name)
    except SettingError:
        return None


def _shown(value: Any) -> str:
    return ",".join(value) if isinstance(value, list) else f"{value:g}" if isinstance(value, float) else str(value)


def draw_when_counted(
    desk: PreviewDesk, questions: Mapping[str, Question], chosen: str, *, key: str = "parameters"
) -> None:
    """Draw answers as soon as they are there; asks again every half second until then.

    Args:
        desk: Whom to ask.
        questions: By strategy.
        chosen: The strategy that is drawn in full.
        key: Prefix of the widgets' keys.
    """
    is_waiting = None in desk.ask_all(list(questions.values()))
    st.fragment(_draw, run_every=POLL_SECONDS if is_waiting else None)(desk, questions, chosen, key, is_waiting)


def _draw(desk: PreviewDesk, questions: Mapping[str, Question], chosen: str, key: str, was_waiting: bool) -> None:
    found = dict(zip(questions, desk.ask_all(list(questions.values())), strict=True))
    answers = {kind: answer for kind, answer in found.items() if answer is not None}
    if len(answers) < len(found):
        st.caption("Counting parameters, from the configuration alone. The first time takes a few seconds.")
        st.skeleton(height=260)
        return
    if was_waiting:
        st.rerun()
    sound = {STRATEGIES[kind].title: answer for kind, answer in answers.items() if not answer.get("error")}
    if sound:
        _draw_side_by_side(sound, key)
    st.subheader(STRATEGIES[chosen].title, anchor=False)
    answer = answers[chosen]
    if answer.get("error"):
        st.error(shell.sentence(str(answer["error"])), icon=":material/error:")
        return
    _draw_one(answer, key)


def _draw_side_by_side(answers: Mapping[str, Answer], key: str) -> None:
    st.subheader("The strategies side by side", anchor=False)
    st.plotly_chart(
        drawn(parameter_charts.strip_figure, answers), key=f"{key}.strip", config=QUIET,
        alt="One cell a block, a row a strategy, coloured by learning rate; grey blocks are frozen",
    )  # fmt: skip
    st.caption("L: of this block only LoRA's updates train. Grey: frozen.")
    st.dataframe(strategies_table(answers), hide_index=True, width="stretch", alt="What each strategy trains")


def _draw_one(answer: Answer, key: str) -> None:
    trains, total = int(answer["trainable"]), int(answer["total"])
    st.markdown(
        f"**{text.short_count(trains)}** of {text.short_count(total)} parameters train ({text.share(trains, total)})"
    )
    for sentence in answer["warnings"]:
        st.warning(shell.sentence(sentence), icon=":material/lightbulb:")
    width = st.segmented_control(
        "Width", ["square root", "parameters"], default="square root", required=True, key=f"{key}.width",
        help="The square root keeps a head of a thousand parameters in sight beside a trunk of millions.",
        persist_state="session",
    )  # fmt: skip
    st.plotly_chart(
        drawn(parameter_charts.tree_figure, answer["modules"], is_true_to_size=width == "parameters"),
        key=f"{key}.tree", config=QUIET, alt="The tree of modules, coloured by frozen, unfrozen, LoRA and head",
    )  # fmt: skip
    st.markdown(legend(answer["modules"]))
    st.dataframe(parts_table(answer), hide_index=True, width="stretch", alt="Parameters of each part")


def legend(modules: Sequence[Mapping[str, Any]]) -> str:
    """Return what the colours of the tree mean, for the roles that are there."""
    colors = {"frozen": "gray", "unfrozen": "blue", "lora": "orange", "head": "green"}
    there = [role for role in parameter_charts.ROLE_TITLES if any(row["role"] == role for row in modules)]
    badges = " ".join(f":{colors[role]}-badge[{parameter_charts.ROLE_TITLES[role]}]" for role in there)
    return f"{badges} :gray[A click goes in, a click on the bar above goes back.]"


def strategies_table(answers: Mapping[str, Answer]) -> pd.DataFrame:
    """Return one row a strategy: what trains, how much of the model, at which rates."""
    return pd.DataFrame(
        [
            {
                "Strategy": title,
                "Trains": text.count(answer["trainable"]),
                "Of": text.count(answer["total"]),
                "Share": text.share(answer["trainable"], answer["total"]),
                "Blocks": f"{sum(block['trainable'] > 0 for block in answer['blocks'])} of {len(answer['blocks'])}",
                "Learning rates": _rates(answer),
            }
            for title, answer in answers.items()
        ]
    )


def _rates(answer: Answer) -> str:
    """Return the rates of all groups; those of many groups, as with layer-wise decay, by their ends."""
    groups = [(str(group["name"]), float(group["lr"])) for group in answer["groups"]]
    blocks = [rate for name, rate in groups if name != "head"]
    if len(blocks) > 2:
        ends = f"{text.learning_rate(min(blocks))} to {text.learning_rate(max(blocks))}"
        groups = [(name, rate) for name, rate in groups if name == "head"]
        return ", ".join([f"trunk {ends}", *(f"{name} {text.learning_rate(rate)}" for name, rate in groups)])
    return ", ".join(f"{name} {text.learning_rate(rate)}" for name, rate in groups)


def parts_table(answer: Answer) -> pd.DataFrame:
    """Return one row a part: how much of it trains, in which number format, group and rate."""
    rows = []
    for part in answer["parts"]:
        modules = [row for row in answer["modules"] if row["part"] == part["name"]]
        rows.append(
            {
                "Part": text.part_title(part["name"]),
                "Trains": text.count(part["trainable"]),
                "Total": text.count(part["total"]),
                "Share": text.share(part["trainable"], part["total"]),
                "Number format": ", ".join(dict.fromkeys(row["dtype"] for row in modules)),
                "Group": ", ".join(dict.fromkeys(row["group"] for row in modules if row["group"])) or "–",
                "Learning rate": "–" if part["lr"] is None else text.learning_rate(part["lr"]),
            }
        )
    return pd.DataFrame(rows)
