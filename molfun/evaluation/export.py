"""A trained model to take away: files that peft and transformers load, and a script that predicts without Molfun.

merged/    config.json, model.safetensors, vocab.txt   the trunk, LoRA merged in; `AutoModel.from_pretrained`
adapter/   adapter_config.json, adapter_model.safetensors   LoRA alone; `PeftModel.from_pretrained`
both       head.safetensors, molfun.json, predict.py, README.md
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from peft.tuners.lora import LoraLayer
from safetensors.torch import save_file

from molfun.adapters.alphabet import Alphabet
from molfun.errors import ModelError
from molfun.evaluation import plain_predict
from molfun.evaluation.predictor import Predictor
from molfun.models.lora import remove_lora, save_lora
from molfun.models.precision import Precision
from molfun.models.settings import HeadSettings
from molfun.models.structure import MolfunStructureModel

Format = Literal["merged", "adapter"]
PROBES = ("MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQ", "EVQLVESGGGLVQPGGSLRLSCAASGFTFS", "ACDEFGHIKLMNPQRSTVWY")
# How far the merged model may be from the one that was trained; float32 sums in another order differ by less.
TOLERANCE = 1e-4


def export_model(
    predictor: Predictor, folder: Path, *, kind: Format, head: HeadSettings, card_text: str = ""
) -> dict[str, Any]:
    """Write a trained model in the formats of peft and transformers; the predictor's own model is merged by it.

    Args:
        predictor: Of `molfun.load`; with kind "merged" its LoRA layers are merged and gone afterwards.
        folder: Made; nothing may be there.
        kind: "merged" for the whole model, "adapter" for LoRA alone.
        head: Settings of its head.
        card_text: Of README.md.

    Returns:
        What was written into `molfun.json`; `largest_difference` is between predictions before and after merging.

    Raises:
        ModelError: There is something in the folder, an adapter is asked of a run without LoRA, or merging changed
            predictions.
        OSError: The folder cannot be written.
    """
    model = predictor.model
    if kind == "adapter" and model.lora_config is None:
        raise ModelError("This run has no LoRA, so there is no adapter; export the merged model instead.")
    if folder.exists():
        raise ModelError(f"{folder} exists; nothing is written over. Choose another name.")
    aside = folder.with_name(f".{folder.name}.writing")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        about = _about(predictor, head)
        if kind == "adapter":
            save_lora(model.adapter, model.lora_config, aside)
            _name_base(aside / "adapter_config.json", about["base"])
        else:
            about |= {"largest_difference": merge(predictor), "base": ""}
            model.adapter.backbone.save_pretrained(aside)  # type: ignore[operator]
            (aside / "vocab.txt").write_text(vocabulary(model.adapter.alphabet, _vocab_size(model)), encoding="utf-8")
        save_file({name: t.detach().cpu().contiguous() for name, t in model.head.state_dict().items()},
                  aside / "head.safetensors")  # fmt: skip
        (aside / "molfun.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
        shutil.copyfile(plain_predict.__file__, aside / "predict.py")
        (aside / "README.md").write_text(card_text or "# A model fine-tuned with Molfun\n", encoding="utf-8")
        aside.rename(folder)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return about


def merge(predictor: Predictor) -> float:
    """Merge LoRA into the weights of the trunk; return by how much a prediction changed at most, in float32.

    Raises:
        ModelError: Predictions changed by more than float32 explains.
    """
    model, exact = predictor.model, Precision(predictor.precision.device, amp=False)
    plain = Predictor(model, predictor.columns, predictor.classes, precision=exact)
    before = _numbers(plain)
    for layer in model.adapter.peft_target_module.modules():
        if isinstance(layer, LoraLayer):
            layer.merge(safe_merge=True)
    remove_lora(model.adapter.peft_target_module)
    model.lora_config = None
    after = _numbers(plain)
    largest = float(np.abs(after - before).max())
    if largest > TOLERANCE * max(1.0, float(np.abs(before).max())):
        raise ModelError(f"Merging LoRA changed a prediction by {largest:.3g}; export the adapter instead.")
    return largest


def _numbers(predictor: Predictor) -> np.ndarray:
    """Return predictions of a few sequences as numbers; per residue the states that the head sees."""
    names = predictor.columns.sequence
    rows = pd.DataFrame({name: list(PROBES) for name in names})
    if predictor.task == "per_residue":
        return _states(predictor)
    found = predictor.predict(rows)
    columns = ["prediction"] if predictor.task == "regression" else [f"p_{name}" for name in predictor.classes]
    return found[columns].to_numpy(dtype=float)


@torch.no_grad()
def _states(predictor: Predictor) -> np.ndarray:
    adapter = predictor.model.adapter
    tokens = torch.tensor([adapter.alphabet.encode(PROBES[-1])], device=predictor.precision.device)
    return np.asarray(adapter.backbone(input_ids=tokens).last_hidden_state.float().cpu().numpy())


def _about(predictor: Predictor, head: HeadSettings) -> dict[str, Any]:
    model, alphabet = predictor.model, predictor.model.adapter.alphabet
    kind, _, place = model.adapter.card.weights.partition(":")
    return {
        "format": 1, "task": predictor.task, "classes": list(predictor.classes), "pooling": head.pooling,
        "target_mean": float(model.target_mean), "target_std": float(model.target_std),
        "backbone": model.adapter.card.name, "base": place if kind == "hub" else "",
        "sequence_columns": predictor.columns.sequence, "max_residues": model.adapter.max_residues,
        "token_ids": alphabet.ids, "start_id": alphabet.start_id, "end_id": alphabet.end_id, "pad_id": alphabet.pad_id,
    }  # fmt: skip


def _name_base(path: Path, base: str) -> None:
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**config, "base_model_name_or_path": base or None}, indent=2), encoding="utf-8")


def _vocab_size(model: MolfunStructureModel) -> int:
    return int(model.adapter.backbone.config.vocab_size)  # type: ignore[union-attr, arg-type]


def vocabulary(alphabet: Alphabet, size: int) -> str:
    """Return the letter table as a vocab.txt: one token a line, in the order of their ids."""
    specials = {alphabet.pad_id: "<pad>", alphabet.start_id: "<cls>", alphabet.end_id: "<eos>",
                alphabet.mask_id: "<mask>"}  # fmt: skip
    letters = {number: letter for letter, number in alphabet.ids.items()}
    return "\n".join(letters.get(i) or specials.get(i) or f"<unused{i}>" for i in range(size)) + "\n"


def model_card(title: str, facts: Mapping[str, str], scores: Mapping[str, Any], limits: Sequence[str]) -> str:
    """Return the README.md of an exported model.

    Args:
        title: Name of the run.
        facts: What it is and what it was made of, by name.
        scores: Test metrics by name, numbers.
        limits: Sentences on what it must not be used for.
    """
    lines = ["---", "library_name: transformers", "tags: [protein, molfun]", "---", "", f"# {title}", ""]
    lines += [f"- **{name}:** {value}" for name, value in facts.items() if value]
    if scores:
        lines += ["", "## Scores on test rows that training never saw", "", "| metric | value |", "|---|---|"]
        lines += [f"| {name} | {value:.4g} |" for name, value in scores.items() if isinstance(value, int | float)]
    lines += ["", "## Limits", "", *(f"- {sentence}" for sentence in limits), "", "## Use", "",
              "    python predict.py MKTAYIAKQR", ""]  # fmt: skip
    return "\n".join(lines)
