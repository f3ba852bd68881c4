"""Reads YAML that a person wrote: one mapping of plain values, within bounds, every mistake named by line and column.

What YAML 1.1 would turn into something that nobody meant stays text: 12:00:00 (43200), 010 (8), 2021_01 (202101),
2024-01-01 (a date). Everything else is read as PyYAML writes it, so that what was written is read again.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import yaml

from molfun.errors import SettingError, printable

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 50
MAX_DIGITS = 18
SHOWN_CHARACTERS = 60

# Where text is expected, settings turn a number back; where a number is expected, text such as 1e-4.
WORDS: dict[str, Any] = {
    form: meaning
    for meaning, words in ((True, "true yes on"), (False, "false no off"), (None, "null"))
    for word in words.split()
    for form in (word, word.capitalize(), word.upper())
} | {"": None, "~": None}
WORDS |= {f"{sign}.{word}": float(f"{sign}inf") for sign in ("", "+", "-") for word in ("inf", "Inf", "INF")}
WORDS |= dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan)
WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]*+)")
DECIMAL = re.compile(r"(?:[-+]?[0-9]++\.[0-9]*+|\.[0-9]++)(?:[eE][-+][0-9]++)?")
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
BINARY = re.compile(rb"[\x00-\x06\x0e-\x1a]")
HALF = re.compile(r"[\ud800-\udfff]")
TAGS = {"tag:yaml.org,2002:str": "text", "!": "text"}
# libyaml where it is there: ten times as fast.
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load_mapping(path: Path, *, what: str = "spec", most_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """Read a YAML file that holds one mapping.

    Args:
        path: The file, UTF-8.
        what: What it is, for messages.
        most_bytes: Largest size, a multiple of 1 MB.

    Returns:
        The mapping: text keys; values are text, numbers, booleans, None, lists and mappings of these.

    Raises:
        SettingError: The file cannot be read, is no such mapping, or is nested too deeply.
    """
    shown = printable(str(path), 300)
    try:
        if not path.exists():
            raise SettingError(f"Cannot read the {what} {shown}: there is no such file; check the path.")
        # A pipe would be waited for, a device read for ever.
        if not path.is_file():
            raise SettingError(f"Cannot read the {what} {shown}: it is no file; check the path.")
        with path.open("rb") as file:
            content = file.read(most_bytes + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "that is no path"
        raise SettingError(f"Cannot read the {what} {shown}: {reason}; check path and permissions.") from None
    return parse_mapping(content, printable(path.name, SHOWN_CHARACTERS), what=what, most_bytes=most_bytes)


def parse_mapping(content: bytes, shown: str, *, what: str = "spec", most_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """Read YAML text that holds one mapping.

    Args:
        content: UTF-8 text.
        shown: Name of the file for messages.
        what: What it is, for messages.
        most_bytes: Largest size, a multiple of 1 MB.

    Raises:
        SettingError: As `load_mapping`.
    """
    failed = f"Cannot read the {what} {shown}"
    if len(content) > most_bytes:
        raise SettingError(f"{failed}: it has more than {most_bytes // 1024**2} MB; expected a few kB of YAML.")
    if BINARY.search(content[:1000]) and content[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        raise SettingError(f"{failed}: it is no text file; expected YAML.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SettingError(
            f"{failed}, line {line}: expected UTF-8 text, found other bytes; save it as UTF-8."
        ) from None
    values = _read(text, failed)
    if not isinstance(values, dict):
        raise SettingError(f"The {what} {shown} holds no settings; expected YAML such as 'data: {{example: v_genes}}'.")
    return values


def parse_value(text: str, shown: str) -> Any:
    """Read one value as YAML, as after `--set name=`: a number, a word, "[1, 2]", "{a: 1}".

    Args:
        text: The value.
        shown: What it is the value of, for messages.

    Raises:
        SettingError: It is no YAML, or one of the things that a spec may not hold.
    """
    return _read(text, shown)


@dataclass
class _Open:
    """A list or mapping whose end is not read yet."""

    values: Any
    event: Any
    key: str | None = None
    lines: dict[str, int] = field(default_factory=dict)


def _read(text: str, shown: str) -> Any:
    if wrong := UNPRINTABLE.search(text):
        line = text.count("\n", 0, wrong.start()) + 1
        raise SettingError(f"{shown}, line {line}: expected text, found the control character {wrong[0]!r}; remove it.")
    try:
        return _Builder(shown).build(yaml.parse(text, Loader=LOADER))
    except yaml.YAMLError as error:
        raise SettingError(_sentence(error, text, shown)) from None


class _Builder:
    """Builds plain values from YAML events; keeps its own stack, so that depth costs no recursion."""

    def __init__(self, shown: str) -> None:
        self.shown = shown
        self.stack: list[_Open] = []
        self.root: Any = None

    def build(self, events: Iterator[Any]) -> Any:
        num_documents = 0
        for event in events:
            match event:
                case yaml.DocumentStartEvent():
                    num_documents += 1
                    if num_documents > 1:
                        self._refuse(event, "one document", "'---' and a second one", "keep one of the two")
                case yaml.AliasEvent():
                    self._refuse(event, "a value", f"the reference *{event.anchor}", "write the value out")
                case yaml.ScalarEvent():
                    self._check(event)
                    self._place(self._scalar(event), event)
                case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                    self._check(event)
                    values: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
                    self._place(values, event)
                    self.stack.append(_Open(values, event))
                case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                    self.stack.pop()
        return self.root

    def _check(self, event: Any) -> None:
        """Refuse anchors, foreign types and depth, where they stand."""
        if len(self.stack) >= MAX_DEPTH:
            self._refuse(event, f"at most {MAX_DEPTH} levels", "more", "a spec has four")
        if event.anchor is not None:
            self._refuse(event, "a value", f"the anchor &{event.anchor}", "write values out where they are used")
        if event.tag is not None and event.tag not in TAGS:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self._refuse(event, "a plain value", f"the type {tag}", "leave the type out")

    def _place(self, value: Any, event: Any) -> None:
        """Put a value where it belongs; in a mapping every other one is a key."""
        if not self.stack:
            self.root = value
            return
        place = self.stack[-1]
        if isinstance(place.values, list):
            place.values.append(value)
        elif place.key is None:
            place.key = self._key(event, place)
        else:
            place.values[place.key], place.key = value, None

    def _key(self, event: Any, place: _Open) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            self._refuse(event, "the name of a setting", "a list or mapping", "write 'name: value'")
        name, line = str(event.value), event.start_mark.line + 1
        if name in place.lines:
            self._refuse(event, "each name once", f"{name!r} again, as in line {place.lines[name]}", "keep one of them")
        place.lines[name] = line
        return name

    def _scalar(self, event: Any) -> Any:
        text = str(event.value)
        if wrong := HALF.search(text):  # an escape such as "\\ud800", which cannot be written again
            self._refuse(event, "text", f"half of a character, {wrong[0]!r}", "remove it")
        if event.style or event.tag is not None or not event.implicit[0]:
            return text
        if text in WORDS:
            return WORDS[text]
        if WHOLE.fullmatch(text):
            if len(text) > MAX_DIGITS:
                self._refuse(event, f"a number of at most {MAX_DIGITS} digits", text, "put it in quotes if it is text")
            return int(text)
        return float(text) if DECIMAL.fullmatch(text) else text

    def _refuse(self, event: Any, expected: str, found: str, advice: str) -> NoReturn:
        mark = event.start_mark
        raise SettingError(
            f"{self.shown}, line {mark.line + 1}, column {mark.column + 1}: expected {expected}, found "
            f"{printable(found, SHOWN_CHARACTERS)}; {advice}."
        )


# What the parser says -> what was found and what to do.
PROBLEMS = {
    "mapping values are not allowed": ("a colon too many on the line", "put text that holds a colon in quotes"),
    "',' or": ("a bracket that is opened and never closed", "close it"),
    "end of stream": ("a quotation mark that is opened and never closed", "close it"),
    "quoted scalar": ("a quotation mark that is opened and never closed", "close it"),
    "expected key": ("another indentation than on the lines above", "indent what belongs together alike"),
    "block end": ("another indentation than on the lines above", "indent what belongs together alike"),
    "block mapping": ("another indentation than on the lines above", "indent what belongs together alike"),
}


def _sentence(error: yaml.YAMLError, text: str, shown: str) -> str:
    """Return what is wrong with a text that is no YAML."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        return f"{shown}: expected YAML, found none; check indentation, colons, brackets and quotes."
    where = f"{shown}, line {mark.line + 1}, column {mark.column + 1}"
    problem = str(getattr(error, "problem", None) or "")
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    found, advice = next(
        (words for mark_words, words in PROBLEMS.items() if mark_words in problem),
        (problem.removeprefix("found ") or "none", "check indentation, colons, brackets and quotes there"),
    )
    if "\t" in line[: len(line) - len(line.lstrip())]:
        found, advice = "a tab at the beginning of the line", "indent with blanks"
    elif "cannot start any token" in problem:
        found, advice = f"{line[mark.column : mark.column + 1]!r}", "put text that begins with it in quotes"
    return f"{where}: expected YAML, found {printable(found, 2 * SHOWN_CHARACTERS)}; {advice}."
