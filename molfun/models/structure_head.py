"""The head of the task "structure": refines the backbone, places every atom, and says how sure that is."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers.models.esm.openfold_utils import feats, residue_constants
from transformers.models.esm.openfold_utils.rigid_utils import Rigid, Rotation
from typing_extensions import override

from molfun.types import Folds, Trunk

NUM_DISTANCES, NUM_CONFIDENCES = 64, 50
NUM_ATOM_TYPES, C_ALPHA = 37, 1  # in the order of the published confidence layers
ANGSTROM = 10.0  # a step of the backbone is learned in nanometres
TINY = 1e-8


class StructureHead(nn.Module):
    """Backbone frames and torsion angles with an update of each residue, which is none at the start; distances; lDDT.

    The update of a frame is AlphaFold's (Jumper et al. 2021, supplementary algorithm 23), atoms follow from frames and
    angles (algorithm 24). Because it starts at zero, a pretrained model predicts the same until it is trained.

    Args:
        fold_size: Width S of the structure module's states.
        pair_size: Width P of pair states.
        hidden_size: Width of the hidden layers of the confidence.
    """

    num_outputs = 1

    def __init__(self, fold_size: int, pair_size: int, hidden_size: int = 128) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(fold_size)
        self.frame_update = nn.Linear(fold_size, 6)
        self.angle_update = nn.Linear(fold_size, 14)
        self.distogram = nn.Linear(pair_size, NUM_DISTANCES)
        self.plddt = nn.Sequential(
            nn.LayerNorm(fold_size), nn.Linear(fold_size, hidden_size), nn.Linear(hidden_size, hidden_size),
            nn.Linear(hidden_size, NUM_CONFIDENCES),
        )  # fmt: skip
        for layer in (self.frame_update, self.angle_update):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    @torch.no_grad()
    def copy_confidence(self, distogram: nn.Linear, plddt: nn.Sequential) -> None:
        """Begin with a pretrained model's own layers: its distances, and of its confidences the one of C-alpha."""
        self.distogram.load_state_dict(distogram.state_dict())
        for own, other in zip(list(self.plddt)[:-1], list(plddt)[:-1], strict=True):
            own.load_state_dict(other.state_dict())
        last, mine = plddt[-1], self.plddt[-1]
        assert isinstance(last, nn.Linear)
        assert isinstance(mine, nn.Linear)
        mine.weight.copy_(last.weight.view(NUM_ATOM_TYPES, NUM_CONFIDENCES, -1)[C_ALPHA])
        mine.bias.copy_(last.bias.view(NUM_ATOM_TYPES, NUM_CONFIDENCES)[C_ALPHA])

    @override
    def forward(self, trunk: Trunk) -> Folds:
        """Return the predicted structure of every row."""
        assert trunk.folds is not None
        assert trunk.pair is not None
        folds, states_BRS = trunk.folds.float(), trunk.folds.states_BRS.float()
        normed = self.norm(states_BRS)
        frames = _moved(folds.frames_BKR7[:, -1], self.frame_update(normed))
        raw = folds.raw_angles_BKR72[:, -1] + self.angle_update(normed).unflatten(-1, (7, 2))
        raw_angles = torch.cat([folds.raw_angles_BKR72[:, :-1], raw[:, None]], dim=1)
        angles = raw_angles / raw_angles.square().sum(-1, keepdim=True).clamp(min=TINY).sqrt()
        groups, positions = place_atoms(frames, angles[:, -1], folds.aatype_BR)
        logits = self.distogram(trunk.pair.float())
        return Folds(
            frames_BKR7=torch.cat([folds.frames_BKR7[:, :-1], frames.to_tensor_7()[:, None]], dim=1),
            group_frames_BRG44=groups, angles_BKR72=angles, raw_angles_BKR72=raw_angles, positions_BRA3=positions,
            distogram_BRRN=(logits + logits.transpose(1, 2)) / 2, plddt_BRN=self.plddt(states_BRS),
        )  # fmt: skip


def _moved(frames_BR7: Tensor, update_BR6: Tensor) -> Rigid:
    scale = torch.tensor([1.0, 1.0, 1.0, ANGSTROM, ANGSTROM, ANGSTROM], device=update_BR6.device)
    return Rigid.from_tensor_7(frames_BR7).compose_q_update_vec(update_BR6 * scale)


def place_atoms(frames: Rigid, angles_BR72: Tensor, aatype_BR: Tensor) -> tuple[Tensor, Tensor]:
    """Return the frames of rigid groups [B, R, 8, 4, 4] and the atoms [B, R, 14, 3] in angstrom.

    Args:
        frames: Of the backbone, [B, R].
        angles_BR72: Sine and cosine of the seven torsion angles, normalised.
        aatype_BR: Residue types.
    """

    def table(values: object) -> Tensor:
        return torch.as_tensor(values, device=angles_BR72.device)

    default = table(residue_constants.restype_rigid_group_default_frame).float()
    backbone = Rigid(Rotation(rot_mats=frames.get_rots().get_rot_mats()), frames.get_trans())
    groups = feats.torsion_angles_to_frames(backbone, angles_BR72, aatype_BR, default)
    positions = feats.frames_and_literature_positions_to_atom14_pos(
        groups, aatype_BR, default, table(residue_constants.restype_atom14_to_rigid_group),
        table(residue_constants.restype_atom14_mask).float(),
        table(residue_constants.restype_atom14_rigid_group_positions).float(),
    )  # fmt: skip
    return groups.to_tensor_4x4(), positions
