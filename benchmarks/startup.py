"""From Start to the first loss, stage by stage; and what a person waits for elsewhere: the command line, pages.

    python -m benchmarks.startup [--runs N] [--pages]

The run is AntiBERTy with its pretrained weights on the antibody V genes, started by the app's own launcher: once from
nothing (cold) and once with a standby that has loaded (warm), in turns, each with HeadOnly and LoRA. The files are in
the page cache, as they are after a first run. `--pages` opens the real app in Chromium and presses Start there.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

from molfun.data.examples import save_example
from molfun.runs.launchers.local import LocalLauncher
from molfun.runs.process import find_process
from molfun.runs.spec import RunSpec
from molfun.runs.status import run_status
from molfun.runs.store import RunFolder
from molfun.runs.submit import submit_run
from molfun.runs.warm_start import shared_warm_start

STAGES = {"dataset, model": r"^(\S+ \S+) Building ", "strategy, loaders": r"^(\S+ \S+) Computing in "}
LOADED_SECONDS = 25.0
PATIENCE_SECONDS = 180.0


def wait_for_loss(folder: RunFolder) -> float:
    """Return when the first row of the metrics was seen, in unix seconds."""
    deadline = time.time() + PATIENCE_SECONDS
    while time.time() < deadline and not run_status(folder).is_over:
        if folder.metrics_path.exists() and b"\n" in folder.metrics_path.read_bytes():
            return time.time()
        time.sleep(0.01)
    raise SystemExit(f"No loss came.\n{folder.log_tail()}")


def logged(folder: RunFolder, pattern: str) -> float:
    """Return when a line was logged, in unix seconds."""
    found = re.search(pattern, folder.log_path.read_text(), re.MULTILINE)
    return datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S,%f").timestamp() if found else float("nan")


def measure(home: Path, kind: str, *, is_warm: bool) -> dict[str, float]:
    """Start a run, end it after its first loss, and return the seconds of each stage."""
    if is_warm:
        shared_warm_start().want()
        time.sleep(LOADED_SECONDS)
    dataset = save_example(home / "datasets", "v_genes")
    values = {"data": {"dataset": dataset.id}, "model": {"name": "antiberty"}, "strategy": {"kind": kind}}
    shutil.rmtree(home / "cache" / "frozen", ignore_errors=True)  # states that an earlier run left are no part of it
    begun = time.time()
    folder = submit_run(home, RunSpec.parse(values))
    submitted, loss = time.time(), wait_for_loss(folder)
    moments = {"submit": submitted, "processes, imports": folder.read_state()["started"]}
    moments |= {stage: logged(folder, pattern) for stage, pattern in STAGES.items()}
    moments["rehearsal, first step"] = loss
    end(folder)
    if is_warm and folder.read_state()["create_time"] > begun:
        print("The standby was not taken: something changed meanwhile (code, packages, memory).")
    before = [begun, *moments.values()]
    return {stage: at - last for (stage, at), last in zip(moments.items(), before, strict=False)} | {
        "in all": loss - begun
    }


def end(folder: RunFolder) -> None:
    """End a run at once."""
    if find_process(folder.read_state()) is not None:
        LocalLauncher().stop(folder, how="now")


def print_runs(home: Path, num_runs: int) -> None:
    """Print the median seconds of each stage: a row a strategy and kind of start."""
    measured: dict[tuple[str, bool], list[dict[str, float]]] = {}
    shared_warm_start().open(home)
    for _ in range(num_runs):
        for kind in ("head_only", "lora"):
            for is_warm in (False, True):
                measured.setdefault((kind, is_warm), []).append(measure(home, kind, is_warm=is_warm))
    shared_warm_start().close()
    stages = list(next(iter(measured.values()))[0])
    print(f"| strategy, start | {' | '.join(stages)} |\n|---|{'---|' * len(stages)}")
    for (kind, is_warm), rows in measured.items():
        cells = " | ".join(f"{statistics.median(row[stage] for row in rows):.2f} s" for stage in stages)
        print(f"| {kind}, {'warm' if is_warm else 'cold'} | {cells} |")


def median_seconds(command: list[str], repeats: int = 5) -> float:
    """Return the median wall time of a command."""
    seconds = []
    for _ in range(repeats):
        begun = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds)


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1, help="runs of each kind")
    parser.add_argument("--pages", action="store_true", help="also the app in a browser")
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    python = sys.executable
    print(f"molfun --help: {median_seconds([python, '-m', 'molfun.cli', '--help']):.2f} s")
    print(f"import molfun: {median_seconds([python, '-c', 'import molfun']):.3f} s")
    print(f"worker's imports: {median_seconds([python, '-m', 'molfun.runs.worker', '--help'], 3):.2f} s\n")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        os.environ["MOLFUN_HOME"] = place
        if options.runs:
            print_runs(Path(place), options.runs)
    if options.pages:
        # Late: only this part needs a browser.
        from benchmarks.startup_pages import print_pages  # noqa: PLC0415

        print_pages()


if __name__ == "__main__":
    main()
