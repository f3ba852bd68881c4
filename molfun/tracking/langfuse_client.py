"""One client of Langfuse a process and key, which says whether what it sent was taken: the package itself only logs it.

The package keeps one client a public key for the life of a process, and would give it for another address or secret key
as well, or give us the one of a script that traces its own work: ours are made without its knowledge.
"""

from __future__ import annotations

import atexit
import base64
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Lock, Thread
from typing import Any

from molfun.tracking.base import public_address
from molfun.tracking.packages import import_package

FLUSH_SECONDS = 40.0
REQUEST_SECONDS = 5
# Few requests: hobby plans allow 30 a minute.
MAX_ITEMS, SECONDS_BETWEEN = 200, 5.0
DEFAULT_URL = "https://cloud.langfuse.com"
_connections: dict[tuple[str, str, str], Connection] = {}
_lock = Lock()


def connect(public_key: str, secret_key: str, base_url: str = "") -> Connection:
    """Return the connection of this process with a pair of keys and an address; the first call makes it."""
    told = base_url or os.environ.get("LANGFUSE_HOST") or os.environ.get("LANGFUSE_BASE_URL") or DEFAULT_URL
    url = told.rstrip("/")
    with _lock:
        asked = (public_key, secret_key, url)
        if asked not in _connections:
            _connections[asked] = Connection(*asked)
        return _connections[asked]


class Heard:
    """What the service said since somebody asked last."""

    def __init__(self) -> None:
        self.problem = ""

    def take(self) -> str:
        """Return why something was not taken, and forget it."""
        problem, self.problem = self.problem, ""
        return problem


class Connection:
    """A client, the spans it sends, and how that went.

    Args:
        public_key: Of the project.
        secret_key: Of the project.
        url: Address of the server.
    """

    def __init__(self, public_key: str, secret_key: str, url: str) -> None:
        self.url, self.heard = url, Heard()
        langfuse = import_package("langfuse")
        trace = import_package("opentelemetry.sdk.trace")
        self._ids = _Ids()
        # A provider of its own: the package would make itself the one of the whole process.
        self._provider = trace.TracerProvider(shutdown_on_exit=False, id_generator=self._ids)
        with _unknown(public_key):
            self.client = langfuse.Langfuse(
                public_key=public_key, secret_key=secret_key, base_url=url, timeout=REQUEST_SECONDS, flush_at=MAX_ITEMS,
                flush_interval=SECONDS_BETWEEN, tracer_provider=self._provider, should_export_span=lambda span: True,
                span_exporter=_WatchedExporter(_exporter(public_key, secret_key, url), self.heard),
                httpx_client=_watched_client(self.heard),
            )  # fmt: skip
        # It would wait for the service without end when the process is to end.
        atexit.unregister(self.client._resources.shutdown)
        self._tracer = self._provider.get_tracer("molfun")

    def span(
        self, name: str, trace_id: str, span_id: str, parent_id: str, began: float, ended: float,
        attributes: Mapping[str, Any],
    ) -> None:  # fmt: skip
        """Send a span.

        Args:
            name: On screen.
            trace_id: 32 hexadecimal digits.
            span_id: 16 hexadecimal digits.
            parent_id: 16 hexadecimal digits, or empty for the root.
            began: Unix seconds.
            ended: Unix seconds.
            attributes: As Langfuse names them.
        """
        api = import_package("opentelemetry.trace")
        self._ids.trace, self._ids.span = int(trace_id, 16), int(span_id, 16)
        context = None
        if parent_id:
            parent = api.SpanContext(self._ids.trace, int(parent_id, 16), is_remote=True, trace_flags=api.TraceFlags(1))
            context = api.set_span_in_context(api.NonRecordingSpan(parent))
        kept = {key: value for key, value in attributes.items() if value not in ("", [])}
        started = self._tracer.start_span(name, context, attributes=kept, start_time=round(began * 1e9))
        started.end(round(ended * 1e9))

    def link(self, trace_id: str) -> str:
        """Return the address of a trace."""
        return f"{public_address(self.url)}/trace/{trace_id}"

    def flush(self) -> None:
        """Wait until all was taken.

        Raises:
            ConnectionError: Some of it was not.
            TimeoutError: There is no answer.
        """
        waiting = Thread(target=self.client.flush, name="langfuse-flush", daemon=True)
        waiting.start()
        waiting.join(FLUSH_SECONDS)
        problem = self.heard.take()
        if waiting.is_alive():
            raise TimeoutError(f"no answer within {FLUSH_SECONDS:.0f} seconds")
        if problem:
            raise ConnectionError(problem)


@contextmanager
def _unknown(public_key: str) -> Iterator[None]:
    """Let a client be made that the package neither finds in its list nor keeps there."""
    known = import_package("langfuse._client.resource_manager").LangfuseResourceManager._instances
    own = known.pop(public_key, None)
    try:
        yield
    finally:
        known.pop(public_key, None)
        if own is not None:
            known[public_key] = own


class _Ids:
    """Gives spans the ids that they are told; what OpenTelemetry calls an id generator."""

    trace = span = 0

    def generate_span_id(self) -> int:
        return self.span

    def generate_trace_id(self) -> int:
        return self.trace

    def is_trace_id_random(self) -> bool:
        return False


class _WatchedExporter:
    """Hands spans to an exporter and remembers whether they were taken."""

    def __init__(self, exporter: Any, heard: Heard) -> None:
        self._exporter, self._heard = exporter, heard

    def export(self, spans: Sequence[Any]) -> Any:
        result = self._exporter.export(spans)
        if result.name != "SUCCESS":
            self._heard.problem = self._heard.problem or "the service did not take the spans"
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return bool(self._exporter.force_flush(timeout_millis))


def _exporter(public_key: str, secret_key: str, url: str) -> Any:
    module = import_package("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    words = base64.b64encode(f"{public_key}:{secret_key}".encode()).decode()
    headers = {
        "Authorization": f"Basic {words}", "x-langfuse-public-key": public_key, "x-langfuse-sdk-name": "python",
        "x-langfuse-ingestion-version": "4",
    }  # fmt: skip
    return module.OTLPSpanExporter(
        endpoint=f"{url}/api/public/otel/v1/traces", headers=headers, timeout=REQUEST_SECONDS,
        compression=module.Compression.Gzip,
    )  # fmt: skip


def _watched_client(heard: Heard) -> Any:
    httpx = import_package("httpx")

    class Client(httpx.Client):  # type: ignore[name-defined, misc]
        """Remembers whether a request was answered as it should be."""

        def send(self, request: Any, **options: Any) -> Any:
            try:
                answer = super().send(request, **options)
            except Exception as error:
                heard.problem = f"{type(error).__name__}: {error}"
                raise
            if answer.status_code >= 400 or (answer.status_code == 207 and answer.json().get("errors")):
                heard.problem = f"the service answered {answer.status_code}"
            return answer

    return Client(timeout=REQUEST_SECONDS)
