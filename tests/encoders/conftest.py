"""Tiny checkpoints on disk, and one pair of each registered encoder."""

from pathlib import Path

import pytest

from crisislens.encoders.base import EncoderPair, EncoderSpec, load_encoders
from tiny_checkpoints import write_tiny_clip, write_tiny_electra, write_tiny_siglip
from tiny_e5 import write_tiny_e5

CASES = ("compact", "hashing", "clip", "siglip", "pair", "multilingual")


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="session")
def tiny_electra(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_electra(tmp_path_factory.mktemp("electra"))


@pytest.fixture(scope="session")
def tiny_siglip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_siglip(tmp_path_factory.mktemp("siglip"))


@pytest.fixture(scope="session")
def tiny_e5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_e5(tmp_path_factory.mktemp("e5") / "tiny.bin")


@pytest.fixture(scope="session")
def specs(tiny_clip: Path, tiny_electra: Path, tiny_siglip: Path, tiny_e5: Path) -> dict[str, EncoderSpec]:
    electra = {"name": "language", "options": {"checkpoint": str(tiny_electra)}}
    return {
        "siglip": EncoderSpec(name="siglip", options={"checkpoint": str(tiny_siglip)}),
        "pair": EncoderSpec(name="pair", options={"text": electra, "image": {"name": "hashing"}}),
        "compact": EncoderSpec(name="compact"),
        "hashing": EncoderSpec(name="hashing"),
        "clip": EncoderSpec(name="clip", options={"checkpoint": str(tiny_clip)}),
        "multilingual": EncoderSpec(
            name="multilingual", options={"weights": str(tiny_e5), "precision": "fp32"}
        ),
    }


@pytest.fixture(scope="session")
def loaded(specs: dict[str, EncoderSpec]) -> dict[str, EncoderPair]:
    """Loaded once; a test that changes an encoder copies it first."""
    return {name: load_encoders(spec) for name, spec in specs.items()}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def pair(case: str, loaded: dict[str, EncoderPair]) -> EncoderPair:
    return loaded[case]
