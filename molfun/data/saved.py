"""Reads the two files of a saved dataset, whatever lies there: what `dataset` wrote, or an error."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import AfterValidator, BaseModel, ConfigDict, NonNegativeInt, ValidationError

from molfun.data.labels import NO_LABEL
from molfun.data.parquet import read_parquet
from molfun.data.settings import ColumnSettings, SplitSettings, Task
from molfun.data.splits import PARTS
from molfun.data.structure_store import ROW_COLUMNS, StructureStore, open_store
from molfun.errors import DataError, SettingError, printable
from molfun.yaml_files import load_mapping

FACTS, ROWS = "dataset.yaml", "rows.parquet"
MAX_FACTS_BYTES = 16 * 1024**2
MAX_SHOWN_CHARACTERS = 2_000
TEXT_COLUMNS = ("structure_name", "structure_chains", "structure_sha256")

ShownText = Annotated[str, AfterValidator(lambda text: printable(text, MAX_SHOWN_CHARACTERS))]


class About(BaseModel):
    """Where a dataset comes from, and what was found out when it was saved; other names pass as they are."""

    model_config = ConfigDict(extra="allow")

    source: ShownText = ""
    citation: ShownText = ""
    licence: ShownText = ""
    notes: list[ShownText] = []
    created: ShownText = ""
    table: str = ""
    unseen_classes: list[str] = []


class Facts(BaseModel):
    """What stands in `dataset.yaml`."""

    id: str
    name: ShownText
    task: Task
    rows: NonNegativeInt
    counts: dict[str, NonNegativeInt]
    classes: list[str]
    columns: ColumnSettings
    split: SplitSettings
    about: About


def read_facts(folder: Path) -> Facts:
    """Return what is known of a saved dataset, its rows left on disk.

    Raises:
        DataError: There is no such file, it is a link or lies in one, or its content is not what is written there.
    """
    path = folder / FACTS
    if folder.is_symlink() or path.is_symlink():
        raise DataError(f"{path.name} is a link, which may lead out of the data folder.")
    try:
        facts = Facts.model_validate(load_mapping(path, what="dataset", most_bytes=MAX_FACTS_BYTES))
    except SettingError as error:
        raise DataError(str(error)) from None
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise DataError(f"{FACTS}: {printable(place, 100)} is absent or not what is written there.") from None
    if facts.id != folder.name:
        raise DataError(f"{FACTS} belongs to another dataset.")
    if facts.task != facts.columns.task or set(facts.counts) != set(PARTS) or sum(facts.counts.values()) != facts.rows:
        raise DataError(f"{FACTS} contradicts itself.")
    return facts


def read_rows(folder: Path, facts: Facts) -> pd.DataFrame:
    """Return the rows of a saved dataset, columns as `Dataset.frame` has them.

    Raises:
        DataError: There is no such file, it is a link, damaged, or holds something else than `facts` tell.
    """
    path = folder / ROWS
    if path.is_symlink() or not path.is_file():
        raise DataError(f"{ROWS} is absent or a link.")
    frame = read_parquet(path, ROWS)
    frame.attrs = {}
    if problem := _problem(frame, facts):
        raise DataError(f"{ROWS}: {problem}.")
    return frame


def read_store(folder: Path, facts: Facts, rows: pd.DataFrame) -> StructureStore | None:
    """Open the structures of a saved dataset, None where it has none.

    Raises:
        DataError: As in `open_store`.
    """
    if ROW_COLUMNS[0] not in rows:
        return None
    return open_store(folder, rows, len(facts.columns.sequence))


def _problem(frame: pd.DataFrame, facts: Facts) -> str:
    """Return in which way rows are not those of a dataset; empty where they are."""
    chains = [f"chain_{i}" for i in range(1, len(facts.columns.sequence) + 1)]
    expected = {*chains, "target", "split", "row"}
    if facts.task == "structure" or set(ROW_COLUMNS) & set(frame):
        expected |= set(ROW_COLUMNS)
    if not expected <= set(frame) <= expected | {"aligned"}:
        return "columns are missing"
    texts = [name for name in (*chains, "split", "aligned", *TEXT_COLUMNS) if name in frame]
    if not all(isinstance(cell, str) for name in texts for cell in frame[name]):
        return "a sequence is no text"
    if {part: int((frame["split"] == part).sum()) for part in PARTS} != facts.counts or len(frame) != facts.rows:
        return "rows are missing"
    if not pd.api.types.is_integer_dtype(frame["row"]):
        return "row numbers are missing"
    return _TARGET_PROBLEMS[facts.task](frame, len(facts.classes))


def _number_problem(frame: pd.DataFrame, num_classes: int) -> str:
    target = frame["target"]
    is_sound = pd.api.types.is_float_dtype(target) and bool(np.isfinite(target).all())
    return "" if is_sound else "a target is no number"


def _class_problem(frame: pd.DataFrame, num_classes: int) -> str:
    target = frame["target"]
    is_sound = pd.api.types.is_integer_dtype(target) and bool(target.between(0, num_classes - 1).all())
    return "" if is_sound else "a target is no class"


def _residues_problem(frame: pd.DataFrame, num_classes: int) -> str:
    for sequence, target in zip(frame["chain_1"], frame["target"], strict=True):
        if not _are_classes(target, num_classes) or len(target) != len(sequence):
            return "the labels of a sequence are not one class a residue"
    return ""


def _name_problem(frame: pd.DataFrame, num_classes: int) -> str:
    return "" if all(isinstance(cell, str) for cell in frame["target"]) else "a target is no structure"


def _are_classes(target: Any, num_classes: int) -> bool:
    if not isinstance(target, np.ndarray) or not np.issubdtype(target.dtype, np.integer):
        return False
    return not len(target) or bool(target.min() >= NO_LABEL and target.max() < num_classes)


_TARGET_PROBLEMS = {
    "regression": _number_problem, "classification": _class_problem, "per_residue": _residues_problem,
    "structure": _name_problem,
}  # fmt: skip
