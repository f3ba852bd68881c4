"""A page of words, figures and tables as one HTML file that opens anywhere, light, dark and on paper.

Nothing in it leads outside: its own rules forbid the browser to load anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from molfun.runs.secrets import redact

STYLE, SCRIPT = (Path(__file__).with_name(name) for name in ("html_page.css", "html_page.js"))
RULES = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:"
CONFIG = {"displaylogo": False, "responsive": True}


class Page:
    """A page that grows from top to bottom.

    Args:
        title: Plain text.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self._parts: list[str] = []
        self._sections: list[str] = []
        self._num_figures = 0

    def section(self, title: str) -> None:
        """Begin a section, which the page lists at its top."""
        self._sections.append(title)
        self._parts.append(f'<h2 id="section-{len(self._sections)}">{escape(title)}</h2>')

    def heading(self, title: str) -> None:
        """Begin a part of a section."""
        self._parts.append(f"<h3>{escape(title)}</h3>")

    def say(self, text: str, *, kind: str = "") -> None:
        """Add a paragraph of plain text; nothing where it is empty.

        Args:
            text: Shown as it is.
            kind: "lead" is larger, "note" is small and grey.
        """
        if text:
            self._parts.append(f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>")

    def figure(self, alt: str, figure: go.Figure) -> None:
        """Add a figure.

        Args:
            alt: What it shows; read out where it cannot be seen.
            figure: Plotly's.
        """
        self._num_figures += 1
        drawn = go.Figure(figure).update_layout(template="plotly_white", width=None)
        inner = drawn.to_html(
            full_html=False, include_plotlyjs=False, div_id=f"figure-{self._num_figures}", config=CONFIG
        )
        self._parts.append(
            f'<figure role="img" aria-label="{escape(alt)}">{inner}<figcaption>{escape(alt)}</figcaption></figure>'
        )

    def table(self, table: pd.DataFrame, *, has_head: bool = True) -> None:
        """Add a table without its index; nothing where it has no rows."""
        if len(table):
            shown = table.to_html(index=False, na_rep="–", border=0, header=has_head)
            self._parts.append(f'<div class="table">{shown}</div>')

    def fields(self, rows: Iterable[tuple[str, object]]) -> None:
        """Add names with their values; None is not known, and "" is left out."""
        told = [(name, "not known" if value is None else value) for name, value in rows if value != ""]
        self.table(pd.DataFrame(told, columns=["name", "value"]), has_head=False)

    def code(self, title: str, text: str) -> None:
        """Add lines of text, folded on the screen and open on paper."""
        self._parts.append(f"<details><summary>{escape(title)}</summary><pre>{escape(text)}</pre></details>")

    def html(self, footer: str, secrets: Iterable[str] = ()) -> str:
        """Return the page.

        Args:
            footer: Plain text; the size of the page is told behind it.
            secrets: What must not be in it, as `molfun.runs.secrets.secret_values` gives them.
        """
        links = "".join(f'<a href="#section-{n}">{escape(name)}</a>' for n, name in enumerate(self._sections, start=1))
        library = get_plotlyjs() if self._num_figures else ""
        words = f"<h1>{escape(self.title)}</h1><nav>{links}</nav>{''.join(self._parts)}"
        size = (len(words) + len(library)) / 1e6
        of_it = f", of which {len(library) / 1e6:.1f} MB draw the figures" if library else ""
        words = redact(f"{words}<footer>{escape(footer)} This page has {size:.1f} MB{of_it}.</footer>", secrets)
        style, script = (path.read_text(encoding="utf-8") for path in (STYLE, SCRIPT))
        title = redact(escape(self.title), secrets)
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            f'<meta http-equiv="Content-Security-Policy" content="{RULES}">'
            '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
            f"<title>{title}</title><style>{style}</style><script>{library}</script></head>"
            f"<body>{words}<script>{script}</script></body></html>"
        )
