"""Models on a hub: what is pushed comes back, only data travels, and nobody is asked without permission. A
process of its own talks to a hub on this machine, since the library reads its settings once.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hub_server import running_hub

from crisislens.core.config import Config
from crisislens.core.errors import InputError, ModelError
from crisislens.core.hub import ALLOW_HUB, hub_allowed
from crisislens.models.hub import pull_from_hub, push_to_hub
from crisislens.models.saved import Form, read_saved, write_saved

SCRIPT = """
import json, os, sys, urllib.error, urllib.request
from pathlib import Path

from crisislens.core.errors import CrisisLensError
from crisislens.core.hub import allow_hub
from crisislens.encoders.base import EncoderSpec, load_encoders
from crisislens.models.hub import pull_from_hub, push_to_hub

folder = Path(sys.argv[1])
said = {}


def attempt(name, act):
    try:
        said[name] = act()
    except CrisisLensError as error:
        said[name] = f"{type(error).__name__}: {error}"


def mark(stage):
    try:
        urllib.request.urlopen(f"{os.environ['HF_ENDPOINT']}/stage-{stage}")
    except urllib.error.HTTPError:
        pass


encoders = {
    "clip": {"checkpoint": "me/none"},
    "siglip": {"checkpoint": "me/none"},
    "pair": {
        "text": {"name": "language", "options": {"checkpoint": "me/none"}},
        "image": {"name": "timm", "options": {"model": "resnet18"}},
    },
}
mark("forbidden")
for name, options in encoders.items():
    attempt(f"forbidden {name}", lambda: load_encoders(EncoderSpec(name=name, options=options)))
mark("allowed")
allow_hub()
attempt("allowed", lambda: load_encoders(EncoderSpec(name="clip", options=encoders["clip"])))
mark("push")
attempt("pushed", lambda: push_to_hub(folder / "model", "me/tiny"))
attempt("pulled", lambda: pull_from_hub("me/tiny", folder / "pulled"))
attempt("of a commit", lambda: pull_from_hub("me/tiny", folder / "again", revision=said["pulled"]))
attempt("missing", lambda: pull_from_hub("me/none", folder / "none"))
attempt("no model", lambda: pull_from_hub("me/notes", folder / "notes"))
print(json.dumps(said))
"""


class Tiny(Config):
    title: str


FORM = Form("classifier", Tiny, "model")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], Any]:
    """What a process says that talks to a hub, the folder that it works in, and what the hub holds."""
    folder = tmp_path_factory.mktemp("hub")
    write_saved(folder / "model", FORM, Tiny(title="ü"), {"w": torch.ones(2)}, card="# Tiny\n")
    (folder / "model" / "code.py").write_text("raise SystemExit")
    (folder / "model" / "notes.txt").write_text("private")
    with running_hub() as hub:
        hub.repositories["me/notes"] = {"README.md": b"# Notes", "modeling.py": b"raise SystemExit"}
        environment = {k: v for k, v in os.environ.items() if k not in {ALLOW_HUB, "HF_HUB_OFFLINE"}}
        settings = {"HF_ENDPOINT": hub.address, "HF_TOKEN": "hf_made_up", "HF_HOME": str(folder / "home")}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(folder)],
            env=environment | settings | {"HF_HUB_DISABLE_PROGRESS_BARS": "1"},
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout), hub


def test_what_is_pushed_comes_back(run: tuple[Path, dict[str, Any], Any]) -> None:
    folder, said, hub = run
    commit = hub.commit("me/tiny")
    assert said["pushed"] == f"{hub.address}/me/tiny/commit/{commit}"
    assert (said["pulled"], said["of a commit"]) == (commit, commit)
    assert hub.private["me/tiny"] is True
    names = {"README.md", "config.json", "model.safetensors"}
    for copy in ("pulled", "again"):
        assert {p.name for p in (folder / copy).rglob("*")} == names
        assert read_saved(folder / copy, FORM).config.title == "ü"


def test_only_data_travels(run: tuple[Path, dict[str, Any], Any]) -> None:
    _, said, hub = run
    assert sorted(hub.repositories["me/tiny"]) == ["README.md", "config.json", "model.safetensors"]
    assert "me/notes at " in said["no model"]
    assert "holds neither config.json of a saved model nor bundle.json" in said["no model"]
    assert not any("modeling.py" in asked for asked in hub.asked)


def test_what_fails_is_one_sentence_and_leaves_nothing(run: tuple[Path, dict[str, Any], Any]) -> None:
    folder, said, _ = run
    assert said["missing"].startswith("ModelError: me/none cannot be fetched (")
    assert "check the name, the network" in said["missing"]
    assert "\n" not in said["missing"]
    assert {p.name for p in folder.iterdir()} - {"home"} == {"model", "pulled", "again"}


def test_nobody_is_asked_without_permission(run: tuple[Path, dict[str, Any], Any]) -> None:
    _, said, hub = run
    stages = [hub.asked.index(f"GET /stage-{name}") for name in ("forbidden", "allowed", "push")]
    forbidden, allowed = hub.asked[stages[0] + 1 : stages[1]], hub.asked[stages[1] + 1 : stages[2]]
    assert forbidden == []
    assert any("me/none" in asked for asked in allowed)
    for name in ("clip", "siglip", "pair"):
        assert said[f"forbidden {name}"].startswith("ModelError: ")
        assert "crisislens --allow-hub" in said[f"forbidden {name}"]
    assert "--allow-hub" not in said["allowed"]


@pytest.mark.parametrize("repo", ["tiny", "me/tiny/more", "../tiny", "me/..", "http://me/tiny", "me tiny"])
def test_a_repository_is_an_owner_and_a_name(tmp_path: Path, repo: str) -> None:
    with pytest.raises(InputError, match="is no name of a repository; give it as owner/name"):
        push_to_hub(tmp_path, repo)
    with pytest.raises(InputError, match="give it as owner/name"):
        pull_from_hub(repo, tmp_path / "x")


def test_a_folder_without_a_model_is_not_pushed_and_a_full_one_not_pulled_into(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no saved model"):
        push_to_hub(tmp_path, "me/tiny")
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        pull_from_hub("me/tiny", tmp_path)


def test_offline_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"me/tiny cannot be fetched .*HF_HUB_OFFLINE"):
        pull_from_hub("me/tiny", tmp_path / "x")
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    ("value", "allowed"), [("1", True), ("TRUE", True), ("0", False), ("", False), ("no", False)]
)
def test_the_switch_is_off_unless_set(monkeypatch: pytest.MonkeyPatch, value: str, allowed: bool) -> None:
    monkeypatch.setenv(ALLOW_HUB, value)
    assert hub_allowed() is allowed
    monkeypatch.delenv(ALLOW_HUB)
    assert not hub_allowed()
