"""The tiny bundle that the pipeline's tests run on."""

from pathlib import Path

import pytest

from tiny_bundles import write_bundle


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a bundle that answers all three tasks at random."""
    return write_bundle(tmp_path_factory.mktemp("bundle"))
