"""Open as: every run of ours has the button, whatever state it is in, and what comes is a file or the reason."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from molfun.runs.repeat_files import FILES, Kind
from molfun.runs.store import RunFolder
from molfun.ui.repeat_panel import repeat_text
from tests.drawn_pages import dataset, draw, make_run, words

__all__ = ["dataset", "make_run"]


@pytest.mark.parametrize("status", ["queued", "running", "finished", "failed"])
def test_every_run_has_the_button(make_run: Callable[..., RunFolder], status: str) -> None:
    make_run("mine", status)
    assert "molfun runs open mine --as notebook -o FILE" in words(draw("live", run="mine"))


def test_an_imported_run_has_none(make_run: Callable[..., RunFolder]) -> None:
    make_run("mine", "finished", imported="wandb")
    assert "molfun runs open" not in words(draw("live", run="mine"))


@pytest.mark.parametrize("kind", FILES)
def test_a_file_names_the_run_and_its_data(make_run: Callable[..., RunFolder], kind: Kind) -> None:
    folder = make_run("mine", "finished")
    text = repeat_text(folder, kind)
    assert "Trains the run mine again" in text
    assert folder.spec.data.dataset in text
    if kind == "notebook":
        assert json.loads(text)["nbformat"] == 4


def test_a_run_that_cannot_be_repeated_gives_the_reason(make_run: Callable[..., RunFolder]) -> None:
    folder = make_run("mine", "finished")
    folder.spec_path.write_text("model: {name: gone_with_its_package}")
    assert "gone_with_its_package" in repeat_text(folder, "python")
