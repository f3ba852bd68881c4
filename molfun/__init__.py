"""Molfun fine-tunes protein models on a table of sequences and measurements.

`fit` starts a run, `runs` lists them, `Run` is one of them, `load` returns its model. See docs/library.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from molfun.errors import MolfunError

if TYPE_CHECKING:
    import pandas as pd

    from molfun.evaluation.predictor import Predictor
    from molfun.library import Run

    # For type checkers the function; to Python it is the package, which can be called (molfun/runs/__init__.py).
    from molfun.runs.history import overview as runs
else:
    from molfun import runs

__all__ = ["MolfunError", "Run", "fit", "load", "runs"]


def fit(
    data: str | Path | pd.DataFrame,
    *,
    strategy: str = "",
    settings: Mapping[str, Any] | None = None,
    wait: bool = True,
    home: str | Path | None = None,
) -> Run:
    """Start a run as `molfun fit` does, in a process of its own, and follow it.

    Interrupting (Ctrl-C, or the stop button of a notebook) ends the waiting and leaves the run alone: it goes on, and
    a line says how to follow and how to stop it.

    Args:
        data: Name of an example ("v_genes") or of a saved dataset; path of a table, a spec (YAML) or a folder of
            structures; or a DataFrame, which is saved as a dataset, the same one whenever its content is the same.
        strategy: "head_only", "lora", "partial" or "full"; empty takes the spec's own, or head_only.
        settings: By dotted name, e.g. {"training.epochs": 3, "data.columns.target": "kd"}. Columns that are not told
            are guessed; learning rates, epochs and batches are recommended.
        wait: Return when the run has ended, its curves on screen meanwhile: live in a notebook, else a line an epoch.
            False returns at once.
        home: The data folder; None takes `MOLFUN_HOME`.

    Returns:
        The run. Where it was waited for, it has ended.

    Raises:
        MolfunError: Data, settings, model or machine do not allow the run; nothing was started.
        RunError: The run was waited for, and failed.

    Example:
        run = molfun.fit("v_genes", strategy="lora", settings={"training.epochs": 3})
        run.scores()
    """
    from molfun import library  # noqa: PLC0415  `import molfun` loads neither pandas nor torch

    return library.fit(data, strategy=strategy, settings=settings, wait=wait, home=home)


def load(
    run: str | Path | Run, *, home: str | Path | None = None, device: str = "auto", keep_frozen: bool | None = None
) -> Predictor:
    """Load the model of a run, ready to predict sequences.

    Args:
        run: A run; its id, with "/last" or another checkpoint behind it if not its best one is wanted; or its folder.
        home: The data folder; None takes `MOLFUN_HOME`.
        device: "auto", "cpu" or "cuda".
        keep_frozen: Whether states behind the frozen beginning of the trunk are read and kept; None does as the
            training did.

    Raises:
        RunError: There is no such run or checkpoint, or it is damaged.
        DataError: Its dataset is gone.
        SettingError: The device is absent.

    Example:
        predictor = molfun.load("20260101-120000-binders-ab12")
        table = predictor.predict(["MKTAYIAKQR", "MKTAYIAKQK"])
    """
    from molfun import library  # noqa: PLC0415  torch must not load with the package

    return library.load(run, home=home, device=device, keep_frozen=keep_frozen)


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    if name == "Run":
        from molfun import library  # noqa: PLC0415

        return library.Run
    if name == "__version__":
        from importlib import metadata  # noqa: PLC0415

        return metadata.version("molfun")  # written down once, in pyproject.toml
    raise AttributeError(f"module 'molfun' has no attribute {name!r}")
