"""Several crises in one text, on drawn states: mixes give nothing away, the guide tells all that is to be
known, and λ = 0 is the same model without the second map.
"""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crisislens.bench.denoise import Denoise, Prepared
from crisislens.bench.denoise_data import (
    CLASSES,
    CRISES,
    Mixes,
    Segments,
    best_unguided,
    dealt,
    guides,
    read_segments,
)
from crisislens.bench.denoise_models import alike_at_first, lambdas
from crisislens.bench.study import Trial
from crisislens.core.errors import DataError
from crisislens.encoders.base import EncoderSpec
from crisislens.models.differential import GuidedDifferential
from crisislens.nn.attention import MultiHeadAttention

CRISES_DRAWN, CLASSES_DRAWN = 6, 3
SMALL = replace(
    Denoise(), passes=2, batch=16, width=16, heads=2, layers=1, rates=dict.fromkeys(Denoise.systems, 0.01)
)


def drawn(each: int = 4, *, clear: float = 4.0) -> Segments:
    """Segments of two to four pieces, each of which says crisis and class in places of their own."""
    random = np.random.default_rng(5)
    crisis, label, part = [], [], []
    for name in ("train", "test"):
        for i, k in np.ndindex(CRISES_DRAWN, CLASSES_DRAWN):
            crisis += [i] * each
            label += [k] * each
            part += [name] * each
    crisis, label = crisis + list(range(CRISES_DRAWN)), label + [-1] * CRISES_DRAWN
    part += ["guide"] * CRISES_DRAWN
    lengths = random.integers(2, 5, len(crisis))
    of = np.repeat(np.arange(len(crisis)), lengths)
    states = random.normal(size=(len(of), 12))
    states[np.arange(len(of)), np.array(crisis)[of]] += clear
    with_class = np.array(label)[of] >= 0
    states[with_class, CRISES_DRAWN + np.array(label)[of][with_class]] += clear
    return Segments(
        states=torch.from_numpy(states).float(),
        starts=np.cumsum(lengths) - lengths,
        lengths=lengths,
        pooled=torch.zeros(len(crisis), 3),
        crisis=np.array(crisis),
        label=np.array(label),
        rows={name: np.flatnonzero(np.array(part) == name) for name in ("train", "test", "guide")},
    )


SEGMENTS = drawn()


@given(own=st.integers(0, 4), k=st.integers(0, 16), seed=st.integers(0, 999))
@settings(max_examples=40)
def test_classes_are_dealt_as_evenly_as_can_be(own: int, k: int, seed: int) -> None:
    counts = Counter([own, *dealt(own, k, 5, np.random.default_rng(seed)).tolist()])
    every = [counts[c] for c in range(5)]
    assert sum(every) == k + 1
    assert max(every) - min(every) <= 1


def test_no_class_is_meant_more_often_for_being_rare_or_frequent() -> None:
    """Three segments of two classes: whoever names the frequent one is right twice in three, as often as a
    segment that is drawn blindly is of that class.
    """
    random = np.random.default_rng(0)
    frequent = 0
    for _ in range(600):
        labels = [0, *dealt(0, 2, 2, random).tolist()]
        frequent += labels.count(0) == 2
    # four standard deviations of 600 draws
    assert frequent / 600 == pytest.approx(2 / 3, abs=0.08)


@pytest.mark.parametrize(("k", "best"), [(0, 1.0), (1, 1 / 2), (4, 1 / 5), (8, 2 / 9), (16, 4 / 17)])
def test_who_has_no_guide_names_the_most_frequent_class(k: int, best: float) -> None:
    assert best_unguided(k) == pytest.approx(best)


@pytest.mark.parametrize("k", [0, 1, 5])
def test_mixes_hold_the_segment_that_is_meant_and_others_of_other_crises(k: int) -> None:
    mixes = Mixes(SEGMENTS, "test")
    meant = mixes.meant()
    drawn_segments, named = mixes.draw(meant, k, np.random.default_rng(1))
    assert drawn_segments.shape == (len(meant), k + 1)
    for one, segments, guide in zip(meant, drawn_segments, named, strict=True):
        assert one in segments
        assert set(segments) <= set(SEGMENTS.rows["test"])
        # no crisis twice, so the guide's is there once
        crises = SEGMENTS.crisis[segments]
        assert len(set(crises)) == k + 1
        assert SEGMENTS.crisis[guide] == SEGMENTS.crisis[one]


def test_within_a_crisis_all_classes_are_meant_equally_often() -> None:
    # of one class of the third crisis there is one tweet alone
    rows = SEGMENTS.rows["train"]
    rare = (SEGMENTS.crisis[rows] == 2) & (SEGMENTS.label[rows] == 1)
    few = replace(SEGMENTS, rows={**SEGMENTS.rows, "train": rows[~rare | (np.cumsum(rare) == 1)]})
    meant = Mixes(few, "train").meant()
    counts = Counter(zip(few.crisis[meant].tolist(), few.label[meant].tolist(), strict=True))
    assert {counts[2, k] for k in range(CLASSES_DRAWN)} == {1}
    assert {counts[0, k] for k in range(CLASSES_DRAWN)} == {4}


def test_a_crisis_that_lacks_a_class_takes_no_part() -> None:
    rows = SEGMENTS.rows["train"]
    without = rows[(SEGMENTS.crisis[rows] != 2) | (SEGMENTS.label[rows] != 1)]
    mixes = Mixes(replace(SEGMENTS, rows={**SEGMENTS.rows, "train": without}), "train")
    assert mixes.crises.tolist() == [0, 1, 3, 4, 5]
    # asked for more distractors than there are other crises, a mix holds all of those
    assert mixes.draw(mixes.meant(), 16, np.random.default_rng(0))[0].shape[1] == 5


def test_words_stand_in_their_order_and_padding_at_the_end() -> None:
    segments = np.array([[0, 7], [3, 5]])
    batch = SEGMENTS.batch(segments, np.array([-1, -2]))
    for row, some in enumerate(segments):
        words = [SEGMENTS.states[SEGMENTS.starts[i] : SEGMENTS.starts[i] + SEGMENTS.lengths[i]] for i in some]
        n = sum(len(x) for x in words)
        torch.testing.assert_close(batch.text.tokens[row, :n], torch.cat(words))
        assert batch.text.mask[row].tolist() == [True] * n + [False] * (batch.text.mask.shape[1] - n)
        assert not batch.text.tokens[row, n:].any()
    unguided = SEGMENTS.batch(segments, None)
    assert not unguided.image.mask.any()
    assert not unguided.image.present.any()


def test_lambda_zero_has_the_same_start_and_one_map_less() -> None:
    torch.manual_seed(0)
    whole = SMALL.build(SEGMENTS.widths, CLASSES_DRAWN, "differential").eval()
    torch.manual_seed(0)
    held = SMALL.build(SEGMENTS.widths, CLASSES_DRAWN, "lambda_zero").eval()
    assert {n: p.shape for n, p in whole.named_parameters()} == {
        n: p.shape for n, p in held.named_parameters()
    }
    assert isinstance(whole, GuidedDifferential)
    assert isinstance(held, GuidedDifferential)
    assert held.state_dict().keys() == whole.state_dict().keys()
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), held.parameters(), strict=True))
    assert lambdas(held) == [[0.0, 0.0]]
    assert all(0 < x < 1 for x in (lambdas(whole) or [[0.0]])[0])
    batch = SEGMENTS.batch(np.array([[0, 7, 13]]), SEGMENTS.rows["guide"][:1])
    before, with_both = held(batch), whole(batch)
    assert not torch.allclose(before, with_both)
    # the second map's queries and keys do nothing where λ is 0
    layer = held.layers[0]
    with torch.no_grad():
        q, k, _ = layer.q_k_v.weight.chunk(3)  # type: ignore[union-attr, operator]
        for z in (q, k):
            z.unflatten(0, (2, 2, -1))[:, 1] += 1.0
    torch.testing.assert_close(held(batch), before)


def test_words_that_are_alike_look_at_each_other_at_first() -> None:
    for system in ("plain", "guided", "differential"):
        model = alike_at_first(SMALL.build(SEGMENTS.widths, CLASSES_DRAWN, system))
        for module in model.modules():
            if isinstance(module, MultiHeadAttention):
                assert torch.equal(module.k.weight, module.q.weight)
    assert lambdas(SMALL.build(SEGMENTS.widths, CLASSES_DRAWN, "plain")) is None


def test_all_are_near_without_distractors_and_who_has_no_guide_is_at_chance_with_many() -> None:
    prepared = Prepared(drawn(4, clear=6.0))
    study = replace(SMALL, passes=3, learned=(0,), rates=dict.fromkeys(Denoise.systems, 0.02))
    systems = ("guided", "unguided")
    alone = [study.run(prepared, Trial("humaid", name, 0, 0)).hits["accuracy"].mean() for name in systems]
    assert min(alone) > 0.9
    assert max(alone) - min(alone) < 0.1
    crowded = study.run(prepared, Trial("humaid", "unguided", 5, 0)).hits["accuracy"].mean()
    # six segments of three classes, two of each; four standard deviations of 72 posts
    assert crowded == pytest.approx(1 / 3, abs=0.22)


def test_the_guide_tells_which_segment_is_meant_among_more_than_were_learned() -> None:
    prepared = Prepared(drawn(9, clear=8.0))
    study = replace(
        SMALL, passes=12, batch=32, width=32, layers=2, learned=(1, 2), rates={"differential": 0.005}
    )
    crowded = study.run(prepared, Trial("humaid", "differential", 5, 0)).hits["accuracy"].mean()
    # without the guide a third is the best that can be
    assert crowded > 0.55


def test_a_trial_is_a_function_of_its_seed_and_one_training_serves_every_k() -> None:
    prepared, again = Prepared(SEGMENTS), Prepared(SEGMENTS)
    trial = Trial("humaid", "differential", 1, 3)
    first = SMALL.run(prepared, trial)
    model = prepared.trained["differential", 3]
    SMALL.run(prepared, trial._replace(at=2))
    assert prepared.trained["differential", 3] is model
    second = SMALL.run(again, trial)
    assert (first.hits["accuracy"] == second.hits["accuracy"]).all()
    assert first.facts == second.facts
    assert np.shape(first.facts["lambda"]) == (SMALL.layers, SMALL.heads)
    assert len(first.facts["losses"]) == SMALL.passes


def test_tweets_that_name_their_crisis_and_no_other_are_read_once(tmp_path: Path) -> None:
    write_humaid(tmp_path)
    read = read_segments(tmp_path, {"train": 2, "test": 1})
    assert Counter(one.part for one in read) == {"train": 2 * 17 * 5, "test": 17 * 5}
    assert all("of no crisis" not in one.text and "Dorian" not in one.text for one in read)
    with pytest.raises(DataError, match="crisis_text"):
        read_segments(tmp_path / "elsewhere", {"train": 2})


def test_it_is_prepared_from_the_tables(tmp_path: Path) -> None:
    write_humaid(tmp_path)
    study = replace(SMALL, pieces=3, encoder=EncoderSpec(name="hashing"))
    prepared, found = study.prepare("humaid", tmp_path, tmp_path / "cache")
    segments = prepared.segments
    assert [len(segments.rows[part]) for part in ("train", "test", "guide")] == [3 * 85, 85, 17]
    assert int(segments.lengths.max()) <= 3
    assert segments.crisis[segments.rows["guide"]].tolist() == list(range(17))
    assert study.prepare("humaid", tmp_path, tmp_path / "cache")[1] == found
    assert len(guides()) == len(CRISES)


def write_humaid(root: Path) -> None:
    """Tables in HumAID's form: of each crisis and class three training tweets, one for dev and test, and some
    that are not to be read.
    """
    folder = root / "crisis_text" / "humaid"
    folder.mkdir(parents=True)
    labels = ("missing_or_found_people", *CLASSES[1:])
    for part, count in (("train", 3), ("dev", 1), ("test", 1)):
        lines = ["event\ttweet_id\ttext\tlabel"]
        for crisis, names in CRISES.items():
            for label in labels:
                lines += [f"{crisis}\t1\t{part} {label} {i} near {names[0]}\t{label}" for i in range(count)]
            lines += [
                f"{crisis}\t2\tof no crisis\t{labels[0]}",
                f"{crisis}\t3\tDorian and Harvey\t{labels[1]}",
            ]
        (folder / f"{part}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
