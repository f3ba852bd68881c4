"""Whatever stands in an address, or lies in the folders that a page shows: the page is drawn and says what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from molfun.runs.folder import RunFolder
from molfun.ui import shell
from tests.fuzz.cases import fuzz, outcome
from tests.fuzz.folders import LINES, fill, folder_files, make_folder
from tests.fuzz.test_datasets import sound
from tests.fuzz.test_names import names

FRAME = Path(shell.__file__).with_name("frame.py")
PAGES = {
    "home": "", "data": shell.DATA, "new_run": shell.NEW_RUN, "live": shell.LIVE, "runs": shell.RUNS,
    "parameters": shell.PARAMETERS, "compare": shell.COMPARE,
}  # fmt: skip
DESK = "molfun.training.preview"
SAYING = ("title", "header", "subheader", "markdown", "caption", "info", "warning", "error", "success")


@pytest.fixture
def dataset(home: Path) -> str:
    """Save a dataset."""
    folder = home / "datasets" / "real"
    folder.mkdir(parents=True)
    for name, content in zip(("dataset.yaml", "rows.parquet"), sound("regression"), strict=True):
        (folder / name).write_bytes(content)
    return folder.name


def draw(page: str, query: dict[str, str]) -> str:
    """Draw a page at its address; return what it says."""
    app = AppTest.from_file(str(FRAME), default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    app.switch_page(PAGES[page]) if PAGES[page] else app
    app.run()
    assert not app.exception, app.exception[0].stack_trace
    return "\n".join(str(element.value) for kind in SAYING for element in app.get(kind))


words = names | st.sampled_from(["real", "random", "lora", "esm2_8m", "4"])
CHOICES = ("model", "task", "strategy", "classes", "rank", "target_modules")
addresses = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("run", "runs", "baseline", "from", "dataset", "weights", "x", *CHOICES), words)
)


@fuzz(
    "addresses",
    35,
    is_slow=True,
    page=st.sampled_from(["live", "live", "new_run", "new_run", "data", "parameters", "compare"]),
    query=addresses,
)
def test_address(room: Path, home: Path, dataset: str, page: str, query: dict[str, str]) -> None:
    if not (home / "runs" / "real").exists():
        make_folder(home, "real")
    query = {name: value.encode("utf-8", "replace").decode() for name, value in query.items()}
    # Streamlit keeps the desk that counts parameters, and so the data folder of the first case that asked it.
    said = outcome(lambda: draw(page, query), room, home, home.parent, may_start=DESK)
    assert "root:x:0:0" not in said


@fuzz(
    "pages",
    35,
    is_slow=True,
    page=st.sampled_from(["live", "live", "live", "runs", "home", "new_run", "compare"]),
    content=folder_files(),
    rows=LINES,
)
def test_page(room: Path, home: Path, dataset: str, page: str, content: dict[str, bytes], rows: bytes) -> None:
    folder = RunFolder(home / "runs" / "fuzz")
    if not folder.path.exists():
        make_folder(home, "fuzz")
    fill(folder, {**content, "metrics.jsonl": rows, "events.jsonl": rows, "log.txt": rows})
    outcome(
        lambda: draw(page, {"run": "fuzz", "from": "fuzz", "runs": "fuzz"}), room, home, home.parent, may_start=DESK
    )


SHOWN = "<script>alert(1)</script>![x](http://x.example/y.png)[z](javascript:alert(1)):red[w]$q^2$"


def test_markup_in_what_people_wrote_is_shown_as_it_is(home: Path, dataset: str) -> None:
    """Nothing in a name, a note or a cause may load a picture, run a script or pretend to be part of the page."""
    state: dict[str, Any] = {"status": "failed", "cause": SHOWN, "created": 1.0, "attempt": 1}
    board = {"primary": SHOWN, "test": {"metrics": {SHOWN: 0.5}}, "baselines": {SHOWN: {SHOWN: 0.25}}}
    amended = {"name": SHOWN, "tags": [SHOWN], "notes": SHOWN}
    written = {"state.json": state, "scoreboard.json": board, "amended.json": amended}
    fill(make_folder(home, "real"), {name: json.dumps(values).encode() for name, values in written.items()})
    about = home / "datasets" / dataset / "dataset.yaml"
    content = yaml.safe_load(about.read_text())
    content |= {"name": SHOWN, "about": {**content["about"], "source": SHOWN, "notes": [SHOWN]}}
    about.write_text(yaml.safe_dump(content))
    for run in ("real", SHOWN):
        for page in ("live", "runs", "home", "new_run", "data"):
            said = draw(page, {"run": run, "from": SHOWN, "dataset": SHOWN})
            assert "![x](http" not in said, page
            assert "](javascript:" not in said, page
