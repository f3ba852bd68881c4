"""Predict with an exported folding model; needs torch, transformers, safetensors (and peft for an adapter), not Molfun.

    python predict.py SEQUENCE... [--base FOLDER] [--pdb NAME]

Chains are joined by a colon. Structures are written as NAME_1.pdb and so on, with 100 times the expected lDDT (pLDDT)
as B factors; one line with their mean is printed for each. `--base` names the folder or hub name of the backbone where
only an adapter was exported. Models with another head (heads.py) print their predictions.
"""

import argparse
import json
from importlib import import_module
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional
from transformers import EsmForProteinFolding
from transformers.models.esm.openfold_utils import data_transforms, feats, protein, residue_constants
from transformers.models.esm.openfold_utils.rigid_utils import Rigid, Rotation

NUM_LINKERS, NUMBER_JUMP = 25, 512  # between two chains, as the public inference code has them


def load_backbone(folder: Path, base: str) -> nn.Module:
    """Return the model: merged in this folder, or the base with the adapter of this folder.

    Raises:
        ValueError: There is an adapter and no base.
    """
    if not (folder / "adapter_config.json").exists():
        return EsmForProteinFolding.from_pretrained(folder).eval()
    if not base:
        raise ValueError("this adapter does not say on which backbone it was trained; name its folder with --base")
    from peft import PeftModel  # noqa: PLC0415

    return PeftModel.from_pretrained(EsmForProteinFolding.from_pretrained(base), folder).eval().get_base_model()


def split_chains(sequence: str, about: dict) -> list:
    """Return the chains of a row.

    Raises:
        ValueError: There are too many or too few, or one is empty or has a letter that the model does not know.
    """
    chains, names = sequence.strip().upper().split(":"), about["sequence_columns"]
    if len(chains) != len(names):
        raise ValueError(f"expected {len(names)} chains joined by a colon ({', '.join(names)}), got {len(chains)}")
    for chain in chains:
        unknown = sorted(set(chain) - set(about["token_ids"]))
        if unknown or not 0 < len(chain) <= about["max_residues"]:
            came = f"the letter {unknown[0]!r}" if unknown else f"{len(chain)} residues"
            raise ValueError(
                f"expected 1 to {about['max_residues']} residues of {''.join(sorted(about['token_ids']))}, but there "
                f"is {came}"
            )
    return chains


def join(chains: list, about: dict) -> tuple:
    """Return tokens and numbers [1, J] of chains joined by linkers, and which of them are residues, bool [J]."""
    linker = [about["token_ids"]["G"]] * NUM_LINKERS
    tokens: list = []
    numbers: list = []
    is_residue: list = []
    for place, chain in enumerate(chains):
        for part, counts in (([about["token_ids"][letter] for letter in chain], True), (linker, False)):
            if counts or place < len(chains) - 1:
                numbers += [len(tokens) + i + NUMBER_JUMP * place for i in range(len(part))]
                tokens += part
                is_residue += [counts] * len(part)
    return torch.tensor([tokens]), torch.tensor([numbers]), torch.tensor(is_residue)


def fold(model: nn.Module, weights: dict, tokens: torch.Tensor, found: dict, is_residue: torch.Tensor) -> tuple:
    """Return atoms [R, 14, 3] in angstrom and the expected lDDT [R] of what the head makes of a folded row."""
    states = found["states"][-1][0][is_residue].float()
    normed = functional.layer_norm(states, states.shape[-1:], weights["norm.weight"], weights["norm.bias"])
    update = functional.linear(normed, weights["frame_update.weight"], weights["frame_update.bias"])
    scale = torch.tensor([1.0, 1.0, 1.0, 10.0, 10.0, 10.0])  # steps of the backbone are in nanometres
    frames = Rigid.from_tensor_7(found["frames"][-1][0][is_residue]).compose_q_update_vec(update * scale)
    angles = functional.linear(normed, weights["angle_update.weight"], weights["angle_update.bias"]).unflatten(
        -1, (7, 2)
    )
    angles = functional.normalize(found["unnormalized_angles"][-1][0][is_residue] + angles, dim=-1, eps=1e-4)
    atoms = place_atoms(frames, angles, tokens[0][is_residue])
    states = functional.layer_norm(states, states.shape[-1:], weights["plddt.0.weight"], weights["plddt.0.bias"])
    for layer in ("plddt.1", "plddt.2", "plddt.3"):
        states = functional.linear(states, weights[f"{layer}.weight"], weights[f"{layer}.bias"])
    num_bins = states.shape[-1]
    return atoms, states.softmax(-1) @ ((torch.arange(num_bins) + 0.5) / num_bins)


def place_atoms(frames: Rigid, angles: torch.Tensor, aatype: torch.Tensor) -> torch.Tensor:
    """Return the atoms [R, 14, 3] that follow from backbone frames and torsion angles [R, 7, 2]."""
    default = torch.tensor(residue_constants.restype_rigid_group_default_frame)
    backbone = Rigid(Rotation(rot_mats=frames.get_rots().get_rot_mats()), frames.get_trans())
    return feats.frames_and_literature_positions_to_atom14_pos(
        feats.torsion_angles_to_frames(backbone, angles, aatype, default), aatype, default,
        torch.tensor(residue_constants.restype_atom14_to_rigid_group),
        torch.tensor(residue_constants.restype_atom14_mask),
        torch.tensor(residue_constants.restype_atom14_rigid_group_positions),
    )  # fmt: skip


def to_pdb(chains: list, atoms: torch.Tensor, plddt: torch.Tensor, about: dict) -> str:
    """Return a PDB file of predicted atoms."""
    aatype = torch.tensor([about["token_ids"][letter] for chain in chains for letter in chain])
    made = data_transforms.make_atom14_masks({"aatype": aatype})
    exists = made["atom37_atom_exists"]
    return protein.to_pdb(protein.Protein(
        aatype=aatype.numpy(), atom_positions=feats.atom14_to_atom37(atoms, made).numpy(), atom_mask=exists.numpy(),
        residue_index=torch.cat([torch.arange(len(chain)) + 1 for chain in chains]).numpy(),
        b_factors=(100 * plddt[:, None] * exists).numpy(),
        chain_index=torch.cat([torch.full((len(chain),), i) for i, chain in enumerate(chains)]).numpy(),
    ))  # fmt: skip


@torch.no_grad()
def predict(sequences: list, base: str = "") -> list:
    """Return for each sequence {"positions": [R, 14, 3], "plddt": [R], "pdb": text}, or what another head predicts."""
    folder = Path(__file__).parent
    about = json.loads((folder / "molfun.json").read_text())
    model, weights = load_backbone(folder, base or about["base"]), load_file(folder / "head.safetensors")
    answers: list = []
    for chains in [split_chains(sequence, about) for sequence in sequences]:
        tokens, numbers, is_residue = join(chains, about)
        found = model(tokens, position_ids=numbers, num_recycles=about["recycles"])
        if about["task"] == "structure":
            atoms, plddt = fold(model, weights, tokens, found, is_residue)
            answers.append({"positions": atoms, "plddt": plddt, "pdb": to_pdb(chains, atoms, plddt, about)})
        else:
            answers.append(run_other_head(weights, about, chains, found, is_residue))
    return answers


def run_other_head(weights: dict, about: dict, chains: list, found: dict, is_residue: torch.Tensor) -> object:
    """Return what a head on states of residues predicts: each state beside the mean of its states of pairs."""
    heads = import_module("heads")  # lies beside this file
    pairs = found["s_z"][0][is_residue][:, is_residue].mean(dim=1)
    hidden = torch.cat([found["s_s"][0][is_residue], pairs], dim=-1).float()
    parts = hidden.split([len(chain) for chain in chains])
    pooled = [
        heads.pool(weights, about, i, part, torch.ones(len(part), dtype=torch.bool)) for i, part in enumerate(parts)
    ]
    if about["pooling"] == "interface":
        pooled.append(pool_interface(weights, found["s_z"][0][is_residue][:, is_residue].float(), chains))
    return heads.answer(heads.run_head(weights, torch.cat(pooled, dim=-1)), about)


def pool_interface(weights: dict, pair: torch.Tensor, chains: list) -> torch.Tensor:
    """Return the weighted mean of the states [R, R, P] of pairs of residues of two chains."""
    number = torch.cat([torch.full((len(chain),), i) for i, chain in enumerate(chains)])
    pair = (pair + pair.transpose(0, 1)) / 2
    scores = functional.linear(pair, weights["interface.score.weight"]).squeeze(-1)
    scores = scores.masked_fill(number[:, None] == number, -torch.inf)
    return scores.flatten().softmax(0) @ pair.flatten(0, 1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sequences", nargs="+")
    parser.add_argument("--base", default="")
    parser.add_argument("--pdb", default="predicted")
    options = parser.parse_args()
    try:
        for place, answer in enumerate(predict(options.sequences, options.base), start=1):
            if isinstance(answer, dict) and "pdb" in answer:
                Path(f"{options.pdb}_{place}.pdb").write_text(answer["pdb"])
                answer = {"file": f"{options.pdb}_{place}.pdb", "plddt": float(answer["plddt"].mean())}
            print(json.dumps(answer))  # noqa: T201
    except ValueError as error:
        parser.error(str(error))
