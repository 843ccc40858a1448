"""Writes the made-up crisis: posts, pictures and labels, the same bytes for the same seed.

A feed longer than the list of stories comes back to them with other blanks filled. The bytes of the
pictures are those of one version of Pillow; another may compress differently.
"""

import io
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from PIL import Image

from crisislens.core.errors import DataError, InputError
from crisislens.core.files import atomic_write
from crisislens.core.fingerprint import fingerprint
from crisislens.data.catalog import DataConfig, OwnTask
from crisislens.data.labeled import PARTS, LabeledData
from crisislens.data.source import LabeledPost
from crisislens.demo.pictures import draw_scene
from crisislens.demo.stories import PLACES, REACTIONS, SLOTS, Story, stories
from crisislens.domain.post import ImageRef, Post
from crisislens.domain.tasks import SETTINGS

__all__ = ["EVENT", "Told", "read_labeled", "synthetic_labeled", "told_posts", "write_synthetic_crisis"]

EVENT = "storm_ilva"
_START = datetime(2026, 3, 6, 4, 0, tzinfo=UTC)
_DAMAGE = {
    "flooded_street": "severe_damage",
    "flood_aerial": "severe_damage",
    "burnt_house": "severe_damage",
    "wildfire_ridge": "severe_damage",
    "collapsed_building": "severe_damage",
    "broken_bridge": "severe_damage",
    "crushed_car": "severe_damage",
    "fallen_tree": "mild_damage",
    "roof_damage": "mild_damage",
    "rescue_boat": "mild_damage",
}
# the third, since every run of posts has several answers there, and development posts need them
_SPLITS = ("train", "train", "dev", "train", "test")


@dataclass(frozen=True)
class _Entry:
    """A story told: the post, its labels by task, and the seed of its picture."""

    story: Story
    post: Post
    labels: dict[str, str]
    seed: int


@dataclass(frozen=True)
class Told:
    """A made-up post whose picture is drawn when it is asked for.

    Attributes:
        post: The post.
        entry: Where it comes from.
    """

    post: Post
    entry: _Entry

    def picture(self) -> bytes | None:
        """The file of its picture; None where it has none, or it is missing."""
        return _picture(self.entry.story, self.entry.seed)


def told_posts(posts: int, *, start: int = 0, seed: int = 0) -> Iterator[Told]:
    """The posts of `write_synthetic_crisis` without a folder: words at once, pictures when asked for.

    Arguments:
        posts: How many.
        start: How many are passed over.
        seed: As there.
    """
    for entry in _entries(posts, seed, start=start):
        yield Told(entry.post, entry)


def write_synthetic_crisis(folder: Path, *, posts: int = 60, seed: int = 0) -> Path:
    """Writes `posts.jsonl`, `images/` and `labels.jsonl` into a folder.

    Among the posts are photos without text, texts without photo, near-duplicates, a photo that is
    missing and one that is cut off.

    Arguments:
        folder: Made if it is not there; files of these names are replaced.
        posts: How many, at least 1.
        seed: Decides names, numbers, colors and coordinates.

    Returns:
        The path of `posts.jsonl`.

    Raises:
        InputError: If fewer than one post is asked for.
    """
    if posts < 1:
        raise InputError(f"a crisis needs at least one post, got posts={posts}")
    folder = Path(folder)
    lines, labels = [], []
    for entry in _entries(posts, seed):
        picture = _picture(entry.story, entry.seed)
        if entry.post.image is not None and picture is not None:
            atomic_write(folder / entry.post.image.path, picture)
        lines.append(json.dumps(_record(entry.post), ensure_ascii=False))
        labels.append(
            json.dumps(
                {
                    "id": entry.post.id,
                    **{
                        task: entry.labels.get(task) for task in ("informativeness", "humanitarian", "damage")
                    },
                }
            )
        )
    atomic_write(folder / "labels.jsonl", "\n".join(labels) + "\n")
    atomic_write(folder / "posts.jsonl", "\n".join(lines) + "\n")
    return folder / "posts.jsonl"


def synthetic_labeled(folder: Path, *, posts: int = 60, seed: int = 0) -> dict[str, list[LabeledPost]]:
    """Writes the same crisis and returns its posts with labels, by task.

    Arguments:
        folder: Where `write_synthetic_crisis` writes; image paths start from it.
        posts: How many.
        seed: As there.

    Returns:
        From `informativeness`, `humanitarian` (raw labels of CrisisMMD) and `damage` to the posts
            that have a
        label for it: every post, or for damage every post with a picture. Of five posts three are
            `train`, one `dev` and one `test`.
    """
    write_synthetic_crisis(folder, posts=posts, seed=seed)
    labeled: dict[str, list[LabeledPost]] = {
        "informativeness": [],
        "humanitarian": [],
        "damage": [],
    }
    for i, entry in enumerate(_entries(posts, seed)):
        for task, label in entry.labels.items():
            labeled[task].append(LabeledPost(entry.post, label, _SPLITS[i % len(_SPLITS)]))
    return labeled


def read_labeled(config: DataConfig, task: OwnTask) -> LabeledData:
    """The made-up crisis as labeled posts of one setting, for the catalog of data sets.

    Raises:
        DataError: If no setting is named, or a task of one's own is.
    """
    if config.setting is None or task != OwnTask():
        raise DataError("the made-up crisis answers the settings of CrisisMMD; name one in data.setting")
    space = SETTINGS[config.setting]
    every = synthetic_labeled(config.root, posts=config.posts)[space.question]
    kept = [labeled for labeled in every if space.resolve(labeled.label) is not None]
    splits: dict[str, list[LabeledPost]] = {part: [] for part in PARTS}
    for labeled in kept:
        splits[labeled.split].append(labeled)
    identity: dict[str, object] = {
        "kind": "made-up crisis",
        "setting": config.setting,
        "posts": config.posts,
    }
    return LabeledData(space, splits, config.root, fingerprint(identity), identity)


def _entries(posts: int, seed: int, *, start: int = 0) -> Iterator[_Entry]:
    told = stories()
    first = {story.scene: place for place, story in reversed(list(enumerate(told)))}
    for i in range(start, start + posts):
        turn, place = divmod(i, len(told))
        story = told[place]
        # a photo that is seen again must be drawn from the same chance as the first one of its
        # scene
        drawn_at = first[story.scene] if story.photo == "again" else place
        chance = seed * 1_000_003 + turn * len(told) + drawn_at
        yield _Entry(story, _post(story, i, turn, random.Random(chance)), _labels(story), chance)


def _post(story: Story, i: int, turn: int, rng: random.Random) -> Post:
    name = f"velmora-{i + 1:03d}"
    text = story.text.format_map({slot: rng.choice(values) for slot, values in SLOTS.items()})
    # a text without blanks would come again word by word, and near-duplicates would be found
    # where none are meant
    if turn and text == story.text and text:
        text = rng.choice(REACTIONS) + text
    lat, lon = PLACES[story.place] if story.place else (None, None)
    # minutes apart, as a feed is: equal times would sort by id
    later = timedelta(hours=story.hour, minutes=rng.randrange(-9, 10), seconds=rng.randrange(60))
    return Post(
        id=name,
        text=text,
        image=ImageRef(path=f"images/{name}.jpg") if story.scene else None,
        created_at=_START + later + timedelta(minutes=turn),
        lang=story.lang,
        lat=None if lat is None else round(lat + rng.uniform(-0.002, 0.002), 5),
        lon=None if lon is None else round(lon + rng.uniform(-0.002, 0.002), 5),
        event=EVENT,
    )


def _labels(story: Story) -> dict[str, str]:
    informative = "not_informative" if story.humanitarian == "not_humanitarian" else "informative"
    labels = {"informativeness": informative, "humanitarian": story.humanitarian}
    return {**labels, "damage": _DAMAGE.get(story.scene, "little_or_no_damage")} if story.scene else labels


def _picture(story: Story, seed: int) -> bytes | None:
    """The file of a story's picture, None where there is none or it is missing."""
    if story.scene is None or story.photo == "missing":
        return None
    picture = draw_scene(story.scene, seed)
    if story.photo == "again":
        picture = picture.resize((picture.width * 4 // 5, picture.height * 4 // 5), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=70 if story.photo == "again" else 85)
    return buffer.getvalue()[: buffer.tell() * 2 // 5] if story.photo == "cut" else buffer.getvalue()


def _record(post: Post) -> dict[str, object]:
    """A post as a platform's export has it: flat, without what it does not have."""
    record = post.model_dump(mode="json", exclude={"image"}, exclude_none=True)
    return {**record, "image": post.image.path} if post.image else record
