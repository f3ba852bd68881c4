"""The page Predict: which run predicts, and beside which others."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from molfun.runs.store import RunFolder
from tests.drawn_pages import dataset, draw, make_run, words, write_checkpoint

__all__ = ["dataset", "make_run"]


@pytest.fixture
def twins(make_run: Callable[..., RunFolder]) -> list[str]:
    """Three runs of the same name, two of them finished with weights and one without."""
    for run_id in ("one-aaaa", "two-bbbb", "three-cccc"):
        folder = make_run(run_id, "finished")
        folder.amend(name="Twin")
        if run_id != "three-cccc":
            write_checkpoint(folder, "best", 4)
    return ["one-aaaa", "two-bbbb"]


def test_runs_of_the_same_name_are_told_apart(twins: list[str]) -> None:
    for run_id in twins:
        app = draw("predict")
        app.selectbox(key="predict.run").set_value(run_id).run()
        assert app.query_params["run"] == run_id
        (other,) = set(twins) - {run_id}
        others = app.multiselect(key=f"predict.{run_id}.others")
        assert others.options == [f"Twin · {other[-4:]}"]
        others.set_value([other]).run()
        assert app.multiselect(key=f"predict.{run_id}.others").value == [other]


def test_without_weights_there_is_nothing_to_predict_with(make_run: Callable[..., RunFolder]) -> None:
    make_run("young", "running")
    assert "No run has weights yet." in words(draw("predict"))
