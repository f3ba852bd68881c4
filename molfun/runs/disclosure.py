"""What of a run may leave this machine: no secret, no path of it, and no sequence unless that is asked for."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from molfun.runs.secrets import redact, secret_values

PATH = re.compile(r"(?:file:/+|(?<![\w.:/~-])/)(?:[^\s/'\"<>|:;,()\[\]{}]+/)+[^\s/'\"<>|:;,()\[\]{}]*")
FEWEST_RESIDUES = 15
RESIDUES = re.compile(rf"(?<![A-Za-z])[ACDEFGHIKLMNPQRSTVWYBXZUO*-]{{{FEWEST_RESIDUES},}}(?![a-z])")
# Settings that hold a sequence, and those that tell of somebody's cluster: addresses, accounts, lines of a script.
SEQUENCES = frozenset({"wild_type"})
PLACES = frozenset({"slurm", "ray"})


class Disclosure:
    """Takes out of texts and values what is not to be handed on.

    Args:
        home: The data folder, which is called MOLFUN_HOME then.
        with_sequences: Whether sequences may be.
    """

    def __init__(self, home: Path | None = None, *, with_sequences: bool = False) -> None:
        self.with_sequences = with_sequences
        self._secrets = secret_values(os.environ)
        places = {**({str(home): "MOLFUN_HOME"} if home else {}), str(Path.home()): "~"}
        # A root such as "/" is in every path.
        self._places = {place: name for place, name in places.items() if place.count("/") > 1 or place == "/root"}

    def text(self, text: str) -> str:
        """Return a text as it may be handed on.

        >>> Disclosure().text("No model lies in /srv/models/mine, see https://example.org/a/b.")
        'No model lies in …/mine, see https://example.org/a/b.'
        """
        text = redact(text, self._secrets)
        for place, name in self._places.items():
            text = re.sub(rf"{re.escape(place)}(?![\w-])", name, text)
        text = PATH.sub(lambda found: _last_name(found[0]), text)
        return text if self.with_sequences else RESIDUES.sub(lambda found: _left_out(found[0]), text)

    def values(self, value: Any) -> Any:
        """Return plain values as they may be handed on, names and texts within them as well."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(name)): self._value(str(name), inner) for name, inner in value.items()
                    if not (name in PLACES and isinstance(inner, Mapping))}  # fmt: skip
        return [self.values(inner) for inner in value] if isinstance(value, list | tuple) else value

    def _value(self, name: str, value: Any) -> Any:
        if name in SEQUENCES and isinstance(value, str) and value and not self.with_sequences:
            return _left_out("".join(value.split()))
        return self.values(value)


def _left_out(sequence: str) -> str:
    return f"[{len(sequence)} residues left out]"


def _last_name(path: str) -> str:
    """Return the end of a path; of one with two parts nothing, as the second may be a person's name."""
    names = [name for name in path.removeprefix("file:").split("/") if name]
    return f"…/{names[-1]}" if len(names) > 2 else "…"
