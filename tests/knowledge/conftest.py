"""The gazetteer, loaded once."""

import pytest

from crisislens.knowledge.gazetteer import Gazetteer, load_gazetteer


@pytest.fixture(scope="session")
def gazetteer() -> Gazetteer:
    return load_gazetteer()
