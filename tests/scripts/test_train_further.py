"""scripts/train_further.py begins where the bundle is, holds what stays, and writes a bundle."""

import json
from pathlib import Path

import numpy as np
import pytest
import readapted
import torch
import train_further
from linear_heads import LinearHeads
from need_texts import MADE_UP

from crisislens.encoders.base import pad_ids
from crisislens.encoders.e5 import E5Text
from crisislens.encoders.lora import fold_lora
from crisislens.models.artifact import load_artifact
from crisislens.pipeline.analyst import Analyst
from crisislens.pipeline.bundle import BUNDLE, Bundle
from crisislens.training.crisis_text import CrisisText

BUNDLE_FOLDER = Path(train_further.__file__).parents[1] / "src/crisislens/assets/bundles/crisis-multilingual"
TEXTS = ["We are trapped on the roof, send a boat", "Nou bezwen dlo tanpri", "What a lovely day"]


def text(words: str, source: str, *, language: str = "en", event: str = "", **labels: int) -> CrisisText:
    return CrisisText(words, source, event, "train", language, labels)


def pooled(encoder: E5Text) -> torch.Tensor:
    with torch.inference_mode():
        return encoder(*pad_ids(encoder.tokenize(TEXTS), encoder.pad_id))[1]


@pytest.fixture(scope="module")
def before() -> E5Text:
    return E5Text(precision="fp32", adapter=str(BUNDLE_FOLDER / "adapter.safetensors"))


@pytest.mark.parametrize("first_layer", [0, 6])
def test_training_begins_where_the_bundle_is(before: E5Text, first_layer: int) -> None:
    encoder = E5Text(precision="fp32")
    heads = train_further.begun(BUNDLE_FOLDER, encoder, first_layer)
    assert torch.allclose(pooled(encoder.eval()), pooled(before), atol=1e-4)
    weights = train_further.maps(BUNDLE_FOLDER, heads)
    for question, (weight, bias) in weights.items():
        own = LinearHeads.read(BUNDLE_FOLDER, question)
        assert np.allclose(weight, own.weight, atol=1e-6)
        assert np.allclose(bias, own.bias, atol=1e-6)


def test_nothing_has_drifted_where_the_vectors_are_the_same_and_something_where_not(before: E5Text) -> None:
    kept, z = train_further.Kept(BUNDLE_FOLDER), pooled(before)
    assert float(train_further.drift(kept, z, z)) == pytest.approx(0.0, abs=1e-6)
    assert float(train_further.drift(kept, z.flip(0), z)) > 0.01
    assert not [p for p in kept.parameters() if p.requires_grad]


def test_a_message_that_asks_offers_nothing_and_another_text_says_what_it_said() -> None:
    asks = text("send food", "messages_english", event="haiti", request=1)
    assert train_further.told_by_messages(asks).labels == {"request": 1, "offer": 0, "warning": 0}
    for other in (
        text("send food", "messages_english", event="news", request=1),
        text("it rains", "messages_english", event="haiti", request=0),
        text("send food", "humaid", request=1),
    ):
        assert train_further.told_by_messages(other) == other


def test_words_of_an_event_are_hidden_in_english_tweets_alone() -> None:
    rng = np.random.default_rng(0)
    tweet, message = text("irma tents", "humaid"), text("irma tents", "messages_english")
    abroad = text("irma tents", "crisislex_t26", language="it")

    def kept(one: CrisisText) -> int:
        return sum("IRMA" in train_further.shown(one, {"irma"}, rng).upper() for _ in range(200))

    # letters are swapped in a few, and an event's words dropped from half
    assert kept(tweet) < 130
    assert min(kept(message), kept(abroad)) > 150


def test_an_answer_that_is_open_costs_nothing() -> None:
    columns = torch.zeros(2, len(train_further.COLUMNS))
    open_to = torch.full_like(columns, float("nan"))
    found = train_further.loss_of((torch.zeros(2, 10), columns), torch.tensor([-1, -1]), open_to)
    assert float(found) == 0.0


def test_a_bundle_with_another_adapter_names_its_new_encoder_and_keeps_its_maps(tmp_path: Path) -> None:
    encoder = E5Text(precision="fp32")
    train_further.begun(BUNDLE_FOLDER, encoder, 6)
    with torch.no_grad():
        for name, p in encoder.named_parameters():
            if p.requires_grad and "layer.11.output.LayerNorm.bias" in name:
                p.add_(0.05)
    state = train_further.lora_state(encoder, base=encoder.adapts)
    train_further.write_lora(tmp_path / "adapter.safetensors", state)
    needs = LinearHeads.read(BUNDLE_FOLDER, "needs")
    new = (needs.weight * 2, needs.bias + 1)
    readapted.write(
        BUNDLE_FOLDER, tmp_path / "out", tmp_path / "adapter.safetensors", {"needs": new}, "9.9.9"
    )
    assert json.loads((tmp_path / "out" / BUNDLE).read_bytes())["version"] == "9.9.9"
    assert np.allclose(LinearHeads.read(tmp_path / "out", "needs").weight, new[0], atol=1e-6)
    old, now = Bundle.read(BUNDLE_FOLDER), Bundle.read(tmp_path / "out")
    for question in old.artifacts:
        mine, theirs = load_artifact(old.artifact(question)), load_artifact(now.artifact(question))
        assert mine.meta.encoder_fingerprint != theirs.meta.encoder_fingerprint
        if question != "needs":
            for name, tensor in mine.model.state_dict().items():
                assert torch.equal(tensor, theirs.model.state_dict()[name]), (question, name)
    fold_lora(encoder)
    assert Analyst.load([str(tmp_path / "out")], annotators=[]) is not None


def test_every_file_of_made_up_posts_says_known_things_and_names_its_language() -> None:
    known = {*train_further.ASKED, *train_further.TOLD}
    for name in MADE_UP:
        lines = (
            (Path(train_further.__file__).parent / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        )
        posts = [json.loads(line) for line in lines]
        assert posts
        assert all(set(post["says"]) <= known and post["lang"] and post["text"] for post in posts), name
