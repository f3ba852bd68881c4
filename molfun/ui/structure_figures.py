"""Pictures of structures: the backbone in space, tracks along the sequence, contact maps. Data in, Figure out.

The backbone is a mesh of plotly's, which is installed and served by this machine; docs/structures.md says which viewers
of molecules were looked at instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from molfun.ui import theme
from molfun.ui.charts import empty_figure
from molfun.ui.structure_tube import Floats, Tube, build_tube
from molfun.ui.structure_view import StructureView

# The colours of the AlphaFold database: very low, low, confident, very high.
PLDDT_COLORS = ("#ff7d45", "#ffdb13", "#65cbf3", "#0053d6")
PLDDT_EDGES = (0.0, 0.5, 0.7, 0.9, 1.0)
PLDDT_NAMES = ("below 50", "50 to 70", "70 to 90", "above 90")
ERROR_COLORS = ((0.0, "#2384c6"), (0.4, "#3fbf8f"), (0.7, "#f0c02e"), (1.0, "#d9401c"))
MAX_ERROR_ANGSTROM = 8.0
MEASURED = "#b4bcc5"
VIEWER_HEIGHT = 460
# Perspective: plotly lights meshes wrongly where lines of sight are parallel.
CAMERA = {"eye": {"x": 0.0, "y": 0.0, "z": 1.75}, "up": {"x": 0.0, "y": 1.0, "z": 0.0}}
MAX_MAP = 500  # longer contact maps are drawn in squares of several residues
LIGHT = {"ambient": 0.62, "diffuse": 0.55, "specular": 0.12, "roughness": 0.7, "fresnel": 0.05}
COLORINGS = {"plddt": "pLDDT", "error": "Error", "chain": "Chain"}


def viewer_figure(view: StructureView, coloring: str = "plddt") -> go.Figure:
    """Draw the predicted backbone, coloured, and the measured one in grey where there is one.

    Args:
        view: As `view_structure` returns it.
        coloring: "plddt", "error" (distance to the measured residue) or "chain".
    """
    figure, words, turn = go.Figure(), _words(view), _turn(view)
    if np.isfinite(view.measured).any():
        measured = build_tube(view.measured @ turn, view.measured_starts, view.kinds(view.measured))
        said = [f"{label} {letter}, measured" for label, letter in zip(view.labels, view.letters, strict=True)]
        figure.add_trace(_mesh(measured, said, name="Measured", color=MEASURED))
    if np.isfinite(view.predicted).all():
        tube = build_tube(view.predicted @ turn, view.starts, view.kinds(view.predicted))
        for trace in _COLORED[coloring](view, tube, words):
            figure.add_trace(trace)
    hidden = {"visible": False, "showspikes": False}
    figure.update_layout(
        height=VIEWER_HEIGHT, margin={"l": 0, "r": 0, "t": 8, "b": 8}, paper_bgcolor="rgba(0,0,0,0)",
        scene={
            "xaxis": hidden, "yaxis": hidden, "zaxis": hidden, "aspectmode": "data", "dragmode": "orbit",
            "bgcolor": "rgba(0,0,0,0)", "camera": CAMERA,
        },
        showlegend=True, modebar={"orientation": "v"},
        legend={"orientation": "h", "x": 0, "y": 1, "yanchor": "top", "bgcolor": "rgba(0,0,0,0)", "title_text": ""},
    )  # fmt: skip
    return figure


def _turn(view: StructureView) -> Floats:
    """Return the rotation [3, 3] that shows the broad side of a structure, its longest axis from left to right.

    No reflection: helices stay right-handed.
    """
    points = view.measured[np.isfinite(view.measured).all(axis=1)]
    points = points if len(points) else view.predicted
    if not np.isfinite(points).all():
        return np.eye(3)
    axes: Floats = np.linalg.svd(points - points.mean(axis=0), full_matrices=True)[2].T
    axes[:, 2] *= np.sign(np.linalg.det(axes))
    return axes


def _words(view: StructureView) -> list[str]:
    """Return what is said of each residue."""
    said = []
    for place, (label, letter) in enumerate(zip(view.labels, view.letters, strict=True)):
        words = f"{label} {letter}, pLDDT {100 * view.plddt[place]:.0f}"
        if np.isfinite(view.errors[place]):
            words += f", {view.errors[place]:.1f} Å off"
        said.append(words)
    return said


def _mesh(tube: Tube, words: Sequence[str], **more: Any) -> go.Mesh3d:
    x, y, z = tube.vertices.T
    i, j, k = tube.triangles.T
    return go.Mesh3d(
        x=x, y=y, z=z, i=i, j=j, k=k, text=[words[place] for place in tube.vertex_residue], lighting=LIGHT,
        lightposition={"x": 2000, "y": 4000, "z": 10000}, hovertemplate="%{text}<extra></extra>", showlegend=True,
        flatshading=False, **more,
    )  # fmt: skip


def _by_plddt(view: StructureView, tube: Tube, words: Sequence[str]) -> list[go.Mesh3d]:
    """Return a mesh for each of the four degrees of certainty, so that the legend names them."""
    degree = np.clip(
        np.searchsorted(PLDDT_EDGES, np.nan_to_num(view.plddt), side="right") - 1, 0, len(PLDDT_COLORS) - 1
    )
    return [
        _mesh(tube.only(degree == i), words, name=f"pLDDT {PLDDT_NAMES[i]}", color=PLDDT_COLORS[i])
        for i in reversed(range(len(PLDDT_COLORS)))
    ]


def _by_error(view: StructureView, tube: Tube, words: Sequence[str]) -> list[go.Mesh3d]:
    known = np.isfinite(view.errors)
    part = tube.only(known)
    ticks = np.linspace(0, MAX_ERROR_ANGSTROM, 5)
    bar = {
        "title": {"text": "Å off", "side": "top"}, "orientation": "h", "thickness": 10, "len": 0.7, "y": 0.0,
        "yanchor": "bottom", "tickvals": ticks, "ticktext": [*(f"{tick:g}" for tick in ticks[:-1]), f"≥ {ticks[-1]:g}"],
    }  # fmt: skip
    traces = [
        _mesh(
            part, words, name="Predicted", intensity=view.errors[part.triangle_residue], intensitymode="cell", cmin=0,
            cmax=MAX_ERROR_ANGSTROM, colorscale=[list(stop) for stop in ERROR_COLORS], colorbar=bar,
        )
    ]  # fmt: skip
    if not known.all():
        traces.append(_mesh(tube.only(~known), words, name="Not measured", color=theme.PINK))
    return traces


def _by_chain(view: StructureView, tube: Tube, words: Sequence[str]) -> list[go.Mesh3d]:
    return [
        _mesh(tube.only(view.chain == i), words, name=f"Chain {name}", color=theme.SERIES[i % len(theme.SERIES)])
        for i, name in enumerate(view.chain_names)
    ]


_COLORED = {"plddt": _by_plddt, "error": _by_error, "chain": _by_chain}


def track_figure(view: StructureView) -> go.Figure:
    """Draw pLDDT, lDDT and error of each residue along the sequence; gaps where nothing was measured."""
    rows = 2 if view.is_compared else 1
    figure = make_subplots(rows=rows, cols=1, shared_xaxes=True, vertical_spacing=0.08, row_heights=[3, 2][:rows])
    place = np.arange(1, len(view) + 1)
    names = [f"{label} {letter}" for label, letter in zip(view.labels, view.letters, strict=True)]
    _add_line(figure, place, 100 * view.plddt, names, "pLDDT, expected", theme.BLUE, ".0f", row=1)
    if rows == 2:
        _add_line(figure, place, 100 * view.lddt, names, "lDDT, true", theme.VERMILION, ".0f", row=1)
        _add_line(figure, place, view.errors, names, "Å off", theme.GREEN, ".1f", row=2, fill="tozeroy")
        figure.update_yaxes(title_text="Å", rangemode="tozero", row=2, col=1)
    if rows == 1:
        figure.update_yaxes(title_text="pLDDT")
    for edge in np.flatnonzero(view.starts)[1:]:
        figure.add_vline(x=edge + 0.5, line={"color": theme.GREY, "dash": "dot", "width": 1})
    style = empty_figure("Along the sequence", "", "", height=340 if rows == 2 else 240).layout
    figure.update_layout(
        title=style.title, height=style.height, margin=style.margin, legend=style.legend, hovermode="x unified",
        paper_bgcolor=style.paper_bgcolor, plot_bgcolor=style.plot_bgcolor, hoversubplots="axis",
    )  # fmt: skip
    figure.update_xaxes(showgrid=False, zeroline=False, range=[0.5, len(view) + 0.5])
    figure.update_xaxes(title_text="Residue, of all chains" if view.starts.sum() > 1 else "Residue", row=rows, col=1)
    figure.update_yaxes(zeroline=False, automargin=True)
    figure.update_yaxes(range=[0, 102], row=1, col=1)
    return figure


def _add_line(
    figure: go.Figure, place: NDArray[np.int64], values: Floats, names: list[str], name: str, color: str, digits: str,
    *, row: int, **more: Any,
) -> None:  # fmt: skip
    figure.add_scatter(
        x=place, y=values, mode="lines", name=name, line={"color": color, "width": 1.5}, customdata=names,
        connectgaps=False, hovertemplate=f"%{{customdata}}: %{{y:{digits}}}<extra>{name}</extra>", row=row, col=1,
        **more,
    )  # fmt: skip


def contact_figure(view: StructureView) -> go.Figure:
    """Draw which residues touch: above the diagonal as the model expects, below it as was measured."""
    size = len(view)
    block = -(-size // MAX_MAP)
    ends = np.arange(0, size, block)
    predicted = _blocks(np.triu(np.clip(np.nan_to_num(view.contacts.astype(np.float32)), 0, 1), k=1), ends)
    figure = empty_figure("Contacts", "Residue", "Residue", height=VIEWER_HEIGHT)
    at = ends + (block + 1) / 2
    figure.add_heatmap(
        x=at, y=at, z=np.rint(100 * predicted).astype(np.uint8), zmin=0, zmax=100, name="Predicted", showscale=False,
        colorscale=[[0.0, "rgba(35, 132, 198, 0)"], [1.0, theme.BLUE]],
        hovertemplate="%{y} and %{x}: %{z} %<extra>predicted</extra>",
    )  # fmt: skip
    if view.measured_contacts is not None:
        touching = np.tril(_blocks(view.measured_contacts.astype(np.float32), ends) > 0, k=-1)
        low, high = touching.nonzero()
        figure.add_scatter(
            x=at[high], y=at[low], mode="markers", name="Measured",
            marker={"symbol": "square", "color": theme.VERMILION, "size": max(2.0, 330 / len(ends))},
            hovertemplate="%{y} and %{x} touch<extra>measured</extra>",
        )  # fmt: skip
    figure.add_shape(
        type="line", x0=0.5, y0=0.5, x1=size + 0.5, y1=size + 0.5, line={"color": theme.GREY, "width": 1, "dash": "dot"}
    )
    for edge in np.flatnonzero(view.starts)[1:] + 0.5:
        figure.add_vline(x=edge, line={"color": theme.GREY, "width": 1})
        figure.add_hline(y=edge, line={"color": theme.GREY, "width": 1})
    figure.update_layout(hovermode="closest", showlegend=False)
    figure.update_xaxes(range=[0.5, size + 0.5], constrain="domain")
    figure.update_yaxes(range=[size + 0.5, 0.5], scaleanchor="x", constrain="domain", constraintoward="top")
    figure.update_yaxes(showgrid=False)
    return figure


def _blocks(values: NDArray[np.float32], starts: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the greatest value of each square of residues."""
    rows = np.maximum.reduceat(values, starts, axis=0)
    return np.maximum.reduceat(rows, starts, axis=1)
