"""The Settings page: what uses the disk, what may go, and the way back from the bin."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from molfun.runs.bin import discard
from molfun.runs.store import RunFolder, RunStore
from molfun.training.state_store import StateStore
from tests.drawn_pages import button, dataset, draw, make_run, words

__all__ = ["dataset", "make_run"]


def test_an_empty_data_folder_has_nothing_to_free() -> None:
    app = draw("settings")
    assert "No run takes any room yet." in words(app)
    assert "The bin is empty." in words(app)
    assert button(app, "Nothing to free").disabled


def test_clean_up_lists_what_would_go_and_leaves_it(make_run: Callable[..., RunFolder]) -> None:
    folder = make_run("done", "finished", ended=time.time())
    for name in ("best", "epoch_1", "epoch_2"):
        (folder.checkpoints / name).mkdir()
        (folder.checkpoints / name / "weights").write_bytes(b"x" * 2_000_000)
    app = draw("settings")
    (pieces,) = (table.value for table in app.dataframe if "Without it" in table.value.columns)
    assert pieces["What"].tolist() == ["Checkpoint epoch_1"]
    assert not button(app, "Free 2 MB").disabled
    assert (folder.checkpoints / "epoch_1").is_dir()
    (sizes,) = (table.value for table in app.dataframe if "Kept epochs" in table.value.columns)
    assert sizes["Kept epochs"].tolist() == [4.0]


def test_a_deleted_run_is_restored_with_one_click(home: Path, make_run: Callable[..., RunFolder]) -> None:
    discard(make_run("gone", "failed"))
    app = draw("settings")
    assert "Run gone" in words(app)
    button(app, "Restore").click().run()
    assert [folder.id for folder in RunStore(home).list()] == ["gone"]
    assert "The bin is empty." in words(app)


def test_kept_states_are_listed_and_removed_with_one_click(home: Path) -> None:
    assert "None are kept." in words(draw("settings"))
    store = StateStore(home / "cache" / "frozen" / "a", 8, max_bytes=10**9)
    store.describe({"card": "antiberty", "weights": "pretrained", "whole": True, "depth": 8, "pooling": "mean"})
    store.add({bytes(16): np.zeros((1, 8), np.float32)})
    app = draw("settings")
    assert "AntiBERTy, pretrained weights: all of the trunk, one vector a sequence" in words(app).replace("\\", "")
    assert "a run is reading them" in words(app)
    assert button(app, "Remove").disabled
    del store
    app = draw("settings")
    button(app, "Remove").click().run()
    assert not (home / "cache" / "frozen" / "a").exists()
    assert "None are kept." in words(app)
