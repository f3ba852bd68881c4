"""A run's curves in a notebook: one display, updated in place until the run ends. Needs a kernel, and no widgets."""

from __future__ import annotations

import html
import importlib
import json
import sys
import time
from typing import TYPE_CHECKING, Any

import pandas as pd

from molfun.runs.folder import RunFolder
from molfun.runs.status import RunStatus, run_status
from molfun.runs.terminal import goes_on
from molfun.runs.watch import Onlooker
from molfun.ui import text, theme

if TYPE_CHECKING:
    import plotly.graph_objects as go

REFRESH_SECONDS = 1.0
PLOTLY = "application/vnd.plotly.v1+json"
SHOWN_EPOCHS = 10
LEFT, RIGHT = [0.0, 0.56], [0.64, 1.0]  # of the width: the loss, and the metric


def in_notebook() -> bool:
    """Tell whether this process is the kernel of a notebook, which takes displays."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return hasattr(shell, "kernel")


def show_curves(folder: RunFolder, *, follow: bool) -> None:
    """Show the curves of a run below the cell that is at work.

    Args:
        folder: The run.
        follow: Keep them up to date until it ends; interrupting the kernel ends that, and leaves the run alone.
    """
    # By name: only who has a kernel has IPython.
    display = importlib.import_module("IPython.display").display
    onlooker, status = Onlooker(folder), run_status(folder)
    handle, seen = display(bundle(folder, status), raw=True, display_id=True), _stamp(folder, status)
    try:
        while follow and not status.is_over:
            time.sleep(REFRESH_SECONDS)
            status = onlooker.status()
            if (now := _stamp(folder, status)) != seen:
                handle.update(bundle(folder, status), raw=True)
                seen = now
    except KeyboardInterrupt:
        sys.stdout.write(f"{goes_on(folder.id)}\n")
        raise


def _stamp(folder: RunFolder, status: RunStatus) -> tuple[object, ...]:
    """Return what the display depends on."""
    size = folder.metrics_path.stat().st_size if folder.metrics_path.exists() else 0
    return status.status, status.cause, status.is_paused, size


def bundle(folder: RunFolder, status: RunStatus) -> dict[str, Any]:
    """Return a display in each form that a notebook may show: a plotly figure, else a table, else text."""
    from molfun.ui.run_curves import read_curves  # noqa: PLC0415  plotly and its kin take a third of a second

    _, epochs = read_curves(folder)
    line = state_line(folder, status)
    table = epochs.drop(columns=["segment", "t"], errors="ignore").tail(SHOWN_EPOCHS)
    found = {
        "text/plain": f"{line}\n{table.to_string(index=False) if len(table) else ''}".rstrip(),
        "text/html": f"<p>{html.escape(line)}</p>{_html(table)}",
    }
    return {PLOTLY: plain_figure(run_figure(folder, line)), **found}


def _html(table: pd.DataFrame) -> str:
    return str(table.to_html(index=False, border=0)) if len(table) else ""


def state_line(folder: RunFolder, status: RunStatus) -> str:
    """Return what a run is doing, in one line."""
    state = folder.read_state()
    parts = [folder.title, "paused" if status.is_paused else status.status]
    if state.get("epoch") is not None and state.get("epochs"):
        parts.append(f"epoch {state['epoch']} of {state['epochs']}")
    if status.seconds_left is not None:
        parts.append(f"{text.duration(status.seconds_left)} left")
    return " · ".join(parts) + (f": {status.cause}" if status.cause else "")


def run_figure(folder: RunFolder, title: str) -> go.Figure:
    """Return the loss and the validation metric of a run beside each other, as the page Live draws them.

    Args:
        folder: The run.
        title: Above both.
    """
    from molfun.ui import charts  # noqa: PLC0415  as above
    from molfun.ui.markers import read_markers  # noqa: PLC0415
    from molfun.ui.run_curves import USUAL_SMOOTHING, judged_by, read_curves  # noqa: PLC0415

    steps, epochs = read_curves(folder)
    metric, monitor = judged_by(folder)
    figure = charts.add_markers(charts.loss_figure(steps, epochs, smoothing=USUAL_SMOOTHING), read_markers(folder))
    right = charts.metric_figure(epochs, metric, monitor=monitor)
    figure.update_layout(title_text=html.escape(title), uirevision=folder.id, template="none", xaxis_domain=LEFT)
    figure.update_layout(font_color=theme.GREY, yaxis_title_text="Loss")
    figure.update_layout(
        xaxis2={"title": {"text": "Epoch"}, "domain": RIGHT, "anchor": "y2", "tickformat": "d", "showgrid": False},
        yaxis2={"title": {"text": text.metric_inline(metric)}, "anchor": "x2", "zeroline": False},
    )
    for curve in right.data:
        curve.update(xaxis="x2", yaxis="y2")
        figure.add_trace(curve)
    if not figure.data:  # before the first step; axes of nothing would show numbers
        figure.update_layout(xaxis_visible=False, yaxis_visible=False)
    return figure


def plain_figure(figure: go.Figure) -> dict[str, Any]:
    """Return a figure as plain values: lists, because what draws it in a notebook may be older than packed arrays."""
    from plotly.utils import PlotlyJSONEncoder  # noqa: PLC0415  as above

    values = {"data": [curve.to_plotly_json() for curve in figure.data], "layout": figure.layout.to_plotly_json()}
    found: dict[str, Any] = json.loads(json.dumps(values, cls=PlotlyJSONEncoder))
    return found
