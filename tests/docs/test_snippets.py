"""Every command and snippet of the pages: what can run runs, page by page; what cannot says why; the rest is held
against what commands and modules there are.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import typer

from molfun.cli import app
from molfun.runs.spec import RunSpec
from molfun.runs.store import RunStore
from molfun.yaml_files import load_mapping
from tests.docs.materials import MATERIALS, SHOWN_ID
from tests.docs.scripts import script
from tests.docs.snippets import BLOCK, PAGES, ROOT, RUNNABLE, SHELL, Block, blocks_of, blocks_on, indented_commands
from tests.real_runs import kill_all

PATIENCE_SECONDS = 900
ALL = [block for page in PAGES for block in blocks_on(page)]
COMMANDS: dict[str, Any] = dict(script("reference").walk(typer.main.get_command(app), "molfun"))
# The Python of tutorials runs as notebooks (tests/docs/test_notebooks.py); here only what stands beside it.
AS_NOTEBOOKS = ROOT / "docs" / "tutorials"


def to_run(page: Path) -> list[Block]:
    """Return the blocks of a page, those of tutorials' Python left out."""
    blocks = blocks_on(page)
    return [block for block in blocks if page.parent != AS_NOTEBOOKS or block.kind != "python"]


TO_RUN = [page for page in PAGES if any(block.runs for block in to_run(page))]


def place(block: Block) -> str:
    """Return where a block stands."""
    return f"{block.page}:{block.line}"


def prepared(blocks: list[Block], folder: Path) -> list[Block]:
    """Make what a page takes for granted, and put the ids of runs that are there for those that it shows."""
    names = dict.fromkeys(name for block in blocks for name in block.materials)
    ids = [found for name in names if (found := MATERIALS[name](folder))]
    for block in blocks:
        if block.file:
            (folder / block.file).write_text(block.code, encoding="utf-8")
    if not ids:
        return blocks
    shown = [re.sub(rf"{SHOWN_ID}|\b(?:RUN|ID)\b(?!=)", ids[0], block.code) for block in blocks]
    return [Block(**{**asdict(block), "code": code}) for block, code in zip(blocks, shown, strict=True)]


@pytest.fixture
def ended(home: Path) -> Iterator[None]:
    """End whatever a page left at work."""
    yield
    for folder in RunStore(home).list():
        kill_all(folder)


@pytest.mark.slow
@pytest.mark.usefixtures("ended")
@pytest.mark.parametrize("page", TO_RUN, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    folder = tmp_path / "work"
    folder.mkdir()
    todo = [asdict(block) for block in prepared(to_run(page), folder) if block.runs]
    listed = tmp_path / "blocks.json"
    listed.write_text(json.dumps(todo), encoding="utf-8")
    command = [sys.executable, str(Path(__file__).with_name("page_runner.py")), str(listed)]
    done = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_marks_are_understood(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    odd = re.findall(r"(?m)^<!-- ?(?:not run|not-run|with|file)\b.*", text)
    known = [mark for match in BLOCK.finditer(text) for mark in match["marks"].splitlines() if mark]
    assert [mark for mark in odd if mark not in known] == [], "a mark stands right before its block"
    blocks = blocks_on(page)
    assert [place(b) for b in blocks if set(b.materials) - set(MATERIALS)] == []


def test_commands_stand_in_blocks_that_say_so() -> None:
    """A block without a language would escape the tests."""
    begins = re.compile(r"(?m)^(?:\$ )?(?:molfun|python|pip|make|docker|git|\.venv/bin/\w+) ")
    assert [place(block) for block in ALL if not block.kind and begins.search(block.code)] == []


def test_every_page_has_its_blocks_found() -> None:
    for page in PAGES:
        fences = len(re.findall(r"(?m)^```", page.read_text(encoding="utf-8")))
        assert fences == 2 * len(blocks_on(page)), page


@pytest.mark.parametrize("block", [b for b in ALL if b.kind == "yaml" and not b.not_run], ids=place)
def test_specs_are_valid(block: Block, tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(block.code, encoding="utf-8")
    values = load_mapping(path)
    if set(values) & set(RunSpec.model_fields):
        RunSpec.parse(values)


def commands_shown() -> Iterator[tuple[str, str]]:
    """Yield (place, command) of what pages show and no test runs."""
    for page in PAGES:
        name = page.relative_to(ROOT).as_posix()
        for command in indented_commands(page.read_text(encoding="utf-8")):
            yield name, command
    for block in ALL:
        if block.kind in SHELL and block.not_run:
            code = block.code.replace("\\\n", " ")
            yield from ((place(block), line.partition(" #")[0]) for line in code.splitlines())


def problem_of(command: str) -> str:
    """Return what is wrong with a command that is shown, or an empty string.

    Placeholders (`[--with-data]`, `a|b`, `...`) are read as if they were there.
    """
    try:
        words = shlex.split(re.sub(r"\[OPTIONS\]|[\[\]|…]|\.\.\.", " ", command))
    except ValueError as error:
        return str(error)
    if words[:1] == ["molfun"]:
        return problem_of_molfun(words)
    if words[:2] == ["python", "-m"] and words[2].startswith("benchmarks."):
        return problem_of_benchmark(words[2], words[3:])
    if words[:1] == ["pytest"]:
        gone = [w for w in words[1:] if w.startswith("tests") and not (ROOT / w.partition("::")[0]).exists()]
        return f"no {gone[0]}" if gone else ""
    return ""


def problem_of_molfun(words: list[str]) -> str:
    """Return what is wrong with a command line of Molfun."""
    groups = {name.rpartition(" ")[0] for name in COMMANDS}
    names = [name for n in (3, 2) if (name := " ".join(words[:n])) in COMMANDS]
    if not names and (words[1:] in ([], ["COMMAND", "--help"]) or " ".join(words) in groups):
        return ""
    if not names and not words[1].startswith("-"):
        return "no such command"
    names = names or words[:1]
    known = {option for part in COMMANDS[names[0]].params for option in part.opts} | {"--help"}
    odd = [word for word in words if word.startswith("-") and word.partition("=")[0] not in known]
    return f"{names[0]} has no {', '.join(odd)}" if odd else ""


def problem_of_benchmark(module: str, words: list[str]) -> str:
    """Return what is wrong with the call of a benchmark: its file is read, not run."""
    path = ROOT / f"{module.replace('.', '/')}.py"
    if not path.exists():
        return f"no module {module}"
    text = path.read_text(encoding="utf-8")
    odd = [word for word in words if word.startswith("--") and f'"{word}"' not in text]
    return f"{module} has no {', '.join(odd)}" if odd else ""


def test_commands_that_are_shown_exist() -> None:
    shown = list(commands_shown())
    assert len(shown) > 50
    assert [f"{where}: {command}: {odd}" for where, command in shown if (odd := problem_of(command))] == []


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("molfun fit SPEC --set training.epochs=3", ""),
        ("molfun fitt v_genes", "no such command"),
        ("molfun runs", ""),
        ("molfun --help", ""),
        ("molfun --halp", "molfun has no --halp"),
        ("molfun report RUN -o out.zip [--with-data]", ""),
        ("molfun report RUN --with-date", "molfun report has no --with-date"),
        ("python -m benchmarks.nothing", "no module benchmarks.nothing"),
        ("python -m benchmarks.study --data v_genes", ""),
        ("python -m benchmarks.steps --turns 3", "benchmarks.steps has no --turns"),
        ("pytest tests/nothing.py -k x", "no tests/nothing.py"),
        ("ssh -L 1:2:3 HOST", ""),
    ],
)
def test_wrong_commands_are_found(command: str, problem: str) -> None:
    assert problem_of(command) == problem


def test_blocks_are_read_with_their_marks() -> None:
    text = (
        "```python\na = 1\n```\n\n<!-- not run: needs a GPU -->\n```sh\nmolfun fit x\n```\n"
        "<!-- with: RUN, gb1.csv -->\n<!-- file: x.yaml -->\n```yaml\nname: x\n```\n"
    )
    first, second, third = blocks_of(text, "page.md")
    assert (first.kind, first.code, first.line, first.runs) == ("python", "a = 1\n", 2, True)
    assert (second.not_run, second.runs) == ("needs a GPU", False)
    assert (third.materials, third.file, third.runs) == (("RUN", "gb1.csv"), "x.yaml", False)


@pytest.mark.parametrize(("code", "kind"), [("1 / 0", "python"), ("raise SystemExit(0)", "python"), ("false", "sh")])
def test_blocks_that_fail_are_named(code: str, kind: str, tmp_path: Path) -> None:
    good = Block("page.md", 3, "python", "a = 1")
    bad = Block("page.md", 9, kind, f"{'a;' if kind == 'python' else ''}{code}")
    listed = tmp_path / "blocks.json"
    listed.write_text(json.dumps([asdict(good), asdict(bad)]))
    command = [sys.executable, str(Path(__file__).with_name("page_runner.py")), str(listed)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"page.md:9: this {kind} block fails." in done.stderr


@pytest.mark.parametrize("block", [b for b in ALL if b.not_run], ids=lambda b: f"{place(b)} {b.not_run}")
def test_blocks_that_are_not_run_say_why(block: Block) -> None:
    """`pytest tests/docs -v -k say_why` lists them."""
    assert block.kind in RUNNABLE, "only blocks that could run carry that mark"
    assert len(block.not_run) > 10
