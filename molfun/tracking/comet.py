"""A run at Comet, online or offline. The package is imported when a run starts, without what it gathers unasked."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from typing_extensions import override

from molfun.tracking.base import BaseTracker, Row, Status, finite, flat
from molfun.tracking.packages import import_package

Mode = Literal["online", "offline"]
FLUSH_SECONDS = 40
QUIET = {
    "COMET_DISABLE_AUTO_LOGGING": "1",  # which would follow every backward of torch
    "COMET_DISABLE_ANNOUNCEMENT": "1",
    "COMET_INTERNAL_REPORTING": "0",
    "COMET_INTERNAL_SENTRY_DSN": "",
    "COMET_LOGGING_CONSOLE": "ERROR",
    "COMET_GET_OR_ADD_EXPERIMENT_RETRY_TOTAL": "1",  # the package's own patience is 35 seconds, and then it is silent
    "COMET_HTTP_SESSION_RETRY_TOTAL": "1",
    "COMET_TIMEOUT_HTTP": "10",
    "COMET_TIMEOUT_CLEANING": "10",
    "COMET_TIMEOUT_UPLOAD": "10",
}
# Source code, packages, the host's name, the command line: none of it was asked for.
OFF = dict.fromkeys(
    (
        "log_code", "log_graph", "parse_args", "auto_param_logging", "auto_metric_logging", "auto_output_logging",
        "log_env_details", "log_env_gpu", "log_env_host", "log_env_cpu", "log_env_network", "log_env_disk",
        "log_git_metadata", "log_git_patch", "auto_log_co2",
    ),
    False,
)  # fmt: skip


class CometTracker(BaseTracker):
    """Send settings, epochs, steps and files to Comet.

    Args:
        project: Name of the project; it is made where it is absent.
        mode: "online" or "offline" (a zip for `comet upload`); None asks the environment (COMET_START_ONLINE=0).
        folder: Where offline runs lie; None is the working folder.
        workspace: Team or user; None is the key's own.
        every: How often an optimiser step is sent where `fit` calls; senders choose rows themselves.

    Example:
        with CometTracker("antibodies") as tracker:
            strategy.fit(model, loader, tracker=tracker)
    """

    speaks_to_service = True

    def __init__(
        self,
        project: str = "molfun",
        mode: Mode | None = None,
        folder: Path | None = None,
        *,
        workspace: str | None = None,
        every: int = 10,
    ) -> None:
        self.project = project
        self.mode = mode
        self.folder = folder
        self.workspace = workspace
        self.every = every
        self._experiment: Any = None

    @override
    def start_run(
        self, run_id: str = "", name: str = "", group: str = "", tags: Sequence[str] = (), resume: bool = False
    ) -> None:
        comet = import_comet()
        folder = self.folder or Path()
        folder.mkdir(parents=True, exist_ok=True)
        config = comet.ExperimentConfig(
            **OFF, display_summary_level=0, offline_directory=str(folder), name=name or None, tags=list(tags)
        )
        self._experiment = comet.start(
            project_name=self.project, workspace=self.workspace, mode="get_or_create", online=self._is_online(),
            experiment_key=experiment_key(run_id) if run_id else None, experiment_config=config,
        )  # fmt: skip
        if not self._experiment.alive:
            self._experiment = None
            raise ConnectionError("Comet did not open the experiment")
        if group:
            self._experiment.log_other("group", group)

    def _is_online(self) -> bool:
        if self.mode is not None:
            return self.mode == "online"
        return os.environ.get("COMET_START_ONLINE", "1").lower() not in ("0", "false")

    @property
    def experiment(self) -> Any:
        """The Comet experiment, started if it was not."""
        if self._experiment is None:
            self.start_run()
        return self._experiment

    @property
    @override
    def link(self) -> str:
        url = getattr(self._experiment, "url", None)
        return str(url) if url else ""

    @override
    def log_config(self, config: Mapping[str, Any]) -> None:
        self.experiment.log_parameters(flat(config), nested_support=False)

    @override
    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        self.experiment.log_metrics(finite(metrics), step=step, epoch=step)

    @override
    def log_step(self, metrics: Mapping[str, float], step: int) -> None:
        if step % self.every == 0:
            self._log_step(metrics, step)

    def _log_step(self, metrics: Mapping[str, float], step: int) -> None:
        self.experiment.log_metrics({f"step/{name}": value for name, value in finite(metrics).items()}, step=step)

    @override
    def log_rows(self, rows: Sequence[Row]) -> None:
        for row in rows:
            (self._log_step if row.kind == "step" else self.log_metrics)(row.metrics, row.step)

    @override
    def flush(self) -> None:
        """Wait until the service has taken what was logged.

        Raises:
            ConnectionError: It has not after 40 seconds, or the package has turned to its offline file.
        """
        if self.experiment.flush(timeout=FLUSH_SECONDS) is False or not self._is_heard():
            raise ConnectionError("Comet has not taken all that was sent")

    def _is_heard(self) -> bool:
        streamer = self.experiment.streamer
        return not self._is_online() or (self.experiment.alive and streamer.has_connection_to_server())

    @override
    def log_summary(self, values: Mapping[str, float]) -> None:
        for name, value in finite(values).items():
            self.experiment.log_metric(name, value)

    @override
    def log_artifact(self, path: Path, name: str = "") -> None:
        # Not `log_artifact`, which offline runs do not have.
        if path.is_dir():
            self.experiment.log_model(name or path.name, str(path))
        else:
            self.experiment.log_asset(str(path), file_name=name or path.name)

    @override
    def log_text(self, text: str, name: str) -> None:
        self.experiment.log_text(text, metadata={"name": name})

    @override
    def end_run(self, status: Status = "finished", error: str = "") -> None:
        if self._experiment is None:
            return
        self._experiment.log_other("status", status)
        if error:
            self._experiment.log_other("error", error)
        self.flush()
        experiment, self._experiment = self._experiment, None
        experiment.end()

    @override
    def check(self) -> str:
        names = import_comet().API(cache=False).get_workspaces()
        return f"The key works; workspaces: {', '.join(map(str, names)) or 'none'}."


def experiment_key(run_id: str) -> str:
    """Return Comet's key of our run: the same for every attempt at it, so that they go on in one place."""
    return hashlib.sha256(run_id.encode()).hexdigest()[:32]


def import_comet() -> Any:
    """Return the package.

    Raises:
        ModelError: It is not installed; the install line is given.
    """
    for variable, value in QUIET.items():
        os.environ.setdefault(variable, value)
    return import_package("comet_ml")
