"""Small services on loopback that speak what the packages of trackers speak, remember all of it, and can misbehave.

They know just enough to be talked to: what a real service would do with the content is not their business.
"""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

FAULTS = ("refuse", "hang", "429", "500", "drop")
HANG_SECONDS = 300.0


class Service:
    """What a server was sent, and how it answers.

    Attributes:
        name: Of the tracker that speaks to it.
        fault: One of `FAULTS`, or empty where it answers as it should.
        requests: Method, path, headers and body of each request that was answered as it should be, in order.
    """

    name: ClassVar[str] = ""

    def __init__(self, port: int) -> None:
        self.port = port
        self.fault = ""
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def variables(self) -> dict[str, str]:
        """The environment in which a tracker finds it."""
        return {}

    def answer(self, method: str, path: str, body: bytes) -> Any:
        """Return the content of a good answer."""
        return {}


class WandbService(Service):
    """The part of wandb's GraphQL and file stream that a run needs."""

    name = "wandb"
    key = "k" * 40

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.exit_codes: dict[str, int] = {}
        self.config: dict[str, Any] = {}
        self.uploads: list[str] = []

    @property
    def variables(self) -> dict[str, str]:
        return {"WANDB_BASE_URL": self.url, "WANDB_API_KEY": self.key, "WANDB_ERROR_REPORTING": "false"}

    def answer(self, method: str, path: str, body: bytes) -> Any:
        if path.startswith("/graphql"):
            return {"data": self._graphql(json.loads(body))}
        if path.endswith("/file_stream"):
            self._stream(path.split("/")[-2], json.loads(body))
        if path.startswith("/upload"):
            self.uploads.append(path)
        return {}

    def _stream(self, run: str, sent: dict[str, Any]) -> None:
        history = (sent.get("files") or {}).get("wandb-history.jsonl")
        if history:
            rows = self.rows.setdefault(run, [])
            assert history["offset"] == len(rows)
            rows += [json.loads(line) for line in history["content"]]
        if sent.get("complete"):
            self.exit_codes[run] = sent.get("exitcode", -1)

    def _graphql(self, asked: dict[str, Any]) -> dict[str, Any]:
        query, told = asked["query"], asked.get("variables") or {}
        project = {"name": told.get("project") or "tests", "entity": {"name": "lab"}}
        if "upsertBucket" in query:
            if told.get("config"):
                self.config |= json.loads(told["config"])
            name = told.get("name") or "run"
            bucket = {
                "id": "b", "name": name, "displayName": told.get("displayName") or name, "description": "",
                "config": "{}", "sweepName": None, "project": {"id": "p", **project}, "historyLineCount": 0,
            }  # fmt: skip
            return {"upsertBucket": {"bucket": bucket, "inserted": True}}
        if "viewer" in query:
            return {"viewer": {"id": "v", "entity": "lab", "username": "lab", "flags": "{}", "admin": False,
                               "teams": {"edges": []}, "apiKeys": {"edges": []}, "email": ""}}  # fmt: skip
        if "serverInfo" in query:
            return {"serverInfo": {"features": [], "cliVersionInfo": {}, "latestLocalVersionInfo": None}}
        if "RunResumeStatus" in query or "resumeStatus" in query:
            return {"model": self._resume(told, project)}
        if "stopped" in query:
            return {"project": {"run": {"stopped": False}}}
        if "createRunFiles" in query:
            files = [{"name": name, "uploadUrl": f"{self.url}/upload/{name}"} for name in told.get("files") or []]
            return {"createRunFiles": {"runID": "b", "uploadHeaders": [], "files": files}}
        return self._artifact(query, told)

    def _resume(self, told: dict[str, Any], project: dict[str, Any]) -> dict[str, Any]:
        rows = self.rows.get(told.get("name") or "")
        if not rows:
            return {"id": "p", **project, "bucket": None}
        summary = {name: value for row in rows for name, value in row.items()}
        bucket = {
            "id": "b", "name": told["name"], "summaryMetrics": json.dumps(summary), "displayName": "a run",
            "logLineCount": 0, "historyLineCount": len(rows), "eventsLineCount": 0, "config": "{}", "tags": [],
            "historyTail": json.dumps([json.dumps(rows[-1])]), "eventsTail": "[]", "wandbConfig": '{"t": 1}',
        }  # fmt: skip
        return {"id": "p", **project, "bucket": bucket}

    def _artifact(self, query: str, told: dict[str, Any]) -> dict[str, Any]:
        if "query ArtifactType" in query:
            return {"project": {"artifact": None}}
        if "createArtifactManifest" in query:
            file = {"id": "f", "name": "m", "displayName": "m", "uploadUrl": f"{self.url}/upload/manifest",
                    "uploadHeaders": []}  # fmt: skip
            return {"createArtifactManifest": {"artifactManifest": {"id": "m", "file": file}}}
        if "createArtifactFiles" in query:
            files = told.get("input", {}).get("artifactFiles") or told.get("artifactFiles") or []
            edges = [
                {"node": {"id": "f", "name": file["name"], "displayName": file["name"], "uploadHeaders": [],
                          "uploadUrl": f"{self.url}/upload/{file['name']}", "storagePath": "",
                          "artifact": {"id": "a"}, "uploadMultipartUrls": None}}
                for file in files
            ]  # fmt: skip
            return {"createArtifactFiles": {"files": {"edges": edges}}}
        if "commitArtifact" in query:
            return {"commitArtifact": {"artifact": {"id": "a", "digest": "d"}}}
        if "createArtifact" in query:
            artifact = {"id": "a", "digest": "d", "state": "PENDING", "aliases": [], "artifactSequence": {
                "id": "s", "latestArtifact": None}}  # fmt: skip
            return {"createArtifact": {"artifact": artifact}}
        return {}


class CometService(Service):
    """The part of Comet's REST that an experiment needs."""

    name = "comet"
    key = "comet-key-0123456789"

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.metrics: dict[str, dict[int, float]] = {}
        self.parameters: dict[str, str] = {}
        self.others: dict[str, str] = {}
        self.assets: list[str] = []

    @property
    def variables(self) -> dict[str, str]:
        return {"COMET_URL_OVERRIDE": f"{self.url}/clientlib/", "COMET_API_KEY": self.key}

    def answer(self, method: str, path: str, body: bytes) -> Any:
        place = path.partition("?")[0]
        if place.endswith("isAlive/ver"):
            return {"version": "3.50.0"}
        if place.endswith("logger/add/run"):
            return {"runId": "r", "experimentKey": json.loads(body)["experimentKey"], "project_id": "p",
                    "focusUrl": f"{self.url}/lab/tests/", "projectName": "tests", "workspaceName": "lab",
                    "lastParameterUpdate": 0, "featureToggles": [], "offset": 0}  # fmt: skip
        if place.endswith("status-report/update"):
            names = (
                "is_alive_beat_duration",
                "gpu_monitor_interval",
                "cpu_monitor_interval",
                "parameter_update_interval",
            )
            return {f"{name}_millis": 60_000 for name in names}
        if place.endswith("/workspaces"):
            return {"workspaceNames": ["lab"]}
        self._store(place, path, body)
        return {}

    def _store(self, place: str, path: str, body: bytes) -> None:
        if place.endswith("experiment/metric"):
            for value in json.loads(body)["values"]:
                self.metrics.setdefault(value["metricName"], {})[value["step"] or 0] = float(value["metricValue"])
        elif place.endswith("experiment/parameter"):
            for value in json.loads(body)["values"]:
                self.parameters[value["parameterName"]] = value["parameterValue"]
        elif place.endswith("log-other"):
            sent = json.loads(body)
            self.others[sent["key"]] = sent["value"]
        elif place.endswith("asset/upload"):
            self.assets.append(path)


class LangfuseService(Service):
    """Langfuse's receiver of traces (OTLP over HTTP, protobuf) and of scores (JSON)."""

    name = "langfuse"
    public, secret = "pk-lf-0123456789", "sk-lf-0123456789"

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.spans: dict[str, dict[str, Any]] = {}
        self.scores: dict[str, dict[str, Any]] = {}

    @property
    def variables(self) -> dict[str, str]:
        return {
            "LANGFUSE_HOST": self.url, "LANGFUSE_PUBLIC_KEY": self.public, "LANGFUSE_SECRET_KEY": self.secret,
        }  # fmt: skip

    def answer(self, method: str, path: str, body: bytes) -> Any:
        if path.endswith("/otel/v1/traces"):
            self._take_spans(body)
            return b""
        if path.endswith("/scores"):
            sent = json.loads(body)
            for score in sent if isinstance(sent, list) else [sent]:
                self.scores[score["id"]] = score
            return {"successes": [], "errors": []}
        if path.startswith("/api/public/projects"):
            return {"data": [{"id": "p", "name": "tests", "metadata": {}, "organization": {"id": "o", "name": "lab"}}]}
        return {}

    def _take_spans(self, body: bytes) -> None:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for span in (span for scope in resource.scope_spans for span in scope.spans):
                attributes = {pair.key: _value(pair.value) for pair in span.attributes}
                self.spans[span.span_id.hex()] = {
                    "name": span.name, "trace": span.trace_id.hex(), "parent": span.parent_span_id.hex(),
                    "began": span.start_time_unix_nano / 1e9, "ended": span.end_time_unix_nano / 1e9, **attributes,
                }  # fmt: skip


class MLflowService(Service):
    """A server that only misbehaves: good answers come from the real one."""

    name = "mlflow"

    @property
    def variables(self) -> dict[str, str]:
        return {"MLFLOW_TRACKING_URI": self.url}


SERVICES: dict[str, type[Service]] = {
    service.name: service for service in (WandbService, MLflowService, CometService, LangfuseService)
}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    return [_value(item) for item in value.array_value.values] if kind == "array_value" else getattr(value, kind)


@contextmanager
def serving(name: str, fault: str = "") -> Iterator[Any]:
    """Serve a service on loopback for the block; one that refuses has a port at which nobody listens."""
    if fault == "refuse":
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            yield SERVICES[name](taken.getsockname()[1])
        return
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.service = service = SERVICES[name](server.server_port)  # type: ignore[attr-defined]
    service.fault = fault
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        return

    def handle(self) -> None:
        with suppress(ConnectionError):
            super().handle()

    def _serve(self) -> None:
        service: Service = self.server.service  # type: ignore[attr-defined]
        if self._misbehaves(service.fault):
            return
        body = self._body()
        content = service.answer(self.command, self.path, body)
        service.requests.append((self.command, self.path, dict(self.headers), body))
        kind = "application/x-protobuf" if isinstance(content, bytes) else "application/json"
        self._send(200, content if isinstance(content, bytes) else json.dumps(content).encode(), kind)

    def _misbehaves(self, fault: str) -> bool:
        if fault == "hang":
            time.sleep(HANG_SECONDS)
        elif fault == "drop":
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        elif fault:
            self._body()
            self._send(int(fault), b"{}", "application/json")
        return bool(fault)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline().strip() or b"0", 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            body = b"".join(parts)
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _send(self, status: int, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = _serve
