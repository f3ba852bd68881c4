"""Scores with intervals that hold what they promise."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import balanced_accuracy_score

from molfun.runs import resampling
from molfun.runs.resampling import difference_interval, resample, score_interval, spearman


def numbers(noise: float, *, seed: int = 0, num_rows: int = 120) -> pd.DataFrame:
    """Return predictions of a regression with this much noise; the targets are the same for every noise."""
    targets = np.random.default_rng(7).normal(size=num_rows)
    predicted = targets + noise * np.random.default_rng(seed).normal(size=num_rows)
    return pd.DataFrame({"row": np.arange(2, num_rows + 2), "target": targets, "prediction": predicted})


def names(wrong: int, *, num_rows: int = 120) -> pd.DataFrame:
    """Return predictions of three classes of which the first `wrong` are wrong."""
    targets = [("a", "a", "b", "c")[i % 4] for i in range(num_rows)]
    predicted = ["b" if i < wrong and name != "b" else name for i, name in enumerate(targets)]
    return pd.DataFrame({"row": range(num_rows), "target": targets, "prediction": predicted})


def test_spearman_is_scipys_with_ties_and_repeats() -> None:
    generator = np.random.default_rng(0)
    for _ in range(20):
        first, second = generator.integers(0, 6, 40).astype(float), generator.normal(size=40)
        drawn = generator.integers(0, 40, (3, 40))
        counts = np.stack([np.bincount(rows, minlength=40) for rows in drawn]).astype(float)
        expected = [spearmanr(first[rows], second[rows]).statistic for rows in drawn]
        assert spearman(first, second, counts) == pytest.approx(expected, abs=1e-12)
    assert np.isnan(spearman(np.ones(5), np.arange(5.0), np.ones((1, 5)))).all()


def test_runs_of_the_same_rows_share_their_resamples() -> None:
    runs = [resample(numbers(noise, seed=seed), "spearman") for seed, noise in enumerate((0.5, 0.5, 2.0))]
    first, second, worse = (run for run in runs if run is not None)
    assert first.minus(second) == difference_interval(numbers(0.5), numbers(0.5, seed=1), "spearman")
    shuffled = resample(numbers(0.5).sample(frac=1, random_state=0), "spearman")
    assert shuffled is not None
    assert (shuffled.samples == first.samples).all()
    assert first.share_ahead([worse]) > 0.99
    shares = first.share_ahead([second, worse]), second.share_ahead([first, worse])
    assert 0.95 < sum(shares) <= 1.0
    assert first.share_ahead([first]) == 0.0


def test_many_rows_are_resampled_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = resample(numbers(0.5), "spearman")
    monkeypatch.setattr(resampling, "MAX_CELLS", 120 * 700)
    pieces = resample(numbers(0.5), "spearman")
    assert whole is not None
    assert pieces is not None
    assert pieces.samples == pytest.approx(whole.samples, abs=1e-12)


def test_scores_are_those_of_scikit_learn() -> None:
    table = names(30)
    found = score_interval(table, "balanced_accuracy")
    assert found is not None
    assert found.value == pytest.approx(balanced_accuracy_score(table["target"], table["prediction"]), abs=1e-12)
    assert found.low < found.value < found.high
    assert found.num_rows == 120


def test_labels_of_residues_count_each_for_itself() -> None:
    targets, predicted = [["H", "E"], ["H", "H", "C"]], [["H", "E"], ["H", "E", "C"]]
    table = pd.DataFrame({"row": [1, 2], "target": targets, "prediction": predicted})
    found = score_interval(table, "balanced_accuracy")
    flat = [[item for cell in cells for item in cell] for cells in (targets, predicted)]
    assert found is not None
    assert found.value == pytest.approx(balanced_accuracy_score(*flat))


def test_an_interval_covers_what_it_promises() -> None:
    """Of many samples of one truth, about 95 % have an interval that holds it."""
    truth = spearmanr(*numbers(1.0, num_rows=20_000)[["target", "prediction"]].to_numpy().T).statistic
    held = 0
    for seed in range(60):
        generator = np.random.default_rng(seed)
        targets = generator.normal(size=100)
        table = pd.DataFrame({"row": range(100), "target": targets, "prediction": targets + generator.normal(size=100)})
        found = score_interval(table, "spearman")
        assert found is not None
        held += found.low <= truth <= found.high
    assert 51 <= held <= 60


def test_a_pair_is_told_apart_where_its_runs_differ_and_not_where_they_do_not() -> None:
    better = difference_interval(numbers(0.3), numbers(1.5, seed=1), "spearman")
    same = difference_interval(numbers(0.8), numbers(0.8, seed=1), "spearman")
    assert better is not None
    assert same is not None
    assert better.is_clear
    assert better.low > 0
    assert not same.is_clear
    zero = difference_interval(numbers(0.8), numbers(0.8), "spearman")
    assert zero is not None
    assert (zero.value, zero.low, zero.high) == (0.0, 0.0, 0.0)


def test_pairs_need_common_rows_with_the_same_targets() -> None:
    first, second = numbers(0.5), numbers(0.5, seed=1)
    half = difference_interval(first, second[60:].sample(frac=1, random_state=0), "spearman")
    assert half is not None
    assert half.num_rows == 60
    assert difference_interval(first, second.assign(row=second["row"] + 1000), "spearman") is None
    assert difference_interval(first, second.assign(target=0.0), "spearman") is None


@pytest.mark.parametrize(
    ("table", "metric"),
    [
        (numbers(0.5), "rmse"),
        (numbers(0.5).assign(prediction="x"), "spearman"),
        (numbers(0.5).assign(prediction=1.0), "spearman"),
        (numbers(0.5)[:0], "spearman"),
        (names(3)[:0], "balanced_accuracy"),
    ],
)
def test_what_cannot_be_scored_has_no_interval(table: pd.DataFrame, metric: str) -> None:
    assert score_interval(table, metric) is None


def test_the_same_table_gives_the_same_interval() -> None:
    assert score_interval(numbers(0.5), "spearman") == score_interval(numbers(0.5), "spearman")
