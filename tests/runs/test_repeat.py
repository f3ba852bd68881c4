"""A run as what trains it again: what is told leads to the same spec, and what no setting can tell is said."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from molfun.data.dataset import load_dataset
from molfun.data.folds import save_folds
from molfun.errors import RunError, SettingError
from molfun.runs.plan import parse_changes, plan_run, read_target
from molfun.runs.repeat import Repeat, repeat_of
from molfun.runs.repeat_files import FILES, write_repeat
from molfun.runs.spec import RunSpec
from molfun.runs.starting import plan_data
from molfun.runs.store import RunFolder, RunStore
from molfun.tracking.local import LocalTracker
from tests.real_runs import few_rows

UNCHANGED = {"name", "data", "launch", "trackers", "tracking"}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Return a small table."""
    return few_rows(tmp_path / "few.csv")


def write_run(home: Path, target: str, *, strategy: str = "", run_id: str = "mine", **changes: Any) -> RunFolder:
    """Write the folder of a run as it is before its first step."""
    told = {name.replace("__", "."): value for name, value in changes.items()}
    spec, _ = plan_run(home, read_target(target, home), strategy=strategy, changes=told)
    return RunStore(home).create(spec, run_id=run_id)


def assert_repeats(home: Path, folder: RunFolder, repeat: Repeat) -> None:
    """Hold that what is told leads to the same settings and data, from Python and from the command line."""
    texts = [f"{path}={_text(repeat, path)}" for path in repeat.settings]
    for changes in (repeat.settings, parse_changes(texts)):
        spec, dataset = plan_data(home, repeat.data, strategy=repeat.strategy, changes=changes)
        assert spec.model_dump(exclude=UNCHANGED) == folder.spec.model_dump(exclude=UNCHANGED)
        recorded = load_dataset(home / "datasets", folder.spec.data.dataset)
        assert dataset.about["sha256"] == recorded.about["sha256"]


def _text(repeat: Repeat, path: str) -> str:
    from molfun.runs.spec import as_text

    return as_text(repeat.settings[path])


@pytest.mark.parametrize("strategy", ["head_only", "lora", "partial", "full"])
def test_settings_that_are_told_lead_to_the_same_spec(home: Path, table: Path, strategy: str) -> None:
    changes = {"model__name": "esm2_8m", "model__weights": "random", "training__seed": 7, "strategy__ema_decay": 0.9}
    folder = write_run(home, str(table), strategy=strategy, **changes)
    repeat = repeat_of(folder)
    assert (repeat.data, repeat.strategy) == (folder.spec.data.dataset, strategy)
    assert repeat.settings["training.seed"] == 7
    assert repeat.settings["data.sha256"].startswith(folder.spec.data.dataset[-8:])
    assert any("take its folder along" in sentence for sentence in repeat.caveats)
    assert_repeats(home, folder, repeat)


def test_a_strategy_without_recommended_settings_is_told_in_full(home: Path, table: Path) -> None:
    values = {"data": {"table": str(table)}, "strategy": {"kind": "lora", "target_modules": ["query", "value"]}}
    spec, _ = plan_run(home, values)
    folder = RunStore(home).create(spec, run_id="mine")
    assert_repeats(home, folder, repeat_of(folder))


@pytest.mark.parametrize(
    ("example", "changes"),
    [
        ("v_genes", {}),
        ("v_genes", {"data.split.kind": "random", "data.split.seed": 3}),
        ("gb1_stability", {"data.split.num_folds": 5, "data.split.fold": 2}),
        ("small_proteins", {}),
    ],
)
def test_an_example_is_made_anew_wherever_molfun_is(
    home: Path, tmp_path: Path, example: str, changes: dict[str, Any]
) -> None:
    told = {path.replace(".", "__"): value for path, value in changes.items()}
    folder = write_run(home, example, **told)
    repeat = repeat_of(folder)
    assert repeat.data == example
    assert {path: value for path, value in repeat.settings.items() if path.startswith("data.split")} == changes
    spec, dataset = plan_data(tmp_path, repeat.data, strategy=repeat.strategy, changes=repeat.settings)
    assert spec.model_dump(exclude=UNCHANGED) == folder.spec.model_dump(exclude=UNCHANGED)
    assert dataset.id == folder.spec.data.dataset


def test_a_fold_of_a_race_is_known_by_its_dataset(home: Path, table: Path) -> None:
    dataset = load_dataset(home / "datasets", write_run(home, str(table)).spec.data.dataset)
    frame = dataset.frame.rename(columns={"chain_1": "sequence", "target": "value"})[["sequence", "value"]]
    split = dataset.split.model_copy(update={"num_folds": 4})
    folds = save_folds(home / "datasets", frame, dataset.columns, split, name="Few")
    folder = write_run(home, folds[2].id, run_id="fold")
    repeat = repeat_of(folder)
    assert repeat.data == folds[2].id
    assert_repeats(home, folder, repeat)


def test_places_are_left_out_and_said(home: Path, table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, _ = plan_run(home, read_target(str(table)))
    weights = Path.home() / "models" / "mine"
    sent = spec.changed({
        "launch": {"where": "slurm", "nodes": 2, "slurm": {"account": "secret-lab"}}, "trackers": ["wandb"],
        "tracking.project": "hush", "model.weights": str(weights), "training.num_processes": 2,
        "model.start_from": "earlier",
    })  # fmt: skip
    folder = RunStore(home).create(sent, run_id="mine")
    repeat = repeat_of(folder)
    assert repeat.settings["model.weights"] == "~/models/mine"
    assert repeat.settings["training.num_processes"] == 2
    said = " ".join(repeat.caveats)
    for words in ("Slurm cluster", "wandb", "weights of the run earlier", "lie in ~/models/mine"):
        assert words in said
    text = write_repeat(repeat, "notebook")
    assert all(word not in text for word in ("secret-lab", "hush", str(Path.home())))


def test_what_happened_to_a_run_is_said(home: Path, table: Path) -> None:
    folder = write_run(home, str(table), training__epochs=4)
    local = LocalTracker(folder.path)
    local.log_event("steer", action="lr", step=6, factor=0.5)
    local.log_event("resume", name="last", step=8)
    local.end_run("stopped")
    folder.amend(epochs=6)
    folder.write_state(status="stopped", epoch=2)
    repeat = repeat_of(folder)
    assert repeat.settings["training.epochs"] == 6
    said = " ".join(repeat.caveats)
    for words in ("halved by hand after step 6", "resumed after step 8", "another number of epochs than the 6"):
        assert words in said
    assert "ended in epoch 3 of 6 (stopped)" in said


def test_an_imported_run_cannot_be_repeated(home: Path) -> None:
    folder = RunStore(home).create(RunSpec(), run_id="mine")
    folder.write_state(status="finished", imported="wandb, somewhere")
    with pytest.raises(RunError, match="was imported from wandb, somewhere"):
        repeat_of(folder)


def test_a_run_without_its_data_still_names_them(home: Path, table: Path) -> None:
    import shutil

    folder = write_run(home, str(table))
    name = folder.spec.data.dataset
    shutil.rmtree(home / "datasets" / name)
    repeat = repeat_of(folder)
    assert (repeat.data, repeat.settings["data.sha256"]) == (name, name[-8:])
    assert "gone from here" in repeat.caveats[1]


NASTY = 'A "quoted"\n$(touch oops) `x` \'y\' """ \\ # ![p](http://q) name: {a: 1}'


@pytest.fixture
def repeat(home: Path, table: Path, monkeypatch: pytest.MonkeyPatch) -> Repeat:
    """Return a run with a name that no file may take for a part of itself, and a secret."""
    monkeypatch.setenv("WANDB_API_KEY", "0123456789abcdef-secret")
    folder = write_run(home, str(table))
    folder.amend(name=f"{NASTY} 0123456789abcdef-secret")
    folder.write_scoreboard({"primary": "spearman", "test": {"metrics": {"spearman": 0.1 + 0.2, "r2": None}}})
    folder.write_environment({"packages": {"molfun": "0.1.0", "torch": "2.6"}, "device": "cpu", "num_cpus": 2})
    return repeat_of(folder)


@pytest.mark.parametrize("kind", FILES)
def test_no_name_and_no_secret_gets_out_of_its_place(repeat: Repeat, kind: Any, tmp_path: Path) -> None:
    text = write_repeat(repeat, kind)
    assert "0123456789abcdef-secret" not in text
    assert "0.30000000000000004" in text
    assert "molfun 0.1.0, torch 2.6 on cpu with 2 cores" in text
    CHECKS[kind](text, tmp_path)


def check_python(text: str, folder: Path) -> None:
    compile(text, "repeat.py", "exec")


def check_command(text: str, folder: Path) -> None:
    shown = text.replace("molfun fit", "printf '%s\\n'")
    done = subprocess.run(["bash", "-c", shown], cwd=folder, capture_output=True, text=True, check=True, timeout=20)
    assert "--strategy\nhead_only\n--set\n" in done.stdout
    assert list(folder.glob("oops")) == []


def check_notebook(text: str, folder: Path) -> None:
    cells = json.loads(text)["cells"]
    assert [cell["cell_type"] for cell in cells] == ["markdown", "code", "markdown", "code", "markdown", "code"]
    assert "![p]" not in "".join(cells[0]["source"])
    for cell in cells:
        if cell["cell_type"] == "code":
            compile("".join(cell["source"]), cell["id"], "exec")


CHECKS: dict[str, Callable[[str, Path], None]] = {
    "python": check_python, "command": check_command, "notebook": check_notebook,
}  # fmt: skip


def test_another_kind_is_refused_with_the_nearest(repeat: Repeat) -> None:
    with pytest.raises(SettingError, match="not as 'notebok', did you mean 'notebook'"):
        write_repeat(repeat, "notebok")  # type: ignore[arg-type]
