"""Which bundle is taken where nobody names one, and what is said of it."""

import pytest

from crisislens.core import assets
from crisislens.pipeline.default import DEFAULT_BUNDLE, default_bundle, default_note


@pytest.mark.parametrize(
    ("platform", "name"),
    [("linux", "crisis-multilingual"), ("darwin", "crisis-multilingual"), ("win32", "crisis-compact")],
)
def test_the_default_is_one_that_ships_and_that_the_platform_can_run(platform: str, name: str) -> None:
    assert default_bundle(platform) == name
    assert name in assets.shipped("bundles", "bundle.json")


def test_a_note_is_there_only_where_the_better_one_cannot_be_had() -> None:
    note = default_note("crisis-compact", "win32")
    assert note is not None
    assert "English alone" in note
    assert "crisis-multilingual" in note
    assert default_note("crisis-compact", "linux") is None
    assert default_note("an/own/folder", "win32") is None


def test_the_default_of_this_platform_is_named() -> None:
    assert DEFAULT_BUNDLE in ("crisis-multilingual", "crisis-compact")
