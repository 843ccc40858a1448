r"""Gives a text bundle of `bundle_crisis.py` photos:
`python scripts/train_fused.py DATA --text BUNDLE --work DIR --out OUT`.

Category, calls and needs stay what the text alone says. Informative or not and damage become fused models
(`models.bounded`: a photo beside a text moves two classes by less than 2β), trained on the features of the
bundle's own encoder. Heads of B2 are trained the same way and kept in `--work`, to be measured: two
categories of one post would contradict each other.

Three steps a task, each a convex or small problem: the text's map and the photo's map by logistic regression,
then, with the text's map fixed, the nudge, on posts with their own photo and on texts beside photos drawn at
random, always with the label of the text: so the photo learns what it may add. The share of sources other
than CrisisMMD, how much "asks for help" counts for "informative", the strength of the penalty and β are
chosen on development rows, events left out and the stress set's half `develop`.

Thresholds: of the text on events left out; of text and photo on the same texts beside photos drawn at random;
of damage from photos on real posts, each judged by models that did not see it. A photo alone is never surely
informative: on a real feed all four sure ones were wrong.

Everything is kept in `--work`; a killed run goes on.
"""

import argparse
import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch.nn import functional

from crisislens.core.files import atomic_write
from crisislens.domain.calibration import Calibration
from crisislens.domain.post import Post
from crisislens.domain.tasks import TASKS, Task
from crisislens.encoders.base import EncoderPair, load_encoders
from crisislens.evaluation.calibration import fit_temperature, softmax
from crisislens.evaluation.classification import evaluate
from crisislens.features.cache import FeatureCache
from crisislens.models.artifact import ArtifactMeta, Card, load_artifact, save_artifact
from crisislens.models.base import ModelSpec
from crisislens.models.bounded import BoundedFusion
from crisislens.pipeline.bundle import Bundle, BundleConfig, TaskConfig

# the draw of texts, the rows and the sets are those of the scripts that this one follows
sys.path.append(str(Path(__file__).resolve().parents[1] / "benchmarks"))
from bundle_crisis import calibrated
from need import OUTSIDE, encode, sets
from train_crisis import draw, gather, outside, without_disputed
from train_default import Row, features, official_rows, weak_rows

# texts of other sources, so that "informative" is not what CrisisMMD's seven disasters call so
OTHERS = {
    "humaid": {
        "caution_and_advice": 160,
        "displaced_people_and_evacuations": 130,
        "infrastructure_and_utility_damage": 160,
        "injured_or_dead_people": 160,
        "missing_or_found_people": 130,
        "not_humanitarian": 580,
        "other_relevant_information": 160,
        "requests_or_urgent_needs": 220,
        "rescue_volunteering_or_donation_effort": 190,
    },
    "messages_english": {"request": 320, "other": 260, "news": 130},
    "messages_original": {"request": 320, "other": 190},
    "crisislex_t26": {"other language": 450, "yes": 190, "no": 320},
    "crisislex_t6": {"no": 130},
    "crisisnlp_workers": {"missing_or_found_people": 60},
    "cresci_italian": {"yes": 90, "no": 90},
    "disaster_keyword_tweets": {"no": 390},
}
PHOTOS = {"everyday": 1100, "disaster": 1200, "scene": 250, "captioned": 150}
Array = NDArray[np.float64]
Rows = NDArray[np.int64]
Flags = NDArray[np.bool_]
NONE: Rows = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Question:
    """A fused task and how it is trained.

    Attributes:
        name: The key of its labels.
        task: What is asked.
        balance: Whether rare classes count by the root of their rarity.
        bounds: The β that are tried.
        weak: Weight of a post whose label is guessed from its folder.
        risk: Errors among answers that its thresholds aim at.
    """

    name: str
    task: Task
    balance: bool
    bounds: tuple[float, ...]
    weak: float
    risk: float


QUESTIONS = (
    Question("informativeness", TASKS["informativeness"], False, (0.25, 0.5, 1.0, 1.5), 0.3, 0.10),
    Question("damage", TASKS["damage_severity"], True, (0.05, 0.2, 0.5, 1.0), 0.02, 0.30),
    Question("humanitarian", TASKS["humanitarian_b2"], True, (0.25, 0.5, 1.0), 0.3, 0.20),
)
PENALTIES = (0.001, 0.003, 0.01, 0.03)
SHARES = (0.0, 0.1, 0.3, 1.0)
# of the logit "asks for help" that "informative" takes in: CrisisMMD's annotators denied many short calls
CALLS = (0.0, 0.1, 0.2, 0.3)
# of the calls of the stress set's half `develop`, that may be called not informative at `DENIED` or more
MOST_DENIED, DENIED = 0.02, 0.9
# of recall, that an unrelated photo may cost on development rows
MOST_LOST = 0.03
NUDGE_PENALTY = 0.02


def other_rows(data: Path) -> list[Row]:
    """Texts of other sources that say whether they are informative; none of an event left out."""
    texts = [t for t in gather(data, free=False) if not outside(t)]
    chosen = draw(texts, OTHERS, np.random.default_rng(0))
    return [
        Row(
            Post(id=f"{texts[i].source}-{n}", text=texts[i].text),
            "train",
            weak=False,
            labels={"other": texts[i].labels["informative"]},
        )
        for n, i in enumerate(chosen)
        if "informative" in texts[i].labels
    ]


@dataclass(frozen=True)
class Vectors:
    """Pooled vectors of all rows, text and photo apart, so that any text can meet any photo.

    Attributes:
        rows: The posts with what is known of them.
        text: Shape (n, 384), standardized, zeros where there is none.
        image: Shape (n, 1280), likewise.
        has_text: Which rows have a text.
        has_image: Which have a photo.
        scales: Centers and scales that were taken off, as `BoundedFusion` names them.
    """

    rows: list[Row]
    text: Array
    image: Array
    has_text: Flags
    has_image: Flags
    scales: dict[str, Array]

    def at(self, task: str, split: str, *, weak: bool) -> Rows:
        """The rows of a split that answer a task."""
        found = [
            i
            for i, row in enumerate(self.rows)
            if row.split == split and task in row.labels and row.weak == weak
        ]
        return np.array(found, np.int64)

    def labels(self, task: str, rows: Rows) -> Rows:
        """Their classes."""
        return np.array([self.rows[i].labels[task] for i in rows], np.int64)


def vectors(rows: list[Row], cache: FeatureCache) -> Vectors:
    """All vectors of a cache, standardized by those of the training rows."""
    batch = cache.batch(np.arange(len(rows)))
    train = np.array([row.split == "train" for row in rows])
    made, there, scales = {}, {}, {}
    for name in ("text", "image"):
        one = getattr(batch, name)
        x, present = one.pooled.double().numpy(), one.present.numpy()
        mean, scale = x[train & present].mean(0), x[train & present].std(0).clip(1e-3)
        made[name], there[name] = (x - mean) / scale * present[:, None], present
        scales |= {f"{name}_mean": mean, f"{name}_scale": scale}
    return Vectors(rows, made["text"], made["image"], there["text"], there["image"], scales)


@dataclass(frozen=True)
class Map:
    """A linear map, one row a class."""

    weight: Array
    bias: Array

    def __call__(self, x: Array) -> Array:
        return x @ self.weight.T + self.bias


def fit_map(x: Array, y: Rows, weights: Array, classes: int, penalty: float) -> Map:
    """Weighted logistic regression; a class without rows is never the best."""
    fitted = LogisticRegression(C=penalty, max_iter=300).fit(x, y, sample_weight=weights)
    coefficients, intercepts = fitted.coef_, fitted.intercept_
    if len(fitted.classes_) == 2:
        coefficients = np.concatenate([-coefficients, coefficients]) / 2
        intercepts = np.concatenate([-intercepts, intercepts]) / 2
    weight, bias = np.zeros((classes, x.shape[1])), np.full(classes, intercepts.min() - 5.0)
    weight[fitted.classes_], bias[fitted.classes_] = coefficients, intercepts
    return Map(weight, bias)


def rarity(y: Rows, classes: int, *, balance: bool) -> Array:
    """Per row the root of its class's rarity, or one."""
    counts = np.bincount(y, minlength=classes).clip(1)
    return np.sqrt(len(y) / (classes * counts))[y] if balance else np.ones(len(y))


def fit_nudge(said: Array, image: Array, y: Rows, weights: Array, bound: float) -> Map:
    """What a photo adds to a text's fixed logits, with a penalty on its weights."""
    logits, v, target = torch.from_numpy(said), torch.from_numpy(image), torch.from_numpy(y)
    counts = torch.from_numpy(weights / weights.sum())
    weight = torch.zeros(said.shape[1], image.shape[1], dtype=torch.double, requires_grad=True)
    bias = torch.zeros(said.shape[1], dtype=torch.double, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=60, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        nudged = logits + bound * torch.tanh((v @ weight.T + bias) / bound)
        each = functional.cross_entropy(nudged, target, reduction="none")
        total = (each * counts).sum() + NUDGE_PENALTY * (weight**2).sum()
        total.backward()
        return total

    optimizer.step(loss)
    return Map(weight.detach().numpy(), bias.detach().numpy())


@dataclass(frozen=True)
class Fused:
    """The three maps of `BoundedFusion` and its bound."""

    text: Map
    nudge: Map
    photo: Map
    bound: float

    def logits(self, text: Array | None, image: Array | None) -> Array:
        """Of posts with text, photo or both."""
        if text is None:
            assert image is not None
            return self.photo(image)
        said = self.text(text)
        return said if image is None else said + self.bound * np.tanh(self.nudge(image) / self.bound)


@dataclass(frozen=True)
class LeftOut:
    """Texts of events that were never trained on: standardized vectors and whether they are informative."""

    text: Array
    y: Rows
    source: NDArray[np.str_]


@dataclass(frozen=True)
class Asking:
    """The bundle's own "asks for help".

    Attributes:
        weight: On standardized vectors, shape (384,).
        bias: So that the middle one of the development rows has logit 0.
        calls: Standardized vectors of the calls of the stress set's half `develop`.
    """

    weight: Array
    bias: float
    calls: Array


def asking(v: Vectors, bundle: Bundle, encoders: EncoderPair, data: Path, work: Path) -> Asking:
    """Reads the head of calls and encodes the stress set."""
    loaded = load_artifact(bundle.artifact("needs"))
    state = {name: x.double().numpy() for name, x in loaded.model.state_dict().items()}
    row = state["map.weight"][loaded.meta.classes.index("request")] / state["scale"]
    weight = row * v.scales["text_scale"]
    rows = v.at("informativeness", "dev", weak=False)
    texts = sets(data, 3)[0]["stress"]
    pooled = encode(encoders.text, texts, work / "stress.npz")  # type: ignore[arg-type]
    x = (pooled - v.scales["text_mean"]) / v.scales["text_scale"]
    calls = np.array([t.split == "develop" and t.labels["request"] == 1 for t in texts])
    return Asking(weight, -float(np.median(v.text[rows] @ weight)), x[calls])


def left_out(data: Path, encoders: EncoderPair, work: Path, scales: dict[str, Array], rows: int) -> LeftOut:
    """The events left out, encoded once."""
    measured, _ = sets(data, rows)
    parts, labels, sources = [], [], []
    for name in ("outside", "outside_t26"):
        pooled = encode(encoders.text, measured[name], work / f"{name}.npz")  # type: ignore[arg-type]
        # whether sympathy is informative is what the sources dispute: it chooses nothing
        texts = [without_disputed(t) for t in measured[name]]
        y = np.array([t.labels.get("informative", -1) for t in texts])
        parts.append(pooled[y >= 0])
        labels.append(y[y >= 0])
        sources += [name] * int((y >= 0).sum())
    x = (np.concatenate(parts) - scales["text_mean"]) / scales["text_scale"]
    return LeftOut(x, np.concatenate(labels), np.array(sources))


def train_text(v: Vectors, q: Question, share: float, penalty: float) -> Map:
    """The text's map on CrisisMMD's training rows and, for informative, on other sources."""
    rows = v.at(q.name, "train", weak=False)
    everyday = v.at(q.name, "train", weak=True)
    everyday = everyday[v.has_text[everyday]]
    y = v.labels(q.name, rows)
    x, labels = [v.text[rows], v.text[everyday]], [y, v.labels(q.name, everyday)]
    weights = [rarity(y, len(q.task), balance=q.balance), np.full(len(everyday), q.weak)]
    if q.name == "informativeness" and share:
        others = v.at("other", "train", weak=False)
        x, labels = [*x, v.text[others]], [*labels, v.labels("other", others)]
        weights.append(np.full(len(others), share))
    return fit_map(np.concatenate(x), np.concatenate(labels), np.concatenate(weights), len(q.task), penalty)


def score_text(v: Vectors, q: Question, text: Map, apart: LeftOut) -> tuple[float, str]:
    """What a text's map is chosen by: weighted F1 on development rows, for informative also macro-F1 on each
    of the sources left out; and both in words.
    """
    rows = v.at(q.name, "dev", weak=False)
    dev = evaluate(v.labels(q.name, rows), softmax(text(v.text[rows])), q.task.classes, resamples=0)
    values = {"dev": dev.weighted_f1.value}
    if q.name == "informativeness":
        p = softmax(text(apart.text))
        for name in np.unique(apart.source):
            here = apart.source == name
            report = evaluate(apart.y[here], p[here], q.task.classes, resamples=0)
            values[str(name)] = report.macro_f1.value
    away = [value for name, value in values.items() if name != "dev"]
    words = ", ".join(f"{name} {100 * value:.1f}" for name, value in values.items())
    return values["dev"] + (float(np.mean(away)) if away else 0.0), words


def with_calls(text: Map, asks: Asking, part: float) -> Map:
    """A map of two classes that takes in a part of "asks for help"."""
    weight, bias = part * asks.weight / 2, part * asks.bias / 2
    return Map(text.weight + np.stack([-weight, weight]), text.bias + np.array([-bias, bias]))


def choose_text(v: Vectors, q: Question, apart: LeftOut, asks: Asking) -> Map:
    """The text's map with the best score; for informative of those that deny few calls."""
    if q.name != "informativeness":
        scored = []
        for penalty in PENALTIES:
            text = train_text(v, q, 0.0, penalty)
            value, words = score_text(v, q, text, apart)
            print(f"{q.name}: C {penalty}: {words}", flush=True)
            scored.append((value, text))
        return max(scored, key=lambda one: one[0])[1]
    found = []
    for share in SHARES:
        for penalty in PENALTIES:
            plain = train_text(v, q, share, penalty)
            for part in CALLS:
                text = with_calls(plain, asks, part)
                value, words = score_text(v, q, text, apart)
                temperature = fit_temperature(text(apart.text), apart.y)
                denied = float((softmax(text(asks.calls), temperature)[:, 0] >= DENIED).mean())
                name = f"other sources {share}, C {penalty}, calls {part}"
                print(f"{q.name}: {name}: {words}, calls denied {denied:.1%}", flush=True)
                found.append((denied <= MOST_DENIED, value, name, text))
    best = max(found, key=lambda one: one[:2])
    print(f"{q.name}: chosen {best[2]}", flush=True)
    return best[3]


def pairs(v: Vectors, q: Question, away: Rows, rng: np.random.Generator) -> tuple[Rows, Rows, Rows, Array]:
    """Training posts with their own photo, and texts beside photos drawn at random: rows of the text, rows of
    the photo, classes, weights.

    Arguments:
        v: The vectors.
        q: The question.
        away: Rows that are judged later and whose photos are not seen.
        rng: Draws the photos.
    """
    rows = v.at(q.name, "train", weak=False)
    weak = v.at(q.name, "train", weak=True)
    own = np.concatenate([rows, weak])
    own = own[v.has_text[own] & v.has_image[own]]
    own = own[~np.isin(own, away)]
    pool = np.setdiff1d(np.flatnonzero(v.has_image & [r.split == "train" for r in v.rows]), away)
    strange = rng.permutation(np.setdiff1d(rows, away))[:3000]
    text, image = np.concatenate([own, strange]), np.concatenate([own, rng.choice(pool, len(strange))])
    weights = np.array([q.weak if v.rows[i].weak else 1.0 for i in text])
    if q.name == "informativeness":
        told, shown = _in_disasters(v, np.setdiff1d(rows, away), rng)
        text, image = np.concatenate([text, told]), np.concatenate([image, shown])
        weights = np.concatenate([weights, np.full(len(told), q.weak)])
    return text, image, v.labels(q.name, text), weights


def _in_disasters(v: Vectors, rows: Rows, rng: np.random.Generator) -> tuple[Rows, Rows]:
    """Informative texts beside photos of disaster folders: 135 real pairs are few to learn from what a photo
    of a disaster adds.
    """
    told = rng.permutation(rows[v.labels("informativeness", rows) == 1])[:1000]
    seen = [
        i
        for i, row in enumerate(v.rows)
        if row.split == "train" and row.labels.get("informativeness") == 1 and row.weak
    ]
    return told, rng.choice(np.array(seen, np.int64), len(told) if seen else 0)


def train_fused(v: Vectors, q: Question, text: Map, bound: float, away: Rows) -> Fused:
    """The photo's two maps beside a text's fixed one; rows in `away` are not trained on."""
    rows = np.concatenate([v.at(q.name, "train", weak=False), v.at(q.name, "train", weak=True)])
    rows = np.setdiff1d(rows[v.has_image[rows]], away)
    weights = np.array([q.weak if v.rows[i].weak else 1.0 for i in rows])
    photo = fit_map(v.image[rows], v.labels(q.name, rows), weights, len(q.task), 0.001)
    a, b, y, w = pairs(v, q, away, np.random.default_rng(0))
    nudge = fit_nudge(text(v.text[a]), v.image[b], y, w, bound)
    return Fused(text, nudge, photo, bound)


def unrelated(v: Vectors, split: str) -> Rows:
    """Everyday photos of a split."""
    rows = [i for i, row in enumerate(v.rows) if row.split == split and row.post.id.startswith("everyday/")]
    return np.array(rows, np.int64)[v.has_image[rows]]


def recall_beside(v: Vectors, q: Question, fused: Fused, split: str) -> tuple[float, float]:
    """Share of rows right from the text alone, and beside an unrelated everyday photo; for informative over
    the informative rows.
    """
    rows = v.at(q.name, split, weak=False)
    y = v.labels(q.name, rows)
    if q.name == "informativeness":
        rows, y = rows[y == 1], y[y == 1]
    photos = np.random.default_rng(1).choice(unrelated(v, split), len(rows))
    alone = fused.logits(v.text[rows], None).argmax(1) == y
    beside = fused.logits(v.text[rows], v.image[photos]).argmax(1) == y
    return float(alone.mean()), float(beside.mean())


@dataclass(frozen=True)
class OutOfFold:
    """What is said of the real posts with a photo by maps that did not see their tweet: logits from both and
    from the photo alone.
    """

    rows: Rows
    both: Array
    photo: Array


def out_of_fold(v: Vectors, q: Question, text: Map, bound: float) -> OutOfFold:
    """Five folds over the tweets of training and development rows with a photo."""
    real = np.concatenate([v.at(q.name, split, weak=False) for split in ("train", "dev")])
    real = real[v.has_image[real]]
    fold = np.array([hash_of(v.rows[i].post.id.rpartition("_")[0]) % 5 for i in real])
    both, photo = np.zeros((len(real), len(q.task))), np.zeros((len(real), len(q.task)))
    for k in np.unique(fold):
        here = fold == k
        part = train_fused(v, q, text, bound, real[here])
        both[here] = part.logits(v.text[real[here]], v.image[real[here]])
        photo[here] = part.logits(None, v.image[real[here]])
    return OutOfFold(real, both, photo)


def choose_bound(v: Vectors, q: Question, text: Map) -> Fused:
    """β with the most real posts right beside their own photo, out of fold; but for damage, which the label
    reads off the photo, only where an unrelated photo costs at most `MOST_LOST` on development rows. Of equal
    ones the smallest.
    """
    best: tuple[float, float] | None = None
    for bound in q.bounds:
        alone, beside = recall_beside(v, q, train_fused(v, q, text, bound, NONE), "dev")
        found = out_of_fold(v, q, text, bound)
        y = v.labels(q.name, found.rows)
        own = float((found.both.argmax(1) == y).mean())
        bare = float((text(v.text[found.rows]).argmax(1) == y).mean())
        print(
            f"{q.name}: bound {bound}: dev {alone:.1%}, beside an unrelated photo {beside:.1%}; "
            f"{len(y)} real photos {bare:.1%} without, {own:.1%} with",
            flush=True,
        )
        allowed = q.name == "damage" or alone - beside <= MOST_LOST
        if allowed and (best is None or own > best[0]):
            best = (own, bound)
    chosen = best[1] if best is not None else q.bounds[0]
    print(f"{q.name}: chosen bound {chosen}", flush=True)
    return train_fused(v, q, text, chosen, NONE)


def calibrate_informative(v: Vectors, q: Question, fused: Fused, apart: LeftOut) -> dict[str, Calibration]:
    """Text on events left out; text and photo on the same texts beside photos of development rows, and on
    development posts with their own. A photo alone has no entry: it is never surely judged.
    """
    where = f"texts of {len(OUTSIDE)} events of HumAID that were never trained on, and two of CrisisLexT26"
    text = calibrated(fused.logits(apart.text, None), apart.y, q.risk, where)
    rng = np.random.default_rng(2)
    pool = np.flatnonzero(v.has_image & [r.split == "dev" for r in v.rows])
    photos = rng.choice(pool, len(apart.y))
    own = np.concatenate([v.at(q.name, "dev", weak=False), v.at(q.name, "dev", weak=True)])
    own = own[v.has_text[own] & v.has_image[own]]
    logits = np.concatenate(
        [
            fused.logits(apart.text, v.image[photos]),
            fused.logits(v.text[own], v.image[own]),
        ]
    )
    y = np.concatenate([apart.y, v.labels(q.name, own)])
    both = calibrated(
        logits, y, q.risk, f"posts: {where}, beside photos drawn at random; {len(own)} with their own"
    )
    # a photo beside a text does not make what is not sure from the text alone sure
    least = max(text.abstain_below, both.abstain_below)
    return {"text": text, "both": both.model_copy(update={"abstain_below": least})}


def calibrate_damage(v: Vectors, q: Question, fused: Fused) -> dict[str, Calibration]:
    """Text on development rows; photos on real posts, each judged by maps that did not see its tweet."""
    dev = v.at(q.name, "dev", weak=False)
    text = calibrated(fused.logits(v.text[dev], None), v.labels(q.name, dev), q.risk, "development posts")
    found = out_of_fold(v, q, fused.text, fused.bound)
    y = v.labels(q.name, found.rows)
    where = "real posts with their photo, each judged by models that did not see it"
    return {
        "text": text,
        "image": calibrated(found.photo, y, q.risk, where),
        "both": calibrated(found.both, y, q.risk, where),
    }


def hash_of(text: str) -> int:
    """A number that is the same in every process."""
    return int.from_bytes(text.encode()[-6:], "big")


def as_model(fused: Fused, v: Vectors, encoders: EncoderPair, classes: int) -> BoundedFusion:
    """The maps as a model."""
    model = BoundedFusion(widths=encoders.widths(), classes=classes, bound=fused.bound)
    state = {name: torch.from_numpy(x) for name, x in v.scales.items()}
    for name in ("text", "nudge", "photo"):
        one: Map = getattr(fused, name)
        state |= {f"{name}.weight": torch.from_numpy(one.weight), f"{name}.bias": torch.from_numpy(one.bias)}
    model.load_state_dict({name: x.float() for name, x in state.items()})
    return model.eval()


def keep(
    folder: Path, fused: Fused, q: Question, v: Vectors, bundle: Bundle, encoders: EncoderPair, prints: str
) -> Task:
    """Writes an artifact; the task as the bundle asks it."""
    # no gate and no share: the order of reading rests on what the text asks for
    task = q.task.model_copy(update={"gate": False, "share": 0.0})
    options = {**bundle.encoder.options, "adapter": "../adapter.safetensors"}
    meta = ArtifactMeta(
        label_space=task.name,
        classes=task.classes,
        task=task,
        encoder={"name": bundle.encoder.name, "options": options},
        encoder_fingerprint=encoders.fingerprint(),
        features_fingerprint=prints,
        widths=encoders.widths(),
        card=Card(summary=f"Part of the bundle {bundle.config.name}; see its card. Task: {q.name}."),
    )
    spec = ModelSpec(name="bounded_fusion", options={"bound": fused.bound})
    save_artifact(folder, as_model(fused, v, encoders, len(task)), spec, meta, dtype="float16")
    return task


def write(out: Path, bundle: Bundle, entries: dict[str, TaskConfig]) -> None:
    """The bundle's configuration with the fused tasks in it."""
    old = bundle.config
    order = ("informativeness", "humanitarian", "needs", "damage")
    limits = [line for line in old.limits_known if "hoto" not in line]
    limits[1:1] = [
        "Category, calls and needs are judged from the text alone; beside a text a photo can only tip what "
        "the text leaves open, and a photo alone is never surely informative.",
        "How bad damage is, is never said for sure: what the model leans to is a guess; look at the post "
        "and its photo.",
    ]
    config = old.model_copy(
        update={
            "version": "0.2.0",
            "description": "Adapted multilingual-e5-small and EfficientNet-lite2: ten classes, calls and "
            "needs from text in many languages; informative or not and damage from text and photo.",
            "limits_known": tuple(limits),
            "tasks": {name: {**old.tasks, **entries}[name] for name in order},
        }
    )
    stored = json.dumps(config.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"
    BundleConfig.parse(json.loads(stored), where="the new bundle")
    atomic_write(out / "bundle.json", stored)


def main() -> None:
    """Reads the arguments, trains and writes the bundle."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="the folder of the research data")
    parser.add_argument("--text", type=Path, required=True, help="the bundle of bundle_crisis.py")
    parser.add_argument("--work", type=Path, required=True, help="where features and results go")
    parser.add_argument("--out", type=Path, required=True, help="the new bundle")
    parser.add_argument("--rows", type=int, default=4500, help="bounds the rows of the events left out")
    args = parser.parse_args()
    torch.set_num_threads(1)
    bundle = Bundle.read(args.text)
    encoders = load_encoders(bundle.encoder)
    every = [
        *official_rows(args.data / "crisismmd"),
        *other_rows(args.data),
        *weak_rows(args.data, most=PHOTOS),
    ]
    # test rows are measured by the benchmark, through the bundle as it is written
    rows = [row for row in every if row.split != "test"]
    print(f"{len(rows)} rows", flush=True)
    cache = features(rows, encoders, args.data, args.work)
    v = vectors(rows, cache)
    apart = left_out(args.data, encoders, args.work, v.scales, args.rows)
    asks = asking(v, bundle, encoders, args.data, args.work)
    if args.out.resolve() != args.text.resolve():
        shutil.copytree(args.text, args.out, dirs_exist_ok=True)
    entries = {}
    for q in QUESTIONS:
        fused = choose_bound(v, q, choose_text(v, q, apart, asks))
        shipped = q.name != "humanitarian"
        folder = args.out / q.name if shipped else args.work / "settings" / q.task.name
        task = keep(folder, fused, q, v, bundle, encoders, cache.features_fingerprint)
        if shipped:
            damage = q.name == "damage"
            kinds = calibrate_damage(v, q, fused) if damage else calibrate_informative(v, q, fused, apart)
            print(q.name, {k: (c.temperature, c.abstain_below) for k, c in kinds.items()}, flush=True)
            entries[q.name] = TaskConfig(
                artifact=q.name,
                label_space=task.name,
                definition=task,
                calibration=kinds,  # type: ignore[arg-type]
            )
    write(args.out, bundle, entries)
    print("written", args.out)


if __name__ == "__main__":
    main()
