"""An interpreter that cannot import Molfun: what was exported runs in it, and the libraries are loaded only once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

LOOP = """
import contextlib, io, json, os, sys, traceback
sys.modules['molfun'] = None  # importing it fails
for line in sys.stdin:
    folder, code, arguments = json.loads(line)
    os.chdir(folder)
    sys.argv, said, failure = arguments, io.StringIO(), ''
    try:
        with contextlib.redirect_stdout(said):
            exec(code, {'__name__': '__main__'})
    except BaseException:
        failure = traceback.format_exc()
    print(json.dumps([said.getvalue(), failure]), flush=True)
"""


class PlainPython:
    """The interpreter, as a process of its own."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", LOOP], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, code: str, arguments: list[str], folder: Path) -> list[str]:
        """Run code in a folder, with names of its own, and return the lines that it prints; hold that it ends well."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([str(folder), code, arguments]) + "\n")
        self.process.stdin.flush()
        said, failure = json.loads(self.process.stdout.readline())
        assert not failure, failure
        return list(said.splitlines())

    def close(self) -> None:
        """End it."""
        self.process.communicate()


@pytest.fixture(scope="session")
def plain_python() -> Iterator[PlainPython]:
    """Return the interpreter, the same for all tests."""
    python = PlainPython()
    yield python
    python.close()
