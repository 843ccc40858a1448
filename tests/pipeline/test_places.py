"""Places in `analyze`: named places and the point for every post, the kind of place where the encoder fits."""

from pathlib import Path

import pytest

from crisislens.domain.post import Post
from crisislens.pipeline.analyst import Analyst
from crisislens.pipeline.places import Places
from tiny_bundles import write_bundle

TEXTS = ["Bridge collapsed in San Juan, Puerto Rico", "We are at the hospital with the kids, no power here", "stay safe everyone", ""]
POSTS = [Post(id=str(i), text=text) for i, text in enumerate(TEXTS)]


@pytest.fixture(scope="module")
def places() -> Places:
    return Places()


def test_places_and_point_of_each_post(tmp_path: Path, places: Places) -> None:
    analyst = Analyst.load(write_bundle(tmp_path), annotators=[places])
    found = analyst.assess([*POSTS, Post(id="own", text="in Houston", lat=1.0, lon=2.0)])
    assert [[m.place.name for m in a.places] for a in found] == [["San Juan", "Puerto Rico"], [], [], [], ["Houston"]]
    assert found[0].location is not None
    assert found[0].location.place is not None
    assert found[0].location.place.name == "San Juan"
    assert found[2].location is None
    assert found[4].location is not None
    assert (found[4].location.lat, found[4].location.source) == (1.0, "post")
    assert analyst.assess(POSTS[:1])[0].places == found[0].places
    assert type(found[0]).model_validate_json(found[0].model_dump_json()) == found[0]
