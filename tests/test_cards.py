"""What runs on a graphics card, tried on each device that is here.

Every case runs on the processor too, so that the tests themselves are tried where there is no card; on a card
it is compared with the processor. What only a card can do (a compiled training, two cards) is skipped without
one.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from crisislens.data.images import ImageLimits
from crisislens.data.text import CleaningRules
from crisislens.domain.post import ImageRef, Post
from crisislens.encoders.base import EncoderSpec, load_encoders, pad_ids
from crisislens.features.encode import PostEncoder
from crisislens.features.extract import EncodeRecipe, EncodeStep
from crisislens.pipeline.analyst import Analyst
from crisislens.pipeline.batch import AnalyzeStep
from crisislens.pipeline.recipes import AnalystRecipe, AnnotatorRecipe
from crisislens.training.batches import Batches
from crisislens.training.config import OptimizerConfig
from crisislens.training.loop import train
from crisislens.training.objectives import Objective
from crisislens.training.recipe import Recipe
from crisislens.training.trainer import Machine
from tiny_bundles import write_bundle
from tiny_checkpoints import write_tiny_clip
from tiny_e5 import write_tiny_e5

_CARDS = torch.cuda.device_count() if torch.cuda.is_available() else 0
_CARD = pytest.mark.skipif(_CARDS < 1, reason="no graphics card here (CUDA)")
_TWO = pytest.mark.skipif(_CARDS < 2, reason="fewer than two graphics cards here (CUDA)")
_TEXTS = ("flood in la bridge", "water!", "help is down in bridge flood water fi", "bridge")


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=_CARD)])
def device(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def specs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, EncoderSpec]:
    folder = tmp_path_factory.mktemp("checkpoints")
    e5 = str(write_tiny_e5(folder / "tiny.bin"))
    return {
        "multilingual": EncoderSpec(name="multilingual", options={"weights": e5, "precision": "fp32"}),
        "clip": EncoderSpec(name="clip", options={"checkpoint": str(write_tiny_clip(folder / "clip"))}),
    }


@pytest.fixture(scope="module")
def posts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Post]]:
    folder = tmp_path_factory.mktemp("photos")
    draw = np.random.default_rng(0)
    made = []
    for i, text in enumerate(_TEXTS):
        path = folder / f"{i}.png"
        Image.fromarray(draw.integers(0, 256, (40 + i, 60, 3), dtype=np.uint8)).save(path)
        made.append(Post(id=str(i), text=text, image=ImageRef(path=path.name) if i != 1 else None))
    return folder, made


def near(a: torch.Tensor, b: torch.Tensor) -> float:
    """The least cosine of rows."""
    return float(functional.cosine_similarity(a.float().cpu(), b.float().cpu(), dim=-1).min())


@pytest.mark.parametrize("name", ["multilingual", "clip"])
def test_encoders_give_what_the_processor_gives(
    name: str, device: str, specs: dict[str, EncoderSpec]
) -> None:
    here, there = load_encoders(specs[name]), load_encoders(specs[name]).to(device)
    tokens = here.text.tokenize(list(_TEXTS))
    ids, mask = pad_ids(tokens, here.text.pad_id)
    photo = here.image.preprocess(np.full((50, 70, 3), 90, np.uint8))[None]
    with torch.inference_mode():
        words, said = here.text(ids, mask)[1], there.text(ids.to(device), mask.to(device))[1]
        patches, seen = here.image(photo)[1], there.image(photo.to(device))[1]
    assert said.device.type == seen.device.type == device
    assert near(words, said) > 0.9999
    assert near(patches, seen) > 0.9999


def test_the_text_encoder_in_bfloat16(device: str, specs: dict[str, EncoderSpec]) -> None:
    here, there = load_encoders(specs["multilingual"]).text, load_encoders(specs["multilingual"]).text
    there.compute_in("bf16")
    there.to(device)
    if device == "cuda":
        # on the processor torch would ask for a compiler of C++
        there.bert.compile()  # type: ignore[operator]
    ids, mask = pad_ids(here.tokenize(list(_TEXTS)), here.pad_id)
    with torch.inference_mode():
        plain, fast = here(ids, mask)[1], there(ids.to(device), mask.to(device))[1]
    assert fast.dtype == torch.float32
    assert not torch.equal(plain, fast.cpu())
    assert near(plain, fast) > 0.99


def test_features_of_a_host_on_a_device(
    device: str, specs: dict[str, EncoderSpec], posts: tuple[Path, list[Post]]
) -> None:
    root, made = posts
    rules, limits = CleaningRules(), ImageLimits()
    own = PostEncoder(load_encoders(specs["clip"]), rules=rules, limits=limits, image_root=root)
    recipe = EncodeRecipe(specs["clip"], rules, limits, root, EncodeStep(own).fingerprint(), device)
    found = recipe().encoder.encode(made).features
    alone = [recipe().encoder.encode([post]).features[0] for post in made[:2]]
    for x, y in zip(found, own.encode(made).features, strict=True):
        assert (x.image_pooled is None) == (y.image_pooled is None)
        assert x.text_pooled is not None
        assert y.text_pooled is not None
        assert x.text_pooled.device.type == "cpu"
        assert near(x.text_pooled[None], y.text_pooled[None]) > 0.9999
    for x, y in zip(found, alone, strict=False):
        torch.testing.assert_close(x.text_pooled, y.text_pooled, atol=1e-5, rtol=0)


def test_an_analyst_on_a_device_answers_like_one_on_the_processor(
    device: str, tmp_path: Path, posts: tuple[Path, list[Post]]
) -> None:
    root, made = posts
    bundle = str(write_bundle(tmp_path / "bundle"))
    here = Analyst.load([bundle], image_root=root)
    must_be = AnalyzeStep(here, device=device).fingerprint()
    # another device adds in another order, so its chunks are never joined with the processor's
    assert (must_be == AnalyzeStep(here).fingerprint()) == (device == "cpu")
    there = AnalystRecipe((bundle,), root, AnnotatorRecipe(), must_be, device)()
    for a, b in zip(here.assess(made), there.assess(made), strict=True):
        assert {name: task.label for name, task in a.tasks.items()} == {
            name: task.label for name, task in b.tasks.items()
        }


class Squares(Objective):
    """The squared distance of a network's answers from their truth."""

    def loss(self, network: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        x, y = batch
        return functional.mse_loss(network(x).float(), y)


def fitted(machine: Machine) -> tuple[nn.Linear, float]:
    """A line through eight points, and its last loss."""
    torch.manual_seed(0)
    layer = nn.Linear(1, 1)
    x = torch.linspace(-1, 1, 8)[:, None]
    rows = [np.arange(i, i + 2) for i in range(0, 8, 2)]
    batches = Batches(lambda epoch: rows, lambda r: (x[r], 3 * x[r] + 1), count=len(rows))
    optimizer = OptimizerConfig(name="sgd", learning_rate=0.3, weight_decay=0, schedule="linear")
    found = train(layer, Squares(), batches, Recipe(epochs=30, optimizer=optimizer), machine=machine)
    return layer, found.history[-1].train_loss


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_training_in_each_precision(device: str, precision: str) -> None:
    layer, loss = fitted(Machine(device=device, precision=precision))  # type: ignore[arg-type]
    # weights stay in single precision and come back to the processor
    assert (layer.weight.dtype, layer.weight.device.type) == (torch.float32, "cpu")
    assert abs(layer.weight.item() - 3) < 0.2
    assert loss < 0.1


@_CARD
def test_a_compiled_training_learns_the_same() -> None:
    plain, fast = (fitted(Machine(device="cuda", compile=compiled))[0] for compiled in (False, True))
    assert torch.allclose(plain.weight, fast.weight, atol=1e-4)


@_TWO
def test_two_cards_take_half_of_the_batches_each() -> None:
    layer, loss = fitted(Machine(device="cuda", devices=2))
    assert layer.weight.device.type == "cpu"
    assert loss < 1
