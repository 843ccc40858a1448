"""What models are made of: the way in, pooling, heads and cards; and what a specification refuses."""

import re

import numpy as np
import pytest
import torch
from cases import CLASSES, WIDTHS, modality, padded, posts
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from crisislens.core.errors import ConfigError, NotRegisteredError
from crisislens.domain.extraction import Link, Mention
from crisislens.encoders.language import LanguageSpec
from crisislens.models.base import MODELS, ModelSpec, require_published_flag
from crisislens.models.captions import CaptionWords, caption_of
from crisislens.models.card import Card, card_text
from crisislens.models.extraction import Prediction
from crisislens.models.extractor_spec import AlignmentSpec, ExtractorSpec
from crisislens.models.gated import GatedLateFusion
from crisislens.models.heads import WordPairHead, first_pieces
from crisislens.models.linear import TextLinear
from crisislens.models.parts import Head, Inlet, Pooler, TokenInlets, trimmed
from crisislens.nn.batch import FeatureBatch

# the way in


def test_an_inlet_takes_the_encoders_scale_away_unless_told_not_to() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, 6)
    with_norm, plain = (Inlet(width_in=6, width=4, dropout=0.0, norm=norm) for norm in (True, False))
    assert torch.allclose(with_norm(1000 * x), with_norm(x), atol=1e-3)
    assert not torch.allclose(plain(1000 * x), plain(x))
    # no weights of its own: the linear map can say the same
    assert [name for name, _ in with_norm.named_parameters()] == ["map.1.weight", "map.1.bias"]


def test_dropout_takes_the_same_components_from_all_tokens_of_a_post() -> None:
    torch.manual_seed(0)
    inlet = Inlet(width_in=6, width=32, dropout=0.5)
    gone = inlet(torch.randn(4, 5, 6)) == 0
    assert gone.any()
    assert (gone == gone[:, :1]).all()
    # another post loses others
    assert not (gone[0] == gone[1]).all()
    assert not (inlet.eval()(torch.randn(4, 5, 6)) == 0).any()


def test_padding_that_all_posts_have_is_cut_off() -> None:
    m = modality([2, 0, 3], 4, 2, seed=0)
    wide = padded(FeatureBatch(text=m, image=m), 5, junk=7.0).text
    short = trimmed(wide)
    assert short.tokens.shape[1] == 3
    assert torch.equal(short.mask, m.mask)
    assert trimmed(m) is m
    nothing = modality([0, 0], 4, 2, seed=0)
    # one place stays: attention needs a legal shape
    assert trimmed(nothing).tokens.shape[1] == 1


@pytest.mark.parametrize("source", ["pooled", "tokens", "both"])
def test_a_pooled_modality_is_zero_where_it_is_missing(source: str) -> None:
    torch.manual_seed(0)
    pool = Pooler(widths=WIDTHS.of_text(), width=5, dropout=0.0, source=source).double()  # type: ignore[arg-type]
    m = posts().text
    found = pool(m)
    assert found.shape == (5, 5)
    assert (found.abs().sum(1) > 0).tolist() == m.present.tolist()
    assert (pool.pooled is None, pool.tokens is None) == (source == "tokens", source == "pooled")


def test_both_sources_are_added() -> None:
    torch.manual_seed(0)
    both = Pooler(widths=WIDTHS.of_text(), width=5, dropout=0.0).double()
    m = posts().text
    whole = both(m)
    pooled, both.pooled = both.pooled, None
    tokens_alone = both(m)
    both.pooled, both.tokens = pooled, None
    assert torch.allclose(whole, tokens_alone + both(m))


@pytest.mark.parametrize("lengths", [(3, 0, 2), (0, 0, 0)], ids=["some", "none"])
def test_token_inlets_leave_every_post_something_to_look_at(lengths: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    inlets = TokenInlets(widths=WIDTHS, width=6, dropout=0.0, modality_dropout=0.0).double()
    batch = posts(lengths, lengths[::-1], ())
    (image, image_mask), (text, text_mask) = inlets(batch)
    assert text_mask.any(1).all()
    assert image_mask.any(1).all()
    for row in torch.nonzero(~batch.text.present)[:, 0]:
        assert torch.equal(text[row, 0], inlets.no_text.token)
    (image.sum() + text.sum()).backward()
    # weights of an inlet that met no post still get a gradient, so that every step treats them alike
    for inlet in (inlets.text, inlets.image):
        assert all(p.grad is not None for p in inlet.parameters())


@pytest.mark.parametrize(("hidden", "maps"), [(0, 1), (7, 2)])
def test_a_head_has_a_hidden_layer_if_asked(hidden: int, maps: int) -> None:
    head = Head(width=4, hidden=hidden, classes=3, dropout=0.5)
    assert sum(isinstance(layer, torch.nn.Linear) for layer in head.map) == maps
    assert head(torch.randn(2, 4)).shape == (2, 3)


# captions


def test_a_batch_without_captions_is_one_in_which_no_post_has_any() -> None:
    batch = posts()
    made = caption_of(None, batch.text)
    assert not made.present.any()
    assert made.tokens.shape == batch.text.tokens.shape
    assert caption_of(batch.caption, batch.text) is batch.caption


def test_caption_words_stand_behind_the_tweets_and_are_told_from_them() -> None:
    torch.manual_seed(0)
    words = CaptionWords(width=WIDTHS.text).double()
    batch = posts()
    text, mask = batch.text.tokens, batch.text.mask
    alone, same_mask = words(text, mask, None, torch.nn.Identity())
    assert torch.equal(alone, text + words.kind[0])
    assert torch.equal(same_mask, mask)
    assert batch.caption is not None
    both, whole_mask = words(text, mask, batch.caption, torch.nn.Identity())
    t = text.shape[1]
    assert torch.equal(both[:, :t], alone)
    assert torch.equal(both[:, t:], batch.caption.tokens + words.kind[1])
    assert whole_mask.sum(1).tolist() == (mask.sum(1) + batch.caption.mask.sum(1)).tolist()


def test_the_gate_counts_only_those_that_speak() -> None:
    torch.manual_seed(0)
    model = GatedLateFusion(widths=WIDTHS, classes=CLASSES, width=8).double().eval()
    batch = posts()
    gates, logits = model.voices(batch)
    assert batch.caption is not None
    present = torch.stack([batch.text.present, batch.image.present, batch.caption.present], 1)
    assert not gates[~present].any()
    sums = gates.sum(1)
    assert torch.allclose(sums[present.any(1)], torch.ones(1).double())
    # with nothing, the learned prior answers
    assert torch.equal(model(batch)[~present.any(1)], model.prior[None])
    assert logits.shape == (5, 3, CLASSES)


def test_a_linear_text_model_standardizes_and_says_its_bias_of_nothing() -> None:
    torch.manual_seed(0)
    model = TextLinear(widths=WIDTHS, classes=CLASSES).double()
    model.mean += 2.0
    model.scale *= 4.0
    batch = posts()
    found = model(batch)
    expected = model.map((batch.text.pooled[0] - 2) / 4)
    assert torch.allclose(found[0], expected)
    assert torch.allclose(found[~batch.text.present], model.map.bias.expand(2, -1))


# specifications


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"widht": 8}, "model 'concat' has no option widht; it takes dropout, hidden, input_norm"),
        ({"width": 0}, "option width of model 'concat' does not fit: Input should be greater than 0 (got 0)"),
        ({"width": "8"}, "option width of model 'concat' does not fit: Input should be a valid integer"),
        ({"width": True}, "option width of model 'concat' does not fit: Input should be a valid integer"),
        ({"dropout": 1.0}, "option dropout of model 'concat' does not fit: Input should be less than 1"),
        ({"source": "token"}, "option source of model 'concat' does not fit: Input should be 'pooled'"),
        ({"input_norm": "yes"}, "option input_norm of model 'concat' does not fit: Input should be a valid"),
    ],
)
def test_an_option_that_does_not_fit_is_told(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        ModelSpec(name="concat", options=options).build(WIDTHS, CLASSES)  # type: ignore[arg-type]


def test_what_a_constructor_refuses_is_told_with_the_options() -> None:
    with pytest.raises(
        ConfigError, match=r"model 'guided' cannot be built with .*'heads': 3.*multiple of heads"
    ):
        ModelSpec(name="guided", options={"width": 16, "heads": 3}).build(WIDTHS, CLASSES)


def test_a_model_needs_a_name_and_a_class() -> None:
    with pytest.raises(NotRegisteredError, match="no model named 'consat'"):
        ModelSpec(name="consat").build(WIDTHS, CLASSES)
    with pytest.raises(ConfigError, match="'concat' needs at least one class, got 0; check the label space"):
        ModelSpec(name="concat").build(WIDTHS, 0)


@pytest.mark.parametrize("name", sorted(name for name in MODELS if name.endswith("_published")))
def test_published_forms_are_refused_without_their_flag(name: str) -> None:
    with pytest.raises(ConfigError, match="a post's result depends on the posts beside it"):
        ModelSpec(name=name).build(WIDTHS, CLASSES)
    require_published_flag(name, as_published=True)


# cards


def test_a_card_says_what_was_not_said() -> None:
    text = card_text("Tiny", Card(), {"classes": "2"})
    assert text.startswith("# Tiny\n\nNo summary was given.\n")
    assert text.count("Nothing was stated.") == 4
    assert text.endswith("## Facts\n\n- classes: 2\n")


def test_a_line_break_does_not_end_an_entry_of_a_card() -> None:
    card = Card(summary="S.", limits=("one\ntwo  three", "four"))
    assert "## Never tested on, not for\n\n- one two three\n- four\n" in card_text("Tiny", card, {})


# extractors: their specification, what they say, and the head over pairs of words


def spec(**changes: object) -> ExtractorSpec:
    values: dict[str, object] = {"encoder": LanguageSpec(max_tokens=48)}
    return ExtractorSpec(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"relations": ("None", "in")},
            "relations belong to the tasks relations and joint, and only to them",
        ),
        ({"task": "joint"}, "relations belong to the tasks relations and joint, and only to them"),
        ({"task": "joint", "relations": ("in", "None")}, "the first relation is 'in'; it must be `None`"),
        ({"alignment": AlignmentSpec()}, "need contexts: set context_pieces"),
        ({"joint_sequence": True}, "need contexts: set context_pieces"),
        ({"context_pieces": 47}, "context_pieces 47 leaves no room; at most 46 fit"),
        ({"context_pieces": 25, "joint_sequence": True}, "context_pieces 25 leaves no room; at most 24 fit"),
    ],
)
def test_an_extractor_that_could_not_work_is_refused(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        spec(**changes)


def test_what_just_fits_is_taken() -> None:
    assert spec(context_pieces=46).context_pieces == 46
    assert spec(context_pieces=24, joint_sequence=True).joint_sequence
    # names of the data's own relations are not known yet
    assert spec(task="joint", relations=("auto",)).relations == ("auto",)


def test_a_margin_over_plain_means_has_no_temperature_to_learn() -> None:
    with pytest.raises(ValueError, match="has no temperature; set learn_temperature to false"):
        AlignmentSpec(kind="shapley_margin", expectation="uniform", learn_temperature=True)
    assert AlignmentSpec(kind="shapley_margin", learn_temperature=True).learn_temperature


PROBABILITIES = st.lists(st.floats(0, 1), min_size=3, max_size=3)


@given(PROBABILITIES, PROBABILITIES, st.floats(0, 1), st.none() | st.floats(0, 1))
def test_relations_stay_only_between_entities_that_stay(
    scores: list[float], link_scores: list[float], least: float, least_links: float | None
) -> None:
    mentions = tuple(Mention(2 * i, 2 * i + 1, "LOC") for i in range(3))
    links = (Link(0, 1, "a"), Link(1, 2, "b"), Link(2, 0, "c"))
    whole = Prediction(mentions, tuple(scores), links, tuple(link_scores))
    kept = whole.above(least, least_links)
    assert all(score >= least for score in kept.scores)
    assert set(mentions) - set(kept.mentions) == {
        m for m, p in zip(mentions, scores, strict=True) if p < least
    }
    bound = least if least_links is None else least_links
    for link, score in zip(kept.links, kept.link_scores, strict=True):
        before = links["abc".index(link.type)]
        # places have moved, entities have not
        assert kept.mentions[link.head] == mentions[before.head]
        assert kept.mentions[link.tail] == mentions[before.tail]
        assert score >= bound
    assert kept.above(least, least_links) == kept
    assert whole.above(0.0, 0.0) == whole


def test_states_of_words_are_those_of_their_first_pieces() -> None:
    states = torch.arange(12.0).reshape(1, 6, 2)
    found = first_pieces(states, torch.tensor([[1, 4, 0]]))
    assert found[0].tolist() == [[2, 3], [8, 9], [0, 1]]


def test_pairs_of_words_are_ordered_and_told_by_their_distance() -> None:
    torch.manual_seed(0)
    head = WordPairHead(width=4, labels=3, hidden=8, dropout=0.0)
    words = torch.randn(1, 40, 4)
    logits = head(words)
    assert logits.shape == (1, 40, 40, 3)
    assert not torch.allclose(logits, logits.transpose(1, 2))
    # beyond sixteen words every distance is one
    same = torch.ones(1, 40, 4)
    far = head(same)
    assert torch.allclose(far[0, 0, 16], far[0, 0, 39])
    assert not torch.allclose(far[0, 0, 15], far[0, 0, 16])


def test_padding_of_pairs_costs_nothing() -> None:
    torch.manual_seed(0)
    head = WordPairHead(width=4, labels=3, hidden=8, dropout=0.0)
    words = torch.randn(1, 3, 4)
    y = torch.tensor(np.random.default_rng(0).integers(0, 3, (1, 3, 3)))
    loss = head.loss(head(words), y, torch.ones(1, 3, dtype=torch.bool))
    wide = torch.cat([words, torch.full((1, 2, 4), 9.0)], 1)
    longer = torch.full((1, 5, 5), 2)
    longer[:, :3, :3] = y
    mask = torch.tensor([[True, True, True, False, False]])
    assert torch.allclose(head.loss(head(wide), longer, mask), loss)


def test_pairs_without_a_label_weigh_less() -> None:
    torch.manual_seed(0)
    heads = [WordPairHead(width=4, labels=3, hidden=8, dropout=0.0, nothing_weight=w) for w in (0.1, 1.0)]
    heads[1].load_state_dict(heads[0].state_dict())
    words, mask = torch.randn(1, 3, 4), torch.ones(1, 3, dtype=torch.bool)
    nothing = torch.zeros(1, 3, 3, dtype=torch.long)
    light, full = (head.loss(head(words), nothing, mask) for head in heads)
    assert isinstance(light, Tensor)
    assert torch.allclose(light, 0.1 * full)
