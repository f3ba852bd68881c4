"""Every page is drawn as the server draws it, without a browser: with no data, no runs, and runs in every state."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from molfun.data.dataset import Dataset
from molfun.data.examples import EXAMPLES
from molfun.runs.spec import RunSpec
from molfun.runs.store import RunFolder, RunStore
from tests.drawn_pages import (
    FRAME,
    PAGES,
    RESIDUES,
    button,
    dataset,
    draw,
    make_run,
    words,
    write_checkpoint,
    write_results,
)

__all__ = ["dataset", "make_run"]


@pytest.mark.parametrize("page", PAGES)
def test_page_renders_in_an_empty_home(page: str) -> None:
    assert words(draw(page))


@pytest.mark.parametrize("page", PAGES)
def test_page_renders_with_runs_in_every_state(page: str, make_run: Callable[..., RunFolder], dataset: Dataset) -> None:
    for status in ("queued", "starting", "running", "stopping", "finished", "stopped", "failed", "lost"):
        make_run(f"run-{status}", status)
    write_results(RunFolder(make_run("scored", "finished").path), dataset)
    assert words(draw(page))


@pytest.mark.parametrize("page", PAGES)
def test_page_renders_with_a_run_whose_files_are_torn(page: str, make_run: Callable[..., RunFolder]) -> None:
    folder = make_run("torn", "finished")
    for path in (folder.state_path, folder.spec_path, folder.scoreboard_path):
        path.write_text('{"status": "fini')
    folder.metrics_path.write_text('{"kind": "step", "st')
    assert words(draw(page))


def test_live_of_an_unknown_run_says_so() -> None:
    app = draw("live", run="unknown")
    assert "No run has the id 'unknown'" in app.warning[0].value


@pytest.mark.parametrize("run_id", ["../../etc", "A B", "%2e%2e"])
def test_live_refuses_an_id_that_is_none(run_id: str) -> None:
    assert "is no run id" in draw("live", run=run_id).warning[0].value


def test_live_of_a_running_run_offers_stop(make_run: Callable[..., RunFolder]) -> None:
    app = draw("live", run=make_run("going", "running").id)
    assert button(app, "Stop").disabled is False
    assert [item.value for item in app.metric][:2] == ["2 / 4", "0.108"]


def test_live_of_a_failed_run_tells_the_cause(make_run: Callable[..., RunFolder]) -> None:
    app = draw("live", run=make_run("sad", "failed", cause="The loss became nan.").id)
    assert app.error[0].value == "The loss became nan."
    assert "There is no test score" in words(app)


@pytest.mark.parametrize("status", ["stopped", "failed", "lost"])
def test_live_of_a_run_that_ended_early_offers_to_resume_it(make_run: Callable[..., RunFolder], status: str) -> None:
    folder = make_run("early", status, cause="Something.")
    resume = button(draw("live", run="early"), "Resume")
    assert (resume.help, resume.disabled) == ("Goes on from its beginning: no checkpoint was written.", False)
    write_checkpoint(folder, "previous", 10)
    newest = write_checkpoint(folder, "last", 12)
    assert button(draw("live", run="early"), "Resume").help == "Goes on after step 12, from the checkpoint last."
    newest.write_bytes(b"torn")
    app = draw("live", run="early")
    assert "Goes on after step 10, from the checkpoint previous (last is damaged)." in words(app)
    assert "last: weights.safetensors is not what was written" in words(app)


def test_live_of_a_run_whose_checkpoints_are_all_damaged_says_why_it_cannot_go_on(
    make_run: Callable[..., RunFolder],
) -> None:
    write_checkpoint(make_run("torn", "lost", cause="Killed."), "last", 12).unlink()
    app = draw("live", run="torn")
    assert button(app, "Resume").disabled
    assert "None of its checkpoints can be used" in words(app)
    assert "last: weights.safetensors is missing" in words(app)


def test_live_lists_checkpoints_without_those_half_written(make_run: Callable[..., RunFolder]) -> None:
    folder = make_run("going", "running")
    for name in ("best", ".best.writing", "last"):
        (folder.checkpoints / name).mkdir()
    (folder.checkpoints / "best" / "manifest.json").write_text('{"step": 20, "epoch": 2, "weights": "ema"}')
    table = draw("live", run="going").dataframe[-1].value
    assert table.drop(columns="Written").to_dict("records") == [
        {"Checkpoint": "best", "Epoch": 2, "Step": 20, "Weights": "averaged", "Size": "0.0 MB"}
    ]


def test_live_of_a_finished_run_shows_its_score_beside_baselines(
    make_run: Callable[..., RunFolder], dataset: Dataset
) -> None:
    folder = make_run("done", "finished", num_steps=40, ended=time.time())
    write_results(folder, dataset)
    app = draw("live", run=folder.id)
    assert "Spearman correlation 0.710" in words(app)
    assert "“one-hot residues”, reaches 0.650" in words(app)
    assert "Stop" not in [item.label for item in app.button]
    assert {"Fork…", "Run the random-weights control"} <= {item.label for item in app.button}


def test_new_run_without_data_offers_the_examples() -> None:
    app = draw("new_run")
    assert "A run needs data" in words(app)
    assert [item.label for item in app.button if item.label != "Hide"] == ["Try it"] * len(EXAMPLES)


def test_new_run_shows_strategy_settings_and_steps(dataset: Dataset) -> None:
    app = draw("new_run", dataset=dataset.id)
    labels = [item.label for item in app.number_input]
    assert "Rank" not in labels
    app.segmented_control(key=next(c.key for c in app.segmented_control if c.label == "Strategy")).set_value(
        "lora"
    ).run()
    assert {"Rank", "Alpha", "LoRA learning rate"} <= {item.label for item in app.number_input}
    assert "steps" in words(app)


def test_new_run_cannot_start_without_its_weights_and_says_why(dataset: Dataset) -> None:
    app = draw("new_run", dataset=dataset.id)
    next(item for item in app.segmented_control if item.label == "Weights").set_value("folder").run()
    assert button(app, "Start").disabled
    assert "Name the folder with the weights." in words(app)


def test_new_run_from_a_run_takes_its_settings(
    make_run: Callable[..., RunFolder], dataset: Dataset, home: Path
) -> None:
    spec = RunSpec.parse({"data": {"dataset": dataset.id}, "training": {"epochs": 77}, "strategy": {"kind": "full"}})
    RunStore(home).create(spec, run_id="first")
    app = draw("new_run", **{"from": "first", "weights": "random"})
    values = {item.label: item.value for item in [*app.segmented_control, *app.number_input]}
    assert (values["Strategy"], values["Weights"], values["Epochs"]) == ("full", "random", 77)
    assert "Random weights" in words(app)


def test_every_widget_of_a_form_has_a_help_text(dataset: Dataset) -> None:
    app = draw("new_run", dataset=dataset.id)
    widgets = [*app.number_input, *app.selectbox, *app.segmented_control, *app.text_input, *app.toggle]
    assert len(widgets) > 15
    assert [item.label for item in widgets if not item.help] == []


def upload(name: str, content: bytes) -> AppTest:
    app = draw("data")
    app.segmented_control(key="data.source").set_value("upload").run()
    app.file_uploader(key="data.file").upload(name, content, "text/csv").run()
    assert not app.exception, app.exception[0].stack_trace
    return app


def table(rows: list[str]) -> bytes:
    return ("sequence,value\n" + "\n".join(rows)).encode()


GOOD = [f"{RESIDUES[i % 20] * (20 + i)},{i}.5" for i in range(30)]


def test_data_saves_an_uploaded_table_and_offers_a_run(home: Path) -> None:
    app = upload("mine.csv", table(GOOD))
    assert "Every row is fine" in words(app)
    button(app, "Save dataset").click().run()
    assert [path.name for path in (home / "datasets").iterdir()]
    assert "Start a run with it" in [item.label for item in app.button]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("empty.csv", b"", "empty"),
        ("header.csv", b"sequence,value\n", "no rows"),
        ("letters.csv", table([*GOOD, "ACDEFGHI1KLMNPQR,2.0"]), "position 9"),
        ("text.csv", table([*GOOD[:20], "ACDEFGHIKLMNPQR,high"]), "high"),
        ("gap.csv", table([*GOOD, ",2.0"]), "expected a sequence, found nothing"),
        ("one.csv", table(GOOD[:1]), "row"),
        ("constant.csv", table([f"{RESIDUES}{letter},1.0" for letter in RESIDUES]), "one class"),
    ],
)
def test_data_explains_a_bad_table(name: str, content: bytes, sentence: str) -> None:
    app = upload(name, content)
    assert any(sentence in item.value for item in app.error), words(app)
    assert all(item.disabled for item in app.button if item.label == "Save dataset")


@pytest.mark.parametrize("page", PAGES)
def test_pages_never_load_torch(page: str, fresh_python: Callable[..., str]) -> None:
    code = (
        "import sys; from streamlit.testing.v1 import AppTest\n"
        f"app = AppTest.from_file({str(FRAME)!r}, default_timeout=60)\n"
        f"app.switch_page({PAGES[page]!r}) if {page!r} != 'home' else app\n"
        "app.run(); assert not app.exception, app.exception\n"
        "print([name for name in ('torch', 'transformers', 'wandb') if name in sys.modules])"
    )
    assert fresh_python(code).splitlines()[-1] == "[]"
