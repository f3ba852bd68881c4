"""RunSpec: the YAML round trip, dotted changes, and messages that use the names that people wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from molfun.errors import SettingError
from molfun.runs.spec import RunSpec
from molfun.training.catalog import STRATEGIES
from molfun.training.settings import LoRASettings

KINDS = list(STRATEGIES)


@pytest.mark.parametrize("kind", KINDS)
def test_yaml_round_trip_keeps_everything(tmp_path: Path, kind: str) -> None:
    spec = RunSpec.parse(
        {
            "name": "Römer β",
            "data": {
                "table": "t.csv",
                "columns": {"sequence": ["heavy", "light"], "target": "kd"},
                "split": {"kind": "stratified"},
            },
            "strategy": {"kind": kind, "lr": 3e-5, "ema_decay": 0.99},
            "training": {"epochs": 3},
        }
    )
    path = tmp_path / "spec.yaml"
    path.write_text(spec.to_yaml(), encoding="utf-8")
    assert RunSpec.from_yaml(path) == spec


@pytest.mark.parametrize("kind", KINDS)
def test_yaml_holds_every_resolved_setting(kind: str) -> None:
    values = yaml.safe_load(RunSpec.parse({"strategy": {"kind": kind}}).to_yaml())
    assert set(values["strategy"]) == set(STRATEGIES[kind].settings.model_fields)
    assert set(values) == set(RunSpec.model_fields)


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("strategy.lr", "1e-3", 1e-3),
        ("strategy.lr", "3e-4", 3e-4),
        ("strategy.lr", 0.5, 0.5),
        ("strategy.amp", "false", False),
        ("strategy.warmup_steps", "20", 20),
        ("strategy.scheduler", "linear", "linear"),
        ("training.epochs", "2", 2),
        ("model.head.pooling", "attention", "attention"),
        ("model.name", "esm2_8m", "esm2_8m"),
        ("data.columns.sequence", "[heavy, light]", ["heavy", "light"]),
        ("data.split.seed", "7", 7),
        ("trackers", "[wandb]", ["wandb"]),
        ("name", "", ""),
        ("name", "0042", "0042"),
        ("data.columns.target", "2021_01", "2021_01"),
        ("training.epochs", "1_000", 1000),
        ("training.epochs", "1e3", 1000),
    ],
)
def test_changed_replaces_one_dotted_setting(path: str, value: Any, expected: Any) -> None:
    before = RunSpec()
    found: Any = before.changed({path: value})
    for part in path.split("."):
        found = getattr(found, part)
    assert found == expected
    assert before == RunSpec()


def test_changed_accepts_none_for_auto() -> None:
    spec = RunSpec.parse({"strategy": {"kind": "lora", "lr_head": 1e-3}}).changed({"strategy.lr_head": "null"})
    assert isinstance(spec.strategy, LoRASettings)
    assert spec.strategy.lr_head is None


@pytest.mark.parametrize("kind", KINDS)
def test_messages_leave_out_the_discriminator(kind: str) -> None:
    with pytest.raises(SettingError, match=r"^Unknown setting 'strategy\.lrr', did you mean 'lr'\?$"):
        RunSpec.parse({"strategy": {"kind": kind, "lrr": 1}})
    with pytest.raises(SettingError, match=r"^Setting 'strategy\.lr' is 9; .*less than or equal to 1\.$"):
        RunSpec.parse({"strategy": {"kind": kind, "lr": 9}})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"modle": {}}, r"Unknown setting 'modle', did you mean 'model'\?"),
        ({"model": {"head": {"pool": "mean"}}}, r"Unknown setting 'model\.head\.pool', did you mean 'pooling'\?"),
        ({"strategy": {"kind": "head_only", "rank": 4}}, r"Unknown setting 'strategy\.rank'"),
        ({"strategy": {"kind": "head-only"}}, r"'head-only'; expected one of .*'head_only'"),
        ({"training": {"epochs": 0}}, r"'training\.epochs' is 0; should be greater than or equal to 1\."),
        ({"training": 5}, r"'training' is 5"),
    ],
)
def test_parse_names_the_wrong_setting(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        RunSpec.parse(values)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strategy.lrr": "1"}, r"'strategy\.lrr', did you mean 'lr'\?"),
        ({"strategy.lr": "fast"}, r"'strategy\.lr' is 'fast'; should be a valid number"),
        ({"strategy.lr.deep": "1"}, r"'strategy\.lr\.deep' does not exist: 'lr' holds a single value\."),
        ({"trainig.epochs": "1"}, r"'trainig', did you mean 'training'\?"),
    ],
)
def test_changed_refuses_what_does_not_exist(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        RunSpec().changed(changes)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"holds no settings; expected YAML"),
        (b"- a\n- b\n", r"holds no settings; expected YAML"),
        (b"name: [", r"Cannot read the spec spec.yaml"),
        (b"\xff\xfe\x00name", r"Cannot read the spec spec.yaml, line 1"),
    ],
)
def test_from_yaml_refuses_what_is_no_spec(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "spec.yaml"
    path.write_bytes(content)
    with pytest.raises(SettingError, match=f"(?s){message}"):
        RunSpec.from_yaml(path)


def test_from_yaml_names_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"Cannot read the spec .*absent\.yaml"):
        RunSpec.from_yaml(tmp_path / "absent.yaml")


def test_from_yaml_runs_no_code(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(f"name: !!python/object/apply:pathlib.Path.touch [{tmp_path / 'made'}]\n", encoding="utf-8")
    with pytest.raises(SettingError, match="Cannot read the spec"):
        RunSpec.from_yaml(path)
    assert not (tmp_path / "made").exists()


def test_a_name_of_digits_and_dashes_is_no_number_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("name: 0042\ndata: {columns: {target: 2021_01}}\ntraining: {epochs: 1_000}\n")
    spec = RunSpec.from_yaml(tmp_path / "s.yaml")
    assert spec.data.columns is not None
    assert (spec.name, spec.data.columns.target, spec.training.epochs) == ("0042", "2021_01", 1000)
