"""What can happen to a file: bits turn, pieces go, come twice or change places, another program saves it anew."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

PIECES = (
    b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\x1b[31m", b"\r", b"\n", b"\r\n\r\n", b"\t", b",",
    b";", b"|", b'"', b"'", b'""', b">", b"=", b"#", b"&a ", b"*a", b"!!python/name:os.system ", b"{", b"}", b"[[",
    b"]", b"---\n", b"...\n", b"NaN", b"-Infinity", b"1e999", b"-0", b"9" * 40, b"null", b"true", b"=1+1",
    b"=cmd|' /C calc'!A0", b"../../", b"%2e%2e%2f", b"\xed\xa0\x80", b"\xf0\x9f\xa7\xac", b"\xe2\x80\xae",
    b"\xc2\x85", b"\xe2\x80\xa8", b"\\ud800", b"\\u0000", b"<script>",
)  # fmt: skip
ENCODINGS = ("utf-16", "utf-16-le", "utf-32", "utf-8-sig", "cp037", "utf-7")


@st.composite
def damaged(draw: Any, sound: st.SearchStrategy[bytes], most: int = 20_000) -> bytes:
    """Draw a sound file and damage it in up to five ways; at most `most` bytes remain."""
    content = draw(sound)
    for _ in range(draw(st.integers(0, 5))):
        content = draw(st.sampled_from(WAYS))(draw, content)[:most]
    return content


def _place(draw: Any, content: bytes) -> int:
    return int(draw(st.integers(0, len(content))))


def _flip(draw: Any, content: bytes) -> bytes:
    place = _place(draw, content)
    piece = bytes(byte ^ (1 << draw(st.integers(0, 7))) for byte in content[place : place + 1])
    return content[:place] + piece + content[place + 1 :]


def _truncate(draw: Any, content: bytes) -> bytes:
    return content[: _place(draw, content)]


def _cut(draw: Any, content: bytes) -> bytes:
    first, last = sorted((_place(draw, content), _place(draw, content)))
    return content[:first] + content[last:]


def _insert(draw: Any, content: bytes) -> bytes:
    place, piece = _place(draw, content), draw(st.sampled_from(PIECES) | st.binary(max_size=6))
    return content[:place] + piece * draw(st.sampled_from([1, 1, 1, 2, 60])) + content[place:]


def _overwrite(draw: Any, content: bytes) -> bytes:
    place, piece = _place(draw, content), draw(st.sampled_from(PIECES) | st.binary(max_size=6))
    return content[:place] + piece + content[place + len(piece) :]


def _repeat(draw: Any, content: bytes) -> bytes:
    first, last = sorted((_place(draw, content), _place(draw, content)))
    return content[:first] + content[first:last] * draw(st.sampled_from([2, 3, 50])) + content[last:]


def _recode(draw: Any, content: bytes) -> bytes:
    return content.decode("utf-8", "replace").encode(draw(st.sampled_from(ENCODINGS)), "replace")


WAYS = (_flip, _truncate, _cut, _insert, _insert, _overwrite, _repeat, _recode)
