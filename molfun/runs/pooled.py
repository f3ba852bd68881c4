"""The result of a cross-validation as a table and sentences: what the app draws and the command line prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from molfun.evaluation.names import baseline_title, metric_inline
from molfun.runs.cross_validation import Arm, CrossValidation, difference, pool, pool_baselines, spread
from molfun.runs.resampling import CONFIDENCE, NUM_RESAMPLES, Interval

COLUMNS = (
    "title", "is_baseline", "mean", "sd", "folds", "expected", "pooled", "low", "high", "rows", "to_best", "to_baseline"
)  # fmt: skip
KEPT_TOGETHER = {"identity": "family", "position": "position", "group": "group"}
SHOWN_MISSING = 8


@dataclass(frozen=True)
class Pooled:
    """The result of a cross-validation.

    Attributes:
        cross: Its runs.
        arms: What the folds of each strategy make together.
        baselines: The same of simple baselines.
    """

    cross: CrossValidation
    arms: tuple[Arm, ...]
    baselines: tuple[Arm, ...]

    @property
    def num_rounds(self) -> int:
        """How often every row was to be predicted, by the arm with most runs."""
        return max(arm.num_expected for arm in self.arms) // self.cross.split.num_folds


def find_pooled(cross: CrossValidation) -> Pooled:
    """Return what the runs of a cross-validation have made so far."""
    return Pooled(cross, tuple(pool(cross)), tuple(pool_baselines(cross)))


def best_of(arms: Sequence[Arm]) -> Arm | None:
    """Return the arm with the highest pooled score, None where none has any."""
    known = [arm for arm in arms if arm.pooled is not None]
    return max(known, key=lambda arm: arm.pooled.value if arm.pooled else -np.inf, default=None)


def pooled_table(found: Pooled) -> pd.DataFrame:
    """Return one row an arm and baseline, with the columns `COLUMNS`.

    `mean` and `sd` are over single folds, `folds` of `expected` of them; `pooled` is scored once over all `rows`, with
    its 95 % interval `low` to `high`. `to_best` and `to_baseline` are paired differences (`Interval`) to the best arm
    and to the best baseline, None where there is nothing to compare.
    """
    best, simple = best_of(found.arms), best_of(found.baselines)
    rows = []
    for arm in (*found.arms, *found.baselines):
        is_baseline = arm in found.baselines
        interval = None if arm.pooled is None else arm.pooled.interval()
        mean, sd = spread(arm)
        others = {"to_best": None if is_baseline else best, "to_baseline": None if is_baseline else simple}
        rows.append({
            "title": baseline_title(arm.title) if is_baseline else arm.title, "is_baseline": is_baseline,
            "mean": mean, "sd": sd, "folds": len(arm.scores), "expected": arm.num_expected,
            "pooled": np.nan if arm.pooled is None else arm.pooled.value,
            "low": np.nan if interval is None else interval.low, "high": np.nan if interval is None else interval.high,
            "rows": 0 if arm.pooled is None else len(arm.pooled.rows),
            **{name: _against(arm, other, found.cross.metric) for name, other in others.items()},
        })  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"to_best": object, "to_baseline": object})


def _against(arm: Arm, other: Arm | None, metric: str) -> Interval | None:
    return None if other is None or other is arm else difference(arm, other, metric)


def lead(found: Pooled) -> str:
    """Return which arm scores highest, and how sure that is, in one sentence; empty without a pooled score."""
    best = best_of(found.arms)
    if best is None or best.pooled is None:
        return ""
    others = [arm for arm in found.arms if arm is not best and arm.pooled is not None]
    said = f"{best.title} scores highest" if others else best.title
    said += f": {metric_inline(found.cross.metric)} {best.pooled.value:.3f} over {len(best.pooled.rows):,} rows"
    paired = [arm.pooled for arm in others if arm.pooled is not None and arm.pooled.is_paired(best.pooled)]
    if others and len(paired) < len(others):
        return f"{said}; not all of the others predicted the same rows, so how sure that is cannot be told."
    if others:
        share = best.pooled.share_ahead(paired)
        sure = "more than chance" if share >= CONFIDENCE else "which may be chance"
        said += f", ahead of all others in {share:.0%} of {NUM_RESAMPLES:,} resamples of the rows, {sure}"
    return f"{said}. {_beside(best, found)}".strip()


def _beside(best: Arm, found: Pooled) -> str:
    """Return how the best arm stands to the best simple baseline."""
    simple = best_of(found.baselines)
    ahead = None if simple is None else difference(best, simple, found.cross.metric)
    if simple is None or ahead is None:
        return ""
    between = f"{ahead.value:+.3f}, 95 % interval {ahead.low:+.3f} to {ahead.high:+.3f}"
    said = f"The best simple baseline is “{baseline_title(simple.title).lower()}”"
    if not ahead.is_clear:
        return f"{said}; these rows do not settle which of the two is better ({between})."
    return f"{said}, and {best.title} is clearly {'ahead' if ahead.value > 0 else 'behind'} ({between})."


def missing(found: Pooled) -> list[str]:
    """Return what is not there, a sentence an arm."""
    said = []
    for arm in found.arms:
        if arm.missing:
            rest = len(arm.missing) - SHOWN_MISSING
            named = ", ".join(arm.missing[:SHOWN_MISSING]) + (f" and {rest} more" if rest > 0 else "")
            said.append(f"{arm.title} lacks {len(arm.missing)} of {arm.num_expected} test scores: {named}.")
    return said


def meaning(found: Pooled) -> str:
    """Return what the numbers of the table say, and what they do not."""
    split, times = found.cross.split, found.num_rounds
    said = (
        "Pooled: every row was predicted by a run that did not train on it; these predictions together are scored once"
        f"{', and the score is the mean over repeats and seeds' if times > 1 else ''}. Its interval comes from "
        f"{NUM_RESAMPLES:,} resamples of the rows with the models as they are: it tells what other rows of this kind "
        "would change, not what training anew would. "
    )
    if kept := KEPT_TOGETHER.get(split.kind):
        said += f"Rows of one {kept} are alike, so it is rather too narrow. "
    said += (
        "Folds: mean and standard deviation of the scores of single folds. Folds share most of their training rows, so "
        "the deviation is no error of the mean (Bengio and Grandvalet 2004, J. Mach. Learn. Res. 5:1089)."
    )
    if found.cross.task == "regression":
        said += (
            " Predictions of different folds are pooled as they are, in the unit of the target: models that are right "
            "in order but not in level score lower pooled than fold by fold."
        )
    return said
