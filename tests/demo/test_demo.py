"""The made-up crisis: the same bytes each time, everything a demo and a test need, nothing that could be
taken for real.
"""

import hashlib
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from crisislens.core.errors import ImageError, InputError, NotRegisteredError
from crisislens.data.images import decode_image, resolve_image
from crisislens.data.source import LabeledPost
from crisislens.data.tabular import read_posts
from crisislens.demo import EVENT, synthetic_labeled, write_synthetic_crisis
from crisislens.demo.pictures import SCENES, draw_scene
from crisislens.demo.stories import PLACES, SLOTS, stories
from crisislens.demo.town import write_town
from crisislens.domain.post import Post
from crisislens.domain.tasks import TASKS


def digests(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


@pytest.fixture(scope="module")
def crisis(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[LabeledPost]]]:
    folder = tmp_path_factory.mktemp("crisis")
    return folder, synthetic_labeled(folder, posts=72)


@pytest.fixture(scope="module")
def feed(crisis: tuple[Path, dict[str, list[LabeledPost]]]) -> list[Post]:
    rows = list(read_posts(crisis[0] / "posts.jsonl"))
    assert all(isinstance(row, Post) for row in rows)
    return rows


@pytest.fixture
def posts(feed: list[Post]) -> list[Post]:
    return feed[:60]  # what a demo shows


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in "abc"]
    for folder, seed in zip(folders, (0, 0, 1), strict=True):
        write_synthetic_crisis(folder, posts=6, seed=seed)
    first, second, third = map(digests, folders)
    assert first == second
    assert first.keys() == third.keys()
    assert all(first[name] != third[name] for name in first if name != "labels.jsonl")


def test_it_holds_what_a_demo_needs(posts: list[Post]) -> None:
    assert len(posts) == 60
    assert len({post.text for post in posts}) >= 40
    assert len({post.id for post in posts}) == 60
    assert {post.lang for post in posts} >= {"en", "es", "fr", "pt", "ar", "hi", None}
    assert sum(not post.has_text for post in posts) == 1
    assert sum(post.image is None for post in posts) >= 15
    assert sum(post.text.startswith("RT @") for post in posts) >= 2
    assert any(c >= "\U0001f300" for post in posts for c in post.text)
    assert any("â€™" in post.text for post in posts)
    times = [post.created_at for post in posts]
    assert all(times)
    assert 36 < (max(times) - min(times)).total_seconds() / 3600 < 48
    assert {post.event for post in posts} == {EVENT}
    assert sum(post.lat is not None for post in posts) >= 30


def test_one_photo_is_missing_one_is_cut_and_the_rest_decode(
    crisis: tuple[Path, dict[str, list[LabeledPost]]], posts: list[Post]
) -> None:
    reasons: Counter[str] = Counter()
    for post in posts:
        if post.image:
            try:
                found = decode_image(resolve_image(post.image, crisis[0]))
            except ImageError as error:
                reasons[error.reason] += 1
            else:
                assert min(found.pixels.shape[:2]) >= 200
                assert not found.notes
    assert dict(reasons) == {"missing": 1, "truncated": 1}


def test_nothing_points_to_the_real_world(posts: list[Post]) -> None:
    for post in posts:
        links = [word for word in post.text.split() if "://" in word]
        assert all(".example/" in link for link in links)
        if post.lat is not None:
            assert 44 < post.lat < 45.5  # open water in the Atlantic
            assert -22 < post.lon < -21


def test_every_label_belongs_to_its_task(
    crisis: tuple[Path, dict[str, list[LabeledPost]]], feed: list[Post]
) -> None:
    folder, labeled = crisis
    spaces = {
        "informativeness": TASKS["informativeness"],
        "humanitarian": TASKS["humanitarian_raw"],
        "damage": TASKS["damage_severity"],
    }
    assert labeled.keys() == spaces.keys()
    for task, rows in labeled.items():
        assert {spaces[task].resolve(row.label) for row in rows} == set(spaces[task].classes)
        assert {row.split for row in rows} == {"train", "dev", "test"}
        assert all(isinstance(row, LabeledPost) for row in rows)
    assert len(labeled["informativeness"]) == len(labeled["humanitarian"]) == 72
    assert all(row.post.image for row in labeled["damage"])
    assert {TASKS["humanitarian_b2"].resolve(row.label) for row in labeled["humanitarian"]} == set(
        TASKS["humanitarian_b2"].classes
    )
    by_id = {row.post.id: row for row in labeled["humanitarian"]}
    for line in (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        assert by_id[record["id"]].label == record["humanitarian"]
        assert (record["informativeness"] == "not_informative") == (
            record["humanitarian"] == "not_humanitarian"
        )
    as_written = [row.post.model_dump() for row in labeled["informativeness"]]
    assert as_written == [post.model_dump() for post in feed]


def test_a_long_feed_comes_back_to_its_stories_with_other_words(feed: list[Post]) -> None:
    again = feed[len(stories()) :]
    assert len(feed) == len({post.id for post in feed}) == 72
    assert len(again) == 8
    # a story has eight streets or seven names to choose from, so now and then it comes back with the same
    assert (
        len({post.text for post in again if post.has_text} - {post.text for post in feed[: len(stories())]})
        >= 4
    )


def test_a_short_feed_has_some_of_everything(tmp_path: Path) -> None:
    found = list(read_posts(write_synthetic_crisis(tmp_path, posts=9)))
    assert any(not post.has_text for post in found)
    assert any(post.image is None for post in found)
    assert {post.lang for post in found} >= {"en", "es"}
    with pytest.raises(InputError, match="at least one post, got posts=0"):
        write_synthetic_crisis(tmp_path, posts=0)


def test_every_story_can_be_told() -> None:
    blanks = dict.fromkeys(SLOTS, "x")
    for story in stories():
        story.text.format_map(blanks)
        assert story.scene is None or story.scene in SCENES
        assert story.place is None or story.place in PLACES
        assert story.humanitarian in TASKS["humanitarian_raw"].classes
        assert 0 <= story.hour <= 48
        assert story.photo == "whole" or story.scene


@pytest.mark.parametrize("scene", list(SCENES))
def test_every_scene_is_a_busy_picture(scene: str) -> None:
    pixels = np.asarray(draw_scene(scene, 3))
    assert pixels.shape == (360, 480, 3)
    assert pixels.std() > 15


def test_an_unknown_scene_is_one_sentence() -> None:
    with pytest.raises(
        NotRegisteredError, match=r"no scene named 'flooded_stret'.*did you mean 'flooded_street'"
    ):
        draw_scene("flooded_stret", 0)


def test_the_town_holds_every_place_of_the_posts(tmp_path: Path) -> None:
    town = json.loads(write_town(tmp_path / "town.geojson").read_text(encoding="utf-8"))
    land = town["features"][0]["geometry"]["coordinates"][0]
    lons, lats = [point[0] for point in land], [point[1] for point in land]
    names = {f["properties"]["name"]: f for f in town["features"] if f["geometry"]["type"] == "Point"}
    assert set(names) == set(PLACES)
    for lat, lon in PLACES.values():
        assert min(lats) < lat < max(lats)
        assert min(lons) < lon < max(lons)
