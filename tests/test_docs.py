"""The written pages: pictures, quoted code and generated parts are those of today, no file names a private place."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from molfun.adapters.catalog import MODELS
from tests.browser.test_gallery import AT_WORK, EMPTY, NARROW, SCHEMES
from tests.docs.links import targets_in
from tests.docs.scripts import script

ROOT = Path(__file__).parents[1]
SKIPPED_FOLDERS = re.compile(r"(?:^|/)(?:\.(?!ci/|streamlit/)[^/]+|build|dist|__pycache__|[^/]+\.egg-info)/")
# Hosts of package registries and folders of one machine; split so that this file does not name them itself.
FORBIDDEN = re.compile(
    "|".join(
        [
            r"pypi\.(?:org|python)", r"files\.pythonhosted", r"registry\.npm" + r"js", r"deb\.debian", r"proxy\.golang",
            r"(?<![\w.])/(?:work|root|opt/(?:wheels|pypi))/", r"/home/\w+/", r"/Users/\w+/",
            r"index-url", r"find-links",
        ]
    )
)  # fmt: skip


def tracked_texts() -> list[Path]:
    """Return the text files that git knows or would add; without git, all files outside caches."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        names = done.stdout.splitlines()
        paths = [ROOT / name for name in names]
    else:
        paths = [path for path in ROOT.rglob("*") if not SKIPPED_FOLDERS.search(path.relative_to(ROOT).as_posix())]
    return [path for path in paths if path.is_file() and b"\0" not in path.read_bytes()[:4096]]


def test_every_screen_is_in_the_gallery() -> None:
    pictures = {f"{name}-{scheme}" for name in (*EMPTY, *AT_WORK) for scheme in SCHEMES} | {
        f"{n}-narrow" for n in NARROW
    }
    folder = ROOT / "docs" / "images" / "gallery"
    assert {path.stem for path in folder.iterdir()} == pictures
    page = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    shown = [target for target in targets_in(page) if target.endswith(".png")]
    assert sorted(shown) == sorted(f"images/gallery/{name}.png" for name in pictures)


def test_no_file_names_a_private_place() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in tracked_texts()
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if FORBIDDEN.search(line)
    ]
    assert found == []


@pytest.mark.parametrize("name", ["README.md", "LICENSE", "CHANGELOG.md"])
def test_repository_has_its_front_pages(name: str) -> None:
    assert (ROOT / name).stat().st_size > 200


def test_readme_names_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make app" in text
    assert "make test" in text


def test_constraints_pin_every_line() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert [line for line in pins if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []
    assert any(line.startswith("torch==") for line in pins)


def test_readme_tree_is_that_of_today() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert script("tree").with_tree(readme) == readme, "run: python docs/tree.py --write"


def test_training_page_quotes_lines_where_they_are() -> None:
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    lines = script("lines")
    assert len(lines.LINK.findall(page)) > 20
    assert lines.with_lines(page) == page, "run: python docs/lines.py --write"


def test_training_page_shows_the_example_as_it_is() -> None:
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    code = re.search(r"(?s)```python\n(class BitFit.*?)```", page)
    assert code is not None
    assert code[1] in (ROOT / "examples" / "own_strategy.py").read_text(encoding="utf-8")


def test_models_page_has_the_facts_of_the_catalog() -> None:
    page, models = (ROOT / "docs" / "models.md").read_text(encoding="utf-8"), script("models")
    assert models.with_table(page, models.FACTS, models.facts()) == page, "run: python docs/models.py --write"
    assert models.names_between(page, models.MEMORY) == list(MODELS.own), "run: python docs/models.py --memory"


def test_models_page_shows_the_example_as_it_is() -> None:
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    code = re.search(r"(?s)```python\n(card = custom_card.*?)model = ", page)
    assert code is not None
    assert code[1] in (ROOT / "examples" / "own_model.py").read_text(encoding="utf-8").replace("\n    ", "\n")


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_examples_run(path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, str(path)], env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


def test_strategies_page_has_the_figures_of_the_study() -> None:
    page, study = (ROOT / "docs" / "strategies.md").read_text(encoding="utf-8"), script("study")
    assert study.with_tables(page, pd.read_csv(study.TABLE)) == page, "run: python docs/study.py --write --picture"
