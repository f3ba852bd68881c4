"""The evidence of a run or of several, as one HTML page or as one zip: for the app and the command line."""

from __future__ import annotations

from collections.abc import Sequence

from molfun.runs.bundle import Evidence, gather, to_zip
from molfun.runs.files import as_json
from molfun.runs.folder import RunFolder
from molfun.ui.compared import View
from molfun.ui.evidence_group import group_methods, group_page
from molfun.ui.evidence_page import run_page

REPORT = "report.html"


def evidence_html(
    folders: Sequence[RunFolder], *, with_data: bool = False, view: View | None = None, baseline: str = ""
) -> str:
    """Return the report of runs as one HTML file.

    Args:
        folders: One run or more, in any state.
        with_data: Whether it may hold sequences.
        view: How the curves of several runs are shown.
        baseline: Id of the run to which several are compared.
    """
    return _page([gather(folder, with_data=with_data) for folder in folders], view, baseline)


def evidence_zip(
    folders: Sequence[RunFolder], *, with_data: bool = False, view: View | None = None, baseline: str = ""
) -> bytes:
    """Return the report of runs with the files that it is made of as one zip; arguments as in `evidence_html`.

    The files of several runs lie in `runs/<id>/`.
    """
    runs = [gather(folder, with_data=with_data) for folder in folders]
    files = dict(runs[0].files) if len(runs) == 1 else _group_files(runs)
    return to_zip({**files, REPORT: _page(runs, view, baseline)})


def _page(runs: Sequence[Evidence], view: View | None, baseline: str) -> str:
    return run_page(runs[0]) if len(runs) == 1 else group_page(runs, view, baseline)


def _group_files(runs: Sequence[Evidence]) -> dict[str, str]:
    files = {f"runs/{one.folder.id}/{name}": text for one in runs for name, text in one.files.items()}
    facts = {"format": runs[0].facts["format"], "runs": [one.facts["run"] for one in runs]}
    return {**files, "facts.json": as_json(facts) + "\n", "methods.txt": group_methods(runs) + "\n"}
