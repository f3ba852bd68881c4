"""Prints the tables of docs/strategies.md out of docs/study.csv: `python docs/study.py --write`; `--picture` draws it.

`python -m benchmarks.study` fills that file; `make study` does all three. The picture needs Chromium.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from molfun.data.examples import EXAMPLES
from molfun.evaluation.names import baseline_title, metric_inline, metric_title
from molfun.training.catalog import STRATEGIES
from molfun.ui.theme import BLUE, GREEN, GREY, PINK, VERMILION

ROOT = Path(__file__).parent
PAGE, TABLE, PICTURE = ROOT / "strategies.md", ROOT / "study.csv", ROOT / "images" / "study.png"
CONTROL = "head_only, random weights"
CONSTANT = ("majority", "mean")
COLOURS = {"head_only": BLUE, "lora": VERMILION, "partial": GREEN, "full": PINK}
WIDTH, HEIGHT = 1100, 440


def mark(name: str) -> str:
    """Return the comment before the table of one data set."""
    return f"study of {name}: python docs/study.py --write"


def title(method: str) -> str:
    """Return what a method is called by people."""
    if method == CONTROL:
        return "Head only, random weights (control)"
    return STRATEGIES[method].title if method in STRATEGIES else f"{baseline_title(method)} (baseline)"


def methods_of(table: pd.DataFrame, name: str) -> list[str]:
    """Return the methods of one data set: strategies, the control, then baselines that know more than one value."""
    there = dict.fromkeys(table.loc[table["data"] == name, "method"])
    first = [method for method in (*STRATEGIES, CONTROL) if method in there]
    return first + [method for method in there if method not in first and method not in CONSTANT]


def summary(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return mean, standard deviation and number of seeds by method and rows."""
    found = table[table["data"] == name]
    return found.groupby(["method", "rows"], sort=False)["value"].agg(["mean", "std", "count"])


def as_table(table: pd.DataFrame, name: str) -> str:
    """Return the scores of one data set as Markdown: a row a method, a column a training size."""
    found = table[table["data"] == name]
    sizes = sorted(found["rows"].unique())
    cells = summary(table, name)
    lines = [["test " + metric_inline(found["metric"].iloc[0]), *(f"{size:,} rows" for size in sizes)]]
    lines.append(["---"] * (1 + len(sizes)))
    for method in methods_of(table, name):
        lines.append([title(method), *(cell(cells, method, size) for size in sizes)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(cells: pd.DataFrame, method: str, size: int) -> str:
    """Return "mean ± standard deviation" of one method at one size."""
    if (method, size) not in cells.index:
        return ""
    mean, std, count = cells.loc[(method, size)]
    return f"{mean:.3f} ± {std:.3f}" if count > 1 else f"{mean:.3f}"


def with_tables(page: str, table: pd.DataFrame) -> str:
    """Return the page with its tables renewed."""
    for name in table["data"].unique():
        before, there, rest = page.partition(f"<!-- {mark(name)} -->")
        if not there:
            raise ValueError(f"{PAGE} has no place for {name}: add the two marks '<!-- {mark(name)} -->' and its end.")
        after = rest.partition(f"<!-- end of study of {name} -->")[2]
        page = f"{before}<!-- {mark(name)} -->\n{as_table(table, name)}\n<!-- end of study of {name} -->{after}"
    return page


def figure(table: pd.DataFrame) -> go.Figure:
    """Return the scores against training rows, data sets beside each other; whiskers are a standard deviation."""
    names = list(table["data"].unique())
    drawn = make_subplots(cols=len(names), rows=1, subplot_titles=[EXAMPLES[name].title for name in names])
    for column, name in enumerate(names, 1):
        cells = summary(table, name)
        for method in methods_of(table, name):
            part = cells.loc[method]
            drawn.add_trace(curve(method, part, is_first=column == 1), row=1, col=column)
        metric = table[table["data"] == name]["metric"].iloc[0]
        drawn.update_xaxes(title="training rows", type="log", tickvals=sorted(part.index), row=1, col=column)
        drawn.update_xaxes(ticktext=[f"{size:,}" for size in sorted(part.index)], row=1, col=column)
        drawn.update_yaxes(title=metric_title(metric), row=1, col=column)
    return drawn.update_layout(template="plotly_white", width=WIDTH, height=HEIGHT, margin={"t": 50, "b": 50},
                               font={"family": "DejaVu Sans, sans-serif"})  # fmt: skip


def curve(method: str, part: pd.DataFrame, *, is_first: bool) -> go.Scatter:
    """Return the line of one method; strategies are bold, what they are compared with is grey."""
    colour = COLOURS.get(method, GREY)
    dash = "solid" if method in COLOURS else {"one_hot": "dash", CONTROL: "dot"}.get(method, "dashdot")
    return go.Scatter(
        x=part.index, y=part["mean"], name=title(method), mode="lines+markers", legendgroup=method, showlegend=is_first,
        line={"color": colour, "dash": dash, "width": 3 if method in COLOURS else 1.5},
        error_y={"array": part["std"].fillna(0.0), "thickness": 1, "width": 3} if method in COLOURS else None,
    )  # fmt: skip


def draw(table: pd.DataFrame) -> None:
    """Write the picture."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  a test tool, needed for the picture only

    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=os.environ.get("MOLFUN_CHROMIUM") or shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.set_content(figure(table).to_html(include_plotlyjs=True, config={"staticPlot": True}))
        page.wait_for_selector(".plotly .legend")
        page.screenshot(path=PICTURE)
        browser.close()


if __name__ == "__main__":
    cells = pd.read_csv(TABLE)
    new = with_tables(PAGE.read_text(encoding="utf-8"), cells)
    if "--picture" in sys.argv:
        draw(cells)
    if "--write" in sys.argv:
        PAGE.write_text(new, encoding="utf-8")
    else:
        sys.stdout.write(new)
