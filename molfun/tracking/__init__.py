"""Where a run's numbers go: the local record (always), and remote trackers beside it. Never loads torch."""

from __future__ import annotations

from molfun.lazy_names import lazy

_HOMES = {
    "BaseTracker": "base",
    "LocalTracker": "local",
    "MetricsReader": "reader",
    "read_events": "reader",
    "read_metrics": "reader",
}
__all__ = sorted(_HOMES)
__getattr__, __dir__ = lazy(__name__, _HOMES)
