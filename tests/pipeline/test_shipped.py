"""The bundle that the package ships, on the posts that the package ships."""

from pathlib import Path

import numpy as np
import pytest
from jaxtyping import Float

from crisislens.data.tabular import read_posts
from crisislens.domain.post import Post
from crisislens.nn.device import one_thread_each
from crisislens.pipeline.analyst import DEFAULT_BUNDLE, Analyst
from crisislens.pipeline.heads import head_logits
from made_up_crisis import crisis_in


@pytest.fixture(scope="module")
def posts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Post]]:
    path = crisis_in(tmp_path_factory.mktemp("crisis"))
    return path.parent, [row for row in read_posts(path) if isinstance(row, Post)]


def few_of_each_kind(rows: list[Post]) -> list[Post]:
    """At most three of a kind: every language, with and without a text and a photo."""
    kinds: dict[tuple[str | None, bool, bool], list[Post]] = {}
    for post in rows:
        kinds.setdefault((post.lang, post.has_text, post.image is not None), []).append(post)
    assert len(kinds) >= 8
    return [post for alike in kinds.values() for post in alike[:3]]


def test_a_result_is_equal_bit_for_bit_alone_and_among_others(posts: tuple[Path, list[Post]]) -> None:
    root, every = posts
    rows = few_of_each_kind(every)
    analyst = Analyst.load(DEFAULT_BUNDLE, image_root=root)
    with one_thread_each():
        widths = analyst.encoder.encoders.widths()
        models = {name: loaded.model for name, loaded in analyst.models.items()}

        def logits_of(some: list[Post]) -> dict[str, Float[np.ndarray, "b c"]]:
            return head_logits(models, analyst.encoder.encode(some).features, widths)

        together, backwards = logits_of(rows), logits_of(rows[::-1])
        for i, post in enumerate(rows):
            alone = logits_of([post])
            for task, logits in together.items():
                assert (alone[task][0] == logits[i]).all(), (task, post.id)
                assert (backwards[task][len(rows) - 1 - i] == logits[i]).all(), (task, post.id)
