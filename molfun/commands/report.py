"""`molfun report`: the evidence of runs, for a reviewer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from molfun.commands.outputs import check_output

ENDINGS = (".zip", ".html")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(report)


def report(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Ids of runs; several are compared.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where it goes: .zip, or .html for the page alone.")],
    with_data: Annotated[
        bool, typer.Option("--with-data", help="Also the sequences and targets; without it no sequence is in it.")
    ] = False,
) -> None:
    """Write what a reviewer needs to check a claim: methods, data hashes, curves, scores, settings, versions."""
    from molfun.home import data_home
    from molfun.runs.store import RunStore

    check_output(output, ENDINGS)
    store = RunStore(data_home())
    folders = [store.get(run) for run in dict.fromkeys(runs)]
    from molfun.ui.evidence_bundle import evidence_html, evidence_zip

    if output.suffix.lower() == ".zip":
        content = evidence_zip(folders, with_data=with_data)
    else:
        content = evidence_html(folders, with_data=with_data).encode("utf-8")
    output.write_bytes(content)
    typer.echo(f"{len(content) / 1e6:.1f} MB written to {output}")
