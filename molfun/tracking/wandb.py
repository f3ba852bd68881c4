"""Weights & Biases beside the local record, online or offline. The package is imported when a run starts.

Rows carry their own axes (`epoch`, `global_step`): wandb's own step counter drops and overwrites rows of two rhythms.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from typing_extensions import override

from molfun.errors import ModelError
from molfun.tracking.base import BaseTracker, Status

Mode = Literal["online", "offline", "disabled"]
STEPS_BETWEEN_ROWS = 10


class WandbTracker(BaseTracker):
    """Send epochs, every tenth step, settings and files to Weights & Biases.

    Args:
        project: Project at the service.
        mode: "online", "offline" (a folder for `wandb sync`) or "disabled"; None asks the environment (WANDB_MODE).
        folder: Where wandb keeps its files; None is the working folder.
        entity: Team or user; None is the key's own.

    Example:
        tracker = WandbTracker(project="antibodies", mode="offline")
        strategy.fit(model, loader, tracker=tracker)
    """

    def __init__(
        self,
        project: str = "molfun",
        mode: Mode | None = None,
        folder: Path | None = None,
        *,
        entity: str | None = None,
    ) -> None:
        self.project = project
        self.mode = mode
        self.folder = folder
        self.entity = entity
        self._run: Any = None
        self._epoch_names: set[str] = set()

    @override
    def start_run(
        self, run_id: str = "", name: str = "", group: str = "", tags: Sequence[str] = (), resume: bool = False
    ) -> None:
        wandb = import_wandb()
        self._keep_files_inside()
        self._run = wandb.init(
            project=self.project, entity=self.entity, mode=self.mode, dir=self.folder, settings=_settings(wandb),
            id=run_id or None, name=name or None, group=group or None, tags=list(tags) or None,
            resume="allow" if resume else None,
        )  # fmt: skip
        self._epoch_names.clear()
        self._run.define_metric("epoch", hidden=True)
        self._run.define_metric("global_step", hidden=True)
        self._run.define_metric("step/*", step_metric="global_step")

    def _keep_files_inside(self) -> None:
        """Keep wandb's staging copies, cache and settings below our folder, not in the user's home."""
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        for kind in ("DATA", "CACHE", "CONFIG"):
            os.environ.setdefault(f"WANDB_{kind}_DIR", str(self.folder / kind.lower()))

    @property
    def run(self) -> Any:
        """The wandb run, started if it was not: a tracker given to `fit` needs no other call."""
        if self._run is None:
            self.start_run()
        return self._run

    @override
    def log_config(self, config: Mapping[str, Any]) -> None:
        self.run.config.update(dict(config), allow_val_change=True)

    @override
    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        row = _finite(metrics)
        for name in row.keys() - self._epoch_names:
            self.run.define_metric(name, step_metric="epoch")
            self._epoch_names.add(name)
        self.run.log({**row, "epoch": step})

    @override
    def log_step(self, metrics: Mapping[str, float], step: int) -> None:
        if step % STEPS_BETWEEN_ROWS == 0:
            self.run.log({**{f"step/{name}": value for name, value in _finite(metrics).items()}, "global_step": step})

    @override
    def log_artifact(self, path: Path, name: str = "") -> None:
        wandb = import_wandb()
        artifact = wandb.Artifact(_artifact_name(name or path.stem), type="file" if path.is_file() else "folder")
        # "immutable" refers to the file; the default policy copies it, which doubles the disk that checkpoints take.
        if path.is_file():
            artifact.add_file(str(path), policy="immutable")
        else:
            artifact.add_dir(str(path), policy="immutable")
        self.run.log_artifact(artifact)

    @override
    def log_text(self, text: str, name: str) -> None:
        self.run.summary[name] = text

    @override
    def end_run(self, status: Status = "finished", error: str = "") -> None:
        if self._run is None:
            return
        if error:
            self._run.summary["error"] = error
        self._run.finish(exit_code=1 if status == "failed" else 0)
        self._run = None


def import_wandb() -> Any:
    """Return the wandb package.

    Raises:
        ModelError: It is not installed; the install line is given.
    """
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    try:
        import wandb
    except ImportError:
        raise ModelError(
            "The tracker wandb needs the package wandb, which is absent; install it with: pip install 'wandb>=0.31'"
        ) from None
    return wandb


def _settings(wandb: Any) -> Any:
    """Return settings under which a run records what it was told to and never hangs; times are seconds."""
    return wandb.Settings(
        console="off", silent=True, disable_git=True, save_code=False, x_disable_stats=True,
        x_disable_machine_info=True, reinit="create_new", init_timeout=10, login_timeout=5, finish_timeout=30,
    )  # fmt: skip


def _finite(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return floats; what is not finite is left out, since the service stores it as text."""
    numbers = {name: float(value) for name, value in metrics.items()}
    return {name: value for name, value in numbers.items() if math.isfinite(value)}


def _artifact_name(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name)[:128]
