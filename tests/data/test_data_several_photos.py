"""Of a post with several photos none is dropped: files are read in their order, and the rest is named."""

import json
from pathlib import Path

import pytest

from crisislens.data.cells import MOST_IMAGES
from crisislens.data.incoming import as_posts
from crisislens.data.tabular import read_posts
from crisislens.domain.post import Post


def read(folder: Path, image: object) -> Post:
    path = folder / "posts.jsonl"
    path.write_text(json.dumps({"id": "1", "text": "flood", "image": image}), encoding="utf-8")
    [post] = read_posts(path)
    assert isinstance(post, Post)
    return post


@pytest.mark.parametrize(
    ("image", "paths"),
    [
        ("a.jpg;b.jpg", ["a.jpg", "b.jpg"]),
        (["a.jpg", "b.jpg", "a.jpg"], ["a.jpg", "b.jpg"]),
        ([{"path": "a.jpg"}, {"file": "b.png"}, {"url": "c.gif"}], ["a.jpg", "b.png", "c.gif"]),
        ('["a.jpg", "b.jpg"]', ["a.jpg", "b.jpg"]),
        ("flood, main street.jpg", ["flood, main street.jpg"]),
        ("a.jpg | b.jpg", ["a.jpg", "b.jpg"]),
        (["https://x.org/a.jpg", "b.jpg", "c.jpg"], ["b.jpg", "c.jpg"]),
        (["https://x.org/a.jpg", "https://x.org/b.jpg"], ["https://x.org/a.jpg"]),
        ([], []),
    ],
)
def test_all_files_of_a_cell_are_read(tmp_path: Path, image: object, paths: list[str]) -> None:
    post = read(tmp_path, image)
    assert [ref.path for ref in post.images] == paths
    assert post.image == (post.images[0] if paths else None)


def test_addresses_beside_files_are_named(tmp_path: Path) -> None:
    post = read(tmp_path, ["a.jpg", *(f"https://x.org/{i}.jpg" for i in range(7))])
    [remark] = post.remarks
    assert remark.startswith("photos that are addresses were not fetched: https://x.org/0.jpg")
    assert remark.endswith("and 2 more")


def test_what_stands_behind_the_limit_is_told(tmp_path: Path) -> None:
    post = read(tmp_path, [f"{i}.jpg" for i in range(MOST_IMAGES + 5)])
    assert len(post.images) == MOST_IMAGES
    assert post.remarks == (f"of a post's photos the first {MOST_IMAGES} are read; it may have more",)


def test_a_post_with_one_photo_is_written_as_before(tmp_path: Path) -> None:
    assert "more_images" not in read(tmp_path, "a.jpg").model_dump()


def test_a_table_says_how_many_posts_have_several(tmp_path: Path) -> None:
    path = tmp_path / "posts.csv"
    path.write_text('id,text,image\n1,a,"a.jpg;b.jpg"\n2,b,a.jpg\n3,c,"a.jpg;b.jpg;c.jpg"\n')
    source = read_posts(path)
    assert len(list(source)) == 3
    assert source.describe()["several_photos"] == 2


def test_values_of_a_program_hold_several_too() -> None:
    [post] = as_posts([{"text": "flood", "image": ["a.jpg", "b.jpg"]}])
    assert [ref.path for ref in post.images] == ["a.jpg", "b.jpg"]
