"""Rationales in assessments: exact offsets, heat, contributions that add up, and nothing from a neighbor."""

import json
from pathlib import Path

import pytest

from crisislens.core.errors import ModelError, NotRegisteredError
from crisislens.data.tabular import read_posts
from crisislens.domain.assessment import Assessment
from crisislens.domain.post import Post
from crisislens.domain.rationale import Rationale
from crisislens.explain.contribution import coalition_logits
from crisislens.explain.rationalizer import Rationalizer
from crisislens.features.encode import collate
from crisislens.models.rationale_artifact import find_rationale_model, load_rationalizer
from crisislens.pipeline.analyst import Analyst
from crisislens.pipeline.rationale_annotator import RationaleAnnotator
from made_up_crisis import crisis_in
from tiny_bundles import write_bundle
from tiny_rationales import write_rationales

STRANGE = [
    Post(id="emoji", text="🌊🌊 Flood 👩‍👩‍👧‍👦 trapped 🏚️ in Ponce!!  https://t.co/x"),
    Post(id="rtl", text="فيضان في المدينة people need help עזרה דחופה"),
    Post(id="long", text=" ".join(f"word{i}" for i in range(1500))[:10_000]),
    Post(id="link", text="https://t.co/abc"),
    Post(id="nothing", text="  "),
    Post(id="mojibake", text="Weâ€™re trapped\u202e on the roof"),
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    root = tmp_path_factory.mktemp("rationales")
    (root / "bundle").mkdir()
    return (
        write_bundle(root / "bundle"),
        write_rationales(root / "rationales"),
        crisis_in(root / "crisis"),
    )


@pytest.fixture(scope="module")
def analyst(folders: tuple[Path, Path, Path]) -> Analyst:
    bundle, rationales, crisis = folders
    return Analyst.load(
        bundle, image_root=crisis.parent, annotators=[RationaleAnnotator(Rationalizer.load(rationales))]
    )


@pytest.fixture(scope="module")
def assessed(analyst: Analyst, folders: tuple[Path, Path, Path]) -> list[Assessment]:
    """What the analyst says of the made-up crisis."""
    return analyst.assess([row for row in read_posts(folders[2]) if isinstance(row, Post)])


def rationale(analyst: Analyst, post: Post) -> Rationale:
    [found] = analyst.assess([post])
    assert found.rationale is not None, found.notes
    return found.rationale


@pytest.mark.parametrize("post", STRANGE, ids=lambda p: p.id)
def test_spans_are_whole_words_of_the_text_as_posted(analyst: Analyst, post: Post) -> None:
    found = rationale(analyst, post)
    words = set(post.text.split())
    for span in found.text:
        assert set(post.text[span.start : span.end].split()) <= words
        assert 0 <= span.score <= 1
    if post.id in ("link", "nothing"):
        assert found.text == ()
    else:
        assert found.text
    if post.id == "emoji":
        assert all("https" not in post.text[s.start : s.end] for s in found.text)
    if post.id == "long":
        # each window has its stretch, so the evidence is spread over the text
        assert found.text[-1].end > 8000


def test_neighbors_change_nothing(analyst: Analyst, folders: tuple[Path, Path, Path]) -> None:
    posts = [*STRANGE, *(row for row in read_posts(folders[2]) if isinstance(row, Post))][:14]
    together = analyst.assess(posts)
    for post, among in zip(posts, together, strict=True):
        assert rationale(analyst, post) == among.rationale, post.id


def test_photos_get_heat_and_words_for_it(assessed: list[Assessment]) -> None:
    both = next(a for a in assessed if a.modalities == ("text", "image"))
    assert both.rationale is not None
    heat = both.rationale.image
    assert heat is not None
    assert len(heat.heat) == heat.rows * heat.columns
    assert max(heat.heat) == 1
    assert min(heat.heat) == 0
    assert "of the evidence lies in the" in heat.description
    photo_only = next(a for a in assessed if a.modalities == ("image",))
    assert photo_only.rationale is not None
    assert photo_only.rationale.image is None


def test_contributions_add_up_to_the_answer(
    analyst: Analyst, assessed: list[Assessment], folders: tuple[Path, Path, Path]
) -> None:
    encoded = analyst.encoder.encode([row for row in read_posts(folders[2]) if isinstance(row, Post)])
    shown = collate(encoded.features, analyst.encoder.encoders.widths())
    everything = frozenset(shown.modalities())
    logits = {
        task: coalition_logits(loaded.model, shown.only(loaded.meta.modalities))[everything]
        for task, loaded in analyst.models.items()
    }
    for i, found in enumerate(assessed):
        assert found.rationale is not None
        assert set(found.rationale.contributions) == set(logits)
        for task, c in found.rationale.contributions.items():
            assert c.label == found.tasks[task].label
            assert set(c.values) == set(found.modalities)
            total = c.base + sum(c.values.values())
            # each of at most three numbers is rounded to four digits
            assert total == pytest.approx(float(logits[task][i].max()), abs=2e-4)


def test_a_photo_that_a_model_is_not_shown_contributes_nothing(
    folders: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    _, rationales, crisis = folders
    write_bundle(tmp_path)
    config = tmp_path / "damage" / "config.json"
    values = json.loads(config.read_text())
    values["meta"]["modalities"] = ["text"]
    config.write_text(json.dumps(values))
    annotator = RationaleAnnotator(Rationalizer.load(rationales))
    analyst = Analyst.load(tmp_path, image_root=crisis.parent, annotators=[annotator])
    found = analyst.assess([row for row in read_posts(crisis) if isinstance(row, Post)])
    both = [a for a in found if a.modalities == ("text", "image")]
    assert both
    for a in both:
        assert a.rationale is not None
        c = a.rationale.contributions
        assert set(c["humanitarian"].values) == {"text", "image"}
        # of the label that is answered, whose logit no photo moved
        assert set(c["damage"].values) == {"text"}
        assert c["damage"].label == a.tasks["damage"].label


def test_another_image_encoder_gives_no_heat(folders: tuple[Path, Path, Path]) -> None:
    bundle, rationales, crisis = folders
    annotator = RationaleAnnotator(Rationalizer.load(rationales))
    analyst = Analyst.load(bundle, image_root=crisis.parent, annotators=[annotator])
    annotator._sees_photos = False
    shown = [row for row in read_posts(crisis) if isinstance(row, Post) and row.image is not None]
    found = analyst.assess(shown[:12])
    assert len(found) == 12
    assert all(a.rationale is not None and a.rationale.image is None for a in found)


def test_a_foreign_text_is_not_marked(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    only_english = write_rationales(tmp_path / "english", languages=("en",))
    analyst = Analyst.load(folders[0], annotators=[RationaleAnnotator(Rationalizer.load(only_english))])
    found = rationale(
        analyst,
        Post(id="1", text="Las inundaciones destruyeron el puente y muchas familias necesitan ayuda urgente"),
    )
    assert found.text == ()
    reads = "the model that marks words reads English only"
    assert found.note == f"{reads}, and this text seems to be Spanish: no words are marked"


def test_a_post_without_a_text_says_that_there_was_none(folders: tuple[Path, Path, Path]) -> None:
    bundle, rationales, crisis = folders
    annotator = RationaleAnnotator(Rationalizer.load(rationales))
    analyst = Analyst.load(bundle, image_root=crisis.parent, annotators=[annotator])
    shown = [row for row in read_posts(crisis) if isinstance(row, Post) and row.image is not None]
    found = rationale(analyst, shown[0].model_copy(update={"id": "alone", "text": ""}))
    assert found.note == "there is no text to read; no words are marked"


def test_what_is_wrong_with_a_model_is_one_sentence(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    import shutil

    with pytest.raises(NotRegisteredError, match="no rationale model named"):
        find_rationale_model("nothing")
    with pytest.raises(ModelError, match=r"lacks config\.json"):
        load_rationalizer(tmp_path)
    broken = shutil.copytree(folders[1], tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"junk")
    with pytest.raises(ModelError, match=r"model\.safetensors is of another save than config"):
        load_rationalizer(broken)


def test_the_shipped_model_finds_the_evidence_and_no_post_hangs_on_its_neighbors(tmp_path: Path) -> None:
    posts = [post for post in read_posts(crisis_in(tmp_path / "crisis")) if isinstance(post, Post)][:12]
    shipped = Analyst.load(
        "crisis-compact", image_root=tmp_path / "crisis", annotators=[RationaleAnnotator(Rationalizer.load())]
    )
    evidence = Post(
        id="x", text="Good morning from my desk. Two people died when the bridge collapsed in Harrow"
    )
    found = rationale(shipped, evidence)
    assert any("people died" in evidence.text[s.start : s.end] for s in found.text)
    assert not any("desk" in evidence.text[s.start : s.end] for s in found.text)
    together = shipped.assess(posts)
    assert any(a.rationale is not None and a.rationale.image is not None for a in together)
    assert [shipped.assess([post])[0].rationale for post in posts] == [a.rationale for a in together]


def test_the_language_that_a_post_is_marked_with_comes_first(
    folders: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    only_english = write_rationales(tmp_path / "english", languages=("en",))
    analyst = Analyst.load(folders[0], annotators=[RationaleAnnotator(Rationalizer.load(only_english))])
    text = "Flood destroyed homes and the bridge, families need rescue now"
    assert rationale(analyst, Post(id="en", text=text, lang="en")).text
    marked = rationale(analyst, Post(id="sw", text=text, lang="sw"))
    assert marked.text == ()
    assert "and this text is marked as being Swahili: no words are marked" in (marked.note or "")


def test_a_text_in_no_known_language_is_not_marked() -> None:
    analyst = Analyst.load("crisis-compact", annotators=[RationaleAnnotator(Rationalizer.load())])
    found = rationale(analyst, Post(id="1", text="wamenaswa shuleni tafadhali msaada haraka sana kijijini"))
    assert found.text == ()
    assert found.note == (
        "the model that marks words reads English only and cannot tell that this text is English: "
        "no words are marked"
    )


def test_whose_reason_it_is_that_nothing_is_marked(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    """The models that answer read the text, and the one that marks words does not."""
    only_english = write_rationales(tmp_path / "english", languages=("en",))
    analyst = Analyst.load(folders[0], annotators=[RationaleAnnotator(Rationalizer.load(only_english))])
    [found] = analyst.assess([Post(id="1", text="mujhe khana aur pani chahiye, meri madad karo")])
    assert found.unread is None
    assert found.rationale is not None
    assert found.rationale.note == (
        "the model that marks words reads English only, and this text seems to be Hindi or Urdu in Latin "
        "letters: no words are marked"
    )
