"""A run at Weights & Biases, online or offline. The package is imported when a run starts.

Rows carry their own axes (`epoch`, `global_step`): wandb's own step counter drops and overwrites rows of two rhythms.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from typing_extensions import override

from molfun.tracking.base import BaseTracker, Row, Status, finite
from molfun.tracking.packages import import_package

Mode = Literal["online", "offline", "disabled"]
FLUSH_SECONDS = 40.0
LOOK_SECONDS = 0.1
PLACE = "record_bytes"
QUIET = {"WANDB_ERROR_REPORTING": "false"}


class WandbTracker(BaseTracker):
    """Send epochs, steps, settings and files to Weights & Biases.

    Args:
        project: Project at the service.
        mode: "online", "offline" (a folder for `wandb sync`) or "disabled"; None asks the environment (WANDB_MODE).
        folder: Where wandb keeps its files; None is the working folder.
        entity: Team or user; None is the key's own.
        every: How often an optimiser step is sent where `fit` calls; senders choose rows themselves.

    Example:
        with WandbTracker(project="antibodies", mode="offline") as tracker:
            strategy.fit(model, loader, tracker=tracker)
    """

    speaks_to_service = True
    confirms_at_end = True

    def __init__(
        self,
        project: str = "molfun",
        mode: Mode | None = None,
        folder: Path | None = None,
        *,
        entity: str | None = None,
        every: int = 10,
    ) -> None:
        self.project = project
        self.mode = mode
        self.folder = folder
        self.entity = entity
        self.every = every
        self._run: Any = None
        self._epoch_names: set[str] = set()
        self._told: dict[str, Any] = {}
        self._known = self._sent = 0

    @override
    def start_run(
        self, run_id: str = "", name: str = "", group: str = "", tags: Sequence[str] = (), resume: bool = False
    ) -> None:
        wandb = import_wandb()
        self._told = {"run_id": run_id, "name": name, "group": group, "tags": tags}
        self._keep_files_inside()
        if wandb.run is None:  # else a script has a run of its own, which this would end
            with suppress(Exception):  # a start that nobody answered holds its id until then
                wandb.teardown()
        self._run = wandb.init(
            project=self.project, entity=self.entity, mode=self.mode, dir=self.folder, settings=_settings(wandb),
            id=run_id or None, name=name or None, group=group or None, tags=[tag[:64] for tag in tags] or None,
            resume="allow" if resume else None,
        )  # fmt: skip
        self._epoch_names.clear()
        self._run.define_metric("epoch", hidden=True)
        self._run.define_metric("global_step", hidden=True)
        self._run.define_metric("step/*", step_metric="global_step")
        self._run.define_metric(PLACE, hidden=True)
        # How far the service is, where an earlier process sent and could not note it: rows can only be added.
        known = self._run.summary.get(PLACE) if self._run.resumed else 0
        self._known = int(known) if isinstance(known, int | float) else 0

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

    @property
    @override
    def link(self) -> str:
        return str(self._run.url or "") if self._run is not None else ""

    @override
    def log_config(self, config: Mapping[str, Any]) -> None:
        self.run.config.update(dict(config), allow_val_change=True)

    @override
    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        self._log(Row("epoch", step, time.time(), metrics))

    @override
    def log_step(self, metrics: Mapping[str, float], step: int) -> None:
        if step % self.every == 0:
            self._log(Row("step", step, time.time(), metrics))

    @override
    def log_rows(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._sent = max(self._sent, row.place)
            if row.place > self._known:
                self._log(row)

    def _log(self, row: Row) -> None:
        run, metrics, place = self.run, finite(row.metrics), {PLACE: row.place} if row.place else {}
        if row.kind == "step":
            run.log({**{f"step/{name}": value for name, value in metrics.items()}, "global_step": row.step, **place})
            return
        for name in metrics.keys() - self._epoch_names:
            run.define_metric(name, step_metric="epoch")
            self._epoch_names.add(name)
        run.log({**metrics, "epoch": row.step, **place})

    @override
    def flush(self) -> None:
        """Wait until files are uploaded; of rows the package does not tell before the end.

        Raises:
            TimeoutError: They are not after 40 seconds.
        """
        if not self._is_online:
            return
        deadline = time.monotonic() + FLUSH_SECONDS
        while self.run.status().sync_items_pending:
            if time.monotonic() > deadline:
                raise TimeoutError(f"no answer within {FLUSH_SECONDS:.0f} seconds")
            time.sleep(LOOK_SECONDS)

    @override
    def log_summary(self, values: Mapping[str, float]) -> None:
        self.run.summary.update(finite(values))

    @override
    def log_artifact(self, path: Path, name: str = "") -> None:
        artifact = import_wandb().Artifact(
            _artifact_name(name or path.stem), type="file" if path.is_file() else "folder"
        )
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
        self._run.summary["status"] = status
        if error:
            self._run.summary["error"] = error
        code, is_online = 1 if status == "failed" else 0, self._is_online
        self._run.finish(exit_code=code)
        if is_online and self._sent:
            self._confirm(code)
        self._run = None

    def _confirm(self, code: int) -> None:
        """Open the run once more and ask how far the service is: the package gives up on some answers without a word.

        Raises:
            ConnectionError: Rows are missing.
        """
        self.start_run(**self._told, resume=True)
        self._run.finish(exit_code=code)
        if self._known < self._sent:
            raise ConnectionError(f"the service has the record up to byte {self._known} of {self._sent}")

    @property
    def _is_online(self) -> bool:
        return bool(self.run.settings.mode == "online")

    @override
    def check(self) -> str:
        viewer = import_wandb().Api(timeout=10).viewer
        return f"Signed in as {viewer.username}."


def import_wandb() -> Any:
    """Return the wandb package.

    Raises:
        ModelError: It is not installed; the install line is given.
    """
    for variable, value in QUIET.items():
        os.environ.setdefault(variable, value)
    return import_package("wandb")


def _settings(wandb: Any) -> Any:
    """Return settings under which a run records what it was told to and never hangs; times are seconds."""
    return wandb.Settings(
        console="off", silent=True, disable_git=True, save_code=False, x_disable_stats=True,
        x_disable_machine_info=True, reinit="create_new", init_timeout=10, login_timeout=5, finish_timeout=30,
        finish_timeout_raises=True, x_file_stream_retry_max=10_000,
    )  # fmt: skip


def _artifact_name(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name)[:128]
