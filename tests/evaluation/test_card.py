"""The model card: what the hub reads of it, numbers with their intervals, and text that stays text."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
import yaml
from huggingface_hub import ModelCard

from molfun.evaluation.card import ModelFacts, front_matter, model_card, plain, score_lines

SCORES = pd.DataFrame(
    {"value": [0.71234, 0.5, None], "low": [0.6, None, None], "high": [0.8, None, None], "better": ["higher"] * 3},
    index=["spearman", "r2", "ndcg"],
)


@pytest.mark.parametrize(
    ("kind", "licence", "base", "expected"),
    [
        ("merged", "MIT", "facebook/esm2", {
            "library_name": "transformers", "license": "mit", "base_model": "facebook/esm2",
            "base_model_relation": "finetune",
        }),
        ("adapter", "MIT", "facebook/esm2", {
            "library_name": "peft", "license": "mit", "base_model": "facebook/esm2", "base_model_relation": "adapter",
        }),
        ("onnx", "", "", {"library_name": "onnx"}),
        ("merged", "a licence of our own", "", {"library_name": "transformers"}),
    ],
)  # fmt: skip
def test_front_matter_is_what_the_hub_reads(kind: str, licence: str, base: str, expected: dict[str, Any]) -> None:
    about = ModelFacts("x", kind, licence=licence, base_model=base)
    values = yaml.safe_load(front_matter(about).strip("-"))
    assert values == {"tags": ["protein", "biology", "molfun"], **expected}
    card = ModelCard(model_card(about))
    assert card.data.library_name == expected["library_name"]
    assert card.data.license == expected.get("license")
    assert card.text.lstrip().startswith("# x")


def test_scores_stand_with_intervals_and_baselines_beside_them() -> None:
    lines = score_lines(SCORES, {"one_hot": {"spearman": 0.6, "r2": None}}).splitlines()
    assert lines == [
        "| metric | this model | 95 % interval | better | one\\_hot |",
        "| --- | --- | --- | --- | --- |",
        "| spearman | 0.7123 | 0.6 to 0.8 | higher | 0.6 |",
        "| r2 | 0.5 | – | higher | – |",
    ]


def test_the_card_says_what_is_known_and_nothing_else() -> None:
    about = ModelFacts(
        "Binders", "onnx", facts={"Backbone": "esm2_8m", "Data": ""}, scores=SCORES, num_test=1200,
        use=["Ranks."], limits=["Mind."], citations={"The data": "A. B. 2020"}, example="MK:MK",
    )  # fmt: skip
    card = model_card(about)
    for said in ("# Binders", "- **Backbone:** esm2\\_8m", "On 1,200 test rows", "- Ranks.", "- Mind.",
                 "    python predict_onnx.py MK:MK", "- **The data:** A. B. 2020"):  # fmt: skip
        assert said in card
    assert "**Data:**" not in card
    bare = model_card(ModelFacts("x", "merged"))
    assert "## Scores" not in bare
    assert "## Limits" not in bare
    assert "    python predict.py MKTAYIAKQR" in bare


def test_what_people_typed_is_no_markup() -> None:
    assert plain("a\n\n# <img src=x>\n---") == "a \\# \\<img src=x\\> ---"
    card = model_card(ModelFacts("x\n---\nlicense: other", "merged", facts={"Data": "[a](http://b)\n## C"}))
    assert card.count("\n---\n") == 1
    assert "# x --- license: other" in card
    assert "\\[a\\](http://b) \\#\\# C" in card
