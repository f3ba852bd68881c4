"""The report of `molfun data check` on a terminal: columns, lengths, classes, problems, remedies, parts, leaks."""

from __future__ import annotations

from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from molfun.data.doctor import Report

SHOWN_PROBLEMS = 20
SHOWN_CLASSES = 12
BAR = 30  # characters of the longest bar


def print_report(report: Report, title: str, console: Console) -> None:
    """Print a report.

    Args:
        report: What was found.
        title: Of the model whose letters and limit count.
        console: Where it goes.
    """
    columns = report.columns
    if len(report.sheets) > 1:
        others = ", ".join(repr(name) for name in report.sheets if name != report.sheet)
        typer.echo(f"sheet {report.sheet!r}; also filled: {others} (--sheet chooses)")
    chosen = ", ".join(columns.sequence) or "none found"
    typer.echo(f"{report.rows:,} rows; sequences: {chosen}; target: {columns.target or 'none found'} ({columns.task})")
    _print_lengths(report.lengths, title)
    _print_target(report.target, columns.task)
    for problem in report.problems[:SHOWN_PROBLEMS]:
        console.print(f"[{'red' if problem.severity == 'error' else 'yellow'}]{problem.severity}[/]", end=" ")
        console.print(problem.message, markup=False, highlight=False)
    if len(report.problems) > SHOWN_PROBLEMS:
        typer.echo(f"... and {len(report.problems) - SHOWN_PROBLEMS} more; --json lists them all")
    for step, count in report.fixes:
        typer.echo(f"remedy: {step.title()} ({count:,} row{'' if count == 1 else 's'})")
    _print_split(report, console)


def print_structures(found: dict[str, Any]) -> None:
    """Print what is in structure files.

    Args:
        found: Of `describe_structures`; nothing is printed of tables.
    """
    if not found:
        return
    chains = ", ".join(f"{name} in {count:,}" for name, count in list(found["chains"].items())[:SHOWN_CLASSES])
    left_out = len(found["skipped"])
    files = f"{left_out:,} file{'' if left_out == 1 else 's'} left out"
    structures = f"{found['structures']:,} structure{'' if found['structures'] == 1 else 's'}"
    typer.echo(f"{structures}, {files}; chains: {chains}")
    facts = [f"{found['resolved']:,} of {found['residues']:,} residues are resolved"]
    if found["resolutions"]:
        facts.append("{:.1f} to {:.1f} angstrom".format(*found["resolutions"]))
    if found["dates"]:
        facts.append("deposited {} to {}".format(*found["dates"]))
    typer.echo("; ".join(facts))
    for what, name in (("rows of the values without a structure", "unmatched_rows"),
                       ("structures without a row of values", "unmatched_files")):  # fmt: skip
        if found[name]:
            shown = ", ".join(map(str, found[name][:SHOWN_CLASSES]))
            rest = len(found[name]) - SHOWN_CLASSES
            typer.echo(f"{what}: {shown}" + (f" and {rest:,} more" if rest > 0 else ""))
    for note in found["notes"][:SHOWN_CLASSES]:
        typer.echo(f"note: {note}")
    if len(found["notes"]) > SHOWN_CLASSES:
        typer.echo(f"... and {len(found['notes']) - SHOWN_CLASSES:,} notes more; --json lists them all")


def _print_lengths(lengths: dict[str, Any], title: str) -> None:
    if not lengths:
        return
    typer.echo(f"{lengths['shortest']:,} to {lengths['longest']:,} residues; {title} takes {lengths['limit']:,}")
    bins = {f"{item['from']:,}–{item['to']:,}" if item["to"] > item["from"] else f"{item['from']:,}": item["rows"]
            for item in lengths["histogram"]}  # fmt: skip
    if len(bins) > 1:
        _print_bars(bins)
    costs = lengths["costs"]
    if costs["rows"]:
        typer.echo(
            f"beyond the limit: {int(costs['rows']):,} rows ({costs['rows_share']:.1%}); skip leaves them out, crop "
            f"and window lose {costs['residues_share']:.1%} of their residues, refuse trains only without them"
        )


def _print_target(target: dict[str, Any], task: str) -> None:
    if classes := target.get("classes"):
        what = "residues" if task == "per_residue" else "rows"
        typer.echo(f"{what} of each class:")
        _print_bars(dict(list(classes.items())[:SHOWN_CLASSES]))
        if len(classes) > SHOWN_CLASSES:
            typer.echo(f"  ... and {len(classes) - SHOWN_CLASSES} more classes")
        if target.get("without_label"):
            typer.echo(f"  {target['without_label']:,} residues have no label")
    elif target:
        typer.echo(
            f"target from {target['lowest']:.6g} over {target['median']:.6g} (median) to {target['highest']:.6g}"
        )


def _print_bars(counts: dict[str, int]) -> None:
    width, most = max(map(len, counts)), max(counts.values())
    for name, count in counts.items():
        typer.echo(f"  {name:>{width}} {'█' * round(BAR * count / most)} {count:,}")


def _print_split(report: Report, console: Console) -> None:
    if report.split_error:
        typer.echo(f"split: {report.split_error}")
    if not report.leaks:
        return
    typer.echo(f"split: {', '.join(f'{count:,} {part}' for part, count in report.parts.items())}")
    table = Table("identity to the nearest training row", "test rows")
    for name, count in report.leaks.bands().items():
        table.add_row(name, f"{count:,}")
    console.print(table)
    typer.echo(" ".join(filter(None, (report.leaks.sentence(), report.leaks.promise))))
