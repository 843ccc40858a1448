"""Entity and relation scores: by hand, equal to seqeval and scikit-learn, and compared between systems."""

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crisislens.core.errors import InputError
from crisislens.data.mnre import MNRE
from crisislens.domain.extraction import NO_RELATION, Link, Mention
from crisislens.domain.tags import spans_of_bio
from crisislens.evaluation.extraction import (
    entity_report,
    paired_f1,
    post_counts,
    quintuple_report,
    quintuples,
    relation_report,
)

TAGS = ["O", "O", "B-PER", "I-PER", "B-LOC", "I-LOC"]


@st.composite
def tag_files(draw: st.DrawFn) -> tuple[list[list[str]], list[list[str]]]:
    sizes = draw(st.lists(st.integers(1, 7), min_size=1, max_size=5))
    rows = [[draw(st.lists(st.sampled_from(TAGS), min_size=n, max_size=n)) for n in sizes] for _ in range(2)]
    return rows[0], rows[1]


@given(tag_files())
@settings(max_examples=80, deadline=None)
@pytest.mark.filterwarnings("ignore")
def test_entities_are_scored_as_seqeval_does(files: tuple[list[list[str]], list[list[str]]]) -> None:
    from seqeval.metrics import classification_report, f1_score, precision_score, recall_score

    gold, said = files
    report = entity_report([spans_of_bio(t) for t in gold], [spans_of_bio(t) for t in said], resamples=2)
    kept = [float(score(gold, said, zero_division=0)) for score in (precision_score, recall_score, f1_score)]
    assert [report.micro.precision, report.micro.recall, report.micro.f1] == pytest.approx(kept)
    lines = classification_report(gold, said, output_dict=True, zero_division=0) if report.types else {}
    for kind, score in report.types.items():
        if score.marked or kind in lines:
            assert [score.precision, score.recall, score.f1] == pytest.approx(
                [lines[kind][k] for k in ("precision", "recall", "f1-score")]
            )


@pytest.mark.real
@pytest.mark.parametrize("name", ["twitter2015", "twitter2017"])
def test_a_published_file_is_scored_as_seqeval_does(shared_data: Path, name: str) -> None:
    from seqeval.metrics import classification_report

    blocks = (shared_data / "mner" / name / "test.txt").read_text(encoding="utf-8").split("IMGID:")[1:]
    gold = [
        [line.split("\t")[-1].strip() for line in block.splitlines()[1:] if "\t" in line] for block in blocks
    ]
    draw = random.Random(0)
    # what a poor model would say: some tags lost, some of another kind
    said = [
        [
            "O" if draw.random() < 0.15 else tag.replace("PER", "ORG") if draw.random() < 0.1 else tag
            for tag in tags
        ]
        for tags in gold
    ]
    report = entity_report([spans_of_bio(t) for t in gold], [spans_of_bio(t) for t in said], resamples=2)
    assert report.posts == len(blocks) > 700
    assert 0.5 < report.micro.f1 < 0.95
    kept = classification_report(gold, said, output_dict=True)
    for score, line in [
        (report.micro, kept["micro avg"]),
        *((report.types[kind], kept[kind]) for kind in report.types),
    ]:
        assert [score.precision, score.recall, score.f1] == pytest.approx(
            [line[k] for k in ("precision", "recall", "f1-score")]
        )
        assert score.marked == line["support"]
    assert len(report.types) == 4


@pytest.mark.real
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_published_file_of_relations_is_scored_as_scikit_learn_does(
    shared_data: Path, version: str
) -> None:
    from sklearn.metrics import precision_recall_fscore_support

    source = MNRE(shared_data / "mnre", version)
    gold = [post.links[0].type for post in source.load("test")]
    draw, names = random.Random(0), source.relations()
    said = [draw.choice(names) if draw.random() < 0.3 else name for name in gold]
    report = relation_report(gold, said)
    wanted = [name for name in dict.fromkeys([*gold, *said]) if name != NO_RELATION]
    p, r, f, _ = precision_recall_fscore_support(gold, said, labels=wanted, average="micro")
    assert (report.micro.precision, report.micro.recall, report.micro.f1) == pytest.approx((p, r, f))
    each = zip(*precision_recall_fscore_support(gold, said, labels=wanted, zero_division=0), strict=True)
    for name, (p, r, f, marked) in zip(wanted, each, strict=True):
        score = report.types[name]
        assert (score.precision, score.recall, score.f1, score.marked) == pytest.approx((p, r, f, marked))
    assert 0.5 < report.micro.f1 < 0.9


def test_relations_leave_none_out_as_scikit_learn_does_with_labels() -> None:
    from sklearn.metrics import precision_recall_fscore_support

    draw = np.random.default_rng(0)
    names = ["None", "/a/b/c", "/a/b/d"]
    gold, said = ([names[i] for i in draw.integers(0, 3, 200)] for _ in range(2))
    p, r, f, _ = precision_recall_fscore_support(gold, said, labels=names[1:], average="micro")
    score = relation_report(gold, said).micro
    assert (score.precision, score.recall, score.f1) == pytest.approx((p, r, f))


def test_pairs_of_one_post_are_resampled_together() -> None:
    # ten posts with eight equal answers each: as many independent answers as posts, not eight times as many
    names = ["/a/b/c"] * 80
    said = [name if i // 8 % 2 else "None" for i, name in enumerate(names)]
    alone, together = (
        relation_report(names, said, posts=posts) for posts in (None, [i // 8 for i in range(80)])
    )
    assert alone.micro == together.micro
    assert together.high - together.low > 2 * (alone.high - alone.low)
    assert (alone.posts, together.posts) == (80, 10)
    with pytest.raises(InputError, match="3 posts were named for 80 rows"):
        relation_report(names, said, posts=[1, 2, 3])


def test_by_hand_and_where_nothing_is() -> None:
    a, b = Mention(0, 2, "PER"), Mention(3, 4, "LOC")
    report = entity_report([[a, b], []], [[a, Mention(3, 4, "ORG")], [b]])
    assert (report.micro.right, report.micro.marked, report.micro.found) == (1, 2, 3)
    assert report.micro.f1 == pytest.approx(2 / 5)
    assert report.types["ORG"].f1 == report.types["LOC"].f1 == 0
    assert report.low <= report.micro.f1 <= report.high
    assert entity_report([[]], [[]]).micro.f1 == 0


def test_quintuples_need_all_five() -> None:
    mentions = [Mention(0, 1, "PER"), Mention(2, 3, "LOC")]
    right = quintuples(mentions, [Link(0, 1, "/per/loc/place_of_birth"), Link(1, 0, "None")])
    assert right == [(mentions[0], mentions[1], "place_of_birth")]
    other = quintuples([mentions[0], Mention(2, 3, "ORG")], [Link(0, 1, "/per/org/place_of_birth")])
    assert quintuple_report([right], [right]).micro.f1 == 1
    assert quintuple_report([right], [other]).micro.f1 == 0


def test_paired_difference_is_on_the_same_posts() -> None:
    posts = [[Mention(i, i + 1, "PER")] for i in range(60)]
    half = [row if i % 2 else [] for i, row in enumerate(posts)]
    good, bad = post_counts(posts, posts), post_counts(posts, half)
    d = paired_f1([good, good], [bad], resamples=500)
    assert (d.a, d.b) == pytest.approx((1.0, 2 * 30 / 90))
    assert 0 < d.low < d.difference < d.high
    assert d.p_value < 0.01
    same = paired_f1([bad], [bad], resamples=100)
    assert (same.difference, same.low, same.high, same.p_value) == (0, 0, 0, 1)


def test_seeds_that_lie_apart_widen_the_interval_where_they_are_drawn() -> None:
    posts = [[Mention(i, i + 1, "PER")] for i in range(200)]
    none: list[list[Mention]] = [[] for _ in posts]
    found = {share: [row if i % 10 < share else [] for i, row in enumerate(posts)] for share in (5, 6, 9)}
    apart = [post_counts(posts, found[share]) for share in (5, 9)]
    steady = [post_counts(posts, found[6])] * 2
    alone, drawn = (paired_f1(apart, steady, resamples=2000, same_seeds=both) for both in (False, True))
    assert alone.difference == drawn.difference
    assert drawn.high - drawn.low > 2 * (alone.high - alone.low)
    assert drawn.detectable > alone.detectable
    # the ends are those of one seed taken twice
    assert drawn.low < paired_f1(apart[:1], steady[:1]).difference < drawn.high
    # seeds that agree, and a single one, add nothing
    one = paired_f1(steady, [post_counts(posts, none)] * 2, resamples=300, same_seeds=True)
    assert one == paired_f1(steady[:1], [post_counts(posts, none)], resamples=300, same_seeds=True)
    with pytest.raises(InputError, match="2 seeds of one system and 1 of the other"):
        paired_f1(apart, steady[:1], same_seeds=True)


def test_what_does_not_belong_together_is_refused() -> None:
    with pytest.raises(InputError, match="1 predictions"):
        entity_report([[], []], [[]])
    with pytest.raises(InputError, match="no posts"):
        entity_report([], [])
    with pytest.raises(InputError, match="same posts"):
        paired_f1([np.zeros((2, 3), np.int64)], [np.zeros((3, 3), np.int64)])
