"""Steps of a recipe that leave out rows."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from molfun.data.changes import Cleaned, dropped, find, plain_text, row_keys
from molfun.data.footers import is_footer
from molfun.data.labels import is_unknown, number
from molfun.settings import Settings


class DropStep(Settings):
    """Leaves out rows that cannot be used."""

    kind: Literal["drop"] = "drop"
    columns: list[str]
    why: Literal["missing", "letters", "longer", "number", "copies", "footer"]
    letters: str = ""
    longest: int = 0

    def title(self) -> str:
        """Say what it does."""
        names = " or ".join(f"'{name}'" for name in self.columns)
        return {
            "missing": f"Leave out rows with nothing in {names}",
            "letters": f"Leave out rows with letters that the model does not know in {names}",
            "longer": f"Leave out rows with more than {self.longest:,} residues",
            "number": f"Leave out rows without a number in {names}",
            "copies": "Leave out rows that repeat an earlier one exactly",
            "footer": "Leave out notes, means and sums below the table",
        }[self.why]

    def apply(self, frame: pd.DataFrame) -> Cleaned:
        """Return the table without those rows."""
        cells = [find(frame, name) for name in self.columns]
        if self.why == "copies":
            return dropped(frame, row_keys(frame, self.columns).duplicated().to_numpy(), self.columns)
        if self.why == "footer":
            # The target is named last.
            return dropped(frame, is_footer(frame, self.columns[:-1], self.columns[-1]), self.columns[:1])
        unusable = {
            "missing": is_unknown,
            "letters": lambda cell: bool(set(plain_text(cell).upper()) - set(self.letters)),
            "longer": lambda cell: len(plain_text(cell)) > self.longest,
            "number": lambda cell: (value := number(cell)) is None or not np.isfinite(value),
        }[self.why]
        chosen = np.zeros(len(frame), dtype=bool)
        for column in cells:
            if self.why in ("missing", "number") and pd.api.types.is_float_dtype(column):
                values = column.to_numpy(dtype=float)
                chosen |= np.isnan(values) if self.why == "missing" else ~np.isfinite(values)
                continue
            chosen |= column.map(unusable).to_numpy(dtype=bool)
        return dropped(frame, chosen, self.columns)
