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
from crisislens.evaluation.several import evaluate_several, several_calibration
from crisislens.features.encode import PostEncoder, collate
from crisislens.models.artifact import ArtifactMeta, artifact_encoder, load_artifact
from crisislens.training.calibrate import judged
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
        r, s = self.report, self.selective
        rows = [
            f"| ours | {r.accuracy.percent()} | {r.macro_f1.percent()} | {r.weighted_f1.percent()} | "
            f"measured |"
        ]
        rows += [
            f"| {p.system} | {_given(p.accuracy)} | {_given(p.macro_f1)} | {_given(p.weighted_f1)} | "
            f"{p.source} |"
            for p in published
        ]
        classes = [
            f"| {n} | {100 * c.precision:.2f} | {100 * c.recall:.2f} | {100 * c.f1:.2f} | {c.support} |"
            for n, c in r.per_class.items()
        ]
        events = [
            f"| {n} | {g.posts} | {g.accuracy.percent()} | {g.weighted_f1.percent()} |"
            for n, g in r.groups.items()
            # a table in which no post names its event says nothing
            if set(r.groups) != {"unknown"}
        ]
        spread = f"{r.clusters} tweets" if r.clusters else "posts"
        risk = "none is answered" if s.risk is None else f"{100 * s.risk:.2f} % of the answers are wrong"
        parts = [
            f"### {self.setting}, {self.split}: {r.posts} posts",
            f"Percent with 95 % intervals (bootstrap over {spread}, {r.resamples} resamples).",
            _table("system | accuracy | macro-F1 | weighted F1 | source", rows),
            _table("class | precision | recall | F1 | posts", classes),
            _table("event | posts | accuracy | weighted F1", events) if events else "",
            f"Calibration error {100 * self.before.ece:.2f} → {100 * self.after.ece:.2f} with temperature "
            f"{self.temperature:.2f}; "
            f"below a confidence of {s.threshold:.2f} it abstains: {100 * s.coverage:.1f} % are answered, "
            f"{risk}.",
        ]
        if r.ordinal:
            kappa, mae = r.ordinal.quadratic_kappa, r.ordinal.mean_absolute_error
            parts.append(
                f"Quadratic kappa {kappa.percent()}, mean error {mae.value:.3f} [{mae.low:.3f}, "
                f"{mae.high:.3f}] steps."
            )
        return "\n\n".join(part for part in parts if part) + "\n"


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
    """
    keep = np.ones(len(logits), bool) if rows is None else rows
    y, kept = data.labels(split)[keep], logits[keep]
    several = data.space.several
    plain = judged(kept, y, several=several, temperature=1.0)
    found = judged(kept, y, several=several, temperature=temperature)
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
    posts = [p.post for p in data.splits[split]]
    beside = [""] * len(posts)
    if knowledge is not None:
        table = read_knowledge(knowledge)
        beside = [table.of(post) for post in posts]
        if knowledge.join != "apart":
            texts = [informed_text(p.text, x, knowledge, rules) for p, x in zip(posts, beside, strict=True)]
            posts = [p.model_copy(update={"text": text}) for p, text in zip(posts, texts, strict=True)]
    parts = []
    with torch.inference_mode():
        for i in range(0, len(posts), _BATCH):
            batch = collate(encoder.encode(posts[i : i + _BATCH]).features, loaded.meta.widths)
            if loaded.model.reads_captions:
                captions = [
                    Post(id=p.id, text=x)
                    for p, x in zip(posts[i : i + _BATCH], beside[i : i + _BATCH], strict=True)
                ]
                batch = batch.map(caption=collate(encoder.encode(captions).features, loaded.meta.widths).text)
            parts.append(loaded.model(batch).float().numpy())
    return evaluate_logits(
        np.concatenate(parts),
        data,
        split,
        temperature=loaded.meta.temperature,
        abstain_below=loaded.meta.abstain_below,
        resamples=resamples,
    )


def _check_space(folder: Path, meta: ArtifactMeta, space: Task) -> None:
    if meta.classes != space.classes:
        raise ModelError(
            f"{folder} answers {', '.join(meta.classes)}, the data asks for {', '.join(space.classes)}; take "
            f"another setting"
        )


def _table(head: str, rows: Sequence[str]) -> str:
    return "\n".join([f"| {head} |", "|" + "---|" * (head.count("|") + 1), *rows])


def _given(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
