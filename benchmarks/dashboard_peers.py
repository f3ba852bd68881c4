"""Other tools load the losses of one long run: run by `benchmarks.dashboard` in an environment that has them.

Prints one line of JSON a tool: seconds until its server has answered what its page asks for, bytes of the answer,
points in it, and how many of the planted spikes are among them. Writing the losses and starting a server do not count.
TensorBoard reads the whole file before it has the last step, so that is waited for. MLflow is asked for as many points
as it ever gives (2,500; its page asks for fewer), trackio as its page does (3,000).
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

PATIENCE_SECONDS = 300
BATCH = 1_000
HEIGHT = 50.0


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def fetch(url: str) -> bytes:
    """Return what a server answers; nothing where it does not yet."""
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:
            return bytes(answer.read())
    except (urllib.error.URLError, ConnectionError):
        return b""


def wait_for(url: str, is_there: Callable[[bytes], bool] = bool) -> bytes:
    """Return what a server answers once it is what was waited for."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not is_there(answer := fetch(url)):
        if time.monotonic() > end:
            raise TimeoutError(url)
        time.sleep(0.1)
    return answer


@contextmanager
def server(*command: str, **environment: str) -> Iterator[None]:
    """Run a server until the end of the block."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([sys.executable, "-m", *command], env={**os.environ, **environment}, **quiet)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def tell(tool: str, seconds: float, answer: bytes, points: list[tuple[int, float]], spikes: set[int]) -> None:
    """Print one line."""
    seen = {step for step, value in points if value >= HEIGHT} & spikes
    row = {"tool": tool, "seconds": seconds, "bytes": len(answer), "points": len(points), "spikes": len(seen)}
    print(json.dumps(row), flush=True)


def tensorboard(losses: np.ndarray, spikes: set[int], place: Path) -> None:
    """Write an event file and ask for the scalars."""
    from importlib.metadata import version

    from tensorboardX import SummaryWriter

    writer = SummaryWriter(str(place / "tb"))
    for step, loss in enumerate(losses.tolist(), start=1):
        writer.add_scalar("loss", loss, step)
    writer.close()
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    with server("tensorboard.main", "--logdir", str(place / "tb"), "--port", str(port)):
        wait_for(f"{base}/data/environment")
        begin = time.perf_counter()
        url = f"{base}/data/plugin/scalars/scalars?{urllib.parse.urlencode({'run': '.', 'tag': 'loss'})}"
        answer = wait_for(url, lambda text: bool(text) and json.loads(text)[-1][1] == len(losses))
        seconds = time.perf_counter() - begin
    points = [(step, value) for _, step, value in json.loads(answer)]
    tell(f"TensorBoard {version('tensorboard')}", seconds, answer, points, spikes)


def mlflow(losses: np.ndarray, spikes: set[int], place: Path) -> None:
    """Log in batches over HTTP and ask for the history."""
    from importlib.metadata import version

    port = free_port()
    base = f"http://127.0.0.1:{port}"
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    command = (
        "mlflow", "server", "--backend-store-uri", f"sqlite:///{place / 'm.db'}", "--artifacts-destination",
        str(place / "artifacts"), "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
    )  # fmt: skip
    with server(*command, MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false"):
        wait_for(f"{base}/health")
        from mlflow.entities import Metric
        from mlflow.tracking import MlflowClient

        client = MlflowClient(base)
        run = client.create_run(client.create_experiment("one")).info.run_id
        for first in range(0, len(losses), BATCH):
            values = enumerate(losses[first : first + BATCH].tolist(), start=first + 1)
            client.log_batch(run, metrics=[Metric("loss", value, step, step) for step, value in values])
        query = urllib.parse.urlencode({"run_ids": run, "metric_key": "loss", "max_results": 2500})
        begin = time.perf_counter()
        answer = wait_for(f"{base}/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval?{query}")
        seconds = time.perf_counter() - begin
    points = [(int(point["step"]), float(point["value"])) for point in json.loads(answer)["metrics"]]
    tell(f"MLflow {version('mlflow-skinny')}", seconds, answer, points, spikes)


def trackio(losses: np.ndarray, spikes: set[int], place: Path) -> None:
    """Fill its database and call what its server calls when the page asks."""
    from importlib.metadata import version

    os.environ["TRACKIO_DIR"] = str(place / "trackio")
    import trackio.server
    from trackio.sqlite_storage import SQLiteStorage

    for first in range(0, len(losses), 100 * BATCH):
        part = losses[first : first + 100 * BATCH].tolist()
        SQLiteStorage.bulk_log("one", "run", [{"loss": loss} for loss in part],
                               steps=list(range(first + 1, first + 1 + len(part))))  # fmt: skip
    begin = time.perf_counter()
    (found,) = trackio.server.get_logs_batch("one", [{"run": "run"}], scalar_only=True)
    answer = json.dumps(found, default=str).encode()
    seconds = time.perf_counter() - begin
    points = [(int(row["step"]), float(row["loss"])) for row in found["logs"]]
    tell(f"trackio {version('trackio')}", seconds, answer, points, spikes)


def main() -> None:
    """Run all of them; one that is not there says so and is left out."""
    with np.load(sys.argv[1]) as held:
        losses, spikes = held["losses"], set(held["spikes"].tolist())
    for tool in (tensorboard, mlflow, trackio):
        with tempfile.TemporaryDirectory() as place:
            try:
                tool(losses, spikes, Path(place))
            except ImportError as error:
                print(f"{tool.__name__}: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
