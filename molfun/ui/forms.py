"""Declared settings drawn as widgets, each with its help text: main ones first, advanced ones where a page folds them.

A form knows no strategy by name; it draws whatever `describe_settings` lists.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from molfun.settings import SettingInfo, Settings, default_in_words, describe_settings

LR_STEP = 1e-5
WAS_OPEN = ".was_open"  # behind the key of a fold, in the session
ADVANCED = "new.advanced"  # the fold with the advanced settings of New run
NUM_COLUMNS = 3

ONE_A_LINE = ("extra", "prologue")  # lists of command lines, in which a comma means something
# Settings without effect in a combination; the same condition is told in words by `depends_on`.
INERT: dict[str, Callable[[Mapping[str, Any]], bool]] = {
    "min_lr": lambda values: values.get("scheduler") == "constant",
    "column": lambda values: values.get("kind") not in ("column", "group"),
    "focal_gamma": lambda values: values.get("loss_fn") != "focal",
    "early_stopping_min_delta": lambda values: not values.get("early_stopping_patience"),
    "validate_raw": lambda values: not values.get("ema_decay"),
    "keep_checkpoints": lambda values: not values.get("save_every"),
    "distributed": lambda values: (values.get("num_processes") or 1) < 2,
}


def draw_settings(
    cls: type[Settings],
    *,
    key: str,
    defaults: Mapping[str, Any] | None = None,
    skip: Sequence[str] = (),
    choices: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Any]:
    """Draw the main settings of `cls` and return what the widgets hold.

    Args:
        cls: Settings class.
        key: Prefix of the widgets' keys; a new prefix starts from `defaults` again.
        defaults: Values to start from, by name; the declared default otherwise.
        skip: Names that the page draws itself.
        choices: Allowed values of text settings, by name; drawn as a list to choose from.

    Returns:
        Values by name; None where an optional setting is left on auto. They are validated by `cls.parse`, not here.
    """
    values: dict[str, Any] = {}
    _draw_grid(_of_level(cls, "main", skip), key, defaults or {}, values, choices or {})
    return values


def draw_chosen(
    cls: type[Settings], names: Collection[str], *, key: str, defaults: Mapping[str, Any] | None = None,
    wide: int = NUM_COLUMNS,
) -> dict[str, Any]:  # fmt: skip
    """Draw some settings of `cls`, of any level, in the order of declaration, `wide` beside each other; the rest is as
    in `draw_settings`.
    """
    values: dict[str, Any] = {}
    infos = [info for info in describe_settings(cls) if info.name in names]
    _draw_grid(infos, key, defaults or {}, values, {}, wide)
    return values


def draw_advanced(
    cls: type[Settings],
    values: dict[str, Any],
    *,
    key: str,
    defaults: Mapping[str, Any] | None = None,
    skip: Sequence[str] = (),
    choices: Mapping[str, Sequence[str]] | None = None,
    titled: bool = True,
) -> None:
    """Draw the advanced settings of `cls` group by group and add them to `values`.

    Args:
        cls: As in `draw_settings`, like everything that is not named here.
        values: What `draw_settings` returned.
        key: As there.
        defaults: As there.
        skip: As there.
        choices: As there.
        titled: Whether each group gets a heading.
    """
    infos = _of_level(cls, "advanced", skip)
    for group in dict.fromkeys(info.group for info in infos):
        if titled:
            st.caption(f"**{group}**")
        chosen = [info for info in infos if info.group == group]
        _draw_grid(chosen, key, defaults or {}, values, choices or {})


def fold(label: str, *, key: str, icon: str) -> tuple[DeltaGenerator, bool]:
    """Return a folded part of a page, and whether to draw what is in it: from the first time on that it was open.

    Fields that nobody looks at cost a page most of its time in the browser.
    """
    box = st.expander(label, icon=icon, on_change="rerun", key=key)
    # Not `box.open` alone: what was changed there must not be lost when it is closed again.
    if box.open:
        st.session_state[f"{key}{WAS_OPEN}"] = True
    return box, bool(st.session_state.get(f"{key}{WAS_OPEN}"))


def untouched(
    cls: type[Settings], *, defaults: Mapping[str, Any], skip: Sequence[str] = (),
    choices: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return what `draw_advanced` would return where nobody changes anything; arguments as there."""
    values = {}
    for info in _of_level(cls, "advanced", skip):
        value, options = defaults.get(info.name, info.default), (choices or {}).get(info.name) or info.choices
        values[info.name] = options[0] if options and value not in options else value
    return values


def _of_level(cls: type[Settings], level: str, skip: Sequence[str]) -> list[SettingInfo]:
    return [info for info in describe_settings(cls) if info.level == level and info.name not in skip]


def info_of(cls: type[Settings], name: str) -> SettingInfo:
    """Return what is declared of one setting."""
    return next(info for info in describe_settings(cls) if info.name == name)


def label_of(info: SettingInfo) -> str:
    """Return what a field is called, with its unit: two settings may differ in that alone."""
    return f"{info.label} ({info.unit})" if info.unit else info.label


def draw_setting(
    info: SettingInfo, *, key: str, value: Any, disabled: bool = False, options: Sequence[str] = ()
) -> Any:
    """Draw one setting as the widget that fits its kind and return its value."""
    common: dict[str, Any] = {"key": key, "help": _help(info), "disabled": disabled, "persist_state": "session"}
    label = label_of(info)
    shown = options or info.choices
    if shown:
        index = list(shown).index(value) if value in shown else 0
        return st.selectbox(label, list(shown), index=index, format_func=_choice_title, **common)
    if info.kind == "bool":
        return st.toggle(label, value=bool(value), **common)
    if info.kind in ("int", "float"):
        return _number(info, label, value, common)
    if info.kind == "list" and info.name in ONE_A_LINE:
        typed = st.text_area(label, value="\n".join(value or ()), height=100, placeholder="One a line", **common)
        return [line.strip() for line in typed.splitlines() if line.strip()]
    if info.kind == "list":
        typed = st.text_input(
            label, value=", ".join(value or ()), placeholder="auto" if info.optional else "", **common
        )
        return [part.strip() for part in typed.split(",") if part.strip()] or (None if info.optional else [])
    return st.text_input(label, value=str(value or ""), **common)


def _draw_grid(
    infos: Sequence[SettingInfo],
    key: str,
    defaults: Mapping[str, Any],
    values: dict[str, Any],
    choices: Mapping[str, Sequence[str]],
    wide: int = NUM_COLUMNS,
) -> None:
    """Draw settings row by row, so that they read in the order of declaration also where columns are stacked."""
    for start in range(0, len(infos), wide):
        places = st.columns(wide, vertical_alignment="bottom")
        for place, info in zip(places, infos[start : start + wide], strict=False):
            is_inert = info.name in INERT and INERT[info.name](values)
            with place:
                values[info.name] = draw_setting(
                    info,
                    key=f"{key}.{info.name}",
                    value=defaults.get(info.name, info.default),
                    disabled=is_inert,
                    options=choices.get(info.name, ()),
                )


def _number(info: SettingInfo, label: str, value: Any, common: Mapping[str, Any]) -> int | float | None:
    kind = int if info.kind == "int" else float
    low, high = info.minimum, info.maximum
    style: dict[str, Any] = {"step": 1}
    if info.kind == "float":
        is_rate = info.name == "lr" or info.name.endswith("_lr") or info.name.startswith("lr_")
        style = {"step": LR_STEP, "format": "%.1e"} if is_rate else {"step": 0.01, "format": "%g"}
    return st.number_input(
        label,
        min_value=None if low is None else kind(low),
        max_value=None if high is None or info.maximum_exclusive else kind(high),
        value=None if value is None else kind(value),
        placeholder="auto" if info.optional else None,
        **style,
        **common,
    )


def _help(info: SettingInfo) -> str:
    effect = f" Has an effect where {info.depends_on}." if info.depends_on else ""
    return f"{info.help} Default: {default_in_words(info)}.{effect}"


def _choice_title(choice: str) -> str:
    if choice in ("mse", "mae", "cls", "bce", "ddp", "fsdp"):
        return choice.upper()
    return choice.removeprefix("val_").replace("_", " ").capitalize()
