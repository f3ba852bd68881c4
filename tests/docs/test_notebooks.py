"""The notebooks: written out of the tutorials, without output, and each runs to scores that are better than chance."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from molfun.runs.history import list_runs
from tests.docs.scripts import ROOT, script

PAGES = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
# Between chance and what was measured, in the metric that people judge a task by.
ABOVE = {"antibody": 0.8, "disorder": 0.5, "localisation": 0.2, "quickstart": 0.8, "stability": 0.0, "structure": 0.0}
RUN = "from nbclient.cli import main; main()"


def test_every_tutorial_is_a_notebook_as_it_is_today() -> None:
    assert [page.stem for page in PAGES] == [path.stem for path in NOTEBOOKS] == sorted(ABOVE)
    written = script("notebooks")
    stale = [page.stem for page in PAGES if written.notebook(page) != text_of(page.stem)]
    assert stale == [], "run: python docs/notebooks.py --write"


def text_of(name: str) -> str:
    """Return a committed notebook."""
    return (ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8")


def test_code_and_text_of_a_tutorial_are_cells(tmp_path: Path) -> None:
    page = tmp_path / "some.md"
    page.write_text("# Title\n\nA [page](../data.md#units).\n\n```python\nx = 1\n```\n\n## Then\n\n```sh\nls\n```\n")
    cells = json.loads(script("notebooks").notebook(page))["cells"]
    assert [cell["cell_type"] for cell in cells] == ["markdown", "markdown", "code", "markdown"]
    assert cells[0]["source"] == ["# Title\n", "\n", "A [page](../docs/data.md#units)."]
    assert cells[2]["source"] == ["x = 1"]
    assert "".join(cells[3]["source"]).startswith("## Then\n\n```sh")


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(ABOVE))
def test_notebook_runs_to_scores_above_chance(name: str, tmp_path: Path) -> None:
    notebook, home = tmp_path / f"{name}.ipynb", tmp_path / "home"
    shutil.copy(ROOT / "notebooks" / notebook.name, notebook)
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(notebook), "--output=done", "--timeout=600"],
        env={**os.environ, "MOLFUN_HOME": str(home), "PYTHONPATH": str(ROOT)},
        cwd=tmp_path, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    runs = list_runs(home)
    assert set(runs["status"]) == {"finished"}
    assert runs["test"].notna().all()
    # Controls with random weights are no better than they should be; the first run is the one without.
    assert runs.iloc[-1]["test"] > ABOVE[name]
