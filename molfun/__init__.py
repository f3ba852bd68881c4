"""Molfun fine-tunes protein models on a table of sequences and measurements."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from molfun.evaluation.predictor import Predictor

__all__ = ["load"]


def __getattr__(name: str) -> str:
    if name == "__version__":
        # Written down once, in pyproject.toml; looked up when asked, because that takes longer than all else here.
        from importlib import metadata  # noqa: PLC0415

        return metadata.version("molfun")
    raise AttributeError(f"The package molfun has no {name!r}; it has {', '.join(__all__)} and __version__.")


def load(run: str | Path, *, home: Path | None = None, device: str = "auto") -> Predictor:
    """Load the model of a run, ready to predict sequences.

    Args:
        run: Id of a run, with "/last" or another checkpoint behind it if not its best one is wanted; or its folder.
        home: The data folder; None takes `MOLFUN_HOME`.
        device: "auto", "cpu" or "cuda".

    Example:
        predictor = molfun.load("20260101-120000-binders-ab12")
        table = predictor.predict(["MKTAYIAKQR", "MKTAYIAKQK"])

    Raises:
        RunError: There is no such run or checkpoint, or it is damaged.
        DataError: Its dataset is gone.
        SettingError: The device is absent.
    """
    from molfun.runs import loading  # noqa: PLC0415  torch must not load with the package

    return loading.load(run, home=home, device=device)
