"""Losses by name: built-in, the user's own, those of installed packages; and class weights."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor

from molfun.errors import SettingError
from molfun.losses.catalog import LOSSES, LossCard, balanced_weights, build_loss, find_loss
from molfun.losses.names import LOSSES_OF_TASK, MIN_ITEMS, installed_losses, losses_for


def log_cosh(preds: Tensor, targets: Tensor) -> Tensor:
    """Return log cosh of the errors, a loss that a user might write."""
    return torch.log(torch.cosh(preds - targets))


@pytest.fixture
def install_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Return a function that installs a package with one loss, as pip leaves it."""

    def install(entry: str, code: str) -> None:
        info = tmp_path / "molfun_cosh-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: molfun-cosh\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[molfun.losses]\n{entry}\n")
        (tmp_path / "molfun_cosh_losses.py").write_text(code)
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, "molfun_cosh_losses", raising=False)

    return install


PACKAGE = """
import torch
from molfun.losses.catalog import LossCard

def cosh(preds, targets):
    return torch.log(torch.cosh(preds - targets))

CARD = LossCard(cosh, ("regression",), min_items=3)
"""


def test_names_agree_with_the_catalog() -> None:
    served = {task: tuple(n for n, card in LOSSES.items() if task in card.tasks) for task in LOSSES_OF_TASK}
    assert served == LOSSES_OF_TASK
    assert {name: card.min_items for name, card in LOSSES.items() if card.min_items > 1} == MIN_ITEMS


@pytest.mark.parametrize(("name", "hint"), [("hubber", ", did you mean 'huber'"), ("xyz", "; known are ")])
def test_unknown_loss_names_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(SettingError, match=f"No loss is named {name!r}{hint}"):
        build_loss(name)


def test_a_loss_of_the_users_own_is_built_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LOSSES, "mine", LossCard(log_cosh, ("regression",)))
    values = build_loss("mine")(torch.tensor([0.0, 2.0]), torch.tensor([0.0, 1.0]))
    assert values.tolist() == pytest.approx([0.0, 0.433781])  # log((e + 1/e) / 2)


def test_a_loss_that_returns_the_mean_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LOSSES, "mine", LossCard(torch.nn.functional.mse_loss, ("regression",)))
    with pytest.raises(
        SettingError, match=r"'mine' should return one value an item, shape \[2\], but its shape is \[\]"
    ):
        build_loss("mine")(torch.zeros(2), torch.ones(2))


def test_a_loss_must_serve_the_task_where_one_is_told() -> None:
    assert build_loss("focal", task="per_residue").name == "focal"
    with pytest.raises(SettingError, match="'mse' does not fit the task 'classification'; choose cross_entropy or bce"):
        build_loss("mse", task="classification")


def test_a_loss_of_an_installed_package_is_found(install_loss: Callable[[str, str], None]) -> None:
    with pytest.raises(SettingError, match="No loss is named 'cosh'"):
        find_loss("cosh")
    install_loss("cosh = molfun_cosh_losses:CARD", PACKAGE)
    assert find_loss("cosh").min_items == 3
    assert build_loss("cosh")(torch.tensor([2.0]), torch.tensor([1.0])).tolist() == pytest.approx([0.433781])
    assert "cosh" not in LOSSES
    with pytest.raises(SettingError, match="did you mean 'cosh'"):
        find_loss("coshh")


def test_an_installed_package_cannot_replace_a_loss_of_ours(install_loss: Callable[[str, str], None]) -> None:
    install_loss("mse = molfun_cosh_losses:CARD", PACKAGE)
    assert find_loss("mse") is LOSSES["mse"]
    assert losses_for("classification") == LOSSES_OF_TASK["classification"]


def test_installed_losses_are_listed_without_loading_them(install_loss: Callable[[str, str], None]) -> None:
    install_loss("cosh = molfun_cosh_losses:CARD", "raise RuntimeError('loaded')")
    assert list(installed_losses()) == ["cosh"]
    assert losses_for("regression") == (*LOSSES_OF_TASK["regression"], "cosh")


@pytest.mark.parametrize(
    ("entry", "code", "message"),
    [
        ("cosh = molfun_cosh_losses:CARD", "import no_such_thing", "package molfun-cosh cannot be loaded: No module"),
        ("cosh = molfun_cosh_losses:CARD", "1 / 0", "package molfun-cosh cannot be loaded: division by zero"),
        ("cosh = molfun_cosh_losses:CRAD", PACKAGE, "package molfun-cosh cannot be loaded: .*CRAD"),
        ("cosh = molfun_cosh_losses:cosh", PACKAGE, "should be a LossCard, but molfun_cosh_losses:cosh is a function"),
    ],
)
def test_a_broken_package_is_named(
    install_loss: Callable[[str, str], None], entry: str, code: str, message: str
) -> None:
    install_loss(entry, code)
    with pytest.raises(SettingError, match=message):
        find_loss("cosh")


@pytest.mark.parametrize("name", LOSSES_OF_TASK["regression"])
def test_losses_of_numbers_refuse_class_weights(name: str) -> None:
    with pytest.raises(SettingError, match=f"need a loss of classes, but '{name}' compares numbers; leave"):
        build_loss(name, class_weights=torch.ones(2))


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([6, 2], [2 / 3, 2.0]),  # 8 / (2 * 6), 8 / (2 * 2)
        ([6, 0, 2], [2 / 3, 0.0, 2.0]),  # an absent class changes nothing for the others
        ([5, 5, 5], [1.0, 1.0, 1.0]),
        ([7, 0], [1.0, 0.0]),
        ([0, 0], [0.0, 0.0]),
    ],
)
def test_balanced_weights_equal_values_by_hand(counts: list[int], expected: list[float]) -> None:
    weights = balanced_weights(torch.tensor(counts))
    assert weights.dtype == torch.float32
    assert weights.tolist() == pytest.approx(expected)


def test_balanced_weights_equal_scikit_learn_and_have_mean_one_over_the_items() -> None:
    labels = torch.randint(0, 4, (1000,), generator=torch.Generator().manual_seed(0)) ** 2 // 3
    weights = balanced_weights(torch.bincount(labels))
    present = labels.unique()
    expected = compute_class_weight("balanced", classes=present.numpy(), y=labels.numpy())
    assert weights[present].tolist() == pytest.approx(expected.tolist())
    assert float(weights[labels].mean()) == pytest.approx(1.0)
