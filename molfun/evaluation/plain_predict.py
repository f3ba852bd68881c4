"""Predict with an exported model; needs torch, transformers, safetensors (and peft for an adapter), not Molfun.

    python predict.py SEQUENCE... [--base FOLDER]

`molfun.json` beside this file says what the head computes and which token each residue is. Chains are joined by a
colon. `--base` names the folder or hub name of the backbone where only an adapter was exported.
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional
from transformers import AutoConfig, AutoModel, T5EncoderModel


def read_trunk(place: str) -> nn.Module:
    """Return the encoder in a model folder, or of a name on the hub; of T5 that is half of the model."""
    kind = AutoConfig.from_pretrained(place).model_type
    if kind == "t5":
        return T5EncoderModel.from_pretrained(place)
    return AutoModel.from_pretrained(place, **({"add_pooling_layer": False} if kind in ("bert", "esm") else {}))


def load_backbone(folder: Path, base: str) -> nn.Module:
    """Return the trunk: merged in this folder, or the base with the adapter of this folder.

    Raises:
        ValueError: There is an adapter and no base.
    """
    if not (folder / "adapter_config.json").exists():
        return read_trunk(str(folder)).eval()
    if not base:
        raise ValueError("this adapter does not say on which backbone it was trained; name its folder with --base")
    from peft import PeftModel  # noqa: PLC0415

    return PeftModel.from_pretrained(read_trunk(base), folder).eval()


def encode(sequence: str, about: dict) -> list:
    """Return the token ids of a chain, special tokens included.

    Raises:
        ValueError: It is empty or too long, or has a letter that the model does not know.
    """
    most, policy = about["max_residues"], about["too_long"]
    if len(sequence) > most and policy in ("crop", "window"):
        first = (len(sequence) - most) // 2 if policy == "window" else 0
        sequence = sequence[first : first + most]
    unknown = sorted(set(sequence) - set(about["token_ids"]))
    if unknown or not 0 < len(sequence) <= most:
        came = f"the letter {unknown[0]!r}" if unknown else f"{len(sequence)} residues"
        raise ValueError(f"expected 1 to {most} residues of {''.join(sorted(about['token_ids']))}, but there is {came}")
    start, end = ([] if token is None else [token] for token in (about["start_id"], about["end_id"]))
    return start + [about["token_ids"][letter] for letter in sequence] + end


def split_chains(sequence: str, about: dict) -> list:
    """Return the chains of a row.

    Raises:
        ValueError: There are too many or too few.
    """
    chains, names = sequence.strip().upper().split(":"), about["sequence_columns"]
    if len(chains) != len(names):
        raise ValueError(f"expected {len(names)} chains joined by a colon ({', '.join(names)}), got {len(chains)}")
    return chains


def pool(weights: dict, about: dict, chain: int, hidden: torch.Tensor, residues: torch.Tensor) -> torch.Tensor:
    """Return the vector that the head sees of a chain, or one a residue.

    Args:
        weights: Tensors of head.safetensors.
        about: Content of molfun.json.
        chain: Its number, from 0.
        hidden: float32 [L, D], states of all tokens.
        residues: bool [L], False for special tokens.
    """
    if about["task"] == "per_residue":
        return hidden[residues]
    if about["pooling"] == "cls":
        return hidden[0]
    if about["pooling"] == "attention":
        scores = functional.linear(hidden, weights[f"pooling.{chain}.score.weight"]).squeeze(-1)
        return scores.masked_fill(~residues, -torch.inf).softmax(0) @ hidden
    return hidden[residues].mean(0)


def run_head(weights: dict, vector: torch.Tensor) -> torch.Tensor:
    """Return the outputs of the head for the vectors of all chains, one behind the other."""
    vector = functional.layer_norm(vector, vector.shape[-1:], weights["norm.weight"], weights["norm.bias"])
    if "layers.4.weight" in weights:
        vector = functional.gelu(functional.linear(vector, weights["layers.1.weight"], weights["layers.1.bias"]))
        return functional.linear(vector, weights["layers.4.weight"], weights["layers.4.bias"])
    return functional.linear(vector, weights["layers.1.weight"], weights["layers.1.bias"])


def answer(outputs: torch.Tensor, about: dict) -> object:
    """Return what the outputs of the head mean: a number, class probabilities by name, or class names a residue."""
    if about["task"] == "regression":
        return float(outputs) * about["target_std"] + about["target_mean"]
    if about["task"] == "classification":
        return dict(zip(about["classes"], outputs.softmax(-1).tolist(), strict=True))
    return [about["classes"][i] for i in outputs.argmax(-1)]


@torch.no_grad()
def predict(sequences: list, base: str = "") -> list:
    """Return a number, class probabilities by name, or a list of class names a residue, for each sequence."""
    folder = Path(__file__).parent
    about = json.loads((folder / "molfun.json").read_text())
    backbone, weights = load_backbone(folder, base or about["base"]), load_file(folder / "head.safetensors")
    first, last = int(about["start_id"] is not None), int(about["end_id"] is not None)
    found = []
    for chains in [split_chains(sequence, about) for sequence in sequences]:
        vectors = []
        for chain, letters in enumerate(chains):
            tokens = encode(letters, about)
            hidden = backbone(input_ids=torch.tensor([tokens])).last_hidden_state[0].float()
            residues = torch.ones(len(tokens), dtype=torch.bool)
            residues[:first] = False
            residues[len(tokens) - last :] = False
            vectors.append(pool(weights, about, chain, hidden, residues))
        found.append(answer(run_head(weights, torch.cat(vectors, dim=-1)), about))
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sequences", nargs="+")
    parser.add_argument("--base", default="")
    options = parser.parse_args()
    try:
        for prediction in predict(options.sequences, options.base):
            print(json.dumps(prediction))  # noqa: T201
    except ValueError as error:
        parser.error(str(error))
