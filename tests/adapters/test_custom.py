"""A model of the user's own behind the contract: its parts by name, every strategy, resumed, saved, from a package."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from examples.own_model import LETTERS, Transformer
from molfun.adapters.card import custom_card
from molfun.adapters.catalog import MODELS, find_model
from molfun.adapters.custom import CustomAdapter
from molfun.adapters.installed import read_card
from molfun.data.settings import ColumnSettings
from molfun.errors import DataError, ModelError
from molfun.evaluation.export import export_model
from molfun.evaluation.predictor import Predictor
from molfun.models.build import build_head, build_model
from molfun.models.lora import inject_lora
from molfun.models.parameters import count_parts
from molfun.models.precision import Precision
from molfun.models.settings import HeadSettings, ModelSettings
from molfun.models.structure import MolfunStructureModel
from molfun.models.structure_head import StructureHead
from molfun.training import FullFinetune, HeadOnlyFinetune, LoRAFinetune, PartialFinetune
from molfun.training.base import FinetuneStrategy
from molfun.types import FoldStates, Trunk
from tests.folds import pair as pair_of_structures
from tests.tiny import SEQUENCES, tiny_batch

PARTS: dict[str, Any] = {"embedder": "embed", "blocks": "layers", "output": ["norm"]}
STRATEGIES: dict[str, Callable[..., FinetuneStrategy]] = {
    "head_only": HeadOnlyFinetune,
    "lora": lambda **more: LoRAFinetune(rank=2, **more),
    "partial": lambda **more: PartialFinetune(unfreeze_last_n=1, **more),
    "full": FullFinetune,
}


def own_adapter(module: nn.Module | None = None, **parts: Any) -> CustomAdapter:
    torch.manual_seed(0)
    card = custom_card("mine", alphabet=LETTERS, max_residues=100)
    return CustomAdapter(card, module or Transformer(), **{**PARTS, **parts})


def own_model() -> MolfunStructureModel:
    adapter = own_adapter()
    head = build_head(
        HeadSettings(), task="regression", hidden_size=adapter.hidden_size, num_chains=1, num_outputs=1
    )  # fmt: skip
    return MolfunStructureModel(adapter, head)


def test_sizes_and_parts_are_found() -> None:
    module = Transformer()
    module.layers[1].eval()
    adapter = own_adapter(module)
    assert (adapter.hidden_size, adapter.pair_size, adapter.fold_size) == (32, 0, 0)
    assert list(adapter.param_summary()) == ["embedder", "block_1", "block_2", "block_3", "output"]
    assert [layer.training for layer in module.layers] == [True, False, True]
    assert (adapter.max_residues, adapter.default_peft_targets) == (100, ["q_proj", "v_proj"])


def test_sizes_are_found_where_there_are_no_numbers() -> None:
    with torch.device("meta"):
        assert own_adapter().hidden_size == 32


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            {"embedder": "embde"},
            r"no part named 'embde' \(embedder\), did you mean 'embed'\? At its top are: embed, la",
        ),
        ({"blocks": "layer"}, r"no part named 'layer' \(blocks\), did you mean 'layers'"),
        ({"blocks": "norm"}, r"The part 'norm' of mine should hold the blocks, but it holds no module"),
        ({"structure_module": "fold"}, r"no part named 'fold' \(structure_module\)"),
    ],
)
def test_a_part_that_does_not_exist_is_named(parts: dict[str, str], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        own_adapter(**parts)


class Wrong(Transformer):
    """Returns what a head would."""

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        return super().forward(tokens, mask).mean(1)


def test_a_module_that_returns_something_else_is_refused() -> None:
    with pytest.raises(ModelError, match=r"should return a float tensor \[2, 7, 'D'\] .* a torch.float32 tensor \[2, "):
        own_adapter(Wrong())


@torch.no_grad()
def test_padding_changes_nothing_and_lora_neither() -> None:
    adapter = own_adapter().eval()
    together = adapter(tiny_batch(LETTERS))
    for i, sequence in enumerate(SEQUENCES):
        alone = adapter(tiny_batch(LETTERS, sequences=[sequence])).hidden[0][0]
        torch.testing.assert_close(together.hidden[0][i, : len(sequence)], alone, atol=2e-6, rtol=1e-5)
    adapter.freeze_trunk()
    inject_lora(adapter, rank=2, alpha=4.0)
    torch.testing.assert_close(adapter.eval()(tiny_batch(LETTERS)).hidden[0], together.hidden[0], atol=0, rtol=0)


@pytest.mark.parametrize("kind", STRATEGIES)
@pytest.mark.parametrize("gradient_checkpointing", [False, True])
def test_every_strategy_fits_and_a_resumed_fit_is_the_same(
    kind: str, gradient_checkpointing: bool, tmp_path: Path
) -> None:
    def fit(model: MolfunStructureModel, epochs: int, folder: Path, **more: Any) -> list[dict[str, float]]:
        batch = tiny_batch(LETTERS)
        return STRATEGIES[kind](lr=1e-2, warmup_steps=1).fit(
            model, [batch], [batch], epochs, checkpoint_dir=folder, seed=0, **more
        )  # fmt: skip

    whole, resumed, plain = own_model(), own_model(), own_model()
    history = fit(whole, 4, tmp_path / "whole", gradient_checkpointing=gradient_checkpointing)
    assert history[-1]["val_loss"] < history[0]["val_loss"]
    fit(resumed, 4, tmp_path / "cut", save_every=2)
    again = own_model()
    fit(again, 4, tmp_path / "again", resume_from=tmp_path / "cut" / "epoch_2")
    fit(plain, 4, tmp_path / "plain")
    for other in (again, plain):
        assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("kind", STRATEGIES)
def test_the_breakdown_counts_what_gets_a_gradient(kind: str) -> None:
    model, strategy = own_model(), STRATEGIES[kind]()
    strategy.setup(model)
    counts = count_parts(model, strategy.param_groups(model))
    model(tiny_batch(LETTERS))["preds"].sum().backward()
    assert counts["trainable"] == sum(p.numel() for p in model.parameters() if p.grad is not None)
    assert len(counts["blocks"]) == 3


def test_what_transformers_cannot_run_is_exported_as_a_graph_only(tmp_path: Path) -> None:
    columns = ColumnSettings(sequence=["sequence"], target="y", task="regression")
    predictor = Predictor(own_model(), columns, (), precision=Precision(torch.device("cpu"), amp=False))
    with pytest.raises(ModelError, match=r"mine is no encoder of transformers, .* predict with the run itself"):
        export_model(predictor, tmp_path / "x", kind="merged", head=HeadSettings())
    assert list(tmp_path.iterdir()) == []
    about = export_model(predictor, tmp_path / "x", kind="onnx", head=HeadSettings())
    assert about["onnx_difference"] < 1e-5


class Folder(Transformer):
    """Predicts a structure: residues in a row, turned by a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.fold = nn.Linear(32, 7 + 14)

    def forward(self, tokens: Tensor, mask: Tensor) -> Trunk:  # type: ignore[override]
        hidden = super().forward(tokens, mask)
        raw = self.fold(hidden)
        quaternions = raw[..., :4] + torch.tensor([1.0, 0.0, 0.0, 0.0], device=raw.device)
        quaternions = quaternions / quaternions.norm(dim=-1, keepdim=True)
        frames = torch.cat([quaternions, raw[..., 4:7]], dim=-1)
        folds = FoldStates(
            (tokens - 1).clamp(0, 20), frames[:, None], raw[:, None, :, 7:].unflatten(-1, (7, 2)), hidden
        )
        pair = hidden[:, :, None] + hidden[:, None]
        return Trunk((hidden,), (mask,), pair, folds, torch.where(mask, 0, -1))


@pytest.mark.parametrize("wants_structure", [True, False])
def test_a_model_of_structures_is_trained_as_one(wants_structure: bool) -> None:
    adapter = own_adapter(Folder(), structure_module="fold")
    adapter.prepare(wants_structure=wants_structure, num_recycles=0, chunk_size=0)
    assert (adapter.hidden_size, adapter.pair_size, adapter.fold_size) == (32, 32, 32)
    batch = tiny_batch(LETTERS, sequences=["MKTAYIAK", "GSHML"])
    if not wants_structure:
        assert adapter(batch).folds is None
        assert "structure_module" not in adapter.param_summary()
        return
    model = MolfunStructureModel(adapter, StructureHead(32, 32, hidden_size=8), task="structure")
    _, structures = pair_of_structures([("MKTAYIAK",), ("GSHML",)])
    batch = type(batch)(batch.chains, None, torch.ones(2, dtype=torch.bool), batch.row_ids, structures)
    strategy = PartialFinetune(
        unfreeze_last_n=1, unfreeze_structure_module=True, lr=1e-2, loss_fn="structure_without_violation"
    )
    history = strategy.fit(model, [batch], [batch], epochs=5, seed=0)
    assert history[-1]["train_loss"] < history[0]["train_loss"]


def test_structures_of_several_chains_are_refused() -> None:
    with pytest.raises(DataError, match="predicts the structure of one chain, but rows have 2"):
        own_adapter(Folder())(tiny_batch(LETTERS, num_chains=2))


CARD = """
from examples.own_model import LETTERS
from molfun.adapters.card import custom_card

CARD = custom_card("lab_model", alphabet=LETTERS, max_residues=100, builder="lab_builder:build", title="Lab model")
"""
BUILDER = """
import torch
from examples.own_model import Transformer
from molfun.adapters.custom import CustomAdapter
from molfun.adapters.installed import read_card

def build(card, weights, *, load=True):
    module = Transformer()
    if load and weights != "random":
        module.load_state_dict(torch.load(weights, weights_only=True))
    return CustomAdapter(card, module, embedder="embed", blocks="layers", output=["norm"])
"""


@pytest.fixture
def install_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Return a function that installs a package with one model, as pip leaves it."""

    def install(entry: str = "lab_model = lab_card:CARD", card: str = CARD) -> Path:
        info = tmp_path / "lab_models-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lab-models\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[molfun.models]\n{entry}\n")
        (tmp_path / "lab_card.py").write_text(card)
        (tmp_path / "lab_builder.py").write_text(BUILDER)
        monkeypatch.syspath_prepend(str(tmp_path))
        read_card.cache_clear()
        for module in ("lab_card", "lab_builder"):
            monkeypatch.delitem(sys.modules, module, raising=False)
        return tmp_path

    return install


def test_a_model_of_an_installed_package_is_built_by_its_name(install_model: Callable[..., Path]) -> None:
    with pytest.raises(ModelError, match="No model is named 'lab_model'"):
        find_model("lab_model")
    install_model()
    assert list(MODELS)[-1] == "lab_model"
    assert MODELS["lab_model"].title == "Lab model"
    model = build_model(ModelSettings(name="lab_model", weights="random"), task="regression")
    assert model(tiny_batch(LETTERS))["preds"].shape == (len(SEQUENCES),)
    with pytest.raises(ModelError, match="did you mean 'lab_model'"):
        find_model("lab_modle")


@pytest.mark.parametrize("name", ["lab_card:CARD", "lab_builder:build", "lab_card", "./lab_card.py"])
def test_a_model_is_no_place_of_code(install_model: Callable[..., Path], name: str) -> None:
    install_model(card="raise RuntimeError('imported')")
    with pytest.raises(ModelError, match=f"No model is named {name!r}"):
        build_model(ModelSettings(name=name, weights="random"), task="regression")


def test_the_command_line_lists_and_counts_it(install_model: Callable[..., Path]) -> None:
    folder = install_model()
    root = Path(__file__).parents[2]

    def molfun(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "molfun.cli", *arguments], capture_output=True, text=True, check=False, cwd=root,
            env={"PYTHONPATH": f"{folder}:{root}", "PATH": "/usr/bin:/bin", "MOLFUN_HOME": str(folder / "home")},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert json.loads(molfun("models", "--json"))[-1]["name"] == "lab_model"
    assert "of 26,401 parameters train" in molfun("parameters", "lab_model", "--strategy", "lora")


@pytest.mark.parametrize(
    ("entry", "card", "message"),
    [
        ("lab_model = lab_card:CARD", "import no_such_thing", "package lab-models cannot be read: No module named"),
        ("lab_model = lab_card:CRAD", CARD, "package lab-models cannot be read: .*CRAD"),
        (
            "lab_model = lab_card:LETTERS",
            CARD,
            "should be a ModelCard of that name, but lab_card:LETTERS is a Alphabet",
        ),
        ("other = lab_card:CARD", CARD, "should be a ModelCard of that name, but lab_card:CARD is of the name 'lab_mo"),
    ],
)
def test_a_broken_package_is_named_and_left_out(
    install_model: Callable[..., Path], entry: str, card: str, message: str
) -> None:
    install_model(entry, card)
    name = entry.partition(" ")[0]
    assert name not in list(MODELS)
    assert name in MODELS
    with pytest.raises(ModelError, match=message):
        find_model(name)


def test_an_installed_package_cannot_replace_a_model_of_ours(install_model: Callable[..., Path]) -> None:
    install_model("antiberty = lab_card:CARD")
    assert find_model("antiberty").title == "AntiBERTy (26 M)"
    assert list(MODELS).count("antiberty") == 1
