"""Settings: what their declaration tells a form, and what a person reads when a value is wrong."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import ValidationError

from molfun.data.settings import ColumnSettings, SplitSettings
from molfun.errors import SettingError
from molfun.models.settings import HeadSettings, ModelSettings
from molfun.runs.spec import DataSource, RunSpec
from molfun.settings import SettingInfo, Settings, default_in_words, describe_settings, setting
from molfun.training.catalog import STRATEGIES
from molfun.training.settings import FullSettings, HeadOnlySettings, LoRASettings, PartialSettings, TrainingSettings

STRATEGY_SETTINGS = [card.settings for card in STRATEGIES.values()]
ALL_SETTINGS = [
    *STRATEGY_SETTINGS,
    *(TrainingSettings, ModelSettings, HeadSettings, ColumnSettings, SplitSettings, DataSource, RunSpec),
]
ALL_INFOS = [
    pytest.param(info, id=f"{cls.__name__}.{info.name}") for cls in ALL_SETTINGS for info in describe_settings(cls)
]


class Example(Settings):
    """One setting of each kind."""

    kind: Literal["example"] = "example"
    flag: bool = setting(True, label="Flag", help="A switch.")
    count: int = setting(3, ge=1, le=9, label="Count", unit="rows", help="How many.", group="Numbers", level="advanced")
    share: float = setting(0.5, gt=0.0, lt=1.0, label="Share", help="A part.", depends_on="flag")
    shape: Literal["cosine", "linear"] = setting("cosine", label="Shape", help="A form.")
    title: str = setting("", label="Title", help="A text.")
    names: list[str] = setting([], label="Names", help="Some texts.")
    rate: float | None = setting(None, ge=0.0, label="Rate", help="A number or auto.")


def info_of(cls: type[Settings], name: str) -> SettingInfo:
    """Return the description of one setting."""
    return next(info for info in describe_settings(cls) if info.name == name)


@pytest.mark.parametrize(
    ("name", "kind", "default", "optional", "choices"),
    [
        ("flag", "bool", True, False, ()),
        ("count", "int", 3, False, ()),
        ("share", "float", 0.5, False, ()),
        ("shape", "choice", "cosine", False, ("cosine", "linear")),
        ("title", "text", "", False, ()),
        ("names", "list", [], False, ()),
        ("rate", "float", None, True, ()),
    ],
)
def test_describe_tells_kind_default_and_choices(
    name: str, kind: str, default: Any, optional: bool, choices: tuple[str, ...]
) -> None:
    info = info_of(Example, name)
    assert (info.kind, info.default, info.optional, info.choices) == (kind, default, optional, choices)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("flag", "on"), ("count", "3"), ("share", "0.5"), ("shape", "cosine"), ("title", "empty"), ("names", "empty"),
        ("rate", "auto"),
    ],
)  # fmt: skip
def test_defaults_are_told_in_words(name: str, said: str) -> None:
    assert default_in_words(info_of(Example, name)) == said


def test_describe_keeps_the_order_and_leaves_out_the_kind() -> None:
    assert [i.name for i in describe_settings(Example)] == ["flag", "count", "share", "shape", "title", "names", "rate"]


def test_describe_tells_bounds_unit_group_and_level() -> None:
    count, share = info_of(Example, "count"), info_of(Example, "share")
    assert (count.minimum, count.maximum, count.minimum_exclusive, count.maximum_exclusive) == (1, 9, False, False)
    assert (share.minimum, share.maximum, share.minimum_exclusive, share.maximum_exclusive) == (0.0, 1.0, True, True)
    assert (count.unit, count.group, count.level, share.depends_on) == ("rows", "Numbers", "advanced", "flag")


def test_describe_tells_bounds_of_optional_settings() -> None:
    rate = info_of(Example, "rate")
    assert (rate.minimum, rate.maximum) == (0.0, None)


@pytest.mark.parametrize("info", ALL_INFOS)
def test_every_setting_is_written_for_people(info: SettingInfo) -> None:
    assert info.label[:1].isupper()
    assert not info.label.endswith(".")
    assert len(info.help) > 10
    assert info.help.endswith(".")
    assert info.level in ("main", "advanced")
    assert info.kind in ("bool", "int", "float", "choice", "text", "list")


@pytest.mark.parametrize(
    ("cls", "name", "kind", "bounds", "default"),
    [
        *((cls, "lr", "float", (0.0, 1.0), 1e-4) for cls in STRATEGY_SETTINGS),
        *((cls, "weight_decay", "float", (0.0, 1.0), 0.01) for cls in STRATEGY_SETTINGS),
        *((cls, "warmup_steps", "int", (0, None), 0) for cls in STRATEGY_SETTINGS),
        *((cls, "scheduler", "choice", (None, None), "cosine") for cls in STRATEGY_SETTINGS),
        *((cls, "min_lr", "float", (0.0, 1.0), 1e-6) for cls in STRATEGY_SETTINGS),
        *((cls, "ema_decay", "float", (0.0, 1.0), 0.0) for cls in STRATEGY_SETTINGS),
        *((cls, "grad_clip", "float", (0.0, None), 1.0) for cls in STRATEGY_SETTINGS),
        *((cls, "accumulation_steps", "int", (1, 1024), 1) for cls in STRATEGY_SETTINGS),
        *((cls, "amp", "bool", (None, None), True) for cls in STRATEGY_SETTINGS),
        *((cls, "monitor", "text", (None, None), "val_loss") for cls in STRATEGY_SETTINGS),
        *((cls, "early_stopping_patience", "int", (0, None), 0) for cls in STRATEGY_SETTINGS),
        *((cls, "early_stopping_min_delta", "float", (0.0, None), 0.0) for cls in STRATEGY_SETTINGS),
        *((cls, "validate_raw", "bool", (None, None), False) for cls in STRATEGY_SETTINGS),
        *((cls, "loss_fn", "text", (None, None), "mse") for cls in STRATEGY_SETTINGS),
        *((cls, "class_weights", "choice", (None, None), "none") for cls in STRATEGY_SETTINGS),
        *((cls, "focal_gamma", "float", (0.0, 10.0), 2.0) for cls in STRATEGY_SETTINGS),
        (LoRASettings, "rank", "int", (1, 512), 8),
        (LoRASettings, "alpha", "float", (0.0, None), 16.0),
        (LoRASettings, "dropout", "float", (0.0, 1.0), 0.0),
        (LoRASettings, "target_modules", "list", (None, None), None),
        (LoRASettings, "lr_lora", "float", (0.0, 1.0), None),
        (PartialSettings, "unfreeze_last_n", "int", (0, None), 4),
        (PartialSettings, "unfreeze_structure_module", "bool", (None, None), False),
        (PartialSettings, "lr_trunk", "float", (0.0, 1.0), None),
        (FullSettings, "layer_lr_decay", "float", (0.0, 1.0), 0.95),
        *((cls, "lr_head", "float", (0.0, 1.0), None) for cls in (LoRASettings, PartialSettings, FullSettings)),
    ],
)
def test_strategies_declare_what_the_issue_promises(
    cls: type[Settings], name: str, kind: str, bounds: tuple[float | None, float | None], default: Any
) -> None:
    info = info_of(cls, name)
    assert (info.kind, (info.minimum, info.maximum), info.default) == (kind, bounds, default)


def test_catalog_kinds_are_those_of_the_settings() -> None:
    assert {kind: card.settings().kind for kind, card in STRATEGIES.items()} == {kind: kind for kind in STRATEGIES}  # type: ignore[attr-defined]


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        HeadOnlySettings().lr = 0.5


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"learning_rte": 1}, "Unknown setting 'learning_rte'; known are: "),
        ({"warmup_step": 1}, "Unknown setting 'warmup_step', did you mean 'warmup_steps'?"),
        ({"lr": 2.0}, "Setting 'lr' is 2.0; should be less than or equal to 1."),
        ({"lr": "fast"}, "Setting 'lr' is 'fast'; should be a valid number"),
        ({"accumulation_steps": 0}, "Setting 'accumulation_steps' is 0; should be greater than or equal to 1."),
        ({"scheduler": "cosin"}, "Setting 'scheduler' is 'cosin'; should be 'cosine', 'linear' or 'constant'."),
        ({"ema_decay": 1.0}, "Setting 'ema_decay' is 1.0; should be less than 1."),
        ({"class_weights": "balance"}, "Setting 'class_weights' is 'balance'; should be 'none' or 'balanced'."),
        ({"focal_gamma": -1}, "Setting 'focal_gamma' is -1; should be greater than or equal to 0."),
        ({"early_stop_min_delta": 1}, "Unknown setting 'early_stop_min_delta', did you mean"),
        ({"amp": "perhaps"}, "Setting 'amp' is 'perhaps'; should be a valid boolean"),
    ],
)
def test_parse_names_setting_value_and_expectation(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError) as caught:
        HeadOnlySettings.parse(values)
    assert message in str(caught.value)
    assert str(caught.value)[-1] in ".?"


def test_parse_reports_every_wrong_setting() -> None:
    with pytest.raises(SettingError, match=r"'lr' is 3.*'grad_clip' is -1"):
        HeadOnlySettings.parse({"lr": 3, "grad_clip": -1})
