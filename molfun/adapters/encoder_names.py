"""The families of Hugging Face encoders: where each keeps its parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import transformers
from torch import nn

from molfun.errors import ModelError

NO_POOLER = {"add_pooling_layer": False}
SIZES = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads")


@dataclass(frozen=True)
class Names:
    """Where a family keeps its parts, as dotted paths inside the backbone.

    Attributes:
        config: Name of the configuration's class in transformers.
        model: Name of the model's class.
        output: Modules that run behind the last block.
        excluded: Modules that never enter the loss.
        ignored: Beginnings of names in a checkpoint that the trunk has no use for (language-model heads, poolers).
        shape: What must agree between a model folder and the card that it is used for.
        options: Of the model's constructor.
        known_in: A version of transformers that has the family.
    """

    config: str
    model: str
    embedder: str
    blocks: str
    output: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    shape: tuple[str, ...] = (*SIZES, "max_position_embeddings")
    options: Mapping[str, Any] = field(default_factory=dict)
    known_in: str = "5.0"

    @property
    def model_class(self) -> type[Any]:
        """Class of the model.

        Raises:
            ModelError: The installed transformers does not have it.
        """
        return self._find(self.model)

    def build(self, config: Mapping[str, Any]) -> nn.Module:
        """Return the untrained architecture.

        Args:
            config: Keyword arguments of the configuration.

        Raises:
            ModelError: The installed transformers does not have it.
        """
        model: nn.Module = self.model_class(self._find(self.config)(**config), **self.options)
        return model

    def _find(self, name: str) -> type[Any]:
        found: type[Any] | None = getattr(transformers, name, None)
        if found is None:
            raise ModelError(
                f"This model needs a transformers that has {name}, but {transformers.__version__} has not; "
                f'install a newer one with: pip install "transformers>={self.known_in}"'
            )
        return found


NAMES = {
    "bert": Names(
        "BertConfig", "BertModel", "embeddings", "encoder.layer", ignored=("cls.", "bert.pooler.", "pooler."),
        options=NO_POOLER,
    ),
    "esm": Names(
        "EsmConfig", "EsmModel", "embeddings", "encoder.layer", ("encoder.emb_layer_norm_after",), ("contact_head",),
        ("lm_head.", "esm.pooler.", "pooler.", "contact_head.", "esm.contact_head."), options=NO_POOLER,
    ),
    "esmc": Names("EsmcConfig", "EsmcModel", "embed_tokens", "layers", ("norm",), shape=SIZES, known_in="5.23"),
    "t5": Names(
        "T5Config", "T5EncoderModel", "shared", "encoder.block", ("encoder.final_layer_norm",),
        shape=("vocab_size", "d_model", "d_kv", "d_ff", "num_layers", "num_heads"),
    ),
}  # fmt: skip
