"""A foreign package, really installed, adds one of each kind without a line of ours; what is wrong in it
costs itself only.
"""

import json
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).resolve().parent
PACKAGE = TESTS / "plugin_package"

SCRIPT = """
import json, sys
from pathlib import Path

from typer.testing import CliRunner

from crisislens.captioning.base import CaptionerSpec, load_captioner
from crisislens.cli.main import app
from crisislens.core.errors import CrisisLensError
from crisislens.data.catalog import DataConfig, load_labeled
from crisislens.encoders.base import ENCODERS, EncoderSpec, load_encoders
from crisislens.models.base import MODELS, ModelSpec
from crisislens.pipeline.annotators import ANNOTATORS, load_annotators
from tiny_bundles import write_bundle

folder, said = Path(sys.argv[1]), {}
encoders = load_encoders(EncoderSpec(name="siren"))
said["encoder"] = encoders.spec.name
said["model"] = type(ModelSpec(name="siren", options={"scale": 2.0}).build(encoders.widths(), 3)).__name__
said["listed"] = ["siren" in [*MODELS], "siren" in [*ENCODERS], "siren" in [*ANNOTATORS]]
said["captioner"] = load_captioner(CaptionerSpec(name="siren", options={"says": "a bridge"})).says
data = load_labeled(DataConfig(source="siren", root=folder))
said["data"] = [data.space.name, data.labels("train").tolist()]

(folder / "posts.csv").write_text("id,text\\n1,The bridge on Mill Road fell!!\\n2,A calm day on Mill Road\\n")
bundle = write_bundle(folder / "bundle")
chosen = ["--with", "siren", "--with", "loud", "--without", "place_types", "--also", "siren"]
run = ["analyze", str(folder / "posts.csv"), "--model", str(bundle), "--out", str(folder / "out"), *chosen]
done = CliRunner().invoke(app, run)
if done.exception:
    raise done.exception
said["end of the run"] = done.output

said["origin"] = ANNOTATORS.origin("siren")
said["ours"] = ANNOTATORS["places"].__module__
said["problems"] = ANNOTATORS.problems()
said["errors"] = []
for name in ("broken", "sirens"):
    try:
        load_annotators([name])
    except CrisisLensError as error:
        said["errors"].append(str(error))
lines = (folder / "out" / "assessments.jsonl").read_text().split("\\n")
said["records"] = [json.loads(line) for line in lines if line]
said["sink"] = (folder / "out" / "assessments.siren").read_text()
print(json.dumps(said))
"""


def wheel(folder: Path) -> Path:
    """Makes the wheel that a build backend makes of `plugin_package`; tests have no network to fetch one."""
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    name, version = str(project["name"]).replace("-", "_"), project["version"]
    info = f"{name}-{version}.dist-info"
    points = ""
    for group, entries in project["entry-points"].items():
        points += f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in entries.items())
    files = {
        "crisislens_siren.py": (PACKAGE / "crisislens_siren.py").read_text(),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": points,
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    made = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(made, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return made


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a process says that has the plug-in installed."""
    folder = tmp_path_factory.mktemp("plugin")
    site = folder / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run(
        [*install, "--no-index", "--target", str(site), str(wheel(folder))], check=True, timeout=180
    )
    paths = [str(site), str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_one_of_each_kind_is_found(said: dict[str, Any]) -> None:
    assert said["model"] == "Prior"
    assert said["encoder"] == "siren"
    assert said["captioner"] == "a bridge"
    assert said["data"] == ["loudness", [1, 0]]
    assert said["sink"] == "1\n"
    assert said["listed"] == [True] * 3
    assert said["origin"] == "crisislens-siren 1.2"


def test_an_annotator_brings_its_own_record(said: dict[str, Any]) -> None:
    assert [record["post"]["id"] for record in said["records"]] == ["1", "2"]
    assert [record["extensions"] for record in said["records"]] == [
        {"siren": {"marks": 2}},
        {"siren": {"marks": 0}},
    ]
    assert said["records"][0]["provenance"]["annotators"]["siren"] == "5" * 16


def test_a_wrong_field_is_refused_with_one_sentence(said: dict[str, Any]) -> None:
    for record in said["records"]:
        assert "volume" not in record
        [note] = record["notes"]
        assert note.startswith(
            "loud could not be found for this post: annotator 'loud' fills 'volume', which an assessment "
            "does not have; it may fill "
        )


def test_the_end_of_a_run_says_what_an_annotator_failed_on(said: dict[str, Any]) -> None:
    output = " ".join(said["end of the run"].split())
    assert "loud on 2 posts; the first because annotator 'loud' fills 'volume'" in output


def test_a_broken_plug_in_costs_itself_only_and_a_name_of_ours_stays_ours(said: dict[str, Any]) -> None:
    broken, missing = said["errors"]
    assert broken.startswith(
        "the annotator 'broken' of the plug-in crisislens-siren 1.2 cannot be loaded (ModuleNotFoundError: "
    )
    assert missing.startswith("no annotator named 'sirens'; known: places, ")
    assert "did you mean 'siren'?" in missing
    assert "'broken' of the plug-in" in missing, (
        "a failed look-up names the plug-ins that could not be loaded"
    )
    assert said["ours"] == "crisislens.pipeline.places"
    assert said["problems"] == [
        broken,
        "the annotator 'places' of the plug-in crisislens-siren 1.2 is not used, for crisislens has one of "
        "that name; give it another name in the package's entry points",
    ]
