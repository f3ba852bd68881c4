"""What metrics and baselines are called by people. Readable without torch."""

from __future__ import annotations

METRICS: dict[str, str] = {
    "spearman": "Spearman correlation",
    "pearson": "Pearson correlation",
    "rmse": "RMSE",
    "mae": "Mean absolute error",
    "r2": "R²",
    "ndcg": "NDCG",
    "enrichment": "Enrichment of the top 10 %",
    "balanced_accuracy": "Balanced accuracy",
    "accuracy": "Accuracy",
    "mcc": "Matthews correlation",
    "macro_f1": "Macro F1",
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "calibration_error": "Calibration error",
    "lddt": "lDDT",
    "tm_score": "TM-score",
    "gdt_ts": "GDT-TS",
    "gdt_ha": "GDT-HA",
    "rmsd": "RMSD (Å)",
    "dockq": "DockQ",
    "loss": "Loss",
}
UNTRAINED = "before_training"
"""Baseline of structures: what the same model predicts before its first step."""

BASELINES: dict[str, str] = {
    "majority": "Most common class",
    "mean": "Mean of training",
    "composition": "Residue composition",
    "k_mer": "Residue pairs",
    "one_hot": "One-hot residues",
    "frozen_embedding": "Frozen trunk",
    UNTRAINED: "Before training",
}


def metric_title(name: str) -> str:
    """Return a metric's name for people; a `val_` or `test_` in front is left out."""
    bare = name.removeprefix("val_").removeprefix("test_")
    return METRICS.get(bare, bare.replace("_", " ").capitalize())


def metric_inline(name: str) -> str:
    """Return a metric's name as it stands inside a sentence: names of people keep their capital."""
    title = metric_title(name)
    return (
        title
        if title.startswith(("Spearman", "Pearson", "Matthews", "R", "NDCG", "AU", "TM", "GDT", "DockQ"))
        else title[:1].lower() + title[1:]
    )


def baseline_title(name: str) -> str:
    """Return a baseline's name for people."""
    return BASELINES.get(name, name.replace("_", " ").capitalize())
