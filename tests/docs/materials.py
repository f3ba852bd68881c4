"""What pages take for granted, made real: small tables, structures, a run. They ask by `<!-- with: NAME -->`."""

from __future__ import annotations

import gzip
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from molfun.data.example_structures import COMPLEX, FOLDER

LETTERS = "ACDEFGHIKLMNPQRSTVWY"
NUM_ROWS = 40
# The id that pages show for "a run of yours".
SHOWN_ID = "20260101-120000-binders-ab12"
QUICK = ("model.name=esm2_8m", "model.weights=random", "training.epochs=1", "training.num_threads=1")


def binders(folder: Path) -> str:
    """Write binders.csv: 40 short rows with a measured `kd`."""
    rows = [f"{'MKTAYIAKQR'[i % 7 :]}GSW{LETTERS[i % 20] * (i % 5)},{i * 0.37 % 2:.2f}" for i in range(NUM_ROWS)]
    (folder / "binders.csv").write_text("\n".join(["sequence,kd", *rows]) + "\n")
    return ""


def gb1(folder: Path) -> str:
    """Write gb1.csv: substitutions of a short protein with `ddg`."""
    wild = "MTYKLILNGKTLKGETTTEAVDAATAEKVFKQYANDNGVDGEWTYDDATKTFTVTE"
    rows = [f"{wild[:i]}{LETTERS[i % 20]}{wild[i + 1 :]},{i * 0.37 % 2:.2f}" for i in range(NUM_ROWS)]
    (folder / "gb1.csv").write_text("\n".join(["sequence,ddg", *rows]) + "\n")
    return ""


def structures(folder: Path) -> str:
    """Write my_structures/, ten files of single chains, and affinities.csv with a value for each."""
    target = folder / "my_structures"
    target.mkdir()
    names = []
    for path in sorted(path for path in FOLDER.glob("*.gz") if not path.name.startswith(COMPLEX)):
        (target / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
        names.append(path.name.partition(".")[0])
    (folder / "affinities.csv").write_text("\n".join(["name,kd", *(f"{n},{i}.5" for i, n in enumerate(names))]) + "\n")
    return ""


def curves(folder: Path) -> str:
    """Write curves.csv: the record of a training elsewhere."""
    rows = [f"{step},{1 / (step + 1):.3f}" for step in range(20)]
    (folder / "curves.csv").write_text("\n".join(["step,train/loss", *rows]) + "\n")
    return ""


def run(folder: Path) -> str:
    """Train on binders.csv for one epoch and return the id of the run."""
    binders(folder)
    changes = [part for change in QUICK for part in ("--set", change)]
    subprocess.run(["molfun", "fit", "binders.csv", *changes], cwd=folder, check=True, capture_output=True, timeout=300)
    listed = subprocess.run(
        ["molfun", "runs", "list", "--json"], cwd=folder, check=True, capture_output=True, text=True
    )
    return str(json.loads(listed.stdout)[0]["id"])


MATERIALS: dict[str, Callable[[Path], str]] = {
    "binders.csv": binders, "gb1.csv": gb1, "my_structures": structures, "curves.csv": curves, "RUN": run,
}  # fmt: skip
