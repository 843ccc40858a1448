"""What a benchmark keeps is not taken for the result of another recipe, other models or other data."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import context_image
import default
import faithfulness
import numpy as np
import place_types
import pytest
import rationale_classification
import text_rationales
import torch
from safetensors.torch import save_file

from crisislens.data.source import LabeledPost
from crisislens.domain.post import ImageRef, Post
from crisislens.training.rationale import RationaleConfig


def test_a_run_of_text_rationales_is_of_its_recipe_and_tables(tmp_path: Path) -> None:
    tables = [tmp_path / name for name in text_rationales.TABLES]
    for table in tables:
        table.write_text("one")

    def digest(encoder: str = "e", **changes: Any) -> str:
        return text_rationales.made_from(RationaleConfig.model_validate(changes), encoder, tables)

    first = digest()
    assert first == digest()
    assert len({first, digest("other"), digest(seed=1), digest(epochs=2)}) == 4
    tables[1].write_text("two")
    assert digest() != first


def labeled(text: str, label: str = "other") -> LabeledPost:
    return LabeledPost(Post(id="1", text=text, image=ImageRef(path="a.jpg")), label, "test")


def test_a_part_of_rationale_classification_is_of_its_posts_and_models(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows = {"test": [labeled("flood")]}
    monkeypatch.setattr(rationale_classification, "_of_b2", lambda data: rows)
    monkeypatch.setattr(rationale_classification, "_with_photos", lambda data: [rows["test"][0].post])
    photo = tmp_path / "crisismmd" / "a.jpg"
    photo.parent.mkdir()
    photo.write_bytes(b"one")

    def digests(rationales: str = "r") -> list[str]:
        parts = ("separate", "photos")
        return [rationale_classification.made_from(part, tmp_path, rationales) for part in parts]

    text, photos = digests()
    assert [text, photos] == digests()
    other = digests("s")
    assert (text != other[0], photos != other[1]) == (True, True)
    photo.write_bytes(b"two")
    assert digests()[0] == text
    assert digests()[1] != photos
    rows["test"] = [labeled("flood", "infrastructure")]
    assert digests()[0] != text


def test_a_part_of_faithfulness_is_of_its_posts_and_models(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    texts = ["flood", "fire"]
    monkeypatch.setattr(faithfulness, "sampled", lambda data, count: texts[:count])
    monkeypatch.setattr(faithfulness, "held_out_photos", lambda data: [labeled("flood").post])
    photo = tmp_path / "crisismmd" / "a.jpg"
    photo.parent.mkdir()
    photo.write_bytes(b"one")

    def digest(part: str, rationales: str = "r", count: int = 2) -> str:
        return faithfulness.made_from(part, tmp_path, count, rationales)

    words, photos = digest("own"), digest("damage")
    assert (words, photos) == (digest("own"), digest("damage"))
    assert len({words, digest("own", "s"), digest("own", count=1)}) == 3
    texts[0] = "storm"
    photo.write_bytes(b"two")
    assert digest("own") != words
    assert digest("damage") != photos
    assert faithfulness.bundle_of("humanitarian") != faithfulness.bundle_of("damage")


def test_a_model_of_place_types_is_of_its_recipe_features_and_folds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def data(features: str = "f", fold: int = 0) -> tuple[Any, ...]:
        zeros = np.zeros(2, np.int64)
        return (SimpleNamespace(fingerprint=features), None, zeros, zeros + fold, zeros == 0, ["a"])

    first = place_types.kept_at("text only", data(), tmp_path)
    assert first == place_types.kept_at("text only", data(), tmp_path)
    assert first.name.startswith("text_only-")
    others = {place_types.kept_at("text only", x, tmp_path) for x in (data("g"), data(fold=1))}
    monkeypatch.setitem(place_types.RECIPE, "epochs", 11)
    others.add(place_types.kept_at("text only", data(), tmp_path))
    assert len(others | {first}) == 4


def test_features_of_other_photos_are_refused(tmp_path: Path) -> None:
    cache = tmp_path / "features.safetensors"
    save_file({"image": torch.ones(1)}, cache, {"made_from": "these"})
    assert context_image.of_cache(cache, "these")["image"].tolist() == [1]
    with pytest.raises(SystemExit, match="other photos, captions or encoders"):
        context_image.of_cache(cache, "those")
    # as they were written before it was said
    save_file({"image": torch.ones(1)}, cache)
    with pytest.raises(SystemExit, match="other photos, captions or encoders"):
        context_image.of_cache(cache, "these")


def test_answers_are_of_the_texts_and_photos_that_were_shown(tmp_path: Path) -> None:
    analyst: Any = SimpleNamespace(encoder=SimpleNamespace(image_root=tmp_path))
    blind: Any = SimpleNamespace(encoder=SimpleNamespace(image_root=None))
    (tmp_path / "a.jpg").write_bytes(b"one")
    flood, fire = labeled("flood").post, labeled("fire").post
    first = default.shown([flood], analyst)
    assert first == default.shown([flood], analyst)
    assert len({first, default.shown([fire], analyst), default.shown([flood], blind)}) == 3
    (tmp_path / "a.jpg").write_bytes(b"two")
    assert default.shown([flood], analyst) != first


def test_separate_is_the_encoder_that_the_docs_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[str] = []

    def load(name: str, **more: Any) -> None:
        asked.append(name)
        raise InterruptedError

    monkeypatch.setattr(rationale_classification.Analyst, "load", load)
    rows: dict[str, list[LabeledPost]] = {"train": [], "dev": [], "test": []}
    monkeypatch.setattr(rationale_classification, "_of_b2", lambda data: rows)
    with pytest.raises(InterruptedError):
        rationale_classification.text_part(tmp_path, tmp_path, "separate")
    with pytest.raises(InterruptedError):
        rationale_classification.photo_part(tmp_path)
    assert asked == ["crisis-compact"] * 2
