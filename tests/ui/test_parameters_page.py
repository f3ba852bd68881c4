"""The page Parameters, drawn without a browser."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.drawn_pages import draw, words


def when_counted(app: AppTest) -> AppTest:
    """Draw the page again until the analysis process has answered."""
    deadline = time.monotonic() + 60
    while "Counting parameters" in words(app):
        assert time.monotonic() < deadline
        time.sleep(0.2)
        app.run()
    assert not app.exception
    return app


def test_strategies_are_counted_and_the_address_tells_what_is_shown(home: Path) -> None:
    app = when_counted(draw("parameters", model="esm2_8m", strategy="full", layer_lr_decay="0.8"))
    said = words(app)
    assert "The strategies side by side" in said
    assert "of 7.41 M parameters train (100 %)" in said
    (sides, parts) = (table.value for table in app.dataframe)
    assert sides["Strategy"].tolist() == ["Head only", "LoRA", "Partial", "Full"]
    assert "trunk 7.86e-6 to 3e-5" in sides["Learning rates"].tolist()[3]
    assert parts["Learning rate"].tolist()[-1] == "3e-3"
    assert dict(app.query_params) == {
        "model": "esm2_8m", "strategy": "full", "task": "regression", "layer_lr_decay": "0.8",
    }  # fmt: skip
    rank = app.segmented_control(key="parameters.strategy").set_value("lora")
    rank.run()
    assert "layer_lr_decay" not in app.query_params
    app.number_input(key="parameters.lora.esm2_8m.rank").set_value(4).run()
    assert app.query_params["rank"] == "4"
    assert "of 7.44 M parameters train" in words(when_counted(app))


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"strategy": "lora", "target_modules": "q_proj"}, "LoRA reaches no layer named 'q\\_proj'"),
        ({"strategy": "partial", "unfreeze_last_n": "12"}, "is 12, but this model has 8 blocks; lower it."),
    ],
)
def test_what_cannot_be_is_said_and_the_others_are_shown(home: Path, query: dict[str, str], sentence: str) -> None:
    app = when_counted(draw("parameters", model="antiberty", **query))
    assert sentence in words(app)
    assert len(app.dataframe[0].value) == 3


@pytest.mark.parametrize("value", ["<b>", "-1", "9" * 40, "x", "../../etc"])
def test_whatever_stands_in_the_address_the_page_is_drawn(home: Path, value: str) -> None:
    names = ("model", "task", "strategy", "classes", "rank", "lr", "target_modules", "unfreeze_last_n")
    app = draw("parameters", **dict.fromkeys(names, value))
    assert "AntiBERTy" in app.selectbox(key="parameters.model").options[0]
