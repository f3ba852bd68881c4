"""RunSpec: everything that defines one run, as validated YAML. Written once into the run folder, never changed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Self

import yaml

from molfun.data.settings import ColumnSettings, SplitSettings
from molfun.errors import SettingError
from molfun.models.settings import ModelSettings
from molfun.runs.launchers.settings import LaunchSettings
from molfun.settings import Settings, setting
from molfun.tracking.settings import TrackingSettings
from molfun.training.settings import AnyStrategySettings, HeadOnlySettings, TrainingSettings
from molfun.yaml_files import load_mapping, parse_value

NO_NUMBER = re.compile(r"_|^[-+]?0\d")


class DataSource(Settings):
    """Where the rows come from: exactly one of a saved dataset, a built-in example, a table on disk."""

    dataset: str = setting(
        "", label="Dataset", group="Data",
        help="Id of a saved dataset (page Data, or `molfun fit` on a table); give this, an example or a table.",
    )  # fmt: skip
    example: str = setting(
        "", label="Example", group="Data",
        help="Name of a built-in example, `molfun examples` lists them; give this, a dataset or a table.",
    )  # fmt: skip
    table: str = setting(
        "", label="Table", group="Data",
        help="Path of a CSV, TSV, Excel, Parquet or FASTA file, of a PDB or mmCIF file, or of a folder of these two, "
        "as seen from the spec's folder.",
    )  # fmt: skip
    values: str = setting(
        "", label="Values", group="Data",
        help="Path of a second table, where sequences and values lie in two files: values of a FASTA file's records "
        "or of structures, joined by name; or FASTA of labels.",
    )  # fmt: skip
    sheet: str = setting(
        "", label="Sheet", group="Data",
        help="Sheet of an Excel file; name it where the first one with sequences, which empty takes, is not the one.",
    )  # fmt: skip
    bad_files: Literal["refuse", "skip"] = setting(
        "refuse", label="Bad structure files", group="Data",
        help="What happens where a structure file cannot be used: refuse stops before anything starts and names all "
        "of them; skip leaves them out.",
    )  # fmt: skip
    rows: Literal["file", "chain"] = setting(
        "file", label="Rows of structures", group="Data",
        help="One row a structure file with all of its chains, or one row a chain; choose chain for single proteins "
        "whose files name their chains differently.",
    )  # fmt: skip
    sha256: str = setting(
        "", label="Hash of the data", group="Data", level="advanced", pattern=r"^([0-9a-f]{8,64})?$",
        help="First 8 to 64 digits of the content hash that the data must have, or nothing starts; files that repeat a "
        "run hold it, empty takes any data.",
    )  # fmt: skip
    columns: ColumnSettings | None = None
    split: SplitSettings | None = None


class RunSpec(Settings):
    """One run. `data`, `model`, `strategy` are the three decisions; everything else has a default."""

    name: str = setting(
        "", label="Run name", group="Run",
        help="Shown in lists; empty takes data, strategy and model.",
    )  # fmt: skip
    data: DataSource = DataSource()
    model: ModelSettings = ModelSettings()
    strategy: AnyStrategySettings = HeadOnlySettings()
    training: TrainingSettings = TrainingSettings()
    launch: LaunchSettings = LaunchSettings()
    trackers: list[str] = setting(
        [], label="Trackers", group="Run",
        help="Remote trackers beside the local record (wandb, mlflow, comet, langfuse, tensorboard); name those where "
        "others follow your runs.",
    )  # fmt: skip
    tracking: TrackingSettings = TrackingSettings()

    @classmethod
    def from_yaml(cls, path: Path) -> Self:
        """Read and validate a spec file.

        Raises:
            SettingError: The file is missing, is no YAML mapping, or holds an unknown or invalid setting.
        """
        return cls.parse(load_mapping(path))

    def to_yaml(self) -> str:
        """Return all settings, resolved, as YAML."""
        return str(yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True))

    def changed(self, changes: Mapping[str, Any]) -> Self:
        """Return a copy with dotted settings replaced, e.g. `{"strategy.lr": "3e-4", "training.epochs": "2"}`.

        Raises:
            SettingError: A name is unknown or a value is outside its bounds.
        """
        values = self.model_dump(mode="json")
        for path, value in changes.items():
            _assign(values, path, value)
        return type(self).parse(values)


def flatten(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted name and the value of every single setting.

    >>> dict(flatten({"training": {"epochs": 3}, "strategy.lr": 1e-3}))
    {'training.epochs': 3, 'strategy.lr': 0.001}
    """
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def as_text(value: Any) -> str:
    """Return a value as it is written after `--set name=`: what reads the same there.

    >>> as_text(1e-05), as_text("lora"), as_text("1e5"), as_text(None), as_text(["q_proj", "v_proj"])
    ('1e-05', 'lora', '"1e5"', 'null', '["q_proj", "v_proj"]')
    """
    if isinstance(value, str) and value and _reads_as_itself(value):
        return value
    return json.dumps(value, ensure_ascii=False)


def _reads_as_itself(text: str) -> bool:
    try:
        return text.strip() == text and bool(_scalar(text) == text)
    except SettingError:
        return False


def _assign(values: dict[str, Any], path: str, value: Any) -> None:
    """Set `values[a][b]... = value` for the dotted path "a.b..."; text is read as YAML (so that 1e-3 is a number)."""
    *parents, last = path.split(".")
    place = values
    for part in parents:
        inner = place.setdefault(part, {})
        if inner is None:
            inner = place[part] = {}
        if not isinstance(inner, dict):
            raise SettingError(f"Setting '{path}' does not exist: '{part}' holds a single value.")
        place = inner
    place[last] = _scalar(value) if isinstance(value, str) else value


def _scalar(text: str) -> Any:
    # YAML 1.1 reads "1e-3" as text because it lacks a dot; numbers come first. "007" and "2021_01" are names.
    for kind in (int, float) if not NO_NUMBER.search(text) else ():
        try:
            return kind(text)
        except ValueError:
            continue
    return parse_value(text, "The value") if text else text
