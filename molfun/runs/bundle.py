"""The files of an evidence bundle: what a run folder holds, as text that others can read and that may be handed on.

One zip of them is the same bytes whenever it is made of the same run.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import yaml

from molfun.data.dataset import Dataset
from molfun.data.exports import to_csv
from molfun.data.hashes import recorded_facts, split_table
from molfun.errors import SettingError
from molfun.runs.certainty import read_baselines, read_predictions
from molfun.runs.disclosure import Disclosure
from molfun.runs.evidence import collect, dataset_of, home_of, read_spec
from molfun.runs.files import as_json
from molfun.runs.folder import RunFolder
from molfun.runs.methods import methods_paragraph
from molfun.tracking.pool import READERS
from molfun.tracking.reader import read_events
from molfun.yaml_files import load_mapping

MANIFEST = "MANIFEST"
MAX_STEPS = 100_000  # of metrics.csv; more are taken at even distances
FIRST_MOMENT = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can tell
PLAIN_FILE = 0o100644


@dataclass(frozen=True)
class Evidence:
    """What is handed on of one run.

    Attributes:
        folder: The run.
        dataset: Its data, None where they are gone.
        facts: As `collect` gives them.
        files: Texts by name.
    """

    folder: RunFolder
    dataset: Dataset | None
    facts: dict[str, Any]
    files: dict[str, str]


def gather(folder: RunFolder, *, with_data: bool = False) -> Evidence:
    """Read everything that is handed on of a run, in whatever state it is.

    Args:
        folder: The run.
        with_data: Whether the sequences and targets of the table are, too.
    """
    facts, dataset = collect(folder, with_data=with_data), dataset_of(folder, read_spec(folder))
    tables = _tables(folder, dataset, with_data=with_data)
    files = {
        "facts.json": as_json(facts) + "\n", "methods.txt": methods_paragraph(facts) + "\n",
        **_records(folder, facts, Disclosure(home_of(folder), with_sequences=with_data)), **tables,
    }  # fmt: skip
    return Evidence(folder, dataset, facts, {name: text for name, text in files.items() if text})


def _records(folder: RunFolder, facts: Mapping[str, Any], disclosure: Disclosure) -> dict[str, str]:
    """Return the small files of a run folder; "" for one that is absent or cannot be read."""
    checkpoints = facts["checkpoints"]
    read = {
        "environment.json": folder.read_environment(), "parameters.json": folder.read_parameters(),
        "scoreboard.json": folder.read_scoreboard(), "checkpoints.json": checkpoints,
    }  # fmt: skip
    events = [json.dumps(disclosure.values(event), ensure_ascii=False) for event in read_events(folder.events_path)]
    return {
        "spec.yaml": _spec(folder, disclosure) if facts["settings"] else "",
        "events.jsonl": "".join(f"{event}\n" for event in events),
        **{name: as_json(disclosure.values(values)) + "\n" if values else "" for name, values in read.items()},
    }


def _spec(folder: RunFolder, disclosure: Disclosure) -> str:
    """Return the settings as they were written: those that later versions added are not among them."""
    try:
        settings = load_mapping(folder.spec_path)
    except SettingError:
        return ""
    return str(yaml.safe_dump(disclosure.values(settings), sort_keys=False, allow_unicode=True))


def _tables(folder: RunFolder, dataset: Dataset | None, *, with_data: bool) -> dict[str, str]:
    # Labels of residues look like a sequence and are none; no table below holds one but for the data themselves.
    disclosure, files = Disclosure(home_of(folder), with_sequences=True), {"metrics.csv": _metrics(folder)}
    for name, table in (("test", read_predictions(folder)), ("baselines", read_baselines(folder))):
        files[f"predictions/{name}.csv"] = "" if table is None else disclosure.text(to_csv(_as_cells(table)))
    if dataset is not None:
        files["split.csv"] = to_csv(split_table(dataset.frame))
        about = Disclosure(home_of(folder), with_sequences=with_data).values(recorded_facts(dataset))
        files["dataset.yaml"] = yaml.safe_dump(about, sort_keys=False, allow_unicode=True)
    if dataset is not None and with_data:
        # Class indices of residues as JSON has lists, so that their hash can be computed again.
        rows = dataset.frame.assign(target=[str(cell) if isinstance(cell, list) else cell for cell in
                                            dataset.frame["target"]])  # fmt: skip
        files["data.csv"] = disclosure.text(to_csv(rows.rename(columns={"split": "part"})))
    return files


def _metrics(folder: RunFolder) -> str:
    """Return metrics of steps and epochs as CSV, the column `kind` tells which."""
    reader = READERS.of(folder.metrics_path)
    reader.poll()
    steps, epochs, _ = reader.tables()
    every = -(-len(steps) // MAX_STEPS) or 1
    tables = [table.assign(kind=kind) for kind, table in (("step", steps.iloc[::every]), ("epoch", epochs))]
    filled = [table for table in tables if len(table)]
    if not filled:
        return ""
    joined = pd.concat(filled, ignore_index=True)
    names = [name for name in ("kind", "step", "epoch") if name in joined]
    return to_csv(joined[[*names, *(name for name in joined if name not in names)]])


def _as_cells(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose lists are texts: labels of one letter in a row, others parted by semicolons."""
    return table.assign(**{name: table[name].map(_as_cell) for name in table if table[name].dtype == object})


def _as_cell(cell: Any) -> Any:
    if not hasattr(cell, "__iter__") or isinstance(cell, str):
        return cell
    labels = [str(label) for label in cell]
    return ("" if all(len(label) == 1 for label in labels) else ";").join(labels)


def manifest_of(files: Mapping[str, str]) -> str:
    """Return one line a file, as `sha256sum -c` reads them."""
    hashes = {name: hashlib.sha256(text.encode("utf-8")).hexdigest() for name, text in sorted(files.items())}
    return "".join(f"{digest}  {name}\n" for name, digest in hashes.items())


def to_zip(files: Mapping[str, str]) -> bytes:
    """Return texts as one zip with their manifest; the same texts give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in [*sorted(files.items()), (MANIFEST, manifest_of(files))]:
            about = zipfile.ZipInfo(name, FIRST_MOMENT)
            about.external_attr, about.create_system = PLAIN_FILE << 16, 3
            archive.writestr(about, text.encode("utf-8"), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
