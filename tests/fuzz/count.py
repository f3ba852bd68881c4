"""Runs the fuzz tests and prints how many cases each reader was given: `python -m tests.fuzz.count`.

MOLFUN_FUZZ=20 gives twenty times as many, from another seed every time. Further arguments go to pytest.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest


def main(arguments: list[str]) -> int:
    """Run the tests, print a Markdown table of counts, and return pytest's exit status."""
    code = pytest.main([str(Path(__file__).parent), "-q", "-p", "no:xdist", "-p", "no:cacheprovider", *arguments])
    # Only now: pytest must be the first to load hypothesis.
    from tests.fuzz.cases import COUNTS

    rows = [f"| {reader} | {count:,} |" for reader, count in sorted(COUNTS.items())]
    table = ["| reader | cases |", "|---|---|", *rows, f"| all | {COUNTS.total():,} |"]
    sys.stdout.write("\n".join(table) + "\n")
    return int(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
