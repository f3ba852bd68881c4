from __future__ import annotations

from functools import partial

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForMaskedLM, EsmcForMaskedLM, EsmcTokenizer, T5ForConditionalGeneration

from molfun.adapters.alphabet import ANTIBERTY, ESM2, PROTBERT, PROTT5
from molfun.adapters.catalog import MODELS, find_model
from molfun.adapters.encoder import build_encoder
from molfun.adapters.encoder_names import NAMES, Names
from molfun.adapters.weights import package_folder, read_package_weights
from molfun.errors import DataError, ModelError
from molfun.models.lora import inject_lora
from molfun.training import FullFinetune, HeadOnlyFinetune, LoRAFinetune, PartialFinetune
from molfun.training.gradients import set_training_mode
from tests.tiny import MODEL_OF, SEQUENCES, tiny_adapter, tiny_batch, tiny_model

TRASTUZUMAB_VH = (
    "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRYADSVKG"
    "RFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS"
)
FAMILIES = tuple(MODEL_OF)


def test_antiberty_predicts_masked_residues_of_a_real_antibody() -> None:
    """The published weights sit in the right places and our letter table is theirs: otherwise accuracy is near 1/20."""
    state = read_package_weights("antiberty", "trained_models/AntiBERTy_md_smooth")
    model = BertForMaskedLM(BertConfig(**MODELS["antiberty"].config)).eval()
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


def test_esmc_letters_are_those_of_its_tokenizer() -> None:
    tokenizer, letters = EsmcTokenizer(), "".join(ESM2.ids)
    assert ESM2.encode(letters) == tokenizer(letters)["input_ids"]
    assert (ESM2.pad_id, ESM2.mask_id) == (tokenizer.pad_token_id, tokenizer.mask_token_id)


def test_protbert_and_prott5_read_rare_residues_as_x() -> None:
    """The orders are those of the published vocabularies."""
    assert PROTBERT.encode("LAGVESIKRDTPNQFYMHCWX") == [2, *range(5, 26), 3]
    assert PROTT5.encode("ALGVSREDTIPKFQNYMHWCX") == [*range(3, 24), 1]
    for alphabet in (PROTBERT, PROTT5):
        assert {alphabet.ids[letter] for letter in "UZOB"} == {alphabet.ids["X"]}


@pytest.mark.parametrize("sequence", ["MK*T", "MkT", "MJT", "M T"])
@pytest.mark.parametrize("alphabet", [ANTIBERTY, ESM2, PROTBERT, PROTT5])
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


@pytest.mark.parametrize("family", FAMILIES)
def test_local_folder_round_trip_gives_the_same_states(tmp_path, family: str) -> None:
    adapter = tiny_adapter(family).eval()
    adapter.backbone.save_pretrained(tmp_path)
    again = build_encoder(adapter.card, str(tmp_path)).eval()
    batch = tiny_batch(adapter.alphabet)
    torch.testing.assert_close(again(batch).hidden[0], adapter(batch).hidden[0], atol=0, rtol=0)


@pytest.mark.parametrize(("family", "whole", "prefix"), [
    ("t5", T5ForConditionalGeneration, ""), ("esmc", EsmcForMaskedLM, "esmc."), ("protbert", BertForMaskedLM, "bert."),
])  # fmt: skip
def test_trunks_are_read_out_of_published_folders(tmp_path, family: str, whole, prefix: str) -> None:
    """On the hub lie whole models: T5 with its decoder, the others with the head that predicts masked residues."""
    adapter = tiny_adapter(family)
    model = whole(adapter.backbone.config)
    model.save_pretrained(tmp_path)
    found = build_encoder(adapter.card, str(tmp_path)).backbone.state_dict()
    expected = model.state_dict()
    assert all(torch.equal(tensor, expected[prefix + name]) for name, tensor in found.items())


@pytest.mark.parametrize("name", ["esmc_300m", "prott5"])
def test_another_version_of_transformers_is_told_to_be_exchanged(name: str) -> None:
    names = NAMES[find_model(name).family]
    missing = Names("NoSuchConfig", names.model, names.embedder, names.blocks, known_in="9.0")
    with pytest.raises(ModelError, match=r"NoSuchConfig, but .* has not; install .* \"transformers>=9.0\""):
        missing.build({})


def test_local_folder_of_another_family_is_refused(tmp_path) -> None:
    tiny_adapter("bert").backbone.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="type 'bert', but ESM-2 8 M is of type 'esm'; choose"):
        build_encoder(find_model("esm2_8m"), str(tmp_path))


def test_local_folder_without_config_is_refused(tmp_path) -> None:
    with pytest.raises(ModelError, match=r"config.json.*Expected a model folder in Hugging Face format"):
        build_encoder(find_model("esm2_8m"), str(tmp_path))


def test_a_package_of_weights_that_is_not_ours_is_named(tmp_path, monkeypatch) -> None:
    (tmp_path / "lab_weights-1.0.dist-info").mkdir()
    (tmp_path / "lab_weights-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: lab_weights\n")
    (tmp_path / "lab_weights" / "model").mkdir(parents=True)
    with pytest.raises(ModelError, match=r"lab_weights, which is absent; .* pip install --no-deps lab_weights$"):
        read_package_weights("lab_weights", "model")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModelError, match=r"lab_weights lacks model/pytorch_model\.bin; install it with"):
        read_package_weights("lab_weights", "model")
    torch.save({"weight": torch.ones(2)}, tmp_path / "lab_weights" / "model" / "pytorch_model.bin")
    assert read_package_weights("lab_weights", "model")["weight"].tolist() == [1.0, 1.0]


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


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "make", [HeadOnlyFinetune, LoRAFinetune, partial(PartialFinetune, unfreeze_last_n=2), FullFinetune]
)
def test_exactly_what_trains_gets_a_gradient(family: str, make) -> None:
    model = tiny_model(family=family)
    make().setup(model)
    set_training_mode(model)
    model(tiny_batch(model.adapter.alphabet))["preds"].sum().backward()
    assert {n for n, p in model.named_parameters() if (p.grad is not None) != p.requires_grad} == set()


@pytest.mark.parametrize("family", FAMILIES)
def test_lora_changes_nothing_at_the_start_and_reaches_every_block(family: str) -> None:
    adapter = tiny_adapter(family).eval()
    batch = tiny_batch(adapter.alphabet)
    # Frozen first: torch adds up attention in another order where its bias (T5) trains.
    adapter.freeze_trunk()
    before = adapter(batch).hidden[0]
    inject_lora(adapter, rank=2, alpha=4.0)
    torch.testing.assert_close(adapter.eval()(batch).hidden[0], before, atol=0, rtol=0)
    reached = [name for name, _ in adapter.named_modules() if name.endswith(".lora_A.default")]
    assert len(reached) == 2 * len(adapter.get_trunk_blocks())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("make", [LoRAFinetune, partial(PartialFinetune, unfreeze_last_n=2), FullFinetune])
def test_gradient_checkpointing_changes_no_weight(family: str, make) -> None:
    """Dropout included, and behind a frozen prefix."""

    def weights(enabled: bool) -> list[torch.Tensor]:
        torch.manual_seed(0)
        model = tiny_model(family=family)
        batch = tiny_batch(model.adapter.alphabet)
        make(amp=False, lr=1e-2).fit(model, [batch], epochs=2, gradient_checkpointing=enabled, seed=1)
        return [p.detach().clone() for p in model.parameters()]

    assert all(torch.equal(a, b) for a, b in zip(weights(False), weights(True), strict=True))
