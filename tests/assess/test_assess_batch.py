"""A post gets the answer that `analyze` gives, byte for byte, and costs only itself where it has none."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from crisislens.assess import AnalystSpec
from crisislens.assess.batch import assess_batch, explain_post
from crisislens.data.tabular import read_posts
from crisislens.domain.post import Post
from crisislens.pipeline.batch import run_analysis
from crisislens.runs.cutting import CHUNK_LETTERS
from crisislens.store import Store
from crisislens.store.records import Done, NewPost, PostFilter
from tiny_bundles import write_bundle


@pytest.fixture(autouse=True)
def one_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")


def photo_bytes(shade: int) -> bytes:
    """A photo with something on it."""
    picture = Image.effect_mandelbrot((90, 60), (-2, -1, 1, 1), 40 + shade).convert("RGB")
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def assess_once(store: Store, spec: AnalystSpec, most: int = 64) -> int:
    """What a pool does, in this process."""
    analysts = spec.build(store.blobs.folder)
    count = 0
    while jobs := store.queue.claim("here", most):
        found = assess_batch(analysts, [job.post for job in jobs])
        done = []
        for job, answered in zip(jobs, found, strict=True):
            assert answered.reason is None
            more = {name: value for name, value in answered._asdict().items() if name != "reason"}
            done.append(Done.model_validate({"post_id": job.post_id, "partial": job.partial, **more}))
        count += store.queue.finish("here", done)
    return count


TEXTS = [
    "Bridge is down, need water",
    "RT @ann: bridge is down need water https://t.co/x",
    "",
    "el puente se cayó y la gente necesita agua",
    "x" * 3_000,
    "A\u2028line\u0085of 🌊",
    "the same text twice",
    "the same text twice",
]


@pytest.mark.parametrize("most", [64, 3], ids=["no flood", "a flood"])
def test_the_service_and_analyze_say_the_same_byte_for_byte(
    store: Store, spec: AnalystSpec, tmp_path: Path, most: int
) -> None:
    posts = []
    for i, text in enumerate(TEXTS):
        photos = (store.blobs.keep(photo_bytes(i)),) if i % 3 == 2 else ()
        more: dict[str, Any] = {"created_at": "2026-09-20T12:00:00+02:00", "lat": 18.2, "lon": -66.5}
        posts.append(NewPost(external_id=f"p{i}", text=text, photos=photos, **(more if i % 2 else {})))
    store.posts.accept("api", posts)
    flooded = 0 if most == 64 else 1
    assert assess_once(store, spec, most) == len(TEXTS) + flooded

    table = tmp_path / "posts.jsonl"
    with table.open("w", encoding="utf-8") as lines:
        for row in store.posts.stream(PostFilter()):
            given: dict[str, Any] = {"id": row.external_id, "text": row.text}
            if row.photos:
                given["image"] = store.blobs.name(row.photos[0].sha256 or "")
            if row.created_at:
                given |= {"created_at": row.created_at.isoformat(), "lat": row.lat, "lon": row.lon}
            lines.write(json.dumps(given) + "\n")
    [analyst] = spec.build(store.blobs.folder)
    outcome = run_analysis(read_posts(table), analyst, tmp_path / "out")
    assert (outcome.assessed, outcome.failed) == (len(TEXTS), 0)
    analyzed = (tmp_path / "out" / "assessments.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
    assert list(store.posts.documents(PostFilter())) == analyzed
    assert all(not a.partial for row in range(1, 9) for a in store.posts.detail(row).assessments)
    # and the near-duplicates are those of the run
    runs = {frozenset(cluster.ids) for cluster in outcome.clusters}
    mine: dict[int, set[str]] = {}
    for row in store.posts.stream(PostFilter()):
        if row.cluster_id is not None:
            mine.setdefault(row.cluster_id, set()).add(row.external_id)
    assert {frozenset(ids) for ids in mine.values()} == runs


def test_the_least_sure_posts_are_those_of_questions_that_can_be_answered(
    store: Store, spec: AnalystSpec
) -> None:
    # no answer about damage is ever given
    bundle = Path(spec.models[0]) / "bundle.json"
    config = json.loads(bundle.read_text())
    for calibration in config["tasks"]["damage"]["calibration"].values():
        calibration["abstain_below"] = 1.0
    bundle.write_text(json.dumps(config))
    texts = ["Bridge is down, need water", "sunny day", "the river rises in town", "help", "no power here"]
    store.posts.accept("api", [NewPost(external_id=text, text=text) for text in texts])
    assess_once(store, spec)
    rows = store.posts.find(PostFilter(order="uncertainty")).rows
    sure = [min(row.answers[task].confidence for task in ("informativeness", "humanitarian")) for row in rows]
    assert sure == sorted(sure)
    assert [row.uncertainty for row in rows] == pytest.approx([1 - least for least in sure], abs=1e-4)
    # damage would have made another order
    assert any(row.answers["damage"].confidence < least - 0.1 for row, least in zip(rows, sure, strict=True))


def test_a_post_that_cannot_be_assessed_costs_itself_alone(
    spec: AnalystSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [analyst] = spec.build(tmp_path)
    find = analyst.find

    def fussy(posts: list[Post], *, analyzed_at: str) -> Any:
        if any("poison" in post.text for post in posts):
            raise ValueError("too bitter")
        return find(posts, analyzed_at=analyzed_at)

    monkeypatch.setattr(analyst, "find", fussy)
    texts = ["one", "poison", "two"]
    found = assess_batch([analyst], [Post(id=str(i), text=text) for i, text in enumerate(texts)])
    assert [answer[3] for answer in found] == [None, "could not be assessed: ValueError: too bitter", None]
    assert [answer[0] is None for answer in found] == [False, True, False]


def test_long_texts_are_read_a_few_at_a_time(
    spec: AnalystSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [analyst] = spec.build(tmp_path)
    find, asked = analyst.find, []

    def counted(posts: list[Post], *, analyzed_at: str) -> Any:
        asked.append(sum(len(post.text) for post in posts))
        return find([Post(id=post.id, text="flood") for post in posts], analyzed_at=analyzed_at)

    monkeypatch.setattr(analyst, "find", counted)
    long = CHUNK_LETTERS // 2
    found = assess_batch([analyst], [Post(id=str(i), text="x" * long) for i in range(5)])
    assert [json.loads(answer[0] or "")["post"]["id"] for answer in found] == list("01234")
    assert asked == [2 * long, 2 * long, long]


def test_a_text_that_the_first_model_cannot_read_goes_to_the_next(tmp_path: Path) -> None:
    english = write_bundle(tmp_path / "en", languages=("en",))
    spanish = write_bundle(tmp_path / "es", languages=("es",))
    spec = AnalystSpec((str(english),), (str(spanish),), leave_out=("places", "place_types"))
    first, second = spec.build(tmp_path)
    texts = [
        "The bridge is down and the road to the hospital is flooded",
        "El puente se cayó y la gente de la comunidad necesita agua y comida",
        "Мост разрушен, и дорога в больницу затоплена, нужна помощь",
    ]
    posts = [Post(id=str(i), text=text) for i, text in enumerate(texts)]
    docs = [json.loads(answer[0] or "") for answer in assess_batch([first, second], posts)]
    models = [doc["provenance"]["model_fingerprint"] for doc in docs]
    assert models == [first.fingerprint, second.fingerprint, first.fingerprint]
    assert ["unread" in doc for doc in docs] == [False, False, True]


def test_evidence_is_none_where_the_analyst_makes_none(spec: AnalystSpec, tmp_path: Path) -> None:
    [analyst] = spec.build(tmp_path)
    assert explain_post(analyst, Post(id="1", text="Bridge is down")) is None
