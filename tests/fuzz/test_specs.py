"""Whatever a spec, a target or a `--set` says: a plan or one sentence; nothing starts, nothing is written elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import strategies as st

from molfun.errors import SettingError
from molfun.runs.plan import parse_changes, plan_run, read_target
from molfun.runs.spec import RunSpec
from molfun.yaml_files import WORDS, load_mapping, parse_mapping, parse_value
from tests.fuzz.cases import fuzz, outcome
from tests.fuzz.specs import DATA, ODD_SCALARS, PATHS, SPECS, scalars, settings_tree
from tests.fuzz.tables import RESIDUES


def plain(value: Any) -> bool:
    """Tell whether a value consists of what YAML files may hold."""
    if isinstance(value, dict):
        return all(isinstance(name, str) and plain(inner) for name, inner in value.items())
    return all(map(plain, value)) if isinstance(value, list) else value is None or isinstance(value, str | int | float)


@pytest.fixture
def table(room: Path) -> Path:
    """Return a sound table `rows.csv`."""
    rows = [f"{RESIDUES[i % 20] * 5}{RESIDUES[i % 7 :]},{i}.5" for i in range(20)]
    (room / "rows.csv").write_text("sequence,kd\n" + "\n".join(rows))
    return room / "rows.csv"


@fuzz("YAML files", 900, content=SPECS)
def test_yaml(room: Path, content: bytes) -> None:
    (room / "run.yaml").write_bytes(content)
    found = outcome(lambda: load_mapping(room / "run.yaml"), room)
    assert isinstance(found, str) or plain(found)


@fuzz("spec files", 450, content=SPECS)
def test_spec_file(room: Path, content: bytes) -> None:
    (room / "run.yaml").write_bytes(content)
    found = outcome(lambda: RunSpec.from_yaml(room / "run.yaml"), room)
    if isinstance(found, RunSpec):
        # What was accepted is written into the run's folder, and must be read again.
        (room / "run.yaml").write_text(found.to_yaml(), encoding="utf-8")
        assert RunSpec.from_yaml(room / "run.yaml").to_yaml() == found.to_yaml()


@fuzz("plans", 250, tree=settings_tree())
def test_plan(room: Path, home: Path, table: Path, monkeypatch: pytest.MonkeyPatch, tree: dict[str, Any]) -> None:
    monkeypatch.chdir(room)
    outcome(lambda: plan_run(home, tree), room, home)


targets = st.one_of(
    st.sampled_from(DATA), st.text(max_size=20), st.sampled_from([".", "/", "~", "rows.csv/x", "x.csv"])
)


@fuzz("targets", 300, target=targets)
def test_target(room: Path, home: Path, table: Path, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    monkeypatch.chdir(room)
    outcome(lambda: plan_run(home, read_target(target)), room, home)


changes = st.tuples(st.sampled_from(PATHS) | st.text(max_size=8), st.sampled_from(ODD_SCALARS) | scalars.map(str))


@fuzz("--set", 600, pairs=st.lists(changes, min_size=1, max_size=3), strategy=st.sampled_from(["", "lora", "x\0"]))
def test_changes(room: Path, home: Path, table: Path, pairs: list[tuple[str, str]], strategy: str) -> None:
    def act() -> RunSpec:
        return RunSpec().changed(parse_changes([f"{path}={value}" for path, value in pairs]))

    outcome(act, room, home)


@fuzz("--set", 300, text=st.sampled_from(ODD_SCALARS) | st.text(max_size=30))
def test_value(text: str) -> None:
    found = outcome(lambda: parse_value(text, "--set name"))
    assert isinstance(found, str) or plain(found)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12:00:00", "12:00:00"), ("010", "010"), ("2024-01-01", "2024-01-01"), ("0x1F", "0x1F"), ("'5'", "5"),
        ("1_000", "1_000"), ("0.5", 0.5), ("yes", True), ("none", "none"), ("~", None), ("", None),
        ("-.inf", float("-inf")), ("[1, a]", [1, "a"]), ("{a: {b: 1.5e-3}}", {"a": {"b": 1.5e-3}}),
    ],
)  # fmt: skip
def test_values_are_what_people_mean(text: str, value: Any) -> None:
    assert parse_value(text, "x") == value


# Settings refuse control characters, among them the line ends that YAML alone knows.
letters = st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"])
texts = st.sampled_from([text for text in ODD_SCALARS if "\\ud800" not in text]) | st.text(letters, max_size=8)
numbers = st.from_regex(r"[-+.]?[0-9_.]{0,4}[eE]?[-+]?[0-9]{0,2}", fullmatch=True) | st.sampled_from(
    [*WORDS, "yEs", "08"]
)


@fuzz("YAML files", 500, text=texts | numbers)
def test_what_was_written_is_read_again(text: str) -> None:
    written = yaml.safe_dump({"name": text, "names": [text]}, allow_unicode=True).encode("utf-8", "replace")
    found = outcome(lambda: parse_mapping(written, "run.yaml"))
    assert isinstance(found, str) or found == {"name": text, "names": [text]}


def test_numbers_reach_settings_in_every_spelling() -> None:
    spec = RunSpec().changed({"strategy.lr": "1e-4", "training.epochs": "010", "launch.slurm.time_limit": "12:00:00"})
    assert (spec.strategy.lr, spec.training.epochs, spec.launch.slurm.time_limit) == (1e-4, 10, "12:00:00")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: &x 1\nb: *x", r"run\.yaml, line 1, column 4: expected a value, found the anchor &x; write values out"),
        (b"a: !!python/name:os.system", r"line 1, column 4: expected a plain value, found the type !!python/name"),
        (b"a: 1\nb: 2\na: 3", r"line 3, column 1: expected each name once, found 'a' again, as in line 1; keep one"),
        (b"a:\n\tb: 1", r"line 2, column 1: expected YAML, found a tab at the beginning of the line; indent with"),
        (b"a: b: c", r"line 1, column 5: expected YAML, found a colon too many on the line; put text that holds"),
        (b"a: [1, 2", r"expected YAML, found a bracket that is opened and never closed; close it\."),
        (b"a: " + b"[" * 80, r"line 1, column 53: expected at most 50 levels, found more"),
        (b"a: " + b"9" * 40, r"line 1, column 4: expected a number of at most 18 digits"),
        (b"a: caf\xe9", r"line 1: expected UTF-8 text, found other bytes; save it as UTF-8\."),
        (b"a: 1\n---\nb: 2", r"line 2, column 1: expected one document, found '---' and a second one"),
        (b"x" * 2_000_000, r"run\.yaml: it has more than 1 MB; expected a few kB of YAML\."),
        (b"a: x\x07", r"line 1: expected text, found the control character '\\x07'; remove it\."),
        (b"", r"The spec run\.yaml holds no settings; expected YAML"),
    ],
)  # fmt: skip
def test_yaml_is_refused_by_line_and_column(room: Path, content: bytes, message: str) -> None:
    (room / "run.yaml").write_bytes(content)
    with pytest.raises(SettingError, match=message) as caught:
        load_mapping(room / "run.yaml")
    assert str(caught.value).endswith(".")
