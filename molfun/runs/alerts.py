"""What a careful colleague would say of curves: divergence, overfitting, a plateau, clipping, noise.

Thresholds are stated beside each rule. They are judgements, not statistics: an alert asks to look, it stops nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from molfun.runs.spec import RunSpec

Floats = NDArray[np.float64]
SMOOTHING = 0.9
REACH = 500  # steps; what lies before them weighs less than 1e-16 in the smoothed loss
FEWEST_STEPS = 20
FEWEST_EPOCHS = 5
LOST_SHARE = 0.8  # of what the loss had gained: diverged
CLIPPED_SHARE = 0.9  # of the steps
RISE = 0.05  # of the best validation loss: overfitting
RISE_EPOCHS = 3
FLAT_SHARE = 0.01  # of the improvement, in the last third of the epochs: a plateau


@dataclass(frozen=True)
class Alert:
    """Something in the curves that deserves a look.

    Attributes:
        kind: One word or two, for a mark on the curves.
        step: Optimiser step at which it shows; 0 is the beginning.
        sentence: What it is and what to do.
        changes: Dotted settings of a new run that would avoid it; empty where no setting does.
    """

    kind: str
    step: int
    sentence: str
    changes: Mapping[str, str] = field(default_factory=dict)


def find_alerts(steps: pd.DataFrame, epochs: pd.DataFrame, spec: RunSpec) -> list[Alert]:
    """Return what the curves of a run say, the weightiest first.

    Args:
        steps: `step`, `loss`, `epoch`, `grad_norm`, `lr/<group>`.
        epochs: `epoch`, `val_loss`.
        spec: Settings of the run.
    """
    found = [rule(steps, epochs, spec) for rule in RULES]
    return [alert for alert in found if alert is not None]


def _diverged(steps: pd.DataFrame, epochs: pd.DataFrame, spec: RunSpec) -> Alert | None:
    """The smoothed training loss has lost most of what it had gained."""
    raw = _column(steps, "loss")
    if len(raw) < FEWEST_STEPS or _ends_low(raw):
        return None
    loss = _smooth(raw)
    if not np.isfinite(loss).any():
        return None
    lowest = _argmin(loss)
    gained, lost = loss[0] - loss[lowest], loss[-1] - loss[lowest]
    if not (gained > 0 and lost > LOST_SHARE * gained and len(loss) - lowest > FEWEST_STEPS):
        return None
    step = _step(steps, lowest)
    return Alert(
        "diverged", step,
        f"The training loss rises again since step {step:,} and has lost {lost / gained:.0%} of what it had gained. "
        "Lower the learning rates.",
        _rates(spec, 0.3),
    )  # fmt: skip


def _smooth(loss: Floats) -> Floats:
    return np.asarray(pd.Series(loss).ewm(alpha=1 - SMOOTHING, ignore_na=True).mean())


def _ends_low(loss: Floats) -> bool:
    """Tell whether the end alone shows that a loss has not lost most of its gain, as that of most long runs does.

    With a the smoothed loss at first, z at last and m at its lowest, z - m > L (a - m) is z - L a - (1 - L) m > 0. The
    smoothed loss is nowhere below the lowest raw one, and its end follows from the last steps: others weigh nothing.
    """
    lowest = loss.min()
    if not np.isfinite(lowest) or len(loss) <= REACH:
        return False
    last = _smooth(loss[-REACH:])[-1]
    return bool(last - LOST_SHARE * loss[0] - (1 - LOST_SHARE) * lowest < -1e-9 * np.abs(loss[0]))


def _idle(steps: pd.DataFrame, epochs: pd.DataFrame, spec: RunSpec) -> Alert | None:
    """A group of parameters had a learning rate of 0 at every step."""
    names = [str(name) for name in steps.columns if str(name).startswith("lr/")]
    idle = [name.removeprefix("lr/") for name in names if len(steps) and not (_column(steps, name) > 0).any()]
    if not idle:
        return None
    return Alert("idle group", 0, f"The group {idle[0]} has a learning rate of 0, so its parameters do not move.")


def _clipped(steps: pd.DataFrame, epochs: pd.DataFrame, spec: RunSpec) -> Alert | None:
    """Nearly every gradient is longer than the bound."""
    norms, bound = _column(steps, "grad_norm"), spec.strategy.grad_clip
    num_norms = np.count_nonzero(np.isfinite(norms))
    if not bound or num_norms < FEWEST_STEPS or np.count_nonzero(norms > bound) <= CLIPPED_SHARE * num_norms:
        return None
    norms = norms[np.isfinite(norms)]
    usual = float(np.median(norms))
    return Alert(
        "clipped", 0,
        f"{(norms > bound).mean():.0%} of the gradients are longer than {bound:g} and are cut (the usual one has "
        f"{usual:.2g}): all steps are equally long, whatever the data say. Raise the bound.",
        {"strategy.grad_clip": f"{usual:.1g}"},
    )  # fmt: skip


def _overfits(steps: pd.DataFrame, epochs: pd.DataFrame, spec: RunSpec) -> Alert | None:
    """The validation loss has risen for some epochs while the training loss went on falling."""
    losses = _column(epochs, "val_loss")
    if len(losses) < FEWEST_EPOCHS or not np.isfinite(losses).any():
        return None
    best = int(np.nanargmin(losses))
    since = losses[best + 1 :]
    bound = losses[best] + RISE * abs(losses[best])
    has_risen = len(since) >= RISE_EPOCHS and np.nanmin(since[-RISE_EPOCHS:]) > bound
    if not has_risen:
        return None
    number = int(_column(epochs, "epoch")[best])
    before, after = _training_loss(steps, number - 1, number), _training_loss(steps, len(losses) - 1, len(losses))
    if not after < before:
        return None
    return Alert(
        "overfits", _step_at(steps, number),
        f"The validation loss rises since epoch {number} while the training loss goes on falling: overfitting. "
        "The weights of the best epoch are kept, later ones are lost time. Stop early, or train fewer parameters.",
        {"strategy.early_stopping_patience": "3"},
    )  # fmt: skip


def _is_flat(steps: pd.DataFrame, epochs: pd.DataFrame, spec: RunSpec) -> Alert | None:
    """The last third of the epochs brought next to nothing."""
    losses = _column(epochs, "val_loss")
    if len(losses) < 2 * FEWEST_EPOCHS or not np.isfinite(losses).all():
        return None
    last = len(losses) // 3
    gained, late = losses[0] - losses.min(), losses[:-last].min() - losses[-last:].min()
    is_falling = losses[-1] <= losses.min() + RISE * abs(losses.min())
    if not (gained > 0 and is_falling and late < FLAT_SHARE * gained):
        return None
    return Alert(
        "plateau", _step_at(steps, len(losses) - last),
        f"The last {last} epochs lowered the validation loss by less than 1 % of the whole improvement. Stop early "
        "next time, or extend with another learning rate.",
        {"strategy.early_stopping_patience": "3"},
    )  # fmt: skip


def _is_noise(steps: pd.DataFrame, epochs: pd.DataFrame, spec: RunSpec) -> Alert | None:
    """From epoch to epoch the validation loss moves by more than it improved in all."""
    losses = _column(epochs, "val_loss")
    losses = losses[np.isfinite(losses)]
    if len(losses) < FEWEST_EPOCHS:
        return None
    noise, effect = float(np.std(np.diff(losses)) / np.sqrt(2)), float(losses[0] - losses.min())
    if noise <= max(effect, 0.0) or noise == 0:
        return None
    return Alert(
        "noise", 0,
        f"From epoch to epoch the validation loss moves by {noise:.2g}, more than it improved in all "
        f"({max(effect, 0):.2g}): the best epoch is a matter of chance. More validation rows would tell.",
    )  # fmt: skip


RULES: tuple[Callable[[pd.DataFrame, pd.DataFrame, RunSpec], Alert | None], ...] = (
    _diverged, _idle, _overfits, _clipped, _is_flat, _is_noise,
)  # fmt: skip


def _rates(spec: RunSpec, factor: float) -> dict[str, str]:
    """Return every learning rate of the spec, multiplied."""
    values: dict[str, Any] = spec.strategy.model_dump()
    names = [name for name in values if name == "lr" or name.startswith("lr_")]
    return {f"strategy.{name}": f"{values[name] * factor:.2g}" for name in names if values[name]}


def _argmin(values: Floats) -> int:
    """Return where the lowest number is, NaN aside; there is one."""
    lowest = int(values.argmin())  # the first NaN, if there is any
    return int(np.nanargmin(values)) if np.isnan(values[lowest]) else lowest


def _column(frame: pd.DataFrame, name: str) -> Floats:
    if name not in frame.columns:
        return np.full(len(frame), np.nan)
    if frame[name].dtype == np.float64:
        return np.asarray(frame[name].to_numpy())
    return np.asarray(pd.to_numeric(frame[name], errors="coerce"), dtype=np.float64)


def _step(steps: pd.DataFrame, position: int) -> int:
    return int(np.nan_to_num(_column(steps.iloc[[position]], "step")[0]))


def _step_at(steps: pd.DataFrame, epoch: int) -> int:
    """Return the last step of an epoch."""
    positions = np.flatnonzero(_column(steps, "epoch") <= epoch)
    return _step(steps, int(positions[-1])) if len(positions) else 0


def _training_loss(steps: pd.DataFrame, after: int, until: int) -> float:
    """Return the mean training loss of the steps of one epoch, NaN where there are none."""
    progress = _column(steps, "epoch")
    losses = _column(steps, "loss")[(progress > after) & (progress <= until)]
    losses = losses[np.isfinite(losses)]
    return float(losses.mean()) if len(losses) else float("nan")
