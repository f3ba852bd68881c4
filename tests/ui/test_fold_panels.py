"""The cross-validation on the page Compare, and its figure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from molfun.runs.cross_validation import find_cross_validations
from molfun.runs.notes import add_tags
from molfun.runs.pooled import find_pooled, pooled_table
from molfun.ui import theme
from molfun.ui.fold_charts import folds_figure
from tests.drawn_pages import button, draw, words, write_metrics
from tests.runs.fold_folders import write_folds


def test_folds_of_a_tag_are_pooled_on_compare(home: Path) -> None:
    for folder in write_folds(home, {"lora": 0.3, "full": 2.0}, without=[("full", 2)]):
        write_metrics(folder, 20)
        add_tags(folder, ["cv-ab12"])
    app = draw("compare", tag="cv-ab12", group="but_fold")
    said = words(app).replace("\\", "")
    assert "Cross-validation" in said
    assert "LoRA scores highest: Spearman correlation 0.9" in said
    assert "Full lacks 1 of 3 test scores: fold 2 (failed)." in said
    assert "These runs are folds and tested different rows" in said
    table = next(frame.value for frame in app.dataframe if "Folds" in frame.value)
    assert table[""].tolist() == ["LoRA", "Full", "Mean of training", "One-hot residues"]
    assert table["Folds"].tolist() == ["3 of 3", "2 of 3", "3 of 3", "3 of 3"]
    assert table["To the best"][1].startswith("-0.")
    assert len(app.query_params["runs"].split(",")) == 6
    assert "tag" not in app.query_params
    groups = next(frame.value for frame in app.dataframe if "Group" in frame.value)
    assert groups.set_index("Group")["Runs"].to_dict() == {"LoRA": 3, "Full": 2}


def test_runs_of_one_fold_are_compared_as_ever(home: Path) -> None:
    for folder in write_folds(home, {"lora": 0.3, "full": 2.0}):
        write_metrics(folder, 20)
    said = words(draw("compare", runs="lora-d0-s0,full-d0-s0"))
    assert "resamples of the test rows" in said
    assert "These runs are folds" not in said


def test_the_figure_has_a_bar_an_arm_and_a_dot_a_fold(home: Path) -> None:
    (cross,) = find_cross_validations(write_folds(home, {"lora": 0.3, "full": 2.0}, repeats=2))
    found = find_pooled(cross)
    table = pooled_table(found)
    arms = {arm.title: arm for arm in found.arms} | {"One-hot residues": found.baselines[1]}
    bars, dots = folds_figure(table, arms, metric="spearman").data
    assert list(bars.y) == ["LoRA", "Full", "One-hot residues"]
    assert list(bars.marker.color) == [theme.BLUE, theme.BLUE, theme.FROZEN]
    assert np.allclose(bars.x, [0.96, 0.5, 0.5], atol=0.35)
    assert list(dots.y).count("LoRA") == 6
    lora = [x for x, y in zip(dots.x, dots.y, strict=True) if y == "LoRA"]
    assert np.mean(lora) == pytest.approx(table["mean"][0])


def test_all_folds_predict_together_with_one_click(home: Path) -> None:
    for folder in write_folds(home, {"lora": 0.3, "full": 2.0}):
        (folder.checkpoints / "best").mkdir()
    app = draw("predict", run="lora-d1-s0")
    others = app.multiselect(key="predict.lora-d1-s0.others")
    assert (others.value, len(others.options)) == ([], 5)
    button(app, "All folds (3 runs)").click().run()
    assert sorted(app.multiselect(key="predict.lora-d1-s0.others").value) == ["lora-d0-s0", "lora-d2-s0"]
    assert not app.exception
