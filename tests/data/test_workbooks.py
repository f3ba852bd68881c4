"""Excel files: values are read as people see them; archives that are too much, or hold macros, are not opened."""

from __future__ import annotations

import datetime
import io
import zipfile
from pathlib import Path

import openpyxl
import pytest

from molfun.data.tables import read_table
from molfun.data.workbooks import MAX_MEMBERS, MAX_SHEETS, read_sheet
from molfun.errors import DataError

MEGA = 1024**2


def book(folder: Path, rows: list[list[object]]) -> Path:
    """Save rows as a workbook."""
    made = openpyxl.Workbook()
    for row in rows:
        made.active.append(row)
    made.save(folder / "t.xlsx")
    return folder / "t.xlsx"


def added(path: Path, members: dict[str, bytes]) -> Path:
    """Add members to an archive."""
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def read(path: Path) -> list[list[str]]:
    return read_sheet(path, path.name, max_unpacked_bytes=100 * MEGA).cells.to_numpy().tolist()


def test_cells_are_text_as_people_see_them(tmp_path: Path) -> None:
    when = datetime.datetime(2024, 1, 2)
    rows = [["a", 1, 2.0, 0.25], [True, when, None, "#N/A"], [None, None], ["", "x"], [None]]
    assert read(book(tmp_path, rows)) == [
        ["a", "1", "2", "0.25"], ["True", "2024-01-02 00:00:00", "", ""], ["", "", "", ""], ["", "x", "", ""],
    ]  # fmt: skip


def test_a_sheet_that_is_named_is_found_behind_many_others(tmp_path: Path) -> None:
    made = openpyxl.Workbook()
    for number in range(1, 2 * MAX_SHEETS):
        made.create_sheet(f"plate {number}").append(["y"])
        made[f"plate {number}"].append([number])
    made.save(tmp_path / "t.xlsx")
    last = f"plate {2 * MAX_SHEETS - 1}"
    assert read_table(tmp_path / "t.xlsx", sheet=last)["y"].tolist() == [2 * MAX_SHEETS - 1]
    with pytest.raises(DataError, match=f"has no sheet 'plate_39', did you mean '{last}'"):
        read_table(tmp_path / "t.xlsx", sheet="plate_39")


def test_formulas_are_read_as_the_values_saved_beside_them(tmp_path: Path) -> None:
    path = book(tmp_path, [["y"], ["=1+1"]])
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = parts["xl/worksheets/sheet1.xml"].replace(b"<v></v>", b"<v>7</v>").replace(b"<v />", b"<v>7</v>")
    path.unlink()
    assert read(added(path, {**parts, "xl/worksheets/sheet1.xml": sheet})) == [["y"], ["7"]]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"xl/vbaProject.bin": b"x"}, r"t\.xlsx holds macros; save it as \.xlsx without macros, or as CSV\."),
        ({f"x/{i}": b"" for i in range(MAX_MEMBERS)}, r"t\.xlsx consists of 1,\d+ parts, the limit is 1,000"),
        ({"zeros": b"\0" * 101 * MEGA}, r"t\.xlsx unpacks to 101 MB; save the sheet that you need as CSV\."),
        ({"zeros": b"\0" * 40 * MEGA}, r"t\.xlsx unpacks to 40 MB"),
    ],
)
def test_an_archive_that_is_too_much_is_refused(tmp_path: Path, members: dict[str, bytes], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(added(book(tmp_path, [["y"], [1]]), members))


def test_old_and_protected_files_are_told_apart_from_damaged_ones(tmp_path: Path) -> None:
    (tmp_path / "t.xlsx").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    with pytest.raises(DataError, match=r"in Excel's old format or protected by a password; save it as \.xlsx without"):
        read_table(tmp_path / "t.xlsx")
    (tmp_path / "t.xlsx").write_bytes(io.BytesIO(b"PK\x03\x04").getvalue())
    with pytest.raises(DataError, match="no readable Excel file"):
        read(tmp_path / "t.xlsx")
