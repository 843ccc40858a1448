"""A made-up crisis for the tests of the report: about 300 assessments with drawn pictures, near-duplicates,
odd dates and hostile posts.
"""

import io
import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from PIL import Image, ImageDraw

from crisislens.domain.assessment import Assessment, FailedPost, Modality, Provenance, TaskAssessment
from crisislens.domain.extraction import Entity, Relation
from crisislens.domain.post import ImageRef, Post
from crisislens.domain.tasks import TASKS, Task
from crisislens.report.model import ReportCluster, ReportMeta, ReportTask

START = datetime(2017, 9, 20, 10, 15, tzinfo=UTC)
THRESHOLDS = {"text": 0.6, "image": 0.65, "both": 0.55}
SPACES = {
    "informativeness": TASKS["informativeness"],
    "humanitarian": TASKS["humanitarian_b2"],
    "damage": TASKS["damage_severity"],
}
PROVENANCE = Provenance(
    model="crisis-compact",
    model_version="0.1.0",
    model_fingerprint="00112233445566ff",
    encoder_fingerprint="ffeeddccbbaa9988",
    crisislens_version="0.1.0",
    analyzed_at="2017-09-23T08:00:00+00:00",
)
TEXTS = (
    (
        "en",
        "affected",
        "Family of five on a roof near the {place} school, water still rising, please send a boat #Maria "
        "http://t.co/x1y2z3",
    ),
    (
        "en",
        "affected",
        "My grandmother is missing since last night in {place}. She is 78, wears a green coat. Please share.",
    ),
    (
        "es",
        "affected",
        "Necesitamos ayuda en {place}, hay heridos y no llega nadie. No tenemos agua ni luz desde el "
        "miércoles.",
    ),
    (
        "en",
        "infrastructure_and_utility_damage",
        "The bridge to {place} has collapsed, road closed in both directions https://example.org/a?b=c&d=e",
    ),
    (
        "en",
        "infrastructure_and_utility_damage",
        "No power and no signal in {place}, poles down across the whole street",
    ),
    ("es", "infrastructure_and_utility_damage", "Se cayó el puente de {place}. La carretera está cerrada."),
    (
        "en",
        "rescue_volunteering_or_donation_effort",
        "Volunteers are handing out water and diapers at the {place} gym until 8 pm. Bring what you can.",
    ),
    (
        "en",
        "rescue_volunteering_or_donation_effort",
        "Text RELIEF to 90999 to give 10 dollars to the victims in {place}",
    ),
    (
        "en",
        "other_relevant_information",
        "The storm is now a category 4 and moves to {place} with 12 knots, says the weather service.",
    ),
    ("en", "not_humanitarian", "Thoughts and prayers for {place} tonight"),
    ("ar", "affected", "نحن محاصرون في {place} والمياه ترتفع، نرجو المساعدة"),
    ("en", "not_humanitarian", "lol the new season is out and I am in {place} without wifi"),
)
PLACES = ("Ponce", "Arecibo", "Humacao", "Mayagüez", "Caguas", "Utuado", "Loíza")
COLORS = ("#6b7b8c", "#8c6d4f", "#35608c", "#7d8a5b", "#b06a4a")


def task(space: Task, label: str, confidence: float, *, threshold: float = 0.6) -> TaskAssessment:
    """An answer with the given confidence; below the threshold it abstains."""
    others = [name for name in space.classes if name != label]
    share = (1 - confidence) / len(others)
    abstained = confidence < threshold
    reason = (
        f"Leaning to “{space.title(label)}” at {confidence:.0%}, below the {threshold:.0%} needed for this "
        f"kind of post."
        if abstained
        else None
    )
    probabilities = {name: round(confidence if name == label else share, 4) for name in space.classes}
    return TaskAssessment(
        label=label, confidence=confidence, probabilities=probabilities, abstained=abstained, reason=reason
    )


def assessment(
    post: Post,
    *,
    humanitarian: str = "affected",
    damage: str = "severe_damage",
    confidence: float | Mapping[str, float] = 0.9,
    urgency: float = 0.5,
    language: str | None = "en",
    modalities: tuple[Modality, ...] = ("text",),
    notes: tuple[str, ...] = (),
) -> Assessment:
    """One assessment; its answers have one confidence or one each."""
    informative = "not_informative" if humanitarian == "not_humanitarian" else "informative"
    threshold = THRESHOLDS.get("both" if len(modalities) > 1 else "".join(modalities), 1.0)
    labels = {"informativeness": informative, "humanitarian": humanitarian, "damage": damage}
    sure = confidence if isinstance(confidence, Mapping) else dict.fromkeys(labels, confidence)
    tasks = {
        name: task(SPACES[name], label, sure[name], threshold=threshold) for name, label in labels.items()
    }
    return Assessment(
        post=post,
        modalities=modalities,
        notes=notes,
        language=language,
        tasks=tasks,
        urgency=urgency,
        provenance=PROVENANCE,
    )


def naming(post: Post) -> Assessment:
    """An assessment of a post `HEAD in TAIL`, whose two names are entities with a relation."""
    head, tail = post.text.split(" in ")
    ends = [(0, len(head), "PER", head), (len(post.text) - len(tail), len(post.text), "LOC", tail)]
    found = tuple(Entity(type=kind, text=text, start=a, end=b, score=0.9) for a, b, kind, text in ends)
    relation = Relation(type="/per/loc/place_of_residence", head=0, tail=1, score=0.8)
    return assessment(post).model_copy(update={"entities": found, "relations": (relation,)})


def meta(**changes: object) -> ReportMeta:
    """What the report is told of the run."""
    values: dict[str, object] = {
        "title": "Hurricane María, first three days",
        "source_name": "maria-sample.jsonl",
        "model": PROVENANCE.model,
        "model_version": PROVENANCE.model_version,
        "model_fingerprint": PROVENANCE.model_fingerprint,
        "encoder_fingerprint": PROVENANCE.encoder_fingerprint,
        "crisislens_version": PROVENANCE.crisislens_version,
        "analyzed_at": PROVENANCE.analyzed_at,
        "tasks": tuple(ReportTask(space, THRESHOLDS) for space in SPACES.values()),
        "command": "crisislens analyze maria-sample.jsonl --images photos --out crisislens-out",
        "model_description": "Guided cross attention over MiniLM and EfficientNet-lite features.",
        "languages": ("en",),
        "known_limits": ("The model was tuned on seven disasters of 2017; earthquakes were judged worst.",),
        "added_by": {"entities": "entities-compact 1, 8796a5b4c3d2e1f0"},
        "data": {"Source fingerprint": "0f1e2d3c4b5a6978"},
        "files": ("assessments.jsonl", "assessments.csv"),
    }
    return ReportMeta(**{**values, **changes})  # type: ignore[arg-type]


def picture(seed: int, size: tuple[int, int] = (280, 210)) -> bytes:
    """A small drawn JPEG: sky, ground, a house that may lean."""
    rng = random.Random(seed)
    image = Image.new("RGB", size, rng.choice(COLORS))
    draw = ImageDraw.Draw(image)
    width, height = size
    draw.rectangle((0, int(height * rng.uniform(0.5, 0.75)), width, height), fill=rng.choice(COLORS))
    for _ in range(rng.randint(2, 5)):
        x, y, w = rng.randrange(width - 60), rng.randrange(40, height - 60), rng.randrange(30, 70)
        lean = rng.randint(-14, 14)
        draw.polygon(
            ((x, y + w), (x + lean, y), (x + w + lean, y + rng.randint(-8, 8)), (x + w, y + w)),
            fill=rng.choice(COLORS),
            outline="black",
        )
    for _ in range(60):
        x, y = rng.randrange(width), rng.randrange(height)
        draw.line(
            (x, y, x + rng.randint(-25, 25), y + rng.randint(-25, 25)), fill=rng.choice(COLORS), width=2
        )
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=75)
    return buffer.getvalue()


def thumbnails(post: Post) -> bytes | None:
    """The picture of a post; every ninth cannot be drawn."""
    assert post.image is not None, "asked for the photo of a post without one"
    seed = sum(map(ord, post.image.path))
    return None if seed % 9 == 0 else picture(seed, (280, 210) if seed % 3 else (210, 280))


HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)> </style></title> {{ 7 * 7 }} javascript:alert(3)",
    "Send money to \u202egro.ssorcder\u202c now\u2066 \u200b\u200b\u200b nul\x00 bell\x07 "
    "sep\u2028para\u2029end",
    "W" * 10_000,
    "'\"><svg onload=alert(4)> &amp; &lt;b&gt; data:text/html,<script>alert(5)</script>",
    "z\u0300\u0301\u0302\u0303\u0304\u0305\u0306\u0307\u0308" * 40,
    "words and more words " * 500,
)


def hostile() -> list[Assessment]:
    """Posts whose every free field attacks."""
    found = []
    for i, text in enumerate(HOSTILE):
        post = Post(
            id=f'h{i}"><script>alert("id")</script>',
            text=text,
            event="ev'\"><b onclick=alert(6)>",
            image=ImageRef(path=f"../{text[:20]}.jpg"),
        )
        found.append(
            assessment(
                post,
                urgency=0.99 - i / 100,
                notes=(f"note {text[:50]}",),
                language="en",
                modalities=("text", "image"),
            )
        )
    return found


def crisis(posts: int = 300, seed: int = 0) -> tuple[list[Assessment], list[FailedPost], list[ReportCluster]]:
    """The assessments, the failed rows and the near-duplicates of a made-up crisis."""
    rng = random.Random(seed)
    found = [_one(i, rng) for i in range(posts)]
    clusters = [
        ReportCluster(found[first].post.id, size, tuple(a.post.id for a in found[first : first + size]), kind)
        for first, size, kind in ((10, 13, "text"), (40, 6, "both"), (60, 2, "photo"))
        if first + size < posts
    ]
    failed = [
        FailedPost(
            row=posts + i,
            id=f"broken-{i}" if i % 2 else None,
            reason="text is missing; expected a string in 'text'",
        )
        for i in range(7)
    ]
    return found, failed, clusters


def _one(i: int, rng: random.Random) -> Assessment:
    language, category, text = TEXTS[10 if 10 <= i < 12 else 0] if 10 <= i < 23 else rng.choice(TEXTS)
    photo = rng.random() < 0.6
    broken = photo and rng.random() < 0.12
    hours = abs(rng.gauss(20, 12))
    post = Post(
        id=str(910_000_000_000_000_000 + 7919 * i),
        text=text.format(place=rng.choice(PLACES)) if rng.random() > 0.03 else "",
        image=ImageRef(path=f"photo-{i}.jpg") if photo else None,
        created_at=None if rng.random() < 0.04 else START + timedelta(hours=hours),
        lat=round(rng.uniform(17.9, 18.5), 5) if rng.random() < 0.2 else None,
        lon=round(rng.uniform(-67.2, -65.6), 5),
        event="maria" if rng.random() < 0.9 else "irma",
    )
    damage = rng.choice(
        ("severe_damage", "mild_damage")
        if category.startswith("infra")
        else ("little_or_no_damage", "severe_damage", "little_or_no_damage")
    )
    confidence = {
        name: round(min(0.997, max(0.4, rng.gauss(mean, 0.13))), 4)
        for name, mean in (("informativeness", 0.88), ("humanitarian", 0.74), ("damage", 0.78))
    }
    need = {
        "affected": 1.0,
        "infrastructure_and_utility_damage": 0.8,
        "rescue_volunteering_or_donation_effort": 0.5,
        "not_humanitarian": 0.05,
    }
    urgency = confidence["informativeness"] * (
        0.7 * need.get(category, 0.2) * confidence["humanitarian"]
        + 0.3 * confidence["damage"] * (damage == "severe_damage")
    )
    modalities: tuple[Modality, ...] = (
        *(("text",) if post.text else ()),
        *(("image",) if photo and not broken else ()),
    )  # type: ignore[assignment]
    notes = ("photo could not be used: the file ends before the picture does",) if broken else ()
    return assessment(
        post,
        humanitarian=category,
        damage=damage,
        confidence=confidence,
        urgency=round(urgency, 4),
        language=language if post.text else None,
        modalities=modalities,
        notes=notes,
    )
