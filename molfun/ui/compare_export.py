"""A comparison as one file that opens anywhere: figures that can be zoomed, tables, and where it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from importlib import metadata

import pandas as pd
import plotly.graph_objects as go

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1c2733; background: #fff; max-width: 1100px; margin: 2rem auto;
  padding: 0 1rem; }
table { border-collapse: collapse; font-size: 13px; margin: 1rem 0; display: block; overflow-x: auto; }
th, td { border: 1px solid #dde3e9; padding: 4px 10px; text-align: left; }
th { background: #f4f6f8; }
footer, figcaption { color: #5b6875; font-size: 13px; }
figure { margin: 1.5rem 0; }
"""


def to_html(
    title: str,
    sentence: str,
    figures: Mapping[str, go.Figure],
    tables: Mapping[str, pd.DataFrame],
    runs: Sequence[str],
) -> str:
    """Return a page without any link to the outside.

    Args:
        title: Of the page.
        sentence: What the numbers say, plain text; may be empty.
        figures: By what they show, which is read out where they cannot be seen.
        tables: By heading.
        runs: Ids of the runs, for who looks for them.
    """
    parts = [f"<h1>{escape(title)}</h1>", f"<p>{escape(sentence)}</p>" if sentence else ""]
    for number, (alt, figure) in enumerate(figures.items()):
        drawn = go.Figure(figure).update_layout(template="plotly_white", width=None)
        inner = drawn.to_html(full_html=False, include_plotlyjs=number == 0, config={"displaylogo": False})
        parts.append(
            f'<figure role="img" aria-label="{escape(alt)}">{inner}<figcaption>{escape(alt)}</figcaption></figure>'
        )
    for heading, table in tables.items():
        parts.append(f"<h2>{escape(heading)}</h2>{table.to_html(index=False, na_rep='–', border=0)}")
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    parts.append(f"<footer>Molfun {metadata.version('molfun')}, {when}. Runs: {escape(', '.join(runs))}</footer>")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>{''.join(parts)}</body></html>"
    )
