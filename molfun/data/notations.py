"""How people write numbers: decimal commas, signs between thousands, long minus signs, gaps; and cells that were a
number once, before a spreadsheet or an instrument wrote more into them.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from molfun.data.row_numbers import file_rows
from molfun.errors import DataError

LONGEST = 60  # letters of what may have been a number
MISSING = frozenset(
    ("", "na", "nan", "n/a", "#n/a", "n.a.", "<na>", "nd", "n.d.", "n/d", "null", "none", "nil", "missing", "-", "--",
     "–", "—", ".", "?")
)  # fmt: skip
# Zero-width spaces and joiners, marks of direction, of byte order within text, hyphens shown at line ends only.
UNSEEN = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u00ad]")
# Around every cell of a column they are a spreadsheet's doing, not part of what was written.
QUOTED = re.compile("(['\"\u2018\u201a\u201c\u201e\u00ab]).*(['\"\u2019\u2018\u201d\u201c\u00bb])", re.DOTALL)
# Labels of residues that read as numbers: "0001111", and more digits than a number holds.
LONGEST_NUMBER = 15
LABELS = re.compile(r"[01]{5,}")
MINUS = re.compile(r"(^|[eE])[\u2212\u2013\ufe63\uff0d](?=[\d.,])")
EXPONENT = r"(?:[eE][-+]?\d+)?"
WHOLE = re.compile(r"[-+]?\d+")
DECIMAL_COMMA = re.compile(rf"[-+]?\d*,\d+{EXPONENT}|[-+]?\d{{1,3}}(?:\.\d{{3}})+,\d+")
THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?")
THOUSANDS_POINT = re.compile(r"[-+]?[1-9]\d{0,2}(?:\.\d{3})+")
# Not the plain blank: "12 345" may be two numbers.
SPACED = re.compile(r"[-+]?\d{1,3}(?:[\u00a0\u2009\u202f'’]\d{3})+(?:[.,]\d+)?")
NUMBER = r"[-+−–]?(?:\d+(?:[.,]\d+)*|[.,]\d+)(?:[eE][-+−–]?\d+)?"
MONTH = (
    "(?:jan(?:uary?|uar)?|feb(?:ruary?|ruar)?|mar(?:ch)?|m[aä]r|märz|mrz|apr(?:il)?|ma[iy]|june?|juni|july?|juli|"
    "aug(?:ust)?|sept?(?:ember)?|o[ck]t(?:ober)?|nov(?:ember)?|de[cz](?:ember)?|janv|févr|mars|avr|juin|juil|août|déc)"
)
DATE = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}.*)?|\d{1,2}[./]\d{1,2}[./](?:\d{4}|\d{2})|\d{1,2}:\d{2}(?::\d{2}.*)?"
    rf"|\d{{1,2}}[-. ]{{1,2}}{MONTH}\.?(?:[- ]\d{{2,4}})?|{MONTH}[-. ]{{1,2}}\d{{1,4}}",
    re.IGNORECASE,
)
SHEET_ERROR = re.compile(r"#(?:REF!|DIV/0!|VALUE!|NAME\?|NUM!|NULL!|SPILL!|CALC!|GETTING_DATA|N/A|#+)")
UNIT = re.compile(
    r"[\[(].{1,20}[\])]|%|°|°?\s*[CFK]|deg(?:rees)?\.?\s*C?|[fpnuµμmk]?M|mol(?:/l)?|[fpnuµμmk]?g/m?l|(?:k?cal|k?J)/mol"
    r"|[mnuµμ]?s|s-1|1/s|/s|M-1\s?s-1|min|h|d|a\.?u\.?|rfu|cps|nm|kDa|Da|log10|ln|fold|ratio|units?",
    re.IGNORECASE,
)
# What to do about a cell that is nearly a number, and whether a column of such cells was surely meant as numbers; the
# first that fits is said.
REMEDIES: tuple[tuple[re.Pattern[str], str, bool], ...] = (
    (DATE, "a spreadsheet turned it into a date: format the column as Text there, and type the value again", False),
    (SHEET_ERROR, "a formula of the spreadsheet failed; mend it there, or remove the row", False),
    (re.compile(r"[-+]?\d{1,3}(?:,\d{3})+"),
     "write it with a decimal point, or without the comma between thousands", True),
    (re.compile(rf"[-+]?\d*,\d+{EXPONENT}"), "write a decimal point instead of the comma", True),
    (re.compile(r"[-+]?\d{1,3}(?:[ \u00a0\u2009\u202f'’.,]\d{3})+(?:[.,]\d+)?"),
     "write it without signs between thousands, with a decimal point", True),
    (re.compile(r"[<>~≤≥≈≦≧]\s*=?\s*[-+.,\d].*"), "a bound is no number; replace it or remove the row", True),
    (re.compile(rf"{NUMBER}\s*(?:±|\+/-|\+-)\s*{NUMBER}.*|{NUMBER}\s*\({NUMBER}\)"),
     "write the mean alone, and its error in a column of its own", True),
    (re.compile(rf"{NUMBER}\s*[x×*·]\s*10\s*\^?\s*[-+−–]?\d+"), "write it as in 1.5e-3", True),
    (re.compile(rf"{NUMBER}\s*(?:-|–|—|\.\.|to|bis)\s*{NUMBER}"), "a range is no number; write one value", False),
    (re.compile(rf"{NUMBER}\s*%"), "write it without the percent sign, as the same kind of number in every row", True),
    (re.compile(rf"{NUMBER}\s*(?:{UNIT.pattern})", re.IGNORECASE),
     "write it without its unit, in the same unit in every row", True),
    (re.compile(rf"'\s*{NUMBER}"), "remove the apostrophe", True),
    (re.compile(r"[-+−–]\s*\d.*"), "write a plain minus sign, and the number right behind it", True),
)  # fmt: skip


def remedy(cell: object) -> str:
    """Return what to do about a cell that is nearly a number, "" for any other.

    >>> remedy("1-Mar").split(":")[0], remedy("12.3 nM"), remedy("high")
    ('a spreadsheet turned it into a date', 'write it without its unit, in the same unit in every row', '')
    """
    found = _fault(cell)
    return found[1] if found else ""


def is_nearly_number(cell: object) -> bool:
    """Tell whether a cell was surely meant as a number: with a unit, a bound, a comma.

    >>> is_nearly_number("<5"), is_nearly_number("1-Mar"), is_nearly_number("high")
    (True, False, False)
    """
    found = _fault(cell)
    return found is not None and found[2]


def _fault(cell: object) -> tuple[re.Pattern[str], str, bool] | None:
    text = str(cell).strip()
    return next((fault for fault in REMEDIES if fault[0].fullmatch(text)), None) if len(text) < LONGEST else None


def is_date(cell: object) -> bool:
    """Tell whether a cell is a date or a time of day, as spreadsheets write them.

    >>> is_date("2024-03-01"), is_date("1-Mar"), is_date("2.3")
    (True, True, False)
    """
    return isinstance(cell, str) and len(cell) < 40 and DATE.fullmatch(cell.strip()) is not None


def typed(frame: pd.DataFrame, shown: str, separator: str = "") -> pd.DataFrame:
    """Turn text columns whose every filled cell is a number into numbers; blank cells of others become missing.

    Done by hand: pandas takes the classes "NA" and "None", and the peptide "NA", for missing values.

    Args:
        frame: Cells as they were read.
        shown: File name for messages.
        separator: Of the text file: ";" is what programs write where the comma is the decimal sign, "," where the
            point is; "" where it says nothing.

    Raises:
        DataError: "1.234" stands in a file of decimal commas, so that it may be a thousand times as much.
    """
    columns, commas = {}, []
    for name in frame.columns:
        columns[name], is_comma = _typed_column(frame[name], separator)
        commas += [name] if is_comma else []
    if commas:
        _refuse_points(frame, columns, commas[0], shown)
    made = pd.DataFrame(columns)
    made.attrs = frame.attrs
    return made


def _typed_column(column: pd.Series, separator: str) -> tuple[pd.Series, bool]:
    """Return a column with its type, and whether it had decimal commas."""
    is_text = isinstance(column.dtype, pd.StringDtype)
    if pd.api.types.is_numeric_dtype(column) or not (
        is_text or column.map(lambda cell: isinstance(cell, str) or cell is None).all()
    ):
        return column, False
    text = column.fillna("")
    # None of them is ASCII, which most tables are.
    if not "".join(text.to_numpy(dtype=object)).isascii():
        text = text.str.replace(UNSEEN, "", regex=True)
    text = text.str.strip()
    blank = text.str.lower().isin(MISSING)
    filled = text[~blank]
    if len(filled) and re.fullmatch(QUOTED, filled.iloc[0]) and filled.str.fullmatch(QUOTED).all():
        filled = filled.str[1:-1].str.strip()
        text = filled.reindex(text.index, fill_value="")
    if len(filled) and _are_labels(filled):
        return text.where(text != "", None).astype(object), False
    numbers, is_comma = _numbers(filled, separator) if len(filled) else (None, False)
    if numbers is not None:
        return numbers.reindex(text.index), is_comma
    return text.where(text != "", None).astype(object), False


def _are_labels(filled: pd.Series) -> bool:
    """Tell whether cells of digits are labels of residues, or names: as numbers they would lose digits."""
    if not filled.iloc[0].isdigit() or not filled.str.isdigit().all():
        return False
    lengths = filled.str.len()
    has_zero = filled.str.startswith("0") & (lengths >= 5)
    return bool(has_zero.any() or lengths.max() > LONGEST_NUMBER or filled.str.fullmatch(LABELS).all())


def _numbers(filled: pd.Series, separator: str) -> tuple[pd.Series | None, bool]:
    """Return cells as numbers, None where not all of them are surely numbers; and whether commas were decimal signs."""
    if not filled.iloc[0][-1:].isdigit() and pd.isna(pd.to_numeric(filled.iloc[:1], errors="coerce").iloc[0]):
        # Most columns of text are left at their first cell.
        return None, False
    numbers = pd.to_numeric(filled, errors="coerce")
    if numbers.notna().all():
        return numbers, False
    text = filled.str.replace(MINUS, r"\1-", regex=True).str.removeprefix("'")
    numbers = pd.to_numeric(text, errors="coerce")
    if numbers.notna().all():
        return numbers, False
    spaced = text.str.fullmatch(SPACED)
    if spaced.any():
        text = text.where(~spaced, text.str.replace(r"[\u00a0\u2009\u202f'’]", "", regex=True))
    is_comma = _is_decimal_comma(text, separator)
    if is_comma:
        text = text.str.replace(".", "", regex=False).str.replace(",", ".", regex=False)
    elif _is_thousands(text, separator):
        text = text.str.replace(",", "", regex=False)
    numbers = pd.to_numeric(text, errors="coerce")
    return (numbers, is_comma) if numbers.notna().all() else (None, False)


def _is_decimal_comma(text: pd.Series, separator: str) -> bool:
    """Tell whether commas are decimal signs: some cell cannot be read otherwise, or the file's separator says so."""
    commas = text[text.str.contains(",", regex=False)]
    fits = text.str.fullmatch(DECIMAL_COMMA) | text.str.fullmatch(WHOLE)
    if commas.str.contains(".", regex=False).any():
        fits |= text.str.fullmatch(THOUSANDS_POINT)
    if commas.empty or not fits.all():
        return False
    return separator == ";" or not commas.str.fullmatch(THOUSANDS).all()


def _is_thousands(text: pd.Series, separator: str) -> bool:
    """Tell whether commas stand between thousands: some cell cannot be read otherwise, or the separator says so."""
    with_comma = text.str.contains(",", regex=False)
    if not with_comma.any() or not text[with_comma].str.fullmatch(THOUSANDS).all():
        return False
    return separator == "," or bool(text.str.contains(r",.*[,.]", regex=True).any())


def _refuse_points(frame: pd.DataFrame, columns: dict[str, pd.Series], comma: str, shown: str) -> None:
    for name, column in columns.items():
        cells = frame[name]
        if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_numeric_dtype(cells):
            continue
        text = cells.fillna("").astype(str).str.strip()
        points = text.str.contains(".", regex=False).to_numpy() & ~text.str.contains(",", regex=False).to_numpy()
        if points.any() and text[points].str.fullmatch(THOUSANDS_POINT).all():
            place = int(np.flatnonzero(points)[0])
            value = text.iloc[place]
            raise DataError(
                f"{shown}, row {file_rows(frame)[place]}, column {name!r}: expected one decimal sign in the whole "
                f"file, found {value!r}, while column {comma!r} has decimal commas; write {value.replace('.', '')} or "
                f"{value.replace('.', ',', 1)}."
            )
