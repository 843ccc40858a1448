"""The made-up crisis, drawn once for all tests of the room."""

from pathlib import Path

import pytest
from training_cases import small_run

from crisislens.data.catalog import load_labeled
from crisislens.data.labeled import LabeledData
from crisislens.training.config import RunConfig


@pytest.fixture(scope="session")
def crisis_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("crisis")


@pytest.fixture(scope="session")
def crisis(crisis_root: Path) -> LabeledData:
    return load_labeled(small_run(crisis_root).data)


@pytest.fixture(scope="session")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("features")


@pytest.fixture
def run(crisis_root: Path) -> RunConfig:
    return small_run(crisis_root)
