"""A bundle from somebody else is data: it lifts no limit, names no file outside, and whatever its bytes are
it costs one sentence.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from crisislens.core.errors import CrisisLensError, ModelError
from crisislens.data.images import ImageLimits
from crisislens.pipeline.analyst import Analyst
from crisislens.pipeline.bundle import Bundle
from tiny_bundles import write_bundle


def rewrite(folder: Path, **changes: object) -> Path:
    path = folder / "bundle.json"
    values: dict[str, Any] = json.loads(path.read_text())
    path.write_text(json.dumps(values | changes))
    return folder


@pytest.mark.parametrize("name", ["max_bytes", "max_pixels", "max_frames"])
def test_a_bundle_cannot_lift_limits_and_may_lower_them(tmp_path: Path, name: str) -> None:
    most = getattr(ImageLimits(), name)
    lifted = Bundle.read(rewrite(write_bundle(tmp_path / "a"), limits={name: most * 1000}))
    assert getattr(lifted.config.limits, name) == most
    assert Analyst(lifted).limits == ImageLimits()
    lowered = Bundle.read(rewrite(write_bundle(tmp_path / "b"), limits={name: 1}))
    assert getattr(lowered.config.limits, name) == 1


def test_pictures_may_be_decoded_larger_for_an_encoder_that_looks_closer_but_not_without_end(
    tmp_path: Path,
) -> None:
    folder = write_bundle(tmp_path)
    assert Bundle.read(rewrite(folder, limits={"decode_px": 512})).config.limits.decode_px == 512
    assert Bundle.read(rewrite(folder, limits={"decode_px": 100_000})).config.limits.decode_px == 1024


@pytest.mark.parametrize(
    "data",
    [b"", b"caf\xe9", b"\xff\xfe{}", b"[" * 100_000, b'{"tasks":' * 300 + b"1" + b"}" * 300, b"[]", b"null"],
    ids=["empty", "latin", "utf-16", "deep", "deep object", "list", "null"],
)
@pytest.mark.parametrize("file", ["bundle.json", "damage/config.json"])
def test_a_configuration_that_is_no_json_is_one_sentence(tmp_path: Path, data: bytes, file: str) -> None:
    folder = write_bundle(tmp_path)
    (folder / file).write_bytes(data)
    with pytest.raises(ModelError, match="is not readable JSON") as told:
        Analyst.load(folder)
    assert "\n" not in str(told.value)


def test_a_folder_where_the_configuration_should_be_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "bundle.json").mkdir()
    with pytest.raises(ModelError, match="no regular file"):
        Bundle.read(tmp_path)


@pytest.mark.parametrize("artifact", ["../outside", "/etc", "damage/../../outside"])
def test_a_bundle_names_no_folder_outside(tmp_path: Path, artifact: str) -> None:
    folder = write_bundle(tmp_path / "bundle")
    values = json.loads((folder / "bundle.json").read_text())
    values["tasks"]["damage"]["artifact"] = artifact
    with pytest.raises(ModelError, match="which lies outside of it"):
        Bundle.read(rewrite(folder, tasks=values["tasks"]))


def test_a_bundle_that_names_a_hub_is_told_how_to_allow_it(tmp_path: Path) -> None:
    encoder = {"name": "clip", "options": {"checkpoint": "nobody/nothing"}}
    folder = rewrite(write_bundle(tmp_path), encoder=encoder)
    with pytest.raises(CrisisLensError, match="hubs are asked only where you allow it"):
        Analyst.load(folder)


def test_a_card_in_another_encoding_is_still_shown(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path)
    (folder / "README.md").write_bytes(b"# caf\xe9")
    assert Bundle.read(folder).card().startswith("# caf")
