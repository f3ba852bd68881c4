"""Units of measured values, and numbers in one of them: 0.5 uM are 500 nM."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

NUMBER = r"[-+]?(?:\d+(?:[.,]\d+)?|[.,]\d+)(?:[eE][-+]?\d+)?"
WITH_UNIT = re.compile(rf"([<>~≤≥]=?)?\s*({NUMBER})\s*([^\d\s.,][^\d\s]{{0,9}}|M-1\s?s-1)")
_PREFIXES = {"f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0}
# Units of one row can be turned into each other; each has its size in the first ones of SI.
KINDS: tuple[dict[str, float], ...] = (
    {f"{prefix}M": size for prefix, size in _PREFIXES.items()},
    {f"{prefix}mol/L": size for prefix, size in _PREFIXES.items()},
    {"g/L": 1.0, "mg/mL": 1.0, "ug/mL": 1e-3, "mg/L": 1e-3, "ng/mL": 1e-6, "ug/L": 1e-6, "pg/mL": 1e-9},
    {"kcal/mol": 4184.0, "kJ/mol": 1000.0, "cal/mol": 4.184, "J/mol": 1.0},
    {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "min": 60.0, "h": 3600.0, "d": 86400.0},
    {"1/s": 1.0, "s-1": 1.0, "/s": 1.0, "1/min": 1 / 60, "min-1": 1 / 60, "1/h": 1 / 3600, "h-1": 1 / 3600},
    {"%": 1.0},
    {"°C": 1.0},
)
_SPELLED = {unit.lower(): unit for kind in KINDS for unit in kind if unit not in ("M", "mM", "d", "h")}


def read_unit(text: str) -> str:
    """Return a unit as it is written here, "" where it is none that is known.

    Capitals tell M from m; others are read in any case.

    >>> read_unit("µM"), read_unit("NM"), read_unit("M"), read_unit("mg/ml"), read_unit("C"), read_unit("apples")
    ('uM', 'nM', 'M', 'mg/mL', '°C', '')
    """
    plain = text.strip().strip("[]()").replace("µ", "u").replace("μ", "u").replace("°", "")
    plain = {"C": "°C", "degC": "°C", "mol/l": "mol/L", "molar": "M", "nmolar": "nM"}.get(plain, plain)
    if any(plain in kind for kind in KINDS):
        return plain
    return _SPELLED.get(plain.lower(), "")


def convert(value: float, unit: str, into: str) -> float | None:
    """Return a value in another unit, None where one is not known or both measure different things.

    >>> convert(0.5, "uM", "nM"), convert(1.0, "nM", "kcal/mol")
    (500.0, None)
    """
    kind = next((kind for kind in KINDS if unit in kind and into in kind), None)
    return None if kind is None else float(f"{value * kind[unit] / kind[into]:.12g}")


def main_unit(units: Iterable[str]) -> str:
    """Return the most frequent unit that all others can be turned into, "" where there is none such."""
    counts = Counter(units)
    if not counts or "" in counts:
        return ""
    best = max(counts, key=lambda unit: (counts[unit], unit))
    return best if all(convert(1.0, unit, best) is not None for unit in counts) else ""
