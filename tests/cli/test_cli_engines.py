"""`--engine` and `--processes`: where the work is done changes no byte of what comes out."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import load_file

from command_line import Command
from crisislens.cli.engines import Engine, chosen_engine
from crisislens.core.errors import InputError, ModelError
from crisislens.data.images import ImageLimits
from crisislens.data.text import CleaningRules
from crisislens.encoders.base import EncoderSpec, load_encoders
from crisislens.features.encode import PostEncoder
from crisislens.features.extract import EncodeRecipe
from crisislens.pipeline.analyst import Analyst
from crisislens.pipeline.batch import AnalyzeStep
from crisislens.pipeline.recipes import AnalystRecipe, AnnotatorRecipe, ExtractRecipe, FinderRecipe
from tiny_bundles import write_bundle

pytestmark = pytest.mark.usefixtures("warm_starts")

_OUTPUTS = ("assessments.jsonl", "failed.jsonl", "duplicates.jsonl")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Posts with photos, a missing photo and a broken row, and a bundle with random weights."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")
    draw = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    lines = []
    for i in range(23):
        post: dict[str, object] = {"id": str(i), "text": f"Flood {i} in Ponce, the bridge is gone"}
        if i % 5 == 0:
            post["image"] = f"photos/{i}.png"
            if i:
                pixels = draw.integers(0, 256, (20, 30, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / "photos" / f"{i}.png")
        lines.append(json.dumps(post))
    (tmp_path / "posts.jsonl").write_text("\n".join([*lines, "{broken"]) + "\n")
    captions = [{"id": str(i), "text": f"water {i}"} for i in range(20)]
    (tmp_path / "said.jsonl").write_text("".join(json.dumps(caption) + "\n" for caption in captions))
    write_bundle(tmp_path / "bundle")
    return tmp_path


def outputs(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in _OUTPUTS}


def content(path: Path) -> tuple[dict[str, str], dict[str, bytes]]:
    """What stands beside the tensors of a shard, and their bytes."""
    with safe_open(path, "np") as shard:
        beside = shard.metadata()
    return beside, {name: tensor.tobytes() for name, tensor in load_file(path).items()}


def test_processes_write_the_bytes_of_threads(folder: Path, crisislens: Command) -> None:
    asked = ["analyze", "posts.jsonl", "--model", "bundle"]
    assert crisislens(*asked, "--out", "here", cwd=folder).returncode == 0
    done = crisislens(*asked, "--out", "there", "--processes", "2", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert outputs(folder / "there") == outputs(folder / "here")
    # the report's footer says how the run is made again
    assert "--processes 2" in (folder / "there" / "report.html").read_text(encoding="utf-8")


def test_features_and_captions_are_the_same_from_a_process(folder: Path, crisislens: Command) -> None:
    asked = ["features", "posts.jsonl", "--encoder", "hashing", "--out"]
    said = ["caption", "posts.jsonl", "--backend", "table", "--set", "table=said.jsonl"]
    for where, options in {"here": [], "there": ["--processes", "1"]}.items():
        done = crisislens(*asked, f"cache-{where}", *options, cwd=folder)
        assert done.returncode == 0, done.stderr
        out = ["--out", f"{where}.jsonl", "--store", f"{where}/answers.sqlite"]
        done = crisislens(*said, *out, *options, cwd=folder)
        assert done.returncode == 0, done.stderr
    [here], [there] = ((folder / f"cache-{where}").rglob("*.safetensors") for where in ("here", "there"))
    # what is in them: the library writes what stands beside the tensors in any order
    assert content(here) == content(there)
    assert (folder / "here.jsonl").read_bytes() == (folder / "there.jsonl").read_bytes()


def test_ray_writes_the_bytes_of_threads(folder: Path, crisislens: Command) -> None:
    """In a network of its own, because Ray listens on all interfaces."""
    pytest.importorskip("ray", reason="Ray is not installed (pip install 'crisislens[cluster]')")
    alone = ["unshare", "-n"]
    if shutil.which("unshare") is None or subprocess.run([*alone, "true"], check=False).returncode:
        pytest.skip("this system lets no test have a network of its own (unshare -n)")
    asked = ["analyze", "posts.jsonl", "--model", "bundle"]
    assert crisislens(*asked, "--out", "here", cwd=folder).returncode == 0
    command = [
        sys.executable,
        "-m",
        "crisislens",
        *asked,
        "--out",
        "there",
        "--engine",
        "ray",
        "--processes",
        "1",
    ]
    within = [*alone, "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *command]
    done = subprocess.run(within, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert outputs(folder / "there") == outputs(folder / "here")
    # its own notices are no lines of a command
    assert "ray" not in done.stderr.lower()
    assert not (Path.home() / ".ray").exists()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("spark", None, None, 0.0), "--engine spark is not known; it takes local or ray"),
        (("local", 2, "auto", 0.0), "--ray-address auto is for --engine ray"),
        (("local", None, None, 0.5), "--gpus 0.5 is for --engine ray"),
    ],
)
def test_an_engine_that_does_not_fit_is_refused(
    given: tuple[str, int | None, str | None, float], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        chosen_engine(*given)


def test_an_engine_names_its_options_and_device() -> None:
    assert Engine().here
    assert set(Engine().options().values()) == {None}
    far = chosen_engine("ray", 3, "auto", 0.5)
    assert (far.here, far.device) == (False, "cuda")
    assert far.options() == {"--engine": "ray", "--processes": 3, "--ray-address": "auto", "--gpus": 0.5}


def test_a_worker_with_other_models_is_refused(folder: Path) -> None:
    other = "0" * 16
    analyst = AnalystRecipe((str(folder / "bundle"),), folder, AnnotatorRecipe(), other)
    with pytest.raises(ModelError, match="install the same on all"):
        analyst()
    encoders = EncodeRecipe(EncoderSpec(name="hashing"), CleaningRules(), ImageLimits(), folder, other)
    with pytest.raises(ModelError, match="install the same versions on all"):
        encoders()


def test_a_worker_adds_in_the_order_of_a_run_here(folder: Path) -> None:
    """A thread of a run here has torch on one thread; a process that took all cores gave other last bits."""
    bundle = write_bundle(folder / "bundle")
    analyst = Analyst.load([str(bundle)], image_root=folder)
    encoders = load_encoders(EncoderSpec(name="hashing"))
    encoder = PostEncoder(encoders, rules=CleaningRules(), limits=ImageLimits(), image_root=folder)
    recipes = (
        AnalystRecipe((str(bundle),), folder, AnnotatorRecipe(), AnalyzeStep(analyst).fingerprint()),
        EncodeRecipe(
            EncoderSpec(name="hashing"), CleaningRules(), ImageLimits(), folder, encoder.fingerprint()
        ),
    )
    for recipe in recipes:
        torch.set_num_threads(2)
        recipe()
        assert torch.get_num_threads() == 1


def test_a_worker_finds_names_with_the_same_extractors() -> None:
    recipe = FinderRecipe(relations="none")
    with pytest.raises(ModelError, match="install the same on all"):
        ExtractRecipe(recipe, None, "0" * 16)()
