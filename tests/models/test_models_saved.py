"""One saved form: what is written is read back equal, what was changed is refused in one sentence, and what
earlier releases wrote still loads.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import Field
from safetensors.torch import save

from crisislens.core.config import Config
from crisislens.core.errors import ModelError
from crisislens.core.fingerprint import fingerprint_file, sha256_of_file
from crisislens.models.saved import Form, kind_of, read_config, read_saved, write_saved


class Tiny(Config):
    title: str
    encoder: dict[str, Any] = Field(default_factory=dict)


FORM = Form("classifier", Tiny, "model")
OTHER = Form("extractor", Tiny, "extractor")
OLD = Form("rationales", Tiny, "rationale model")
TENSORS = {"w": torch.tensor([1.5, -2.0]), "n": torch.tensor([3])}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A classifier with an adapter beside it."""
    (tmp_path / "adapter.safetensors").write_bytes(save({"a": torch.ones(1)}))
    config = Tiny(title="ü", encoder={"options": {"adapter": "adapter.safetensors"}})
    write_saved(tmp_path, FORM, config, TENSORS, card="# Tiny\n")
    return tmp_path


def values(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return found


def rewrite(folder: Path, **changes: object) -> None:
    (folder / "config.json").write_text(json.dumps(values(folder) | changes))


def test_what_is_written_is_read_back(folder: Path) -> None:
    saved = read_saved(folder, FORM)
    assert saved.config == read_config(folder, FORM)
    assert saved.config.title == "ü"
    tensors = saved.tensors()
    assert all(torch.equal(tensors[name], x) for name, x in TENSORS.items())
    assert saved.mark() == fingerprint_file(folder / "model.safetensors")
    assert (folder / "README.md").read_text() == "# Tiny\n"


def test_the_configuration_says_kind_format_and_every_digest(folder: Path) -> None:
    found = values(folder)
    assert list(found)[:3] == ["format", "kind", "weights"]
    assert (found["format"], found["kind"]) == (2, "classifier")
    names = ("model.safetensors", "adapter.safetensors")
    assert found["weights"] == {name: sha256_of_file(folder / name) for name in names}


@pytest.mark.parametrize("name", ["model.safetensors", "adapter.safetensors"])
@pytest.mark.parametrize("damage", ["bit", "missing", "other"])
def test_changed_weights_are_refused(folder: Path, name: str, damage: str) -> None:
    path = folder / name
    data = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]) if damage == "bit" else save({"w": torch.ones(2)}))
    with pytest.raises(ModelError, match=r"lacks|is of another save than config\.json"):
        read_saved(folder, FORM)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"format": 3}, "has format 3, this crisislens reads up to 2; install a newer crisislens"),
        ({"format": True}, "has no format that crisislens knows"),
        ({"format": "2"}, "has no format that crisislens knows"),
        ({"format": 0}, "has no format that crisislens knows"),
        ({"kind": "extractor"}, "holds a saved 'extractor', and 'classifier' is expected"),
        ({"kind": 1}, "kind: Input should be a valid string"),
        ({"weights": {}}, "has no digest of adapter"),
        ({"weights": {"model.safetensors": "0" * 64}}, "has no digest of adapter"),
        ({"weights": {"../model.safetensors": "0" * 64}}, "weights"),
        ({"weights": {"model.safetensors": "0" * 16}}, "weights"),
        ({"weights": {"model.pkl": "0" * 64}}, "weights"),
        ({"title": 3}, "title: Input should be a valid string"),
        ({"strange": 3}, "strange: Extra inputs are not permitted"),
    ],
)
def test_what_is_wrong_in_a_configuration_is_one_sentence(
    folder: Path, changes: dict[str, object], sentence: str
) -> None:
    rewrite(folder, **changes)
    with pytest.raises(ModelError) as told:
        read_saved(folder, FORM)
    assert sentence in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe{}",
        b"caf\xe9",
        b"[" * 100_000,
        b'{"a":' * 500 + b"1" + b"}" * 500,
        b"[1]",
        b'{"title": "\\ud800"}',
        b'{"title": ' + b"9" * 5_000 + b"}",
        b"\x80\x04garbage",
    ],
    ids=["empty", "utf-16", "latin", "deep", "deep object", "list", "surrogate", "digits", "pickle"],
)
def test_a_configuration_that_is_no_json_is_one_sentence(folder: Path, data: bytes) -> None:
    (folder / "config.json").write_bytes(data)
    with pytest.raises(ModelError, match=r"config\.json is not readable JSON \(.*the model is damaged"):
        read_saved(folder, FORM)
    with pytest.raises(ModelError, match="not readable JSON"):
        read_config(folder, FORM)


def test_a_missing_configuration_and_a_folder_in_its_place(folder: Path) -> None:
    (folder / "config.json").unlink()
    with pytest.raises(ModelError, match=r"lacks config\.json; give the folder of a saved model"):
        read_saved(folder, FORM)
    (folder / "config.json").mkdir()
    with pytest.raises(ModelError, match="no regular file"):
        read_saved(folder, FORM)


@pytest.mark.parametrize(
    ("form", "name"),
    [(FORM, "model.safetensors"), (OTHER, "extractor.safetensors"), (OLD, "head.safetensors")],
    ids=["classifier", "extractor", "rationales"],
)
@pytest.mark.parametrize("marked", [True, False])
def test_format_1_still_loads(tmp_path: Path, form: Form[Tiny], name: str, marked: bool) -> None:
    (tmp_path / name).write_bytes(save(TENSORS))
    mark = fingerprint_file(tmp_path / name)
    weights: object = {name: mark} if form is OLD else mark
    config = {"format": 1, "title": "old"} | ({"weights": weights} if marked else {})
    (tmp_path / "config.json").write_text(json.dumps(config))
    saved = read_saved(tmp_path, form)
    assert saved.config == Tiny(title="old")
    assert torch.equal(saved.tensors()["w"], TENSORS["w"])
    assert kind_of(tmp_path) == form.kind
    if marked:
        (tmp_path / name).write_bytes(save({"w": torch.zeros(2)}))
        with pytest.raises(ModelError, match="another save"):
            read_saved(tmp_path, form)

    write_saved(tmp_path, form, Tiny(title="new"), TENSORS, card="")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    assert read_saved(tmp_path, form).config.title == "new"
    assert kind_of(tmp_path) == form.kind


@pytest.mark.parametrize("weights", [3, ["x"], {"head.safetensors": 3}, {"../head.safetensors": "0" * 16}])
def test_what_format_1_says_of_weights_is_checked(tmp_path: Path, weights: object) -> None:
    (tmp_path / "head.safetensors").write_bytes(save(TENSORS))
    (tmp_path / "config.json").write_text(json.dumps({"format": 1, "title": "old", "weights": weights}))
    with pytest.raises(ModelError, match="weights: "):
        read_saved(tmp_path, OLD)


def test_a_writer_that_is_killed_leaves_what_is_refused(folder: Path, tmp_path: Path) -> None:
    before = shutil.copytree(folder, tmp_path / "before")
    write_saved(folder, FORM, Tiny(title="next"), {"w": torch.zeros(2)}, card="# Next\n")
    # the weights of the second save are there, its configuration is not yet
    shutil.copy(before / "config.json", folder / "config.json")
    with pytest.raises(ModelError, match="another save"):
        read_saved(folder, FORM)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30])
def test_numbers_that_a_file_cannot_hold_are_refused(tmp_path: Path, value: float) -> None:
    with pytest.raises(ModelError, match="weight w is not finite or too large for float16"):
        write_saved(tmp_path, FORM, Tiny(title="x"), {"w": torch.tensor([value])}, card="", dtype="float16")
    assert [*tmp_path.iterdir()] == []


def test_half_precision_comes_back_as_float32(tmp_path: Path) -> None:
    write_saved(tmp_path, FORM, Tiny(title="x"), TENSORS, card="", dtype="float16")
    tensors = read_saved(tmp_path, FORM).tensors()
    assert tensors["w"].dtype == torch.float32
    assert tensors["n"].dtype == torch.int64


def test_weights_that_are_no_safetensors_are_one_sentence(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\x80\x04garbage")
    rewrite(
        folder,
        weights=values(folder)["weights"]
        | {"model.safetensors": sha256_of_file(folder / "model.safetensors")},
    )
    with pytest.raises(ModelError, match=r"cannot be read .*; fetch or train the model again"):
        read_saved(folder, FORM).tensors()


def test_nothing_saved_has_no_kind(tmp_path: Path) -> None:
    assert kind_of(tmp_path) == ""
    assert kind_of(tmp_path / "absent") == ""
    (tmp_path / "config.json").write_text('{"kind": "later"}')
    assert kind_of(tmp_path) == "later"
