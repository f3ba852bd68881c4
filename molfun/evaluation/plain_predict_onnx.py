"""Predict with an exported model; needs numpy and onnxruntime, neither torch nor Molfun.

    python predict_onnx.py SEQUENCE...

`molfun.json` beside this file says which token each residue is and what comes out. Chains are joined by a colon.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnxruntime

BATCH_SIZE = 16


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


def pad(rows: list, about: dict) -> tuple:
    """Return (tokens, residues) of a chain of several rows: int64 [B, L] and bool [B, L]."""
    tokens = np.full((len(rows), max(map(len, rows))), about["pad_id"], dtype=np.int64)
    residues = np.zeros(tokens.shape, dtype=bool)
    first, last = int(about["start_id"] is not None), int(about["end_id"] is not None)
    for i, row in enumerate(rows):
        tokens[i, : len(row)] = row
        residues[i, first : len(row) - last] = True
    return tokens, residues


def answers(outputs: np.ndarray, residues: np.ndarray, about: dict) -> list:
    """Return what people read of the outputs of several rows."""
    if about["task"] == "regression":
        return [float(value) for value in outputs]
    if about["task"] == "classification":
        return [dict(zip(about["classes"], map(float, row), strict=True)) for row in outputs]
    return [[about["classes"][i] for i in row[mask].argmax(-1)] for row, mask in zip(outputs, residues, strict=True)]


def predict(sequences: list) -> list:
    """Return a number, class probabilities by name, or a list of class names a residue, for each sequence."""
    folder = Path(__file__).resolve().parent
    about = json.loads((folder / "molfun.json").read_text())
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
    rows = [[encode(chain, about) for chain in split_chains(sequence, about)] for sequence in sequences]
    found = []
    for first in range(0, len(rows), BATCH_SIZE):
        padded = [pad(list(chain), about) for chain in zip(*rows[first : first + BATCH_SIZE], strict=True)]
        tensors = [tensor for pair in padded for tensor in pair]
        (outputs,) = session.run(None, dict(zip(about["inputs"], tensors, strict=True)))
        found += answers(outputs, padded[0][1], about)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sequences", nargs="+")
    try:
        for prediction in predict(parser.parse_args().sequences):
            print(json.dumps(prediction))  # noqa: T201
    except ValueError as error:
        parser.error(str(error))
