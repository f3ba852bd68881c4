from __future__ import annotations

import pytest
import torch

from molfun.errors import ModelError
from molfun.models.lora import inject_lora, lora_parameters, remove_lora, save_lora
from tests.tiny import tiny_adapter, tiny_batch


@pytest.mark.parametrize("family", ["esm", "bert"])
def test_lora_equals_the_base_model_at_step_zero(family: str) -> None:
    adapter = tiny_adapter(family).eval()
    batch = tiny_batch(adapter.alphabet)
    before = adapter(batch).hidden[0]
    adapter.freeze_trunk()
    inject_lora(adapter, rank=4, alpha=8.0)
    torch.testing.assert_close(adapter.eval()(batch).hidden[0], before, atol=0, rtol=0)


def test_lora_trains_two_factors_a_target_layer() -> None:
    adapter = tiny_adapter(num_blocks=3)
    adapter.freeze_trunk()
    inject_lora(adapter, rank=4, alpha=8.0)
    trained = [p for p in adapter.parameters() if p.requires_grad]
    # 3 blocks x (query, value) x (32 x 4 down + 4 x 32 up)
    assert sum(p.numel() for p in trained) == 3 * 2 * 2 * 32 * 4
    assert {id(p) for p in trained} == {id(p) for p in lora_parameters(adapter)}


def test_lora_names_the_layers_that_exist() -> None:
    with pytest.raises(
        ModelError, match=r"no layer named 'q_proj'.*This model has: dense, key, query, regression, value"
    ):
        inject_lora(tiny_adapter(), rank=4, alpha=8.0, target_modules=["q_proj"])


def test_remove_lora_restores_the_module_tree() -> None:
    adapter = tiny_adapter()
    before = [name for name, _ in adapter.named_parameters()]
    inject_lora(adapter, rank=4, alpha=8.0)
    assert remove_lora(adapter) == 6
    assert [name for name, _ in adapter.named_parameters()] == before


def test_a_pattern_that_is_none_is_named() -> None:
    with pytest.raises(ModelError, match=r"'\*\.query' is no name of a layer.*it is wrong: nothing to repeat"):
        inject_lora(tiny_adapter(), rank=4, alpha=8.0, target_modules=["*.query"])


# peft reads an attribute that transformers has renamed; both are theirs.
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
def test_lora_folder_loads_with_plain_peft(tmp_path) -> None:
    from peft import PeftModel

    adapter = tiny_adapter().eval()
    batch = tiny_batch(adapter.alphabet)
    config = inject_lora(adapter, rank=4, alpha=8.0)
    for p in lora_parameters(adapter):
        torch.nn.init.normal_(p, std=0.1)
    save_lora(adapter, config, tmp_path)
    wrapped = PeftModel.from_pretrained(tiny_adapter().backbone, str(tmp_path)).eval()
    chain = batch.chains[0]
    states = wrapped(input_ids=chain.tokens_BL, attention_mask=chain.mask_BL.long()).last_hidden_state
    torch.testing.assert_close(states, adapter(batch).hidden[0], atol=1e-6, rtol=1e-5)
