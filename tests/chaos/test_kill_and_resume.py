"""100 trainings killed with SIGKILL at random instants and resumed end with the bits of one that was not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("kill_and_resume.py")


def test_a_hundred_kills_change_no_bit(tmp_path: Path) -> None:
    """Live weights, averages, history, curve and every checkpoint, for all four strategies; two lanes for two cores."""
    lanes = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), str(tmp_path / f"lane{seed}"), "--kills", "50", "--seed", str(seed)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for seed in range(2)
    ]  # fmt: skip
    reports = []
    for lane in lanes:
        out, errors = lane.communicate(timeout=600)
        assert lane.returncode == 0, errors[-3000:]
        reports.append(json.loads(out.splitlines()[-1]))
    assert [report["different"] for report in reports] == [[], []]
    assert sum(report["kills"] for report in reports) == 100
    # The instants are random, so all that can be asked is that each kind was met.
    assert sum(report["in_a_write"] for report in reports) > 10
    assert sum(report["in_validation"] for report in reports) > 0
    assert sum(report["resumed"] for report in reports) > 50
