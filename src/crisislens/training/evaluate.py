"""What a trained model is worth: scores with intervals over tweets, each event, calibration before
and after, abstention.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict

from crisislens.core.errors import ModelError
from crisislens.data.images import ImageLimits
from crisislens.data.labeled import LabeledData
from crisislens.data.text import CleaningRules
from crisislens.domain.post import Post
from crisislens.domain.tasks import Task
from crisislens.encoders.base import load_encoders
from crisislens.evaluation.abstention import SelectiveScores, selective_scores
from crisislens.evaluation.calibration import CalibrationScores, calibration_scores
from crisislens.evaluation.classification import ClassificationReport, evaluate
from crisislens.evaluation.judged import judged
from crisislens.evaluation.several import evaluate_several, several_calibration
from crisislens.features.encode import PostEncoder, collate
from crisislens.models.artifact import ArtifactMeta, LoadedModel, artifact_encoder, load_artifact
from crisislens.nn.batch import FeatureBatch
from crisislens.training.config import KnowledgeConfig, Published
from crisislens.training.features import informed_text, read_knowledge

__all__ = ["Evaluation", "evaluate_artifact", "evaluate_logits"]

_BATCH = 64


class Evaluation(BaseModel):
    """All that is measured on one split."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    setting: str
    """The id under which numbers may stand side by side."""
    split: str
    report: ClassificationReport
    temperature: float
    """Fitted on development posts, never on these."""
    before: CalibrationScores
    """Calibration of the plain softmax."""
    after: CalibrationScores
    """Calibration with the temperature."""
    selective: SelectiveScores
    """Abstention at the threshold chosen on development posts."""

    def as_dict(self) -> dict[str, object]:
        """Plain values that JSON can hold."""
        return self.model_dump(mode="json")

    def headline(self) -> str:
        """One line: `A1 test: accuracy 87.45 [85.80, 89.06], macro-F1 …, weighted F1 …`."""
        r = self.report
        return (
            f"{self.setting} {self.split}, {r.posts} posts: accuracy {r.accuracy.percent()}, macro-F1 "
            f"{r.macro_f1.percent()}, "
            f"weighted F1 {r.weighted_f1.percent()}"
        )

    def markdown(self, published: Sequence[Published] = ()) -> str:
        """Tables: scores beside published ones, classes, events, calibration and abstention."""
        r = self.report
        spread = f"{r.clusters} tweets" if r.clusters else "posts"
        parts = [
            f"### {self.setting}, {self.split}: {r.posts} posts",
            f"Percent with 95 % intervals (bootstrap over {spread}, {r.resamples} resamples).",
            _table("system | accuracy | macro-F1 | weighted F1 | source", _score_rows(r, published)),
            _table("class | precision | recall | F1 | posts", _class_rows(r)),
        ]
        # a table in which no post names its event says nothing
        if r.groups and set(r.groups) != {"unknown"}:
            parts.append(_table("event | posts | accuracy | weighted F1", _event_rows(r)))
        parts.append(self._honesty())
        if r.ordinal:
            kappa, mae = r.ordinal.quadratic_kappa, r.ordinal.mean_absolute_error
            parts.append(
                f"Quadratic kappa {kappa.percent()}, mean error {mae.value:.3f} [{mae.low:.3f}, "
                f"{mae.high:.3f}] steps."
            )
        return "\n\n".join(parts) + "\n"

    def _honesty(self) -> str:
        """Calibration and abstention in a sentence."""
        s = self.selective
        # no answer, no risk: 0 % wrong would read as praise
        risk = "none is answered" if s.risk is None else f"{100 * s.risk:.2f} % of the answers are wrong"
        return (
            f"Calibration error {100 * self.before.ece:.2f} → {100 * self.after.ece:.2f} with temperature "
            f"{self.temperature:.2f}; "
            f"below a confidence of {s.threshold:.2f} it abstains: {100 * s.coverage:.1f} % are answered, "
            f"{risk}."
        )


def _score_rows(r: ClassificationReport, published: Sequence[Published]) -> list[str]:
    scores = f"{r.accuracy.percent()} | {r.macro_f1.percent()} | {r.weighted_f1.percent()}"
    rows = [f"| ours | {scores} | measured |"]
    for p in published:
        theirs = " | ".join(map(_given, (p.accuracy, p.macro_f1, p.weighted_f1)))
        rows.append(f"| {p.system} | {theirs} | {p.source} |")
    return rows


def _class_rows(r: ClassificationReport) -> list[str]:
    rows = []
    for name, c in r.per_class.items():
        scores = f"{100 * c.precision:.2f} | {100 * c.recall:.2f} | {100 * c.f1:.2f}"
        rows.append(f"| {name} | {scores} | {c.support} |")
    return rows


def _event_rows(r: ClassificationReport) -> list[str]:
    rows = []
    for name, g in r.groups.items():
        rows.append(f"| {name} | {g.posts} | {g.accuracy.percent()} | {g.weighted_f1.percent()} |")
    return rows


def evaluate_logits(
    logits: Float[np.ndarray, "s c"],
    data: LabeledData,
    split: str = "test",
    *,
    temperature: float,
    abstain_below: float,
    rows: np.ndarray | None = None,
    resamples: int = 1000,
    name: str | None = None,
    space: Task | None = None,
) -> Evaluation:
    """Scores the logits of a split.

    Arguments:
        logits: One row for each post of the split.
        data: Where the labels are.
        split: Which split.
        temperature: Divides the logits.
        abstain_below: The threshold of abstention.
        rows: Posts that count, as a mask; None for all.
        resamples: Of the bootstrap.
        name: What the split is called in the result, if not its own name.
        space: What the model knows of its labels, such as which lie within others; None takes the data's.
    """
    space = data.space if space is None else space
    keep = np.ones(len(logits), bool) if rows is None else rows
    y, kept = data.labels(split)[keep], logits[keep]
    several = space.several
    # the same answers at both temperatures; only how sure they are differs
    plain = judged(kept, y, space=space, temperature=1.0)
    found = judged(kept, y, space=space, temperature=temperature)
    # photos of one tweet are no independent witnesses, so tweets are what is drawn
    spread: dict[str, Any] = {
        "groups": data.events(split)[keep],
        "clusters": data.tweets(split)[keep],
        "resamples": resamples,
    }
    if several:
        report = evaluate_several(y, found.probabilities, data.space.classes, **spread)
    else:
        ordered = data.space.ordered
        report = evaluate(y, found.probabilities, data.space.classes, ordered=ordered, **spread)
    # the two say the same of their kind, so the record is one
    honesty = several_calibration if several else calibration_scores
    return Evaluation(
        setting=data.space.setting,
        split=name or split,
        report=report,
        temperature=temperature,
        before=honesty(plain.probabilities, y),
        after=honesty(found.probabilities, y),
        selective=selective_scores(found.confidence, found.right, abstain_below),
    )


def evaluate_artifact(
    folder: Path,
    data: LabeledData,
    split: str = "test",
    *,
    rules: CleaningRules = CleaningRules(),
    limits: ImageLimits = ImageLimits(),
    knowledge: KnowledgeConfig | None = None,
    resamples: int = 1000,
) -> Evaluation:
    """Loads a saved model and scores it on a split, through the same path from posts to logits as
    the product's.

    Arguments:
        folder: The artifact.
        data: The labeled posts.
        split: Which split.
        rules: How text was cleaned in training.
        limits: Within which pictures were decoded.
        knowledge: What stood beside the posts in training.
        resamples: Of the bootstrap.

    Raises:
        ModelError: If the model is of another label space, or was trained on other features.
    """
    loaded = load_artifact(folder)
    _check_space(folder, loaded.meta, data.space)
    encoder = _encoder(folder, loaded, data, rules, limits)
    posts = [labeled.post for labeled in data.splits[split]]
    beside = [""] * len(posts)
    if knowledge is not None:
        posts, beside = _informed(posts, knowledge, rules)
    parts = []
    with torch.inference_mode():
        for start in range(0, len(posts), _BATCH):
            rows = slice(start, start + _BATCH)
            batch = _batch(encoder, loaded, posts[rows], beside[rows])
            parts.append(loaded.model(batch).float().numpy())
    return evaluate_logits(
        np.concatenate(parts),
        data,
        split,
        temperature=loaded.meta.temperature,
        abstain_below=loaded.meta.abstain_below,
        resamples=resamples,
        # a table names labels, and not which of them lie within others
        space=loaded.meta.space,
    )


def _encoder(
    folder: Path, loaded: LoadedModel, data: LabeledData, rules: CleaningRules, limits: ImageLimits
) -> PostEncoder:
    """What made the features that the model was trained on.

    Raises:
        ModelError: If it makes others here.
    """
    encoder = PostEncoder(
        load_encoders(artifact_encoder(folder, loaded.meta)),
        rules=rules,
        limits=limits,
        image_root=data.image_root,
    )
    if encoder.fingerprint() != loaded.meta.features_fingerprint:
        raise ModelError(
            f"{folder} was trained on features {loaded.meta.features_fingerprint}, here are others; give its "
            f"rules and limits"
        )
    return encoder


def _informed(
    posts: Sequence[Post], knowledge: KnowledgeConfig, rules: CleaningRules
) -> tuple[list[Post], list[str]]:
    """The posts as the model was trained to read them, and the texts beside them."""
    table = read_knowledge(knowledge)
    beside = [table.of(post) for post in posts]
    if knowledge.join == "apart":
        return list(posts), beside
    informed = []
    for post, text in zip(posts, beside, strict=True):
        joined = informed_text(post.text, text, knowledge, rules)
        informed.append(post.model_copy(update={"text": joined}))
    return informed, beside


def _batch(
    encoder: PostEncoder, loaded: LoadedModel, posts: Sequence[Post], beside: Sequence[str]
) -> FeatureBatch:
    batch = collate(encoder.encode(posts).features, loaded.meta.widths)
    # as the product does: what it was never trained on would decide by chance
    batch = batch.only(loaded.meta.modalities)
    if not loaded.model.reads_captions:
        return batch
    # a caption goes through the encoder as a post of its own, so that neither cuts the other short
    captions = [Post(id=post.id, text=text) for post, text in zip(posts, beside, strict=True)]
    return batch.map(caption=collate(encoder.encode(captions).features, loaded.meta.widths).text)


def _check_space(folder: Path, meta: ArtifactMeta, space: Task) -> None:
    if meta.space.several != space.several:
        some, one = "any number of labels", "one label"
        answers, asked = (some, one) if meta.space.several else (one, some)
        raise ModelError(f"{folder} gives a post {answers}, the data {asked}; take data of its kind")
    if meta.classes != space.classes:
        raise ModelError(
            f"{folder} answers {', '.join(meta.classes)}, the data asks for {', '.join(space.classes)}; take "
            f"another setting"
        )


def _table(head: str, rows: Sequence[str]) -> str:
    return "\n".join([f"| {head} |", "|" + "---|" * (head.count("|") + 1), *rows])


def _given(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
