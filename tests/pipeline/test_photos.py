"""All photos of a post are looked at; the most telling one counts, whoever stands beside the post."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crisislens.domain.assessment import Assessment
from crisislens.domain.post import ImageRef, Post
from crisislens.pipeline.analyst import Analyst
from crisislens.pipeline.annotator import Annotator
from crisislens.runs.pictures import picture_marks
from crisislens.runs.step import Chunk

NAMES = tuple(f"{i}.png" for i in range(6))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for seed, name in enumerate(NAMES):
        noise = np.random.default_rng(seed).integers(0, 255, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(noise // (seed + 1)).save(folder / name)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not a photo")
    return folder


def post_with(*names: str, text: str = "Families need rescue", id: str = "1") -> Post:
    first, *rest = [ImageRef(path=name) for name in names]
    return Post(id=id, text=text, image=first, more_images=tuple(rest))


def alone(analyst: Analyst, *names: str, text: str = "Families need rescue") -> dict[str, Assessment]:
    posts = [post_with(name, text=text) for name in names]
    return dict(zip(names, analyst.assess(posts), strict=True))


@pytest.mark.parametrize("text", ["Families need rescue", "", "flood " * 400])
def test_the_most_urgent_photo_decides(tiny_bundle: Path, folder: Path, text: str) -> None:
    analyst = Analyst.load(tiny_bundle, image_root=folder)
    one_by_one = alone(analyst, *NAMES, text=text)
    assert len({a.urgency for a in one_by_one.values()}) > 1
    best = max(NAMES, key=lambda name: one_by_one[name].urgency)
    [found] = analyst.assess([post_with(*NAMES, text=text)])
    assert found.photo == best
    assert found.urgency == one_by_one[best].urgency
    assert found.tasks == one_by_one[best].tasks
    assert found.shown.image == ImageRef(path=best)
    place = NAMES.index(best) + 1
    assert (
        f"the post has 6 photos and all were looked at; the answers are those of photo {place}, {best}"
        in (" ".join(found.notes))
    )


def test_the_first_of_equals_decides(tiny_bundle: Path, folder: Path) -> None:
    analyst = Analyst.load(tiny_bundle, image_root=folder)
    (folder / "copy.png").write_bytes((folder / NAMES[0]).read_bytes())
    [found] = analyst.assess([post_with("copy.png", NAMES[0])])
    assert found.photo == "copy.png"


@pytest.mark.parametrize(
    ("names", "photo", "said"),
    [
        (("broken.jpg", "0.png"), "0.png", "1 could be looked at; the answers are those of photo 2, 0.png"),
        (("gone.jpg", "0.png", "broken.jpg"), "0.png", "no picture at 'gone.jpg'"),
        (("broken.jpg", "gone.jpg"), None, "photo could not be used"),
        (("0.png", "../../etc/passwd"), "0.png", "climbs out of its folder"),
        (tuple(f"gone{i}.jpg" for i in range(9)), None, "4 more photos could not be used"),
    ],
)
def test_what_cannot_be_used_is_said_and_never_wins(
    tiny_bundle: Path, folder: Path, names: tuple[str, ...], photo: str | None, said: str
) -> None:
    [found] = Analyst.load(tiny_bundle, image_root=folder).assess([post_with(*names)])
    assert found.photo == photo
    assert ("image" in found.modalities) == (photo is not None)
    assert said in "; ".join(found.notes)


def test_without_an_image_folder_it_is_said_once(tiny_bundle: Path) -> None:
    [found] = Analyst.load(tiny_bundle).assess([post_with("a.jpg", "b.jpg", "c.jpg")])
    assert found.notes == ("photo was not read: no image folder was given",)
    assert found.photo is None


def test_the_choice_does_not_depend_on_other_posts(tiny_bundle: Path, folder: Path) -> None:
    analyst = Analyst.load(tiny_bundle, image_root=folder)
    posts = [
        post_with(*NAMES[i:], *NAMES[:i], id=str(i), text="flood " * (1 if i % 2 else 300)) for i in range(6)
    ]
    # more photos than are looked at together
    posts += [post_with(*(NAMES * 8), id="many"), Post(id="none", text="Bridge is down")]
    together = analyst.assess(posts)
    apart = [Analyst.load(tiny_bundle, image_root=folder).assess([post])[0] for post in posts]
    assert [a.photo for a in together] == [a.photo for a in apart]
    assert [a.tasks for a in together] == [a.tasks for a in apart]
    assert together[-1].photo is None


def test_the_record_says_which_photo_decided_and_reads_back(tiny_bundle: Path, folder: Path) -> None:
    several, one = Analyst.load(tiny_bundle, image_root=folder).assess(
        [post_with(*NAMES), post_with("0.png", id="2")]
    )
    assert Assessment.model_validate_json(several.model_dump_json()) == several
    assert "photo" not in one.model_dump()
    assert "photo" in Assessment.model_json_schema()["properties"]


def test_annotators_see_the_photo_that_decided(tiny_bundle: Path, folder: Path) -> None:
    class Watching:
        name, tokens = "watching", ()

        def __init__(self) -> None:
            self.seen: list[Post] = []

        def fingerprint(self) -> str:
            return "0" * 16

        def annotate(self, posts: list[Post], encoded: object) -> list[dict[str, object]]:
            self.seen += posts
            return [{} for _ in posts]

    watching = Watching()
    annotators: list[Annotator] = [watching]  # type: ignore[list-item]
    [found] = Analyst.load(tiny_bundle, image_root=folder, annotators=annotators).assess([post_with(*NAMES)])
    assert [post.image for post in watching.seen] == [ImageRef(path=str(found.photo))]


def test_a_replaced_second_photo_is_seen_by_a_resumed_run(folder: Path) -> None:
    marks = picture_marks(Chunk(0, 0, (post_with("0.png", "1.png", "gone.jpg"),)), folder)
    assert [mark[0] for mark in marks] == ["0.png", "1.png", "gone.jpg"]
