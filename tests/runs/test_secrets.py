"""Secrets: found where they lie, hidden in whatever a process prints, whole or in pieces."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from molfun.runs.secrets import HIDDEN, GuardedStream, find_secret, redact, secret_values

KEY = "abcd0123efgh4567"


@pytest.mark.parametrize(
    ("name", "value", "hidden"),
    [
        ("WANDB_API_KEY", KEY, [KEY]),
        ("HF_TOKEN", KEY, [KEY]),
        ("AWS_SECRET_ACCESS_KEY", "a/b+cdefgh", ["a/b+cdefgh", "a%2Fb%2Bcdefgh"]),
        ("pgpassword", KEY, [KEY]),
        ("MAIL_PASS", KEY, [KEY]),
        ("GOOGLE_CREDENTIALS", '{"key": "x"}', ['{"key": "x"}', '{\\"key\\": \\"x\\"}']),
        ("https_proxy", "http://ana:longpassword@proxy:80", ["ana:longpassword", "longpassword"]),
        ("DATABASE_URL", "postgres://ana:pw@db/x", []),
        ("SIGNING_KEY", "-----BEGIN KEY-----\nMIIabcdefgh\nxyzxyzxyz\n-----END KEY-----", ["MIIabcdefgh", "xyzxyzxyz"]),
        ("SHORT_KEY", "1234567", []),
        ("TOKENIZERS_PARALLELISM", "false-false", []),
        ("AWS_SHARED_CREDENTIALS_FILE", sys.executable, []),
        ("PATH", "/usr/bin:/bin", []),
    ],
)
def test_secret_values_are_found_by_name_and_in_addresses(name: str, value: str, hidden: list[str]) -> None:
    assert set(hidden) <= set(secret_values({name: value}))
    assert bool(secret_values({name: value})) == bool(hidden)


def test_the_longest_secret_is_hidden_first() -> None:
    values = secret_values({"A_KEY": "abcdefgh", "B_KEY": "abcdefghijkl"})
    assert redact("abcdefghijkl abcdefgh", values) == f"{HIDDEN} {HIDDEN}"


@given(st.lists(st.sampled_from([KEY, KEY[:5], KEY[5:], KEY[0], "x", " ", "\n", None]), max_size=20))
def test_no_split_of_writes_and_flushes_lets_a_secret_through(pieces: list[str | None]) -> None:
    """None is a flush. What is shown is what one whole write would have shown."""
    shown = io.StringIO()
    stream = GuardedStream(shown, [KEY])
    for piece in pieces:
        stream.flush() if piece is None else stream.write(piece)
    text = "".join(piece for piece in pieces if piece)
    stream.finish()
    assert KEY not in shown.getvalue()
    expected = redact(text, [KEY])
    if not any(expected.endswith(KEY[:length]) for length in range(8, len(KEY))):
        assert shown.getvalue() == expected


def test_flush_shows_a_prompt_but_not_the_beginning_of_a_secret() -> None:
    shown = io.StringIO()
    stream = GuardedStream(shown, [KEY])
    stream.write("50 % abcd")
    stream.flush()
    assert shown.getvalue() == "50 % "
    stream.write("\n")
    assert shown.getvalue() == "50 % abcd\n"


def test_the_end_of_a_process_hides_most_of_a_secret_too() -> None:
    shown = io.StringIO()
    stream = GuardedStream(shown, [KEY])
    stream.write(f"key {KEY[:-1]}")
    stream.finish()
    assert shown.getvalue() == f"key {HIDDEN}"


def test_a_line_that_never_ends_is_written_in_pieces() -> None:
    shown = io.StringIO()
    stream = GuardedStream(shown, [KEY])
    for _ in range(10):
        stream.write("y" * 20_000 + KEY)
    assert len(shown.getvalue()) > 100_000
    stream.finish()
    assert shown.getvalue().count(HIDDEN) == 10


SCRIPT = """
import logging, os, sys, warnings
handler = logging.StreamHandler()  # made before the guard, as libraries do
logging.getLogger("early").addHandler(handler)
from molfun.runs.secrets import guard_streams
guard_streams()
guard_streams()
logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.INFO)
key = os.environ["SOME_TOKEN"]
print("out", key)
print("pieces ", end=""); print(key[:7], end="", flush=True); print(key[7:])
sys.stdout.buffer.write(f"bytes {key}\\n".encode()); sys.stdout.buffer.flush()
sys.stdout.writelines(["lines ", key, "\\n"])
logging.info("logged %s", key)
logging.getLogger("early").warning("early %s", key)
warnings.warn(f"warned {key}")
assert sys.stdout.fileno() == 1 and sys.stderr.fileno() == 2 and not sys.stdout.isatty()
assert sys.stdout.encoding and sys.stdout.errors
print(f"no line break {key}", end="")
raise ValueError(f"raised {key} {key!r}")
"""


def test_guard_streams_hides_secrets_in_text_logs_and_tracebacks() -> None:
    env = {**os.environ, "SOME_TOKEN": KEY}
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    for part in (KEY, KEY[:7], KEY[7:]):
        assert part not in done.stdout + done.stderr
    assert f"out {HIDDEN}\npieces {HIDDEN}\nbytes {HIDDEN}\nlines {HIDDEN}\nlogged {HIDDEN}\n" in done.stdout
    assert done.stdout.endswith(f"no line break {HIDDEN}")
    assert f"early {HIDDEN}" in done.stderr
    assert f"ValueError: raised {HIDDEN} '{HIDDEN}'" in done.stderr


def test_find_secret_takes_the_environment_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", KEY)
    assert find_secret("SOME_TOKEN") == KEY
    assert find_secret("NO_SUCH_TOKEN") is None


@pytest.mark.parametrize(
    ("body", "found"),
    [("return KEYS.get((service, name))", "from-the-ring"), ("raise RuntimeError('locked')", "None")],
)
def test_find_secret_asks_the_keyring_where_there_is_one(tmp_path: Path, body: str, found: str) -> None:
    """The package is optional: here another one of the same name stands for it."""
    (tmp_path / "keyring.py").write_text(
        f"KEYS = {{('molfun', 'HF_TOKEN'): 'from-the-ring'}}\ndef get_password(service, name):\n    {body}\n"
    )
    env = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    env.pop("HF_TOKEN", None)
    code = "from molfun.runs.secrets import find_secret; print(find_secret('HF_TOKEN'))"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.stdout == f"{found}\n", done.stderr
