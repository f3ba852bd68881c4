"""Pictures of what trains, looked at as data."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from molfun.runs.breakdown import ask_of_model
from molfun.training.preview import preview_parameters
from molfun.ui import parameter_charts, theme
from molfun.ui.parameter_panels import legend, parts_table, strategies_table


@cache
def answer(kind: str, name: str = "esm2_8m") -> dict[str, Any]:
    """Return what a strategy trains in a model."""
    question = ask_of_model(name, strategy=kind)
    return preview_parameters({"spec": question.spec.model_dump(mode="json"), **question.about})


def test_a_strip_has_a_cell_a_part_and_a_row_a_strategy() -> None:
    figure = parameter_charts.strip_figure({kind: answer(kind) for kind in ("head_only", "lora", "partial", "full")})
    frozen, rates = figure.data
    assert list(rates.x) == ["Emb.", "1", "2", "3", "4", "5", "6", "Norm", "Head"]
    assert list(rates.y) == ["head_only", "lora", "partial", "full"]
    assert frozen.z.shape == rates.z.shape == (4, 9)
    assert np.isfinite(rates.z).sum(axis=1).tolist() == [1, 7, 4, 9]
    # Layer-wise decay: every later part has a higher rate.
    assert (np.diff(rates.z[3][:7]) > 0).all()
    assert [list(row) for row in rates.text][1] == ["", *"LLLLLL", "", ""]
    assert "learning rate 5e-4" in rates.hovertext[1][1]
    assert "frozen" in frozen.hovertext[0][1]


def test_a_strip_of_one_rate_and_of_none_is_drawn() -> None:
    one = parameter_charts.strip_figure({"x": answer("head_only")}).data[1]
    assert one.zmin < one.zmax
    still = {**answer("head_only"), "parts": [{"name": "head", "total": 9, "trainable": 9, "lr": 0.0}]}
    assert parameter_charts.strip_figure({"x": still}).data[1].showscale is False


@pytest.mark.parametrize("kind", ["head_only", "lora", "partial", "full"])
def test_a_tree_holds_every_parameter_once(kind: str) -> None:
    found = answer(kind)
    (icicle,) = parameter_charts.tree_figure(found["modules"], is_true_to_size=True).data
    values = dict(zip(icicle.ids, icicle.values, strict=True))
    assert len(values) == len(icicle.ids)
    assert values["model"] == found["total"]
    for path in icicle.ids:
        inner = [values[one] for one, parent in zip(icicle.ids, icicle.parents, strict=True) if parent == path]
        assert not inner or sum(inner) == values[path], path
    assert {label for label, parent in zip(icicle.labels, icicle.parents, strict=True) if parent == "model"} == {
        "Embedder", "Block 1", "Block 2", "Block 3", "Block 4", "Block 5", "Block 6", "Output", "Head",
    }  # fmt: skip


def test_a_tree_shows_what_a_module_is_by_its_colour() -> None:
    (icicle,) = parameter_charts.tree_figure(answer("lora")["modules"]).data
    colors = dict(zip(icicle.ids, icicle.marker.colors, strict=True))
    assert colors["embedder"] == theme.FROZEN
    assert colors["head"] == parameter_charts.ROLE_COLORS["head"]
    assert colors["block_1.attention.self.query.lora_A.default"] == parameter_charts.ROLE_COLORS["lora"]
    assert colors["block_1.attention.self.key"] == theme.FROZEN
    assert colors["block_1"] not in (theme.FROZEN, parameter_charts.ROLE_COLORS["lora"])


def test_tables_tell_the_same_in_words() -> None:
    table = strategies_table({kind: answer(kind) for kind in ("head_only", "lora", "full")})
    assert table["Trains"].tolist() == ["961", "62,401", "7,409,921"]
    assert table["Blocks"].tolist() == ["0 of 6", "6 of 6", "6 of 6"]
    assert table["Learning rates"].tolist()[1] == "head 5e-3, lora 5e-4"
    assert table["Learning rates"].tolist()[2] == "trunk 1.59e-5 to 3e-5, head 3e-3"
    parts = parts_table(answer("lora")).set_index("Part")
    assert parts.loc["Block 1", ["Trains", "Group", "Learning rate"]].tolist() == ["10,240", "lora", "5e-4"]
    assert parts.loc["Embedder", ["Trains", "Group", "Learning rate"]].tolist() == ["0", "–", "–"]
    assert "Unfrozen" not in legend(answer("lora")["modules"])
