"""Small files that would unpack to gigabytes are refused in seconds, in a process that has little memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.fuzz.bombs import READ, REFUSED, SECONDS
from tests.fuzz.cases import COUNTS, assert_sentence


def test_bombs_are_refused_and_records_are_read(tmp_path: Path, fresh_python: Callable[..., str]) -> None:
    code = f"from pathlib import Path; from tests.fuzz.bombs import main; main(Path({str(tmp_path)!r}))"
    found = json.loads(fresh_python(code, timeout=300).splitlines()[-1])
    COUNTS["bombs"] += len(found)
    for name, (seconds, sentence) in found.items():
        assert seconds < SECONDS, name
        if name in REFUSED:
            assert name in sentence, name
            assert_sentence(sentence)
    assert [name for name in READ if found[name][1]] == []
