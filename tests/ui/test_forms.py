from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from molfun.settings import describe_settings
from molfun.training.catalog import STRATEGIES

SCRIPT = """
import streamlit as st
from molfun.training.catalog import STRATEGIES
from molfun.ui import forms
cls = STRATEGIES[{kind!r}].settings
values = forms.draw_settings(cls, key="form", defaults={defaults!r})
forms.draw_advanced(cls, values, key="form", choices={{"loss_fn": ["mse", "mae"]}})
st.session_state["values"] = values
"""


def form(kind: str, **defaults: object) -> AppTest:
    app = AppTest.from_string(SCRIPT.format(kind=kind, defaults=defaults), default_timeout=30).run()
    assert not app.exception
    return app


@pytest.mark.parametrize("kind", STRATEGIES)
def test_form_holds_every_declared_setting_with_its_default(kind: str) -> None:
    cls = STRATEGIES[kind].settings
    values = form(kind).session_state["values"]
    assert values == {info.name: info.default for info in describe_settings(cls)}
    assert cls.parse(values) == cls()


def test_form_starts_from_the_given_defaults() -> None:
    values = form("lora", rank=4, lr_head=3e-3).session_state["values"]
    assert (values["rank"], values["lr_head"], values["lr_lora"]) == (4, 3e-3, None)


def test_a_setting_without_effect_is_disabled() -> None:
    app = form("head_only", scheduler="constant")
    assert app.number_input(key="form.min_lr").disabled
    assert not form("head_only").number_input(key="form.min_lr").disabled


def test_a_list_left_empty_is_auto_and_a_filled_one_is_split_at_commas() -> None:
    app = form("lora")
    assert app.session_state["values"]["target_modules"] is None
    app.text_input(key="form.target_modules").input("query, value").run()
    assert app.session_state["values"]["target_modules"] == ["query", "value"]


def test_learning_rates_are_shown_with_an_exponent() -> None:
    formats = {item.label: item.proto.format for item in form("full").number_input}
    assert formats["Learning rate"] == formats["Head learning rate"] == formats["Minimum learning rate"] == "%.1e"
