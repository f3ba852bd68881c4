"""A trained model to take away: files that peft and transformers load, and a script that predicts without Molfun.

merged/    config.json, model.safetensors, vocab.txt   the trunk, LoRA merged in; `AutoModel.from_pretrained`
adapter/   adapter_config.json, adapter_model.safetensors   LoRA alone; `PeftModel.from_pretrained`
both       head.safetensors, predict.py (and heads.py for folding models with another head)
onnx/      model.onnx, predict_onnx.py   trunk with LoRA merged in and head as one graph; needs no torch
all        molfun.json, README.md
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from peft.tuners.lora import LoraLayer
from safetensors.torch import save_file

from molfun.adapters.alphabet import Alphabet
from molfun.data.batches import Collate, SequenceRows
from molfun.errors import ModelError
from molfun.evaluation import plain_predict
from molfun.evaluation.onnx_export import PROBES, check_packages, write_onnx
from molfun.evaluation.predictor import Predictor
from molfun.models.lora import remove_lora, save_lora
from molfun.models.precision import Precision
from molfun.models.settings import HeadSettings
from molfun.models.structure import MolfunStructureModel

Format = Literal["merged", "adapter", "onnx"]
# How far the merged model may be from the one that was trained; float32 sums in another order differ by less.
TOLERANCE = 1e-4


def export_model(
    predictor: Predictor,
    folder: Path,
    *,
    kind: Format,
    head: HeadSettings,
    card_text: str = "",
    base: str | None = None,
) -> dict[str, Any]:
    """Write a trained model for other tools; the predictor's own model is merged by all formats but "adapter".

    Args:
        predictor: Of `molfun.load`; unless kind is "adapter" its LoRA layers are merged and gone afterwards.
        folder: Made; nothing may be there.
        kind: "merged" for the whole model, "adapter" for LoRA alone, "onnx" for a graph that needs no torch.
        head: Settings of its head.
        card_text: Of README.md.
        base: Name of the backbone on the hub that an adapter belongs to, "" where it has none; None asks the catalog.

    Returns:
        What was written into `molfun.json`; `largest_difference` is between predictions before and after merging,
        `onnx_difference` between those of torch and of the graph.

    Raises:
        ModelError: There is something in the folder, an adapter is asked of a run without LoRA, other tools cannot run
            the trunk, a package is missing, or predictions changed.
        OSError: The folder cannot be written.
    """
    adapter = predictor.model.adapter
    if adapter.export_obstacle and (kind != "onnx" or adapter.card.predicts_structure):
        raise ModelError(adapter.export_obstacle)
    if kind == "onnx" and adapter.card.predicts_structure:
        raise ModelError("Folding models cannot be written as ONNX; export the merged model instead.")
    if kind == "adapter" and predictor.model.lora_config is None:
        raise ModelError("This run has no LoRA, so there is no adapter; export the merged model instead.")
    if folder.exists():
        raise ModelError(f"{folder} exists; nothing is written over. Choose another name.")
    aside = folder.with_name(f".{folder.name}.writing")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    write = {"merged": _write_merged, "adapter": _write_adapter, "onnx": _write_onnx}[kind]
    try:
        about = _about(predictor, head, base)
        about |= write(predictor, aside, about["base"])
        (aside / "molfun.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
        (aside / "README.md").write_text(card_text or "# A model fine-tuned with Molfun\n", encoding="utf-8")
        aside.rename(folder)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return about


def _write_merged(predictor: Predictor, folder: Path, base: str) -> dict[str, Any]:
    model, largest = predictor.model, merge(predictor)
    model.adapter.backbone.save_pretrained(folder)  # type: ignore[operator]
    if not model.adapter.card.predicts_structure:  # whose tokens are not those of their language model
        (folder / "vocab.txt").write_text(vocabulary(model.adapter.alphabet, _vocab_size(model)), encoding="utf-8")
    _write_head(model, folder)
    return {"largest_difference": largest, "base": ""}


def _write_adapter(predictor: Predictor, folder: Path, base: str) -> dict[str, Any]:
    save_lora(predictor.model.adapter, predictor.model.lora_config, folder)
    _name_base(folder / "adapter_config.json", base)
    _write_head(predictor.model, folder)
    return {}


def _write_onnx(predictor: Predictor, folder: Path, base: str) -> dict[str, Any]:
    check_packages()
    largest = merge(predictor)
    found = write_onnx(predictor, folder / "model.onnx")
    # Named and not imported: it loads onnxruntime.
    shutil.copyfile(Path(plain_predict.__file__).with_name("plain_predict_onnx.py"), folder / "predict_onnx.py")
    return {**found, "largest_difference": largest, "base": ""}


def _write_head(model: MolfunStructureModel, folder: Path) -> None:
    """Write the head, and the script that joins it to the trunk."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.head.state_dict().items()}
    save_file(tensors, folder / "head.safetensors")
    own = Path(plain_predict.__file__)
    if not model.adapter.card.predicts_structure:
        shutil.copyfile(own, folder / "predict.py")
        return
    # Named and not imported: they are written for processes without Molfun.
    shutil.copyfile(own.with_name("plain_predict_structure.py"), folder / "predict.py")
    if model.task != "structure":
        shutil.copyfile(own, folder / "heads.py")


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
    if predictor.task == "structure":
        return np.concatenate([protein.positions.ravel() for protein in found["prediction"]]).astype(float)
    columns = ["prediction"] if predictor.task == "regression" else [f"p_{name}" for name in predictor.classes]
    return found[columns].to_numpy(dtype=float)


@torch.no_grad()
def _states(predictor: Predictor) -> np.ndarray:
    adapter = predictor.model.adapter
    batch = Collate(adapter.alphabet, "regression")(
        SequenceRows([[PROBES[0]]], encoder=adapter.alphabet, max_residues=adapter.max_residues).rows
    )
    return np.asarray(adapter(batch.to(predictor.precision.device)).hidden[0].float().cpu().numpy())


def _about(predictor: Predictor, head: HeadSettings, base: str | None) -> dict[str, Any]:
    model, alphabet = predictor.model, predictor.model.adapter.alphabet
    return {
        "format": 1, "task": predictor.task, "classes": list(predictor.classes), "pooling": head.pooling,
        "target_mean": float(model.target_mean), "target_std": float(model.target_std),
        "backbone": model.adapter.card.name, "base": model.adapter.card.hub_name if base is None else base,
        "sequence_columns": predictor.columns.sequence, "max_residues": model.adapter.max_residues,
        "too_long": predictor.columns.too_long, "recycles": model.adapter.num_recycles,
        "token_ids": alphabet.ids, "start_id": alphabet.start_id, "end_id": alphabet.end_id, "pad_id": alphabet.pad_id,
    }  # fmt: skip


def _name_base(path: Path, base: str) -> None:
    config = json.loads(path.read_text(encoding="utf-8"))
    targets = config["target_modules"]  # names, or one pattern
    # peft keeps names as a set, whose order is another one in every process.
    targets = targets if isinstance(targets, str) else sorted(targets)
    named = {"base_model_name_or_path": base or None, "target_modules": targets}
    path.write_text(json.dumps({**config, **named}, indent=2), encoding="utf-8")


def _vocab_size(model: MolfunStructureModel) -> int:
    return int(model.adapter.backbone.config.vocab_size)  # type: ignore[union-attr, arg-type]


def vocabulary(alphabet: Alphabet, size: int) -> str:
    """Return the letter table as a vocab.txt: one token a line, in the order of their ids."""
    specials = {alphabet.pad_id: "<pad>", alphabet.start_id: "<cls>", alphabet.end_id: "<eos>",
                alphabet.mask_id: "<mask>"}  # fmt: skip
    letters = {number: letter for letter, number in alphabet.ids.items()}
    return "\n".join(letters.get(i) or specials.get(i) or f"<unused{i}>" for i in range(size)) + "\n"
