"""What an installed Molfun must do, whatever it was installed beside."""

from __future__ import annotations

import json
from pathlib import Path

from tests.packaging.builds import ROOT, Environment

# What an export to ONNX takes along: a script that needs an extra.
OF_EXTRAS = ("molfun.evaluation.plain_predict_onnx",)
LETTERS = "ACDEFGHIKLMNPQRSTVWY"
IMPORT_ALL = f"""
import importlib, json, pkgutil, molfun
def names(error): raise error
found = [one.name for one in pkgutil.walk_packages(molfun.__path__, "molfun.", onerror=names)]
for name in [one for one in found if one not in {OF_EXTRAS}]: importlib.import_module(name)
print(json.dumps(found))
"""
DRAW_PAGES = """
import json
from pathlib import Path
from streamlit.testing.v1 import AppTest
from molfun.ui import shell
titles = {}
for name in shell.NAMES:
    app = AppTest.from_file(str(Path(shell.__file__).with_name("frame.py")), default_timeout=60)
    if name != "home":
        app.switch_page(str(shell.PAGES / f"{name}.py"))
    app.run()
    assert not app.exception, app.exception[0].stack_trace
    titles[name] = [element.value for element in app.title]
print(json.dumps(titles))
"""


def import_all(environment: Environment) -> set[str]:
    """Import every module, and return their names."""
    return set(json.loads(environment.answer(IMPORT_ALL)))


def modules() -> set[str]:
    """Return the names of all modules of the checkout."""
    paths = ROOT.glob("molfun/*/**/*.py")
    inside = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in paths}
    return inside | {f"molfun.{path.stem}" for path in ROOT.glob("molfun/*.py") if path.stem != "__init__"}


def draw_pages(environment: Environment) -> dict[str, list[str]]:
    """Draw every page as the server does, and return its titles."""
    titles: dict[str, list[str]] = json.loads(environment.answer(DRAW_PAGES))
    return titles


def fit_and_predict(environment: Environment, home: Path) -> str:
    """Train a head on an untrained small model and predict with it; return the predictions, as CSV."""
    folder = environment.elsewhere
    rows = [f"{LETTERS[i % 20]}{LETTERS[i % 7 :]},{i % 20 + i / 100}" for i in range(60)]
    (folder / "rows.csv").write_text("sequence,kd\n" + "\n".join(rows))
    (folder / "run.yaml").write_text(
        "data: {table: rows.csv}\nmodel: {name: esm2_8m, weights: random}\n"
        "strategy: {kind: head_only}\ntraining: {epochs: 2, num_threads: 1}\n"
    )
    done = environment.run(environment.molfun, "fit", "run.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = (home / "runs").iterdir()
    done = environment.run(environment.molfun, "predict", run.name, "rows.csv", "-o", "predicted.csv")
    assert done.returncode == 0, done.stdout + done.stderr
    return (folder / "predicted.csv").read_text()
