"""A run as a file that trains it again: a notebook, a Python script, one line for a shell. Values in, text out."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import indent
from typing import Any, Literal, get_args

from molfun.errors import SettingError, nearest, printable
from molfun.runs.repeat import Repeat
from molfun.runs.secrets import redact, secret_values
from molfun.runs.spec import as_text

Kind = Literal["notebook", "python", "command"]
KINDS: tuple[Kind, ...] = get_args(Kind)
MAX_TITLE = 200
MARKS = re.compile(r"[\\`*_\[\]<>#$~!|]")  # what Markdown takes for formatting
SAME = "On the machine that computed it every digit is the same; elsewhere the last ones may differ."


@dataclass(frozen=True)
class FileKind:
    """How a kind of file is called, ends, and is announced to a browser."""

    title: str
    ending: str
    mime: str


FILES: dict[Kind, FileKind] = {
    "notebook": FileKind("Notebook", ".ipynb", "application/x-ipynb+json"),
    "python": FileKind("Python", ".py", "text/x-python"),
    "command": FileKind("Command line", ".sh", "text/x-shellscript"),
}


def write_repeat(repeat: Repeat, kind: Kind) -> str:
    """Return the text of a file.

    Args:
        repeat: What is trained again.
        kind: "notebook", "python" or "command".

    Raises:
        SettingError: There is no such kind.
    """
    if kind not in KINDS:
        raise SettingError(f"A run opens as {', '.join(KINDS)}, not as {kind!r}{nearest(str(kind), KINDS) or '.'}")
    text = {"notebook": _notebook, "python": _python, "command": _command}[kind](repeat)
    return redact(text, secret_values(os.environ))


def _words(repeat: Repeat) -> Iterator[str]:
    """Yield what is said above: which run it is, what is expected, and what will differ."""
    made = f" It was computed by {repeat.made_on}." if repeat.made_on else ""
    yield f"Trains the run {repeat.run_id} again, from the same data.{made} {SAME}"
    yield "Its data have the hash data.sha256: with others nothing starts, and a sentence says so."
    yield from (_line(sentence) for sentence in repeat.caveats)


def _line(words: str, most: int = 2_000) -> str:
    """Return words on one line, so that no part of them leaves its comment."""
    return printable(" ".join(words.split()), most)


def _command(repeat: Repeat) -> str:
    told = [f"--set {shlex.quote(f'{path}={as_text(value)}')}" for path, value in repeat.settings.items()]
    words = [f"molfun fit {shlex.quote(repeat.data)} --strategy {repeat.strategy}", *told]
    scores = ", ".join(f"{name} {value!r}" for name, value in repeat.scores.items())
    notes = [_line(repeat.title, MAX_TITLE), *_words(repeat), *([f"Recorded test scores: {scores}"] if scores else [])]
    return "".join(f"# {note}\n" for note in notes) + " \\\n  ".join(words) + "\n"


def _python(repeat: Repeat) -> str:
    notes = "".join(f"# {note}\n" for note in (_line(repeat.title, MAX_TITLE), *_words(repeat)))
    call = f"try:\n{indent(_call(repeat), '    ')}\nexcept molfun.MolfunError as error:\n    sys.exit(str(error))\n"
    imports = "\n\n".join(["import sys", *(["import pandas as pd"] if repeat.scores else []), "import molfun\n"])
    shown = 'print(scores.to_string(float_format="{:.17g}".format))\n' if repeat.scores else "print(run.history())\n"
    return "\n".join([notes + imports, call, _comparison(repeat) + shown])


def _call(repeat: Repeat) -> str:
    """Return the call that trains."""
    lines = [f"        {_literal(path)}: {_literal(_typed(value))}," for path, value in repeat.settings.items()]
    settings = "\n".join(["    settings={", *lines, "    },"])
    return f"run = molfun.fit(\n    {_literal(repeat.data)},\n    strategy={_literal(repeat.strategy)},\n{settings}\n)"


def _typed(value: Any) -> Any:
    """Return a value as a mapping of settings has it: there, too, text is read as after `--set`."""
    return as_text(value) if isinstance(value, str) else value


def _literal(value: Any) -> str:
    # Double quotes as formatters write them; every other escape of JSON is one of Python.
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _comparison(repeat: Repeat) -> str:
    """Return the lines that put recorded scores beside new ones; empty where there are none."""
    if not repeat.scores:
        return ""
    recorded = "\n".join(f"    {_literal(name)}: {value!r}," for name, value in repeat.scores.items())
    return (
        f"recorded = {{\n{recorded}\n}}\n"
        'scores = pd.DataFrame({"recorded": recorded, "now": run.scores().loc["this run"]})\n'
        'scores["difference"] = scores["now"] - scores["recorded"]\n'
    )


def _notebook(repeat: Repeat) -> str:
    words = "\n".join(f"- {words}" for words in _words(repeat))
    title = MARKS.sub(r"\\\g<0>", _line(repeat.title, MAX_TITLE))
    cells = [
        _cell("about", "markdown", f"# {title}\n\n{words}"),
        _cell("train", "code", f"import molfun\n\n{_call(repeat)}"),
    ]
    if repeat.scores:
        cells += [
            _cell("scores", "markdown", "## Test scores\n\nRecorded, and of the run above."),
            _cell("compare", "code", f"import pandas as pd\n\n{_comparison(repeat)}scores"),
        ]
    cells += [
        _cell("rows", "markdown", "## Every epoch"),
        _cell("history", "code", "run.history()"),
    ]
    about = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    notebook = {"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _cell(name: str, kind: str, source: str) -> dict[str, Any]:
    code: dict[str, Any] = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {"id": name, "cell_type": kind, "metadata": {}, "source": source.splitlines(keepends=True), **code}
