"""Files of other processes: plain ones only, JSON that can be used and written again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from molfun.plain_files import MAX_DEPTH, open_plain, parse_object, read_plain


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b'{"a": NaN, "b": -Infinity, "c": 1e999, "d": 1e-999}', {"a": None, "b": None, "c": None, "d": 0.0}),
        (b'{"a": 9223372036854775807, "b": 9223372036854775808}', {"a": 2**63 - 1, "b": None}),
        (b'{"a": ' + b"9" * 5000 + b"}", {"a": None}),
        (b'{"a": "\\ud800", "b": "\\ud83e\\uddec"}', {"a": "?", "b": "\N{DNA DOUBLE HELIX}"}),
        (b'{"a": "' + b"[" * 100 + b'"}', {"a": "[" * 100}),
        (b'{"a":' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH, ...),
        (b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1), None),
        (b'{"a": [' * 100_000, None),
        (b"[1]", None),
        (b'{"a": 1', None),
        (b"\xff\xfe{", None),
        (b"", None),
    ],
)
def test_parse_object_gives_what_can_be_written_again(text: bytes, values: Any) -> None:
    found = parse_object(text)
    assert found is not None if values is ... else found == values


def test_only_plain_files_are_opened(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("plain")
    os.mkfifo(tmp_path / "pipe")
    assert read_plain(tmp_path / "plain", 5) == b"12345"
    with pytest.raises(OSError, match="has more than 4 bytes"):
        read_plain(tmp_path / "plain", 4)
    for path in (tmp_path / "link", tmp_path / "pipe", tmp_path, tmp_path / "absent", Path("/dev/zero")):
        with pytest.raises(OSError):  # noqa: PT011 - the system's words differ
            open_plain(path)
