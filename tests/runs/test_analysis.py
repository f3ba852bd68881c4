"""The analysis process answers, is started again when it dies, and what it said is kept."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from molfun.errors import ModelError, RunError
from molfun.runs.analysis import AnalysisProcess, preview_parameters
from molfun.runs.plan import plan_run

ECHO = """
import json, os, sys, time
for line in sys.stdin:
    request = json.loads(line)
    if request["what"] == "die": os._exit(1)
    if request["what"] == "sleep": time.sleep(60)
    if request["what"] == "fail": request = {"error": "No."}
    print(json.dumps(request | {"pid": os.getpid()}), flush=True)
"""


@pytest.fixture
def echo() -> Iterator[AnalysisProcess]:
    process = AnalysisProcess((sys.executable, "-c", ECHO))
    yield process
    process.close()


def test_ask_keeps_one_process_warm(echo: AnalysisProcess) -> None:
    first, second = echo.ask({"what": "a"}), echo.ask({"what": "b"})
    assert (first["what"], second["what"]) == ("a", "b")
    assert first["pid"] == second["pid"]


def test_ask_starts_a_dead_process_again(echo: AnalysisProcess) -> None:
    first = echo.ask({"what": "a"})
    os.kill(first["pid"], signal.SIGKILL)
    assert echo.ask({"what": "b"})["pid"] != first["pid"]


def test_ask_gives_up_on_what_always_dies(echo: AnalysisProcess) -> None:
    with pytest.raises(RunError, match="ends whenever it is asked"):
        echo.ask({"what": "die"})
    assert echo.ask({"what": "a"})["what"] == "a"


def test_ask_gives_up_in_time_and_takes_no_late_answer(echo: AnalysisProcess) -> None:
    echo.ask({"what": "a"})
    with pytest.raises(RunError, match="no answer within 0 seconds"):
        echo.ask({"what": "sleep"}, timeout=0.2)
    assert echo.ask({"what": "b"})["what"] == "b"


def test_close_ends_the_process(echo: AnalysisProcess) -> None:
    pid = echo.ask({"what": "a"})["pid"]
    echo.close()
    assert not Path(f"/proc/{pid}").exists()


def test_preview_is_asked_once(home: Path, echo: AnalysisProcess) -> None:
    spec = {"model": {"name": "antiberty"}, "strategy": {"kind": "lora"}}
    first = preview_parameters(home, spec, task="regression", num_outputs=1, num_chains=2, analysis=echo)
    assert (first["task"], first["num_chains"]) == ("regression", 2)
    echo.close()
    again = preview_parameters(home, spec, task="regression", num_outputs=1, num_chains=2, analysis=echo)
    assert again == first
    other = preview_parameters(home, spec, task="regression", num_outputs=1, num_chains=1, analysis=echo)
    assert other["pid"] != first["pid"]


def test_preview_passes_a_refusal_on(home: Path) -> None:
    process = AnalysisProcess((sys.executable, "-c", ECHO.replace('"what"', '"task"')))
    with pytest.raises(ModelError, match=r"No\."):
        preview_parameters(
            home, {"model": {}, "strategy": {}}, task="fail", num_outputs=1, num_chains=1, analysis=process
        )
    process.close()
    assert list((home / "cache" / "parameters").glob("*")) == []


@pytest.mark.slow
def test_the_real_process_counts_a_lora_run(home: Path) -> None:
    """8 blocks, query and value, two matrices of 512 x 4 each; and a head of a norm and 3 outputs."""
    spec, _ = plan_run(home, {"data": {"example": "v_genes"}}, strategy="lora", changes={"strategy.rank": "4"})
    process = AnalysisProcess()
    answer = preview_parameters(home, spec.model_dump(mode="json"), analysis=process)
    process.close()
    assert answer["trainable"] == 8 * 2 * 2 * 512 * 4 + 2 * 512 + 3 * 512 + 3
    assert answer["total"] - answer["trainable"] == 25_496_064


def test_an_answer_that_cannot_be_kept_is_an_answer(home: Path, echo: AnalysisProcess) -> None:
    (home / "cache").mkdir()
    (home / "cache" / "parameters").write_text("in the way")
    spec = {"model": {"name": "antiberty"}, "strategy": {"kind": "lora"}}
    answer = preview_parameters(home, spec, task="regression", num_outputs=1, num_chains=2, analysis=echo)
    assert answer["task"] == "regression"
