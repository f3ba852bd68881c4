"""A run in Langfuse: the run is a trace, an epoch is a span in it, its metrics are scores of that span.

Langfuse is a tracing tool for language models, and no store of time series: optimiser steps are not sent. Ids follow
from the run's own, so that what is sent again replaces what is there. The package is imported when a run starts.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from typing_extensions import override

from molfun.errors import SettingError
from molfun.tracking.base import BaseTracker, Row, Status, finite
from molfun.tracking.langfuse_client import Connection, connect

KEYS = ("LANGFUSE_PUBLIC_KEY", "LANGFUSE_SECRET_KEY")
ROOT, SETTINGS, RESULT = "run", "settings", "result"
MAX_TAG_LETTERS = 200


class LangfuseTracker(BaseTracker):
    """Send settings, epochs and results to Langfuse.

    Args:
        project: Name of the session, which holds the traces of runs that belong together.
        folder: Not used; every tracker is given one.
        public_key: Of the Langfuse project; empty takes LANGFUSE_PUBLIC_KEY.
        secret_key: Likewise, LANGFUSE_SECRET_KEY.
        base_url: Address of the server; empty takes LANGFUSE_HOST, else Langfuse's own.

    Example:
        with LangfuseTracker("antibodies") as tracker:
            strategy.fit(model, loader, tracker=tracker)
    """

    speaks_to_service = True

    def __init__(
        self,
        project: str = "molfun",
        folder: Path | None = None,
        *,
        public_key: str = "",
        secret_key: str = "",
        base_url: str = "",
    ) -> None:
        self.project = project
        self._keys = (public_key, secret_key)
        self._base_url = base_url
        self._connection: Connection | None = None
        self._trace = ""
        self._about: dict[str, Any] = {}
        self._config: Mapping[str, Any] = {}
        self._began = self._last = 0.0

    @override
    def start_run(
        self, run_id: str = "", name: str = "", group: str = "", tags: Sequence[str] = (), resume: bool = False
    ) -> None:
        self._connection = self._connect()
        run_id = run_id or hashlib.sha256(str(time.time_ns()).encode()).hexdigest()[:16]
        self._trace = hashlib.sha256(run_id.encode()).hexdigest()[:32]
        # On every span, as Langfuse asks for it: a trace is what its spans say of it.
        self._about = {
            "langfuse.trace.name": name or run_id,
            "langfuse.trace.tags": [tag[:MAX_TAG_LETTERS] for tag in tags],
            "langfuse.trace.metadata.run_id": run_id,
            "langfuse.trace.metadata.group": group,
            "session.id": group or self.project,
        }
        self._began = self._last = time.time()

    def _connect(self) -> Connection:
        public, secret = (told or os.environ.get(name, "") for told, name in zip(self._keys, KEYS, strict=True))
        if not (public and secret):
            raise SettingError(
                f"Langfuse needs a pair of keys, and {KEYS[0] if not public else KEYS[1]} is not set. Make one in the "
                "settings of a Langfuse project, and set both variables or keep them on the page Settings."
            )
        return connect(public, secret, self._base_url)

    @property
    def connection(self) -> Connection:
        """The connection of a started run, started if it was not."""
        if self._connection is None:
            self.start_run()
        assert self._connection is not None
        return self._connection

    @property
    @override
    def link(self) -> str:
        return self._connection.link(self._trace) if self._connection is not None else ""

    @override
    def log_config(self, config: Mapping[str, Any]) -> None:
        connection = self.connection
        self._config = config
        now = time.time()
        connection.span(
            SETTINGS, self._trace, self._id(SETTINGS), self._id(ROOT), now, now,
            {**self._about, "langfuse.observation.type": "span", "langfuse.observation.input": _json(config)},
        )  # fmt: skip

    @override
    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        self.log_rows([Row("epoch", step, time.time(), finite(metrics))])

    @override
    def log_rows(self, rows: Sequence[Row]) -> None:
        for row in rows:
            if row.kind == "epoch":
                self._log_epoch(row)

    def _log_epoch(self, row: Row) -> None:
        connection = self.connection
        name = f"epoch {row.step}"
        began = min(self._last, row.t) if self._last else row.t
        connection.span(
            name, self._trace, self._id(name), self._id(ROOT), began, row.t,
            {
                **self._about, "langfuse.observation.type": "span", "langfuse.observation.metadata.epoch": row.step,
                "langfuse.observation.output": _json(row.metrics),
            },
        )  # fmt: skip
        for metric, value in row.metrics.items():
            self._score(metric, value, name, when=row.t, epoch=row.step)
        self._last = row.t
        self._began = min(self._began, began)

    def _score(self, metric: str, value: float | str, of: str = "", *, when: float, epoch: int = 0) -> None:
        self.connection.client.create_score(
            trace_id=self._trace, observation_id=self._id(of) if of else None, name=metric, value=value,
            data_type="CATEGORICAL" if isinstance(value, str) else "NUMERIC", score_id=self._id(f"{of} {metric}"),
            metadata={"epoch": epoch} if epoch else None, timestamp=datetime.fromtimestamp(when, UTC),
        )  # fmt: skip

    @override
    def log_summary(self, values: Mapping[str, float]) -> None:
        for name, value in finite(values).items():
            self._score(name, value, when=time.time())

    @override
    def log_artifact(self, path: Path, name: str = "") -> None:
        """Record that there is such a file; Langfuse keeps no files of ours."""
        now, name = time.time(), name or path.name
        self.connection.span(
            f"file {name}", self._trace, self._id(f"file {name}"), self._id(ROOT), now, now,
            {**self._about, "langfuse.observation.type": "span", "langfuse.observation.output": _json({"file": name})},
        )  # fmt: skip

    @override
    def log_text(self, text: str, name: str) -> None:
        now = time.time()
        self.connection.span(
            name, self._trace, self._id(f"text {name}"), self._id(ROOT), now, now,
            {**self._about, "langfuse.observation.type": "span", "langfuse.observation.output": _json(text)},
        )  # fmt: skip

    @override
    def flush(self) -> None:
        """Wait until the service has taken what was logged.

        Raises:
            ConnectionError: It refused some of it.
            TimeoutError: It does not answer.
        """
        if self._connection is not None:
            self._connection.flush()

    @override
    def end_run(self, status: Status = "finished", error: str = "") -> None:
        if self._connection is None:
            return
        level = {"langfuse.observation.level": "ERROR", "langfuse.observation.status_message": error or status}
        self._connection.span(
            ROOT, self._trace, self._id(ROOT), "", self._began, max(self._last, self._began),
            {
                **self._about, "langfuse.observation.type": "chain", "langfuse.observation.output": _json(status),
                "langfuse.observation.input": _json(self._config), **(level if status == "failed" else {}),
            },
        )  # fmt: skip
        self._score("status", status, when=time.time())
        self.flush()
        self._connection = None

    @override
    def check(self) -> str:
        if not self._connect().client.auth_check():
            raise ConnectionError("the keys are not accepted")
        return "The keys work."

    def _id(self, part: str) -> str:
        """Return the id of a part of the run, 16 hexadecimal digits."""
        return hashlib.sha256(f"{self._trace} {part}".encode()).hexdigest()[:16]


def _json(value: Any) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)
