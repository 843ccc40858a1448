"""Entities and relations of posts: places in the text as posted, independence, thresholds, languages, files,
assessments.
"""

import copy
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from crisislens.core.errors import DataError, InputError, ModelError, NotRegisteredError
from crisislens.data.annotated import read_annotated
from crisislens.data.post_words import placed_words
from crisislens.data.sidecar import Sidecar
from crisislens.data.tabular import read_posts
from crisislens.domain.extraction import Link, Mention
from crisislens.domain.place import GeoLocation
from crisislens.domain.post import Post
from crisislens.domain.tags import TagScheme
from crisislens.encoders.language import LanguageSpec
from crisislens.encoders.vision import VisionSpec
from crisislens.features.encode import EncodedPosts
from crisislens.features.words import WordReader
from crisislens.knowledge.gazetteer import load_gazetteer
from crisislens.models.extraction import Extractor, ExtractorSpec, Prediction, TaskName
from crisislens.models.extractor_artifact import (
    ExtractorMeta,
    LoadedExtractor,
    load_extractor,
    save_extractor,
)
from crisislens.nn.device import one_thread_each
from crisislens.pipeline.analyst import Analyst
from crisislens.pipeline.annotators import HasCard
from crisislens.pipeline.extraction import EntityAnnotator, extract_posts
from crisislens.pipeline.extractors import find_extractor
from crisislens.pipeline.finder import Finder, Found
from crisislens.pipeline.telling import CONTAINS, ReadPost
from crisislens.pipeline.word_windows import WordWindow, joined, word_windows
from crisislens.report.geojson import feature
from crisislens.report.named import entity_texts, named_of, relation_texts
from crisislens.training.extraction.config import ExtractionData, ExtractionRecipe, ExtractionRun
from crisislens.training.extraction.fit import fit_extractor
from crisislens.training.extraction.splits import ExtractionSplits, load_splits
from tiny_bundles import write_bundle
from tiny_language import made_up_posts, write_tiny_bert

RELATIONS = ("None", "/per/loc/place_of_residence")
TEXTS = [
    "today Anna visits Paris",
    "flood in Quito the #Bob help!",
    "help help",
    "",
    "visits",
    "water Carla visits   Dhaka",
]


def trained(folder: Path, task: TaskName, *, above: float = 0.0, contexts: bool = False) -> LoadedExtractor:
    """A tiny extractor that has learned the made-up posts."""
    read: dict[str, object] = {"context_pieces": 8, "fusion": True} if contexts else {}
    spec = ExtractorSpec(
        **read,  # type: ignore[arg-type]
        task=task,
        types=("PER", "LOC"),
        relations=() if task == "entities" else RELATIONS,
        encoder=LanguageSpec(checkpoint=str(write_tiny_bert(folder / "bert")), max_tokens=48),
    )
    beside = {f"train_{i}": "water today" for i in range(0, 80, 2)} if contexts else {}
    recipe = ExtractionRecipe(
        epochs=16 if task == "joint" else 8,
        batch_posts=8,
        learning_rate=3e-3,
        head_learning_rate=1e-2,
        average=0.9,
    )
    run = ExtractionRun(
        name="tiny", data=ExtractionData(name="conll"), extractor=spec, recipe=recipe, device="cpu"
    )
    splits = ExtractionSplits(
        made_up_posts(80), made_up_posts(20, seed=1), [], beside, spec.relations, spec.types
    )
    extractor, _ = fit_extractor(run, splits, seed=0)
    save_extractor(folder / task, extractor, ExtractorMeta(name=f"tiny-{task}", accept_above=above))
    return load_extractor(folder / task)


@pytest.fixture(scope="module")
def finder(tmp_path_factory: pytest.TempPathFactory) -> Finder:
    folder = tmp_path_factory.mktemp("extractors")
    return Finder(trained(folder, "entities"), trained(folder, "relations", above=0.5), languages=())


def test_entities_stand_in_the_text_as_posted(finder: Finder) -> None:
    found = finder.find(TEXTS)
    assert [[(e.type, e.text) for e in f.entities] for f in found[:2]] == [
        [("PER", "Anna"), ("LOC", "Paris")],
        [("LOC", "Quito"), ("PER", "Bob")],
    ]
    for text, f in zip(TEXTS, found, strict=True):
        assert all(text[e.start : e.end] == e.text and 0 < e.score <= 1 for e in f.entities)
    assert not found[3].entities
    [relation] = found[0].relations
    assert (relation.type, relation.head, relation.tail) == (RELATIONS[1], 0, 1)
    assert found[5].relations
    assert not found[1].relations


def test_names_are_found_behind_what_is_read_at_once(finder: Finder) -> None:
    # the tiny encoder reads 62 pieces; a name in each third of the text, and a pair in the last one
    long = "Anna visits Paris " + "water " * 60 + "Bob " + "water " * 60 + "Anna visits Paris"
    [found] = finder.find([long])
    assert found.read_to is None
    named = [(e.text, long[: e.start].count(" ")) for e in found.entities]
    assert named[:2] == [("Anna", 0), ("Paris", 2)]
    assert named[-2:] == [("Anna", 124), ("Paris", 126)]
    assert ("Bob", 63) in named
    assert len({e.start for e in found.entities}) == len(found.entities)


def test_names_of_a_long_message_and_what_holds_between_them() -> None:
    long = (
        "John Smith is at the shelter in Springfield, Illinois. "
        + "We have no water and the road is closed since this morning and nobody came. " * 14
        + "My aunt Maria Lopez is at 12 Main Street, Ponce, Puerto Rico."
    )
    [found] = Finder.load().find([long])
    names = [e.text for e in found.entities]
    assert names == ["John Smith", "Springfield", "Illinois", "Maria Lopez", "Ponce", "Puerto Rico"]
    contained = {(names[r.head], names[r.tail]) for r in found.relations if r.type == CONTAINS}
    assert contained == {("Illinois", "Springfield"), ("Puerto Rico", "Ponce")}


@pytest.mark.parametrize("name", ["San\nFrancisco", "New\nYork", "Mt. Pleasant"])
@pytest.mark.parametrize("words", range(119, 127))
def test_a_name_at_a_windows_edge_is_one(name: str, words: int) -> None:
    text = "water and mud " * (words // 3) + "here " * (words % 3) + f"in {name} today " + "all day long " * 9
    [found] = Finder.load().find([text])
    assert [" ".join(e.text.split()) for e in found.entities] == [" ".join(name.split())]


def test_what_is_not_told_hides_nothing(finder: Finder) -> None:
    words = placed_words("water " * 100)
    first, second, *_ = word_windows(WordReader(finder.entities.extractor.encoder), "water " * 100, words, "")
    edge = first.ends
    low = Prediction((Mention(edge - 1 - first.first, edge + 1 - first.first, "LOC"),), (0.05,))
    sure = Prediction((Mention(edge - second.first, edge + 1 - second.first, "LOC"),), (0.99,))
    told = joined((first, second), (low.above(0.5), sure.above(0.5)))
    assert told.mentions == (Mention(edge, edge + 1, "LOC"),)


def test_relations_across_a_cut_are_kept_once(finder: Finder) -> None:
    words = placed_words("water " * 100)
    first, second, *_ = word_windows(WordReader(finder.entities.extractor.encoder), "water " * 100, words, "")
    edge = first.ends
    ends = [(edge - 2, edge - 1), (edge + 1, edge + 2)]

    def said(window: WordWindow, score: float) -> Prediction:
        mentions = tuple(Mention(a - window.first, b - window.first, "PER") for a, b in ends)
        return Prediction(mentions, (0.9, 0.9), (Link(0, 1, RELATIONS[1]),), (score,))

    told = joined((first, second), (said(first, 0.7), said(second, 0.8)))
    assert told.mentions == tuple(Mention(a, b, "PER") for a, b in ends)
    assert (told.links, told.link_scores) == ((Link(0, 1, RELATIONS[1]),), (0.8,))


def test_words_of_many_pieces_are_read_in_windows_that_go_on() -> None:
    reader = WordReader(Finder.load().entities.extractor.encoder)
    text = " ".join(f"{i:064x}" for i in range(300))
    windows = word_windows(reader, text, placed_words(text), "")
    assert windows[-1].ends > 8 * len(windows[0].encoded.starts)


@pytest.mark.parametrize("stop", [". ", "\n", " ", "。"])
def test_each_word_of_a_long_post_belongs_to_one_window(finder: Finder, stop: str) -> None:
    text = stop.join(f"water {i} Anna" for i in range(90))
    words = placed_words(text)
    reader = WordReader(finder.entities.extractor.encoder)
    windows = word_windows(reader, text, words, "")
    assert len(windows) > 2
    assert [w.begins for w in windows] == [0, *(w.ends for w in windows[:-1])]
    assert windows[-1].ends == len(words)
    for window in windows:
        assert window.first <= window.begins < window.ends <= window.first + len(window.encoded.starts)
    # a name that reaches into what the next window keeps is told once, by the window in which it begins
    first, second = windows[:2]
    across = Prediction((Mention(first.ends - 1 - first.first, first.ends + 1 - first.first, "PER"),), (0.9,))
    half = Prediction((Mention(first.ends - second.first, first.ends + 1 - second.first, "PER"),), (0.8,))
    both = joined((first, second), (across, half))
    assert both.mentions == (Mention(first.ends - 1, first.ends + 1, "PER"),)


def test_a_long_text_is_read_alike_alone_and_among_others(finder: Finder) -> None:
    long = " ".join(TEXTS[:2]) + " water" * 90 + " " + TEXTS[0]
    with one_thread_each():
        [alone] = finder.find([long])
        assert finder.find([TEXTS[1], long, TEXTS[0]])[1] == alone


def test_a_text_that_is_longer_than_all_windows_says_so(finder: Finder, tmp_path: Path) -> None:
    long = "Anna visits Paris " + "water " * 2_000 + "Bob visits Quito"
    whole, cut = finder.find(["Anna visits Paris", long])
    assert whole.read_to is None
    assert cut.read_to is not None
    assert all(e.end <= cut.read_to for e in cut.entities)
    assert long[: cut.read_to].split() == long.split()[: len(long[: cut.read_to].split())]
    [said] = EntityAnnotator(finder).annotate([Post(id="1", text=long)], EncodedPosts([], [], [long]))
    assert f"in the first {cut.read_to} characters" in str(said["notes"])
    (tmp_path / "posts.csv").write_text(f"id,text\n1,Anna visits Paris\n2,{long}\n")
    done = extract_posts(read_posts(tmp_path / "posts.csv"), finder, tmp_path / "out.jsonl")
    assert done.cut == 1
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line.get("read_to") for line in lines] == [None, cut.read_to]


def test_a_result_is_equal_alone_and_among_others(finder: Finder) -> None:
    with one_thread_each():
        together = finder.find([*TEXTS, TEXTS[0]])
        assert together[-1] == together[0]
        assert finder.find(TEXTS[::-1])[::-1] == together[:-1]
        assert [finder.find([text])[0] for text in TEXTS] == together[:-1]


def test_relations_join_kinds_that_they_are_for(finder: Finder) -> None:
    # two people and no place: no relation of the extractor joins them, so none is asked for
    assert not any(f.relations for f in finder.find(["Anna visits Bob", "Carla Dinesh"]))


def test_relations_are_told_as_their_extractor_says(finder: Finder) -> None:
    assert finder.relations is not None
    meta = finder.relations.meta.model_copy(update={"tells": ("/per/loc/place_of_birth",)})
    reticent = LoadedExtractor(finder.relations.extractor, meta, "0")
    assert not any(f.relations for f in Finder(finder.entities, reticent, languages=()).find(TEXTS))
    assert Finder(finder.entities, reticent, languages=(), all_relations=True).find(TEXTS) == finder.find(
        TEXTS
    )


def test_the_gazetteer_is_asked_where_the_extractor_says_so(finder: Finder) -> None:
    assert finder.relations is not None
    meta = finder.relations.meta.model_copy(update={"gazetteer": (RELATIONS[1],)})
    doubting = Finder(finder.entities, LoadedExtractor(finder.relations.extractor, meta, "0"), languages=())
    assert any(f.relations for f in finder.find(TEXTS))
    assert not any(f.relations for f in doubting.find(TEXTS)), "no place of the gazetteer contains a person"
    # and only there: a user's own is believed
    places = copy.deepcopy(finder.relations.extractor)
    places.spec = places.spec.model_copy(update={"relations": ("None", CONTAINS)})
    own = Finder(
        named_as(finder.entities.extractor, "loc"),
        LoadedExtractor(places, ExtractorMeta(name="own"), "0"),
        languages=(),
    )
    assert [r.type for r in own.find(TEXTS[:1])[0].relations] == [CONTAINS]
    meta = ExtractorMeta(name="own", gazetteer=(CONTAINS,))
    assert (
        not Finder(own.entities, LoadedExtractor(places, meta, "0"), languages=())
        .find(TEXTS[:1])[0]
        .relations
    )


def test_the_gazetteer_is_asked_for_names_as_posted(finder: Finder, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []
    assert finder.relations is not None
    places = copy.deepcopy(finder.relations.extractor)
    places.spec = places.spec.model_copy(update={"relations": ("None", CONTAINS)})
    meta = ExtractorMeta(name="own", gazetteer=(CONTAINS,))
    own = Finder(named_as(finder.entities.extractor, "loc"), LoadedExtractor(places, meta, "0"), languages=())
    gazetteer = load_gazetteer()

    def contains(outer: str, inner: str, *, adjacent: bool = False) -> bool:
        asked.append((outer, inner))
        return gazetteer.contains(outer, inner, adjacent=adjacent)

    monkeypatch.setattr(
        "crisislens.pipeline.telling.load_gazetteer", lambda: SimpleNamespace(contains=contains)
    )
    text = "Flood in Coeur d'Alene, Idaho"
    post = ReadPost(text, placed_words(text))
    inner, outer = Mention(2, 6, "LOC"), Mention(7, 8, "LOC")
    assert own._telling.tells(CONTAINS, post, outer, inner)
    assert asked == [("Idaho", "Coeur d'Alene")]
    # and in the words that the model read
    text = "Flood in St.Louis, Missouri"
    post = ReadPost(text, placed_words(text))
    assert own._telling.tells(CONTAINS, post, Mention(6, 7, "LOC"), Mention(2, 5, "LOC"))
    assert asked[1:] == [("Missouri", "St.Louis"), ("Missouri", "St . Louis")]


@pytest.mark.parametrize(
    "name", ["/per/misc/race", "/PER/MISC/Religion", "/person/loc/nationality", "nationality"]
)
def test_some_things_are_told_by_no_extractor(finder: Finder, name: str) -> None:
    assert finder.relations is not None
    own = copy.deepcopy(finder.relations.extractor)
    own.spec = own.spec.model_copy(update={"relations": ("None", name)})
    meta = ExtractorMeta(name="own", tells=(name,))
    for everything in (False, True):
        asked = Finder(
            finder.entities, LoadedExtractor(own, meta, "0"), languages=(), all_relations=everything
        )
        assert not asked.tells
        assert not any(f.relations for f in asked.find(TEXTS))


def named_as(extractor: Extractor, kind: str) -> LoadedExtractor:
    """An extractor of entities that calls all of them one kind."""
    own = copy.deepcopy(extractor)
    own.tags = TagScheme("bio", (kind, kind))
    return LoadedExtractor(own, ExtractorMeta(name="own"), "0")


def test_kinds_are_compared_without_case_and_idle_relations_are_named(finder: Finder) -> None:
    own = copy.deepcopy(finder.entities.extractor)
    own.tags = TagScheme("bio", ("per", "loc"))
    lower = Finder(LoadedExtractor(own, finder.entities.meta, "0"), finder.relations, languages=())
    assert [f.relations for f in lower.find(TEXTS)] == [f.relations for f in finder.find(TEXTS)]
    assert lower.find(TEXTS)[0].entities[0].type == "per"
    assert not lower.idle_relations
    own.spec = own.spec.model_copy(update={"types": ("disease", "drug")})
    assert (
        Finder(LoadedExtractor(own, finder.entities.meta, "0"), finder.relations).idle_relations
        == RELATIONS[1:]
    )


def test_an_extractor_of_both_finds_both(
    finder: Finder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = Finder(trained(tmp_path, "joint"))
    with one_thread_each():
        found = both.find(TEXTS)
        assert [both.find([text])[0] for text in TEXTS] == found
    assert [(e.type, e.text) for e in found[0].entities] == [("PER", "Anna"), ("LOC", "Paris")]
    assert [(r.type, r.head, r.tail) for r in found[0].relations] == [(RELATIONS[1], 0, 1)]
    # what is left out takes its relations with it, and places in the list are those of what is left
    scores = [e.score for e in found[0].entities]
    for above in (min(scores) + 1e-4, 1.0):
        strict = LoadedExtractor(
            both.entities.extractor, ExtractorMeta(name="strict", accept_above=above), "0"
        )
        kept = Finder(strict).find(TEXTS[:1])[0]
        assert [e.score for e in kept.entities] == [s for s in scores if s >= above]
        assert not kept.relations
    # places are those among what is left
    meta = ExtractorMeta(name="strict", accept_above=0.5)
    said = Prediction(
        (Mention(0, 1, "LOC"), Mention(1, 2, "PER"), Mention(3, 4, "LOC")),
        (0.4, 0.9, 0.9),
        (Link(0, 1, RELATIONS[1]), Link(1, 2, RELATIONS[1])),
        (0.9, 0.9),
    )
    monkeypatch.setattr(both.entities.extractor, "predict", lambda batch: [said] * len(batch))
    kept = Finder(LoadedExtractor(both.entities.extractor, meta, "0")).find(TEXTS[:1])[0]
    assert [(e.type, e.text) for e in kept.entities] == [("PER", "Anna"), ("LOC", "Paris")]
    assert [(r.head, r.tail) for r in kept.relations] == [(0, 1)]
    silent = Finder(both.entities, no_relations=True).find(TEXTS[:1])[0]
    assert silent.entities
    assert not silent.relations
    with pytest.raises(ModelError, match="finds relations itself"):
        Finder(both.entities, finder.relations)


def test_an_extractor_with_an_image_encoder_reads_posts_without_pictures(tmp_path: Path) -> None:
    from transformers import ViTConfig, ViTModel

    config = ViTConfig(
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=16,
        patch_size=8,
    )
    ViTModel(config).save_pretrained(tmp_path / "vision")
    spec = ExtractorSpec(
        types=("PER", "LOC"),
        encoder=LanguageSpec(checkpoint=str(write_tiny_bert(tmp_path / "bert")), max_tokens=48),
        image_encoder=VisionSpec(checkpoint=str(tmp_path / "vision")),
        fusion=True,
    )
    extractor = Extractor(spec).eval()
    assert (extractor.patch_width, spec.image_width) == (8, 1)
    reading = Finder(LoadedExtractor(extractor, ExtractorMeta(name="seeing"), "0"))
    (tmp_path / "posts.jsonl").write_text(
        "".join(json.dumps({"id": str(i), "text": text}) + "\n" for i, text in enumerate(TEXTS))
    )
    done = extract_posts(read_posts(tmp_path / "posts.jsonl"), reading, tmp_path / "e.jsonl")
    assert (done.posts, done.left_alone, done.failed) == (len(TEXTS) - 1, 1, 0)


def test_the_extractors_that_ship() -> None:
    shipped = Finder.load()
    texts = [
        "Soldiers are removing debris in Jojutla, Mexico after the earthquake",
        "Help for everyone in #Iran and #Iraq #earthquake",
        "Smoke from California fires reaches Oregon and Ohio",
        "Record heat, fierce winds fuel wildfire threat near Santa Rosa, California",
        "Rookie Tanner Miller of the Bills lost his home in the fires",
    ]
    with one_thread_each():
        found = shipped.find(texts)
        assert [shipped.find([text])[0] for text in texts] == found
        everything = Finder(shipped.entities, shipped.relations, all_relations=True).find(texts)
    # no place of a name is meant where the region stands in a list, on another line, or as a hashtag of its
    # own
    assert not any(
        f.relations for f in shipped.find(["Pray for #London #USA", "Flood in Paris\nTexas sends help"])
    )
    names = [[(f.entities[r.head].text, r.type, f.entities[r.tail].text) for r in f.relations] for f in found]
    assert names[0] == [("Mexico", CONTAINS, "Jojutla")]
    assert names[1] == names[2] == names[4] == []
    assert names[3] == [("California", CONTAINS, "Santa Rosa")]
    assert {(e.type, e.text) for e in found[1].entities} == {("LOC", "Iran"), ("LOC", "Iraq")}
    told = {r.type for f in everything for r in f.relations}
    assert told > {CONTAINS}, "and what it does not tell by default"
    assert not any(word in name for name in told for word in ("race", "religion", "nationality"))


def test_thresholds_leave_out(tmp_path: Path, finder: Finder) -> None:
    strict = LoadedExtractor(finder.entities.extractor, ExtractorMeta(name="strict", accept_above=1.0), "0")
    sure = [e for f in finder.find(TEXTS) for e in f.entities if e.score == 1]
    assert len([e for f in Finder(strict, None, languages=()).find(TEXTS) for e in f.entities]) <= len(sure)
    alone = Finder(finder.entities, None, languages=()).find(TEXTS)
    assert not any(f.relations for f in alone)
    assert not any(f.relations_read for f in alone if f.read), "nobody looked"


def test_what_is_never_told_is_so_by_any_name(finder: Finder) -> None:
    assert finder.relations is not None
    named = (
        "has_religion",
        "nationalities_of",
        "hasRace",
        "/per/misc/religion/",
        "ETHNICITY",
        "PERReligion",
        "hasIDNationality",
        "race2",
    )
    for name in (*named, "/per/misc/embraces", "traced"):
        other = copy.deepcopy(finder.relations.extractor)
        other.spec = other.spec.model_copy(update={"relations": ("None", name)})
        asked = Finder(
            finder.entities,
            LoadedExtractor(other, ExtractorMeta(name="own"), "0"),
            languages=(),
            all_relations=True,
        )
        assert (name in asked.tells) == (name not in named), name


def test_what_a_post_says_of_its_language_comes_before_what_is_detected(finder: Finder) -> None:
    learned = finder.entities.meta.model_copy(update={"languages": ("en",)})
    english = Finder(LoadedExtractor(finder.entities.extractor, learned, "0"))
    text = TEXTS[0]
    said = (None, "sw", "en-GB", "und")
    found = english.find([text] * 4, languages=said)
    assert [f.read for f in found] == [True, False, True, True]
    # whoever stands beside it
    assert [english.find([text], languages=[one])[0] for one in said] == found
    german = "Die Brücke in Paris ist eingestürzt und Anna wartet seit gestern auf Hilfe"
    assert english.find([german], languages=["en"])[0].read
    with pytest.raises(InputError, match="1 languages were given for 2 texts"):
        english.find([text, german], languages=["en"])
    posts = [Post(id="1", text=text), Post(id="2", text=text, lang="sw")]
    encoded = EncodedPosts([], [], [])
    plain, marked = EntityAnnotator(english).annotate(posts, encoded)
    assert plain["entities"]
    assert not marked["entities"]
    assert marked["notes"]


def test_other_languages_are_left_alone(finder: Finder, tmp_path: Path) -> None:
    learned = finder.entities.meta.model_copy(update={"languages": ("en",)})
    english = Finder(LoadedExtractor(finder.entities.extractor, learned, "0"))
    assert [
        f.read
        for f in english.find(
            ["Anna visits Paris", "", "Die Brücke in Paris ist eingestürzt und Anna wartet seit gestern"]
        )
    ] == [
        True,
        False,
        False,
    ]
    german = "Die Brücke in Paris ist eingestürzt und Anna wartet seit gestern auf Hilfe"
    assert not english.find([german])[0].entities
    assert (
        Finder(finder.entities, None, languages=("de",)).find([german])[0]
        == Finder(finder.entities, None, languages=()).find([german])[0]
    )
    assert english.find(TEXTS[:1])[0].entities, "too short to tell"
    # an extractor that says nothing of languages reads all, and each of two extractors by itself
    assert (
        Finder(finder.entities).find([german])[0] == Finder(finder.entities, languages=()).find([german])[0]
    )
    assert finder.relations is not None
    reading = Finder(finder.entities, LoadedExtractor(finder.relations.extractor, learned, "0"))
    assert reading.find([german])[0].read
    assert not reading.find([german])[0].relations
    assert [f.relations_read for f in reading.find([german, TEXTS[0]])] == [False, True]
    assert reading.find(TEXTS[:1])[0].relations
    rows = [{"id": "1", "text": german}, {"id": "2", "text": TEXTS[0]}]
    for split in ("train", "dev", "test"):
        posts = tmp_path / "posts.jsonl"
        posts.write_text("".join(json.dumps(row) + "\n" for row in rows))
        done = extract_posts(read_posts(posts), reading, tmp_path / f"{split}.jsonl")
        assert (done.posts, done.relations_unread, done.left_alone) == (2, 1, 0)
    # no pair of the first post is learned as one without a relation
    assert read_annotated(tmp_path / "dev.jsonl").relations_unread == {0}
    pairs = load_splits(ExtractionData(name="table-pairs", root=str(tmp_path))).train
    assert {p.id for p in pairs} == {"2#0-1", "2#1-0"}
    marked = ExtractionData(name="table", root=str(tmp_path))
    assert [p.id for p in load_splits(marked, joint=True).dev] == ["2"]
    assert [p.id for p in load_splits(marked).dev] == ["1", "2"]
    (tmp_path / "dev.jsonl").write_text(json.dumps({"text": german, "entities": []}) + "\n")
    with pytest.raises(
        DataError, match=r"no relation is marked in the files for dev .* set extractor.task to entities"
    ):
        load_splits(marked, joint=True)


def test_extractors_are_checked(finder: Finder, tmp_path: Path) -> None:
    assert finder.relations is not None
    with pytest.raises(ModelError, match="one of entities is needed"):
        Finder(finder.relations)
    with pytest.raises(NotRegisteredError, match="no extractor named 'nothing'"):
        find_extractor("nothing")
    with pytest.raises(ModelError, match="lacks"):
        find_extractor(tmp_path)


def test_hostile_texts(finder: Finder) -> None:
    texts = [
        "\ud800\udfff half",
        "a" * 50_000,
        "word " * 5_000,
        "\u202e\x00\u200b",
        "Anna visits Paris " * 40,
    ]
    found = finder.find(texts)
    for text, f in zip(texts, found, strict=True):
        assert all(text[e.start : e.end] == e.text for e in f.entities)


def test_files(finder: Finder, tmp_path: Path) -> None:
    rows = [
        {"id": "1", "text": TEXTS[0]},
        {"id": "2", "text": ""},
        {"id": "1", "text": "again"},
        {"id": "3", "text": "Bob visits Ponce"},
    ]
    (tmp_path / "posts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = extract_posts(read_posts(tmp_path / "posts.jsonl"), finder, tmp_path / "out" / "e.jsonl", chunk=2)
    lines = [json.loads(line) for line in (tmp_path / "out" / "e.jsonl").read_text().splitlines()]
    assert (done.posts, done.left_alone, done.failed, done.entities, done.relations) == (2, 1, 1, 4, 2)
    assert [line.get("id") for line in lines] == ["1", "2", None, "3"]
    assert "earlier row" in lines[2]["failed"]["reason"]
    # what it wrote is what extractors learn from
    again = read_annotated(tmp_path / "out" / "e.jsonl")
    assert (len(again.posts), again.widened, again.without_words) == (2, 0, 2)
    assert [[m.type for m in p.mentions] for p in again.posts] == [["PER", "LOC"], ["PER", "LOC"]]
    assert again.posts[0].links[0].type == RELATIONS[1]
    assert lines[0]["entities"][1] == {
        "type": "LOC",
        "text": "Paris",
        "start": 18,
        "end": 23,
        "score": lines[0]["entities"][1]["score"],
    }
    assert dict(done.frequent)[("LOC", "Ponce")] == 1
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["e.jsonl"]


def test_contexts_are_read_where_the_extractor_knows_them(finder: Finder, tmp_path: Path) -> None:
    reading = Finder(trained(tmp_path, "entities", contexts=True), languages=())
    rows = [{"id": str(i), "text": text, "image": f"{i}.jpg"} for i, text in enumerate(TEXTS)]
    (tmp_path / "posts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "captions.jsonl").write_text(
        "".join(json.dumps({"id": str(i), "text": "water today in Paris"}) + "\n" for i in (0, 2, 4))
    )
    contexts = Sidecar.read(tmp_path / "captions.jsonl")
    given = ["water today in Paris" if i in (0, 2, 4) else "" for i in range(len(TEXTS))]
    with one_thread_each():
        together = reading.find(TEXTS, given)
        assert [reading.find([text], [c])[0] for text, c in zip(TEXTS, given, strict=True)] == together
        bare = reading.find(TEXTS)
    assert [a == b for a, b in zip(bare, together, strict=True) if a.entities] == [
        not c for c, b in zip(given, bare, strict=True) if b.entities
    ]
    extract_posts(
        read_posts(tmp_path / "posts.jsonl"), reading, tmp_path / "e.jsonl", contexts=contexts, chunk=2
    )
    lines = [json.loads(line)["entities"] for line in (tmp_path / "e.jsonl").read_text().splitlines()]
    assert lines == [[e.model_dump() for e in f.entities] for f in together]
    with pytest.raises(InputError, match="read the text alone"):
        extract_posts(read_posts(tmp_path / "posts.jsonl"), finder, tmp_path / "x.jsonl", contexts=contexts)
    (tmp_path / "others.jsonl").write_text('{"id": "99", "text": "water"}\n')
    with pytest.raises(InputError, match="is a folder"):
        extract_posts(read_posts(tmp_path / "posts.jsonl"), finder, tmp_path)
    with pytest.raises(InputError, match="none of the 1 contexts belongs to one of the posts"):
        extract_posts(
            read_posts(tmp_path / "posts.jsonl"),
            reading,
            tmp_path / "x.jsonl",
            contexts=Sidecar.read(tmp_path / "others.jsonl"),
        )
    with pytest.raises(InputError, match="1 contexts were given for 2 texts"):
        reading.find(TEXTS[:2], ["one"])


@pytest.mark.parametrize("cut", [0, 1, 2, 5])
def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(
    finder: Finder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, cut: int
) -> None:
    rows = [{"id": str(i), "text": f"{TEXTS[i % 2]} {'help ' * (i % 5)}"} for i in range(40)] + [
        {"id": "7", "text": "again"}
    ]
    posts = tmp_path / "posts.jsonl"
    posts.write_text("".join(json.dumps(row) + "\n" for row in rows))
    whole = extract_posts(read_posts(posts), finder, tmp_path / "whole.jsonl", chunk=64, workers=1)

    class Killed(BaseException):
        pass

    def kill(done: int, _total: int | None) -> None:
        if done >= 16:
            raise Killed

    out = tmp_path / "out" / "e.jsonl"
    with pytest.raises(Killed):
        extract_posts(read_posts(posts), finder, out, chunk=8, workers=2, progress=kill)
    [part] = out.parent.iterdir()
    # killed behind a line, before its end, or in its middle
    part.write_bytes(part.read_bytes()[: len(part.read_bytes()) - cut])
    # a file of a like name is somebody else's
    other = out.with_name(f".{out.name}.x.{part.name.split('.')[3]}.part")
    other.write_text("theirs")
    read: list[str] = []
    find = finder.find
    monkeypatch.setattr(
        finder,
        "find",
        lambda texts, contexts=(), **said: read.extend(texts) or find(texts, contexts, **said),
    )
    done = extract_posts(read_posts(posts), finder, out, chunk=8, workers=2)
    assert done.resumed == (16 if cut == 0 else 15)
    assert len(read) == 40 - done.resumed
    assert replace(done, resumed=0) == whole
    assert out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    # other posts are another run
    with pytest.raises(Killed):
        extract_posts(read_posts(posts), finder, out, chunk=8, progress=kill)
    posts.write_text(posts.read_text().replace("Anna", "Bob"))
    assert extract_posts(read_posts(posts), finder, out, chunk=8).resumed == 0
    assert {p.name for p in out.parent.iterdir()} == {"e.jsonl", other.name}


def test_a_run_that_the_machine_ends_goes_on(
    finder: Finder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    posts = tmp_path / "posts.jsonl"
    posts.write_text("".join(json.dumps({"id": str(i), "text": text}) + "\n" for i, text in enumerate(TEXTS)))
    find, asked = finder.find, []

    def full(texts: list[str], contexts: list[str], **said: Any) -> list[Found]:
        asked.append(len(texts))
        if len(asked) > 1:
            raise RuntimeError("no memory for all of them") if len(texts) > 1 else MemoryError
        return find(texts, contexts, **said)

    monkeypatch.setattr(finder, "find", full)
    with pytest.raises(MemoryError):
        extract_posts(read_posts(posts), finder, tmp_path / "e.jsonl", chunk=2, workers=1)
    monkeypatch.undo()
    done = extract_posts(read_posts(posts), finder, tmp_path / "e.jsonl", chunk=2)
    assert (done.resumed, done.posts, done.left_alone, done.failed) == (2, len(TEXTS) - 1, 1, 0)


def test_one_post_never_costs_another(
    finder: Finder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    posts = tmp_path / "posts.jsonl"
    posts.write_text(
        "".join(
            json.dumps({"id": str(i), "text": text}) + "\n"
            for i, text in enumerate([*TEXTS, "poison", "Anna \ud800"])
        )
    )
    find = finder.find

    def touchy(texts: list[str], contexts: list[str], **said: Any) -> list[Found]:
        if "poison" in texts:
            raise RuntimeError("a bug")
        return find(texts, contexts, **said)

    monkeypatch.setattr(finder, "find", touchy)
    done = extract_posts(read_posts(posts), finder, tmp_path / "e.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "e.jsonl").read_text(encoding="utf-8").splitlines()]
    assert (done.posts, done.left_alone, done.failed) == (len(TEXTS), 1, 1)
    assert lines[len(TEXTS)]["failed"] == {
        **lines[len(TEXTS)]["failed"],
        "id": "6",
        "row": 6,
        "reason": "could not be read: RuntimeError: a bug",
    }
    assert lines[0]["entities"]


def test_assessments_carry_and_tables_show_them(finder: Finder, tmp_path: Path) -> None:
    analyst = Analyst.load(write_bundle(tmp_path), annotators=[EntityAnnotator(finder)])
    [found, bare] = analyst.assess([Post(id="1", text=TEXTS[0]), Post(id="2", text="")])
    assert type(found).model_validate_json(found.model_dump_json()) == found
    assert found.provenance.annotators == {"entities": finder.fingerprint()}
    shipped = EntityAnnotator()
    assert isinstance(shipped, HasCard)
    assert shipped.title == "entities-compact 1 and relations-compact 1"
    assert shipped.known_limits[0].startswith(
        "Names come from entities-compact 1, relations from relations-compact 1; their scores are not"
    )
    assert (
        "Never measured on crisis posts, where it often takes storms for people. It reads"
        in shipped.known_limits[0]
    )
    [bare_card] = EntityAnnotator(Finder(finder.entities)).known_limits
    assert "relations" not in bare_card
    assert "says nothing of its limits" in bare_card
    assert entity_texts(found) == ["PER: Anna", "LOC: Paris"]
    assert relation_texts(found) == ["Anna — place of residence — Paris"]
    placed = found.model_copy(
        update={"location": GeoLocation(lat=48.9, lon=2.4, source="text", confidence=1.0)}
    )
    on_map = feature(placed)
    assert on_map is not None
    properties = on_map["properties"]
    assert isinstance(properties, dict)
    # no name of a person on a map
    assert (properties["entities"], properties["relations"]) == ("LOC: Paris", None)
    for kind, shown in (
        ("Person", "LOC: Paris"),
        ("MISSING_CHILD", "LOC: Paris"),
        ("Org", "Org: Anna | LOC: Paris"),
    ):
        of_ones_own = (found.entities[0].model_copy(update={"type": kind}), *found.entities[1:])
        on_map = feature(placed.model_copy(update={"entities": of_ones_own}))
        assert on_map is not None
        assert on_map["properties"]["entities"] == shown  # type: ignore[index]
    assert [(n.kind, n.text) for n in named_of(found)] == [("person", "Anna"), ("place", "Paris")]
    assert (bare.entities, bare.relations) == ((), ())
    assert not any("not looked for" in note for a in (found, bare) for note in a.notes)
    # what was not read is not to be taken for what names nothing
    german = Post(id="3", text="Die Brücke in Paris ist eingestürzt und Anna wartet seit gestern auf Hilfe")
    assert finder.relations is not None
    english = finder.entities.meta.model_copy(update={"languages": ("en",)})
    deaf = Finder(LoadedExtractor(finder.entities.extractor, english, "0"), finder.relations)
    half = Finder(finder.entities, LoadedExtractor(finder.relations.extractor, english, "0"))
    for reading, told in (
        (deaf, "names and relations were not looked for"),
        (half, "relations were not looked for"),
    ):
        [one] = Analyst.load(write_bundle(tmp_path), annotators=[EntityAnnotator(reading)]).assess([german])
        assert [note for note in one.notes if note.startswith(told)], one.notes
    # nobody asked for relations: that is not worth a note a post
    [one] = Analyst.load(
        write_bundle(tmp_path), annotators=[EntityAnnotator(Finder(finder.entities))]
    ).assess([german])
    assert not any("not looked for" in note for note in one.notes)
