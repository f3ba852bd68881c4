"""Runs the blocks of one page in this process, in order: `python page_runner.py BLOCKS.json`.

Python blocks share one namespace, as the cells of a notebook do; shell blocks run in bash, in the same folder.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any


def main() -> None:
    """Run the blocks of the file; exit with 1 at the first that fails, naming page and line."""
    space: dict[str, Any] = {"__name__": "__main__"}
    sys.path.insert(0, "")
    for block in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
        place, began = f"{block['page']}:{block['line']}", time.monotonic()
        is_python = block["kind"] == "python"
        failure = run_python(block["code"], place, space) if is_python else run_shell(block["code"])
        if failure:
            sys.exit(f"{place}: this {block['kind']} block fails.\n{block['code']}\n{failure}")
        sys.stderr.write(f"{place}: {time.monotonic() - began:.1f} s\n")


def run_python(code: str, place: str, space: dict[str, Any]) -> str:
    """Run Python code and return its traceback, or an empty string."""
    try:
        exec(compile(code, place, "exec"), space)
    except BaseException:  # noqa: BLE001 - a page's exit is a failure as any other
        return traceback.format_exc()
    return ""


def run_shell(code: str) -> str:
    """Run shell code and return what it said where it fails, or an empty string."""
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", code], capture_output=True, text=True, check=False)
    return f"exit code {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}" if done.returncode else ""


if __name__ == "__main__":
    main()
