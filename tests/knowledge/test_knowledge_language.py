"""English posts are read as English ones, whichever code says so."""

import pytest

from crisislens.domain.post import Post
from crisislens.knowledge.gazetteer import load_gazetteer
from crisislens.knowledge.mentions import find_places


@pytest.mark.parametrize("code", ["en-US", "en_GB", "eng", None])
def test_places_do_not_hang_on_how_english_is_written(code: str | None) -> None:
    gazetteer = load_gazetteer()
    post = Post(id="1", text="Flood in Valencia", lang="en")
    marked = post.model_copy(update={"lang": code})
    assert find_places(marked, gazetteer) == find_places(post, gazetteer)
    spanish = post.model_copy(update={"lang": "es"})
    assert find_places(spanish, gazetteer) != find_places(post, gazetteer)
