"""A run at an MLflow tracking server. The package is imported when a run starts; `mlflow-skinny` is enough.

The client without state is used: MLflow's own "active run" is one for the whole process. Every call is one request, so
what returned was stored; rows that are sent again are the same rows for the server, since they keep their times.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from typing_extensions import override

from molfun.errors import SettingError
from molfun.tracking.base import BaseTracker, Row, Status, finite, flat, public_address
from molfun.tracking.packages import import_package

ADDRESS = "MLFLOW_TRACKING_URI"
RUN_ID = "molfun.run_id"
STATUS_NAMES = {"finished": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}
MAX_METRICS, MAX_PARAMS = 1000, 100  # that one request may hold
MAX_LETTERS = 5000  # of a parameter or a tag
# As MLflow reads them when it calls; its own 7 retries take four minutes to say that nobody answers.
QUIET = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


class MLflowTracker(BaseTracker):
    """Send settings, epochs, steps and files to an MLflow server.

    Args:
        project: Name of the experiment; it is made where it is absent.
        folder: Not used; every tracker is given one.
        uri: Address of the server, http or https; empty takes MLFLOW_TRACKING_URI.

    Example:
        with MLflowTracker("antibodies", uri="http://127.0.0.1:5000") as tracker:
            strategy.fit(model, loader, tracker=tracker)
    """

    speaks_to_service = True

    def __init__(self, project: str = "molfun", folder: Path | None = None, *, uri: str = "") -> None:
        self.project = project
        self.uri = uri
        self._client: Any = None
        self._experiment = self._run = ""

    @override
    def start_run(
        self, run_id: str = "", name: str = "", group: str = "", tags: Sequence[str] = (), resume: bool = False
    ) -> None:
        client = self._connect()
        self._experiment = self._find_experiment(client)
        found = self._find_run(client, run_id) if run_id else ""
        if found:
            client.update_run(found, status="RUNNING", name=name or None)
        else:
            labels = {RUN_ID: run_id, "molfun.group": group, "molfun.tags": ", ".join(tags)}
            labels = {key: value for key, value in labels.items() if value}
            found = client.create_run(self._experiment, run_name=name or None, tags=labels).info.run_id
        self._client, self._run = client, found

    def _connect(self) -> Any:
        mlflow = import_package("mlflow")
        for variable, value in QUIET.items():
            os.environ.setdefault(variable, value)
        return mlflow.MlflowClient(tracking_uri=self._address())

    def _address(self) -> str:
        """Return the server's address.

        Raises:
            SettingError: None is set, or it is not one of a server.
        """
        uri = self.uri or os.environ.get(ADDRESS, "")
        if not uri.startswith(("http://", "https://")):
            came = f"{public_address(uri)!r} came" if uri else "none is set"
            raise SettingError(
                f"MLflow needs the address of a tracking server, http:// or https://; {came}. Set {ADDRESS}, for "
                "example to http://127.0.0.1:5000; `mlflow server` starts one."
            )
        return uri.rstrip("/")

    def _find_experiment(self, client: Any) -> str:
        found = client.get_experiment_by_name(self.project)
        return str(found.experiment_id if found is not None else client.create_experiment(self.project))

    def _find_run(self, client: Any, run_id: str) -> str:
        """Return MLflow's own id of our run, also where an earlier process made it and never heard the answer."""
        query = f"tags.`{RUN_ID}` = '{run_id}'"
        found = client.search_runs([self._experiment], query, max_results=1)
        return str(found[0].info.run_id) if found else ""

    @property
    def client(self) -> Any:
        """The client of a started run, started if it was not."""
        if self._client is None:
            self.start_run()
        return self._client

    @property
    @override
    def link(self) -> str:
        if not self._run:
            return ""
        return f"{public_address(self._address())}/#/experiments/{self._experiment}/runs/{self._run}"

    @override
    def log_config(self, config: Mapping[str, Any]) -> None:
        client = self.client
        entities = import_package("mlflow").entities
        values = {name: str(value)[:MAX_LETTERS] for name, value in flat(config).items()}
        known = client.get_run(self._run).data.params
        # A parameter can be set once in the life of a run; what a resume changed stands in tags.
        new = [entities.Param(name, value) for name, value in values.items() if name not in known]
        for part in _parts(new, MAX_PARAMS):
            client.log_batch(self._run, params=part)
        for name, value in values.items():
            if known.get(name, value) != value:
                client.set_tag(self._run, f"changed.{name}", value)

    @override
    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        self.log_rows([Row("epoch", step, time.time(), finite(metrics))])

    @override
    def log_step(self, metrics: Mapping[str, float], step: int) -> None:
        self.log_rows([Row("step", step, time.time(), finite(metrics))])

    @override
    def log_rows(self, rows: Sequence[Row]) -> None:
        client = self.client
        metric = import_package("mlflow").entities.Metric
        points = [
            metric(f"step/{name}" if row.kind == "step" else name, value, round(row.t * 1000), row.step)
            for row in rows
            for name, value in row.metrics.items()
        ]
        for part in _parts(points, MAX_METRICS):
            client.log_batch(self._run, metrics=part)

    @override
    def log_summary(self, values: Mapping[str, float]) -> None:
        self.log_rows([Row("epoch", 0, time.time(), finite(values))])

    @override
    def log_artifact(self, path: Path, name: str = "") -> None:
        if path.is_dir():
            self.client.log_artifacts(self._run, str(path), artifact_path=name or path.name)
        else:
            self.client.log_artifact(self._run, str(path), artifact_path=name or None)

    @override
    def log_text(self, text: str, name: str) -> None:
        self.client.log_text(self._run, text, name)

    @override
    def end_run(self, status: Status = "finished", error: str = "") -> None:
        if self._client is None:
            return
        if error:
            self._client.set_tag(self._run, "molfun.error", error[:MAX_LETTERS])
        self._client.set_terminated(self._run, STATUS_NAMES[status])
        self._client, self._run = None, ""

    @override
    def check(self) -> str:
        self._connect().search_experiments(max_results=1)
        return f"The server at {public_address(self._address())} answers."


def _parts(items: list[Any], size: int) -> Iterator[list[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))
