"""Saved datasets: content, identity, reading back, and folders that are half there."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from molfun.data.dataset import list_datasets, load_dataset, save_dataset
from molfun.data.settings import ColumnSettings, SplitSettings
from molfun.errors import DataError

SEQUENCES = ["acdef", " GHIKL ", "MNPQR", "STVWY"] * 5
REGRESSION = ColumnSettings(sequence=["seq"], target="y")


def table(targets: list[object], **more: list[object]) -> pd.DataFrame:
    frame = pd.DataFrame({"seq": SEQUENCES, "y": pd.Series(targets), **more})
    frame.attrs["first_row"] = 2
    return frame


def save(root, frame, columns=REGRESSION, name="My data", split=None, **about):
    return save_dataset(root, frame, columns, split or SplitSettings(), name=name, about=about)


def test_save_dataset_encodes_rows(tmp_path):
    data = save(tmp_path, table(list(range(20))), source="a.csv")
    assert data.frame["chain_1"][:2].tolist() == ["ACDEF", "GHIKL"]
    assert data.frame["row"].tolist() == list(range(2, 22))
    assert data.counts == {"train": 14, "val": 2, "test": 4}
    assert data.about["source"] == "a.csv"
    train = data.part("train")["target"]
    assert data.about["target_mean"] == pytest.approx(train.mean())
    assert data.about["target_std"] == pytest.approx(np.std(train))
    assert (data.task, data.num_chains, data.classes) == ("regression", 1, ())


def test_load_dataset_reads_what_was_saved(tmp_path):
    saved = save(tmp_path, table(list(range(20))))
    read = load_dataset(tmp_path, saved.id)
    pd.testing.assert_frame_equal(read.frame, saved.frame)
    assert (read.columns, read.split, read.about) == (saved.columns, saved.split, saved.about)


def test_the_same_content_gives_the_same_folder(tmp_path):
    first, again = (save(tmp_path, table(list(range(20)))) for _ in range(2))
    assert first.id == again.id
    assert first.id.startswith("my-data-")
    assert first.about["created"] == again.about["created"]
    others = [
        save(tmp_path, table([*range(19), 99])),
        save(tmp_path, table(list(range(20))), split=SplitSettings(seed=1)),
        save(tmp_path, table(list(range(20))), REGRESSION.model_copy(update={"too_long": "crop"})),
    ]
    assert len({first.id, *(other.id for other in others)}) == 4
    assert not list(tmp_path.glob(".saving-*"))


def test_rows_that_are_skipped_for_their_length_are_of_no_part(tmp_path):
    columns = REGRESSION.model_copy(update={"too_long": "skip"})
    long = [3, 8, 11]
    frame = table(list(range(20)))
    frame.loc[long, "seq"] = "ACDEFGHIKL"
    data = save(tmp_path, frame, columns)
    fitting = data.fitting(9)
    kept = [fitting.part(part) for part in fitting.counts]
    assert sorted(row for rows in kept for row in rows.index) == [row for row in range(20) if row not in long]
    assert all(data.frame["split"][rows.index].eq(rows["split"]).all() for rows in kept)
    assert data.fitting(10).counts == data.counts
    with pytest.raises(DataError, match="rows of train have more than 4 residues, so that skipping leaves none"):
        data.fitting(4)
    assert save(tmp_path, frame).fitting(4).counts == data.counts


def test_classes_are_encoded_by_name(tmp_path):
    columns = ColumnSettings(sequence=["seq"], target="y", task="classification")
    data = save(tmp_path, table(["b", "a", "b", "a"] * 5), columns)
    assert data.classes == ("a", "b")
    assert data.frame["target"][:4].tolist() == [1, 0, 1, 0]
    assert load_dataset(tmp_path, data.id).classes == ("a", "b")


def test_classes_without_training_row_are_told(tmp_path):
    columns = ColumnSettings(sequence=["seq"], target="y", task="classification")
    frame = table(["a", "b"] * 9 + ["c", "c"], part=["train"] * 14 + ["val"] * 2 + ["test"] * 4)
    data = save(tmp_path, frame, columns, split=SplitSettings(kind="column", column="part"))
    assert data.about["unseen_classes"] == ["c"]


def test_residue_labels_are_lists_after_reading(tmp_path):
    columns = ColumnSettings(sequence=["seq"], target="y", task="per_residue")
    data = load_dataset(tmp_path, save(tmp_path, table(["HHC?C", "CCCCC"] * 10), columns).id)
    assert data.classes == ("C", "H")
    assert data.frame["target"][0] == [1, 1, 0, -1, 0]


def test_several_chains_and_an_alignment(tmp_path):
    frame = table(list(range(20)), light=["ACD"] * 20, aligned=["AC-DEF"] * 20)
    assert save(tmp_path, frame).frame["aligned"][0] == "AC-DEF"
    pair = save(tmp_path, frame, ColumnSettings(sequence=["seq", "light"], target="y"))
    assert pair.num_chains == 2
    assert pair.frame["chain_2"][0] == "ACD"
    assert "aligned" not in pair.frame


@pytest.mark.parametrize(
    ("columns", "targets", "message"),
    [
        (REGRESSION, [*range(19), "high"], "Row 21, column 'y': expected a number, found 'high'"),
        (REGRESSION, [*range(19), None], "Row 21, column 'y': expected a number, found nothing"),
        (ColumnSettings(sequence=["seq"], target="z"), list(range(20)), "no column 'z'"),
        (ColumnSettings(target="y"), list(range(20)), "No sequence column is chosen"),
        (REGRESSION.model_copy(update={"task": "classification"}), ["a"] * 19 + [None], "Row 21, .*expected a class"),
        (REGRESSION.model_copy(update={"task": "classification"}), ["a"] * 19 + ["?"], r"Row 21, .*class, found '\?'"),
        (REGRESSION.model_copy(update={"task": "per_residue"}), ["HHHHH"] * 19 + ["H"], "Row 21, .* 5, found 1"),
    ],
)  # fmt: skip
def test_save_dataset_refuses_targets_that_it_cannot_encode(tmp_path, columns, targets, message):
    with pytest.raises(DataError, match=message):
        save(tmp_path, table(targets), columns)
    assert list(tmp_path.iterdir()) == []


def test_list_datasets_is_newest_first_and_skips_broken_folders(tmp_path):
    ids = [save(tmp_path, table(list(range(20))), name=name).id for name in ("one", "two")]
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "dataset.yaml").write_text("id: torn\nname: [")
    (tmp_path / ".saving-x").mkdir()
    listed = list_datasets(tmp_path)
    assert {entry["id"] for entry in listed} == set(ids)
    assert set(listed[0]) == {"id", "name", "task", "rows", "counts", "created", "about"}
    assert [entry["created"] for entry in listed] == sorted((entry["created"] for entry in listed), reverse=True)
    assert list_datasets(tmp_path / "nothing") == []


@pytest.mark.parametrize("dataset_id", ["gone", "../secret", "", "a/b"])
def test_load_dataset_refuses_unknown_ids(tmp_path, dataset_id):
    with pytest.raises(DataError, match="No dataset has the id"):
        load_dataset(tmp_path, dataset_id)


def test_load_dataset_tells_of_a_torn_folder(tmp_path):
    data = save(tmp_path, table(list(range(20))))
    (data.folder / "rows.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"cannot be read: rows.parquet is .*; remove the folder"):
        load_dataset(tmp_path, data.id)
