from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertForMaskedLM

from molfun.adapters.alphabet import ANTIBERTY, ESM2
from molfun.adapters.catalog import MODELS, find_model
from molfun.adapters.encoder import NAMES, build_encoder
from molfun.adapters.weights import package_folder, read_package_weights
from molfun.errors import DataError, ModelError
from tests.tiny import SEQUENCES, tiny_adapter, tiny_batch

TRASTUZUMAB_VH = (
    "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKG"
    "RFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS"
)
FAMILIES = ("esm", "bert")


def test_antiberty_predicts_masked_residues_of_a_real_antibody() -> None:
    """The published weights sit in the right places and our letter table is theirs: otherwise accuracy is near 1/20."""
    state = read_package_weights("antiberty", "trained_models/AntiBERTy_md_smooth")
    model = BertForMaskedLM(NAMES["bert"].config(**MODELS["antiberty"].config)).eval()
    missing, _ = model.load_state_dict(state, strict=False)
    assert not [name for name in missing if "position_ids" not in name]
    adapter = build_encoder(find_model("antiberty"), "pretrained").eval()
    model.bert.load_state_dict(adapter.backbone.state_dict(), strict=True)

    tokens_L = torch.tensor(ANTIBERTY.encode(TRASTUZUMAB_VH))
    positions = torch.arange(1, len(tokens_L) - 1)
    masked = tokens_L.repeat(len(positions), 1)
    masked[torch.arange(len(positions)), positions] = ANTIBERTY.mask_id
    with torch.no_grad():
        logits = model(masked, attention_mask=torch.ones_like(masked)).logits
    residues = torch.tensor(sorted(ANTIBERTY.ids.values()))
    guesses = residues[logits[torch.arange(len(positions)), positions][:, residues].argmax(-1)]
    assert (guesses == tokens_L[positions]).float().mean() > 0.8


def test_antiberty_letter_table_is_that_of_its_vocabulary() -> None:
    vocabulary = (package_folder("antiberty", "trained_models") / "vocab.txt").read_text().split()
    assert [vocabulary[i] for i in ANTIBERTY.ids.values()] == list(ANTIBERTY.ids)
    specials = [ANTIBERTY.pad_id, ANTIBERTY.start_id, ANTIBERTY.end_id, ANTIBERTY.mask_id]
    assert [vocabulary[i] for i in specials if i is not None] == ["[PAD]", "[CLS]", "[SEP]", "[MASK]"]


def test_esm2_letter_table_has_the_published_order() -> None:
    assert ESM2.encode("LAGVSERTIDPKQNFYMHWC") == [0, *range(4, 24), 2]


@pytest.mark.parametrize("sequence", ["MK*T", "MkT", "MJT", "M T"])
@pytest.mark.parametrize("alphabet", [ANTIBERTY, ESM2])
def test_encode_refuses_unknown_letters_by_position(alphabet, sequence: str) -> None:
    with pytest.raises(DataError, match=r"position [23] is no residue that this model knows"):
        alphabet.encode(sequence)


@pytest.mark.parametrize("name", sorted(name for name, card in MODELS.items() if card.family in NAMES))
def test_catalog_counts_equal_those_of_the_built_architecture(name: str) -> None:
    card = find_model(name)
    with torch.device("meta"):
        adapter = build_encoder(card, "random")
    excluded = sum(p.numel() for m in adapter.get_excluded_modules() for p in m.parameters())
    assert sum(part["total"] for part in adapter.param_summary().values()) == card.num_parameters - excluded
    assert len(adapter.get_trunk_blocks()) == card.num_blocks
    assert adapter.hidden_size == card.hidden_size


def test_find_model_names_the_nearest() -> None:
    with pytest.raises(ModelError, match="did you mean 'esm2_650m'"):
        find_model("esm2_650")


@pytest.mark.parametrize("family", FAMILIES)
def test_freeze_and_unfreeze_reach_everything_but_excluded_modules(family: str) -> None:
    adapter = tiny_adapter(family)
    adapter.freeze_trunk()
    assert not any(p.requires_grad for p in adapter.parameters())
    adapter.unfreeze_trunk()
    excluded = {id(p) for m in adapter.get_excluded_modules() for p in m.parameters()}
    assert {id(p) for p in adapter.parameters() if not p.requires_grad} == excluded
    assert all(part["total"] == part["trainable"] for part in adapter.param_summary().values())


@pytest.mark.parametrize("family", FAMILIES)
def test_param_summary_names_every_part_once(family: str) -> None:
    summary = tiny_adapter(family).param_summary()
    assert list(summary)[:4] == ["embedder", "block_1", "block_2", "block_3"]
    assert "other" not in summary


@pytest.mark.parametrize("family", FAMILIES)
def test_padding_changes_no_state(family: str) -> None:
    adapter = tiny_adapter(family).eval()
    together = adapter(tiny_batch(adapter.alphabet))
    for i, sequence in enumerate(SEQUENCES):
        alone = adapter(tiny_batch(adapter.alphabet, sequences=[sequence]))
        length = alone.hidden[0].shape[1]
        torch.testing.assert_close(together.hidden[0][i, :length], alone.hidden[0][0], atol=2e-6, rtol=1e-5)


def test_local_folder_round_trip_gives_the_same_states(tmp_path) -> None:
    adapter = tiny_adapter("esm").eval()
    adapter.backbone.save_pretrained(tmp_path)
    again = build_encoder(adapter.card, str(tmp_path)).eval()
    batch = tiny_batch(adapter.alphabet)
    torch.testing.assert_close(again(batch).hidden[0], adapter(batch).hidden[0], atol=0, rtol=0)


def test_local_folder_of_another_family_is_refused(tmp_path) -> None:
    tiny_adapter("bert").backbone.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="type 'bert'; ESM-2 8 M is of type 'esm'"):
        build_encoder(find_model("esm2_8m"), str(tmp_path))


def test_local_folder_without_config_is_refused(tmp_path) -> None:
    with pytest.raises(ModelError, match=r"config.json.*Expected a model folder in Hugging Face format"):
        build_encoder(find_model("esm2_8m"), str(tmp_path))


def test_hub_weights_without_network_say_what_to_do() -> None:
    with pytest.raises(ModelError, match=r"Cannot fetch facebook/esm2_t6_8M_UR50D .* Give a local folder"):
        build_encoder(find_model("esm2_8m"), "pretrained")


def test_random_weights_follow_the_seed() -> None:
    first, second = tiny_adapter(), tiny_adapter()
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_local_folder_with_missing_tensors_is_refused(tmp_path) -> None:
    adapter = tiny_adapter("esm")
    adapter.backbone.save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if "layer.1." not in name}
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"16 tensors are missing \(first: encoder.layer.1"):
        build_encoder(adapter.card, str(tmp_path))


@pytest.mark.parametrize("load", [True, False])
def test_local_folder_of_another_size_is_refused(tmp_path, load: bool) -> None:
    tiny_adapter("esm").backbone.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="hidden_size 32 instead of 320"):
        build_encoder(find_model("esm2_8m"), str(tmp_path), load=load)


def test_half_precision_weights_are_trained_in_float32(tmp_path) -> None:
    adapter = tiny_adapter("esm")
    adapter.backbone.half().save_pretrained(tmp_path)
    assert {p.dtype for p in build_encoder(adapter.card, str(tmp_path)).parameters()} == {torch.float32}
