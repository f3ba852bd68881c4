"""`molfun runs open`: a run as a file that trains it again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from molfun.commands.outputs import check_output
from molfun.commands.runs import RunId, find_run
from molfun.errors import SettingError

if TYPE_CHECKING:
    from molfun.runs.repeat_files import Kind


def register(runs_app: typer.Typer) -> None:
    """Add the command."""
    runs_app.command("open")(open_run)


def open_run(
    run_id: RunId,
    kind: Annotated[str, typer.Option("--as", help="notebook, python or command; else as the file's name ends.")] = "",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where it goes; else it is printed.")] = None,
) -> None:
    """Write a run as a notebook, a Python script or a command that trains it again from the same data."""
    from molfun.runs.repeat import repeat_of
    from molfun.runs.repeat_files import FILES, write_repeat

    chosen = _kind(kind, output)
    if output is not None:
        check_output(output, (FILES[chosen].ending,))
    text = write_repeat(repeat_of(find_run(run_id)), chosen)
    if output is None:
        typer.echo(text, nl=False)
        return
    output.write_text(text, encoding="utf-8")
    typer.echo(f"Written to {output}")


def _kind(kind: str, output: Path | None) -> Kind:
    from molfun.errors import nearest
    from molfun.runs.repeat_files import FILES

    if not kind and output is not None:
        kind = next((name for name, about in FILES.items() if about.ending == output.suffix.lower()), "")
    for name in FILES:
        if name == (kind or "python"):
            return name
    raise SettingError(f"A run opens as {', '.join(FILES)}, not as {kind!r}{nearest(kind, FILES) or '.'}")
