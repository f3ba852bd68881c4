"""A DataFrame of a session is taken as the table of a file would be, whatever types pandas gave its columns."""

from __future__ import annotations

import pandas as pd
import pytest

from molfun.data.frames import read_frame
from molfun.data.guess import guess_columns
from molfun.data.prepared import prepare_datasets
from molfun.data.settings import SplitSettings
from molfun.errors import DataError

SEQUENCES = [f"{'MKTAYIAKQR'[i % 7 :]}GSW{'A' * (i % 5)}" for i in range(40)]
PLAIN = pd.DataFrame({"sequence": SEQUENCES, "value": [i * 0.37 % 2 for i in range(40)]})


def digest(frame: pd.DataFrame) -> str:
    """Return the content hash of the dataset that a DataFrame becomes."""
    read = read_frame(frame)
    (made,) = prepare_datasets(read, guess_columns(read), {"Some": SplitSettings()})
    return str(made.content["about"]["sha256"])


@pytest.mark.parametrize(
    "other",
    [
        PLAIN.set_index(pd.Index(range(100, 140))),
        PLAIN.astype({"sequence": "string", "value": "Float64"}),
        PLAIN.assign(sequence=pd.Categorical(SEQUENCES)),
        PLAIN.assign(value=[f"{value!r}" for value in PLAIN["value"]]),
        PLAIN.rename(columns={"sequence": pd.Index(["sequence"])[0]}),
    ],
    ids=["index", "extension types", "categories", "numbers as text", "names"],
)
def test_the_same_content_has_the_same_hash(other: pd.DataFrame) -> None:
    assert digest(other) == digest(PLAIN)


def test_the_frame_that_is_given_stays_as_it_is() -> None:
    given = PLAIN.astype({"sequence": "category"}).set_index("value", drop=False)
    before = given.copy(deep=True)
    read = read_frame(given)
    pd.testing.assert_frame_equal(given, before)
    assert read.index.tolist() == list(range(40))
    assert read.attrs["first_row"] == 0


def test_missing_cells_are_missing_and_whole_numbers_whole() -> None:
    frame = pd.DataFrame({
        "text": pd.Series(["a", None], dtype="string"), "count": pd.Series([1, 2], dtype="Int64"),
        "number": pd.Series([1, None], dtype="Int64"), "flag": pd.Series([True, None], dtype="boolean"), 7: [0.5, 1.5],
    })  # fmt: skip
    read = read_frame(frame)
    assert read["text"].tolist() == ["a", None]
    assert (read["count"].dtype, read["number"].dtype) == ("int64", "float64")
    assert read["flag"].tolist() == [True, None]
    assert list(read.columns)[-1] == "7"


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame(), "The DataFrame has 0 rows and 0 columns; expected at least one of each"),
        (PLAIN.iloc[:0], "has 0 rows and 2 columns"),
        (pd.concat([PLAIN, PLAIN], axis=1), "more than one column named 'sequence'"),
        (PLAIN.assign(sequence="A" * 300_000), "row 0, column 'sequence': the cell has 300,000 characters"),
    ],
)
def test_what_cannot_be_a_table_is_refused(frame: pd.DataFrame, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_frame(frame)
