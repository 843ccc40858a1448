"""One path for one post and for many; nothing a post says or shows costs another post."""

import json
from pathlib import Path

import pytest

from crisislens.core.errors import ModelError, NotRegisteredError
from crisislens.data.tabular import read_posts
from crisislens.domain.assessment import Assessment
from crisislens.domain.post import ImageRef, Post
from crisislens.pipeline.analyst import Analyst
from crisislens.pipeline.bundle import Bundle
from crisislens.pipeline.joining import find_bundle
from made_up_crisis import crisis_in
from tiny_bundles import write_bundle


@pytest.fixture(scope="module")
def crisis(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return crisis_in(tmp_path_factory.mktemp("crisis"))


@pytest.fixture(scope="module")
def posts(crisis: Path) -> list[Post]:
    return [row for row in read_posts(crisis) if isinstance(row, Post)]


def same(a: Assessment, b: Assessment) -> bool:
    """Equal but for the time and the last digit of a probability, which rounding may flip."""
    if (a.post, a.modalities, a.notes, a.language) != (b.post, b.modalities, b.notes, b.language):
        return False
    return all(
        a.tasks[k].label == b.tasks[k].label
        and a.tasks[k].abstained == b.tasks[k].abstained
        and all(
            abs(a.tasks[k].probabilities[c] - b.tasks[k].probabilities[c]) < 2e-4
            for c in a.tasks[k].probabilities
        )
        for k in a.tasks
    )


def test_every_post_gets_every_task_and_its_provenance(
    tiny_bundle: Path, crisis: Path, posts: list[Post]
) -> None:
    analyst = Analyst.load(tiny_bundle, image_root=crisis.parent)
    found = analyst.assess(posts)
    assert [a.post for a in found] == posts
    for a in found:
        assert set(a.tasks) == {"informativeness", "humanitarian", "damage"}
        assert a.provenance.model_fingerprint == analyst.fingerprint
        assert all(t.abstained == (t.reason is not None) for t in a.tasks.values())
        assert all(max(t.probabilities, key=t.probabilities.__getitem__) == t.label for t in a.tasks.values())
    kinds = {a.modalities for a in found}
    assert {("text",), ("image",), ("text", "image")} <= kinds


def test_what_reading_changed_stands_in_the_notes(tiny_bundle: Path) -> None:
    plain = Post(id="1", text="Bridge is down, families need rescue")
    read = plain.model_copy(update={"remarks": ("the text was HTML; markup was removed",), "doubt": "No."})
    first, second = Analyst.load(tiny_bundle).assess([plain, read])
    assert first.notes == ()
    assert second.notes == ("the text was HTML; markup was removed",)
    assert {task.reason for task in second.tasks.values()} == {"No."}
    assert "markup" not in second.post.model_dump_json()


def test_a_result_does_not_depend_on_the_other_posts(
    tiny_bundle: Path, crisis: Path, posts: list[Post]
) -> None:
    analyst = Analyst.load(tiny_bundle, image_root=crisis.parent)
    together = analyst.assess(posts)
    assert all(same(analyst.assess([post])[0], a) for post, a in zip(posts, together, strict=True))
    backwards = Analyst.load(tiny_bundle, image_root=crisis.parent, batch_posts=3).assess(posts[::-1])[::-1]
    assert all(same(a, b) for a, b in zip(together, backwards, strict=True))


def test_a_photo_that_cannot_be_read_is_missing_and_said(tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not a photo")
    text = "Flood on Main Street, people on roofs"
    bad = [
        ImageRef(path=p)
        for p in ("broken.jpg", "nowhere.jpg", "../outside.jpg", "/etc/passwd", "https://example.org/a.jpg")
    ]
    analyst = Analyst.load(tiny_bundle, image_root=tmp_path)
    alone, *rest = analyst.assess(
        [Post(id="0", text=text), *(Post(id=str(i), text=text, image=ref) for i, ref in enumerate(bad, 1))]
    )
    for a in rest:
        assert a.modalities == ("text",)
        assert a.tasks == alone.tasks
        assert any("photo" in note for note in a.notes), a.notes


def test_a_post_with_nothing_is_answered_not_sure(tiny_bundle: Path) -> None:
    [found] = Analyst.load(tiny_bundle).assess([Post(id="1", text=" \u200b ")])
    assert found.modalities == ()
    assert all(t.reason == "The post has no readable text or photo." for t in found.tasks.values())


def test_no_posts_are_no_assessments(tiny_bundle: Path) -> None:
    assert Analyst.load(tiny_bundle).assess([]) == []


def test_a_foreign_text_is_not_sure(tmp_path: Path) -> None:
    analyst = Analyst.load(write_bundle(tmp_path, languages=("en",)))
    spanish = Post(
        id="1", text="El puente se ha caído y muchas familias necesitan agua y comida en el pueblo"
    )
    english = Post(id="2", text="The bridge has collapsed and many families need water and food in the town")
    found = analyst.assess([spanish, english])
    assert [a.language for a in found] == ["es", "en"]
    assert all("another language (es)" in (t.reason or "") for t in found[0].tasks.values())
    assert not any("language" in (t.reason or "") for t in found[1].tasks.values())


def test_unknown_and_damaged_bundles_are_refused(tiny_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(
        NotRegisteredError, match="no model named 'tinny' and no such folder; models that ship"
    ):
        find_bundle("tinny")
    with pytest.raises(ModelError, match=r"holds no readable bundle\.json"):
        Bundle.read(tmp_path)
    (tmp_path / "bundle.json").write_text("{")
    with pytest.raises(ModelError, match="is not readable JSON"):
        Bundle.read(tmp_path)
    config = json.loads((tiny_bundle / "bundle.json").read_text())
    config["tasks"]["damage"]["artifact"] = "../../elsewhere"
    (tmp_path / "bundle.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="lies outside of it"):
        Bundle.read(tmp_path)


def test_a_model_of_another_encoder_is_refused(tiny_bundle: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(tiny_bundle, tmp_path / "b")
    path = tmp_path / "b" / "damage" / "config.json"
    config = json.loads(path.read_text())
    config["meta"]["encoder_fingerprint"] = "0" * 16
    path.write_text(json.dumps(config))
    with pytest.raises(ModelError, match="was trained on encoder 0000"):
        Analyst.load(tmp_path / "b")
