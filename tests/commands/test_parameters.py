"""`molfun parameters`: of a model alone, and of a spec."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from molfun.cli import app
from molfun.errors import MolfunError


def molfun(*arguments: str) -> str:
    """Return what the command prints."""
    done = CliRunner().invoke(app, ["parameters", *arguments])
    assert done.exit_code == 0 or isinstance(done.exception, MolfunError), done.output
    return done.output or str(done.exception)


def test_a_model_of_any_size_is_counted(home: Path) -> None:
    assert molfun("esm2_15b").startswith("lora on esm2_15b: 7,879,681 of 15,110,748,161 parameters train.")
    found = json.loads(molfun("esm2_8m", "--strategy", "full", "--task", "classification", "--classes", "5", "--json"))
    assert found["total"] == found["trainable"] == 7_409_081 - 121 + 2 * 320 + 5 * 321
    assert not any(any((home / room).iterdir()) for room in ("runs", "datasets"))


def test_a_spec_is_counted_with_its_data(home: Path, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(
        "data: {example: gb1_stability}\nmodel: {name: esm2_8m}\nstrategy: {kind: lora}\n"
    )
    said = molfun(str(tmp_path / "run.yaml"), "--set", "strategy.rank=4")
    assert "lora on esm2_8m: 31,681 of 7,440,641 parameters train." in said
    assert not (home / "runs").exists() or not list((home / "runs").iterdir())


def test_what_cannot_be_is_said(home: Path) -> None:
    assert molfun("antiberti").startswith("Neither a spec file, an example nor a saved dataset is named 'antiberti'")
    assert molfun("antiberty", "--task", "foo").startswith("Setting 'task' is 'foo'; should be 'regression'")
    assert molfun("antiberty", "--classes", "1") == "--classes is 1; expected 2 or more."
    assert "did you mean 'query'?" in molfun("antiberty", "--set", "strategy.target_modules=[querry]")


def test_memory_is_told_where_it_is_asked_for(home: Path) -> None:
    asked = ["esm2_8m", "--strategy", "full", "--set", "training.batch_size=4", "--set", "training.device=cpu"]
    found = json.loads(molfun(*asked, "--memory", "--json"))["memory"]
    assert found["total"] == sum(found["parts"].values())
    assert found["parts"]["optimizer"] == 2 * found["parts"]["gradients"]
    said = molfun(*asked, "--memory")
    assert "4 rows of 256 residues" in said
    assert "Fits into" in said
    assert "heaviest batch" not in molfun(*asked)
