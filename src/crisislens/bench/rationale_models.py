r"""What the systems of the study of rationales (`bench.rationales`) say of texts, and their trainings.

Two models are trained for each seed, once, and kept in the cache: a two-stage one (`training.rationale`)
and one transformer under both stages (`training.rationale_joint`). Of the first, stage 2 comes in two
forms. *Auxiliary* is the classifier that is trained with stage 1 and reads the whole post, or only what
stage 1 leaves of it. The others are trained for what they are shown: the pooled vector $z$ of stage 1's
encoder, of each post as a switch of `explain.reduce` shows it, goes into a linear classifier,

$$\min_{W, b}\; \tfrac1n \textstyle\sum_i \operatorname{CE}(W z_i + b,\, y_i)
  + \tfrac{\lambda}{2} \lVert W \rVert^2.$$

Stage 1 chooses in training posts as in test posts, so stage 2 learns on the model's own choice. A post in
which nothing is marked is answered "not humanitarian", by every system that decides on rationales.
OURS: the paper trains a second encoder.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from safetensors.torch import load, save
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from crisislens.bench.rationale_posts import NOTHING, TASK, RationalePosts
from crisislens.core.files import atomic_write
from crisislens.data.marked_rationales import AnnotatedText
from crisislens.encoders.base import load_encoders
from crisislens.explain.reduce import Switch, reduce_text
from crisislens.features.word_owners import WordCutter, collate_windows
from crisislens.models.joint_artifact import load_joint_rationalizer
from crisislens.models.rationale_artifact import load_rationalizer
from crisislens.models.text_rationalizer import TextRationalizer
from crisislens.training.devices import device_name
from crisislens.training.joint_run import JointRun, fit_joint
from crisislens.training.joint_scores import decide_texts
from crisislens.training.rationale import predict_words, train_rationalizer
from crisislens.training.rationale_run import RationaleRun, save_trained

__all__ = ["UNRECORDED", "Said", "from_pooled", "joint_says", "pooled_vectors", "starred", "two_stages_say"]

_BATCH = 64
_SWITCHES: tuple[Switch, ...] = ("none", "both", "complement")
_VECTORS = "training-vectors.safetensors"
_DEVICE = "device.txt"
UNRECORDED = "not recorded"
"""The device of a model that was trained before its device was kept."""


@dataclass(frozen=True)
class Said:
    """What one system says of test texts.

    Attributes:
        answers: Index of the class of each text.
        chosen: Of each text, which of its words are evidence; None for a system that marks none.
        device: Where the model was trained, which may have been long ago.
    """

    answers: Int[np.ndarray, " n"]
    chosen: list[list[bool]] | None = None
    device: str = UNRECORDED


def two_stages_say(run: RationaleRun, posts: RationalePosts, folder: Path, seed: int) -> dict[str, Said]:
    """What the two-stage systems say, by name; the model is trained where the folder lacks it.

    Arguments:
        run: Encoder and recipe.
        posts: The texts.
        folder: Where the model is kept.
        seed: Of the training.
    """
    if not (folder / "config.json").is_file():
        _train(run, posts.train, folder, seed)
    model = load_rationalizer(folder).text
    words = predict_words(model, posts.test)
    chosen = [some for some, _ in words]
    nothing = np.array([not any(some) for some in chosen])
    y = torch.tensor([_class_of(text) for text in posts.train])
    learned = _training_vectors(model, posts.train, folder / _VECTORS)
    asked = {switch: pooled_vectors(model, starred(posts.test, chosen, switch)) for switch in _SWITCHES}

    def told(switch: Switch) -> Int[np.ndarray, " n"]:
        return from_pooled(learned[switch], y, asked[switch])

    said = {
        "two_stage_whole": told("none"),
        "two_stage": _or_nothing(told("both"), nothing),
        "two_stage_rest": told("complement"),
        "auxiliary": _by(model.classifier, asked["none"]),
        "auxiliary_starred": _or_nothing(_by(model.classifier, asked["both"]), nothing),
    }
    # only the system that is asked for its words has them: all of the five mark the same ones
    device = _kept_device(folder)
    return {
        name: Said(answers, chosen if name == "two_stage" else None, device) for name, answers in said.items()
    }


def joint_says(
    run: JointRun, posts: RationalePosts, out: Path, cache: Path, seed: int, progress: Callable[[int], None]
) -> dict[str, Said]:
    """The same of the joint transformer, on its rationales alone and by its auxiliary classifier.

    Arguments:
        run: The run file.
        posts: The texts; those that are learned from, `run` names itself.
        out: Where its runs go, finished ones are not trained again.
        cache: Root of the feature caches.
        seed: Of the training.
        progress: Called after each epoch.
    """
    scores = fit_joint(run, seed=seed, out=out, cache=cache, resume=True, progress=progress)
    device = str(scores["device"])
    model = load_joint_rationalizer(out / run.name / f"seed-{seed}" / "model").model
    decided = decide_texts(model, posts.test, lambda text: None, TASK)
    nothing = np.array([one.kind is None for one in decided])
    answers = np.array([int(one.logits.argmax()) for one in decided])
    auxiliary = np.array([int(one.auxiliary.argmax()) for one in decided])
    return {
        "joint": Said(_or_nothing(answers, nothing), [one.chosen for one in decided], device),
        "joint_whole": Said(auxiliary, device=device),
    }


def _training_vectors(
    model: TextRationalizer, texts: Sequence[AnnotatedText], path: Path
) -> dict[Switch, Float[Tensor, "n d"]]:
    """The pooled vectors of the training texts by switch, kept beside the model: every setting learns
    from the same ones, and reading them takes as long as a setting's own texts.
    """
    if not path.is_file():
        chosen = [some for some, _ in predict_words(model, texts)]
        made = {switch: pooled_vectors(model, starred(texts, chosen, switch)) for switch in _SWITCHES}
        atomic_write(path, save({switch: x.contiguous() for switch, x in made.items()}))
    kept = load(path.read_bytes())
    return {switch: kept[switch] for switch in _SWITCHES}


def _train(run: RationaleRun, texts: Sequence[AnnotatedText], folder: Path, seed: int) -> None:
    start = time.process_time()
    recipe = run.training.model_copy(update={"seed": seed})
    model = train_rationalizer(load_encoders(run.encoder).text, texts, TASK.classes, recipe)
    seconds = round(time.process_time() - start)
    card = f"# {run.name}\n\n{len(texts)} texts, seed {seed}; {seconds} s of processor time.\n"
    # first: a folder with a model is not trained again
    atomic_write(folder / _DEVICE, device_name(recipe.device) + "\n")
    save_trained(folder, run, model, recipe, TASK.classes, card=card)


def _kept_device(folder: Path) -> str:
    path = folder / _DEVICE
    return path.read_text(encoding="utf-8").strip() if path.is_file() else UNRECORDED


def _class_of(text: AnnotatedText) -> int:
    return TASK.classes.index(text.label) if text.label in TASK.classes else -1


def starred(
    texts: Sequence[AnnotatedText], chosen: Sequence[Sequence[bool]], switch: Switch
) -> list[AnnotatedText]:
    """Texts as stage 2 is shown them.

    Arguments:
        texts: The texts.
        chosen: Which of the words of each are evidence.
        switch: `none`, `both` or `complement` of `explain.reduce`.
    """
    if switch == "none":
        return [*texts]
    # what stands before the first word that is left would fill the window that is read
    return [
        AnnotatedText(
            text.id, reduce_text(text.text, text.words(), some, switch).lstrip("* "), text.label, ()
        )
        for text, some in zip(texts, chosen, strict=True)
    ]


@torch.inference_mode()
def pooled_vectors(model: TextRationalizer, texts: Sequence[AnnotatedText]) -> Float[Tensor, "n d"]:
    """The pooled vectors of texts' first windows, zeros where a text has no word.

    Arguments:
        model: Whose encoder reads them.
        texts: The texts.
    """
    cutter = WordCutter(model.encoder)
    found = torch.zeros(len(texts), model.classifier.in_features)
    windows = [(i, some[0]) for i, text in enumerate(texts) if (some := cutter.cut(text.text))]
    windows.sort(key=lambda item: len(item[1].ids))
    for start in range(0, len(windows), _BATCH):
        part = windows[start : start + _BATCH]
        batch = collate_windows([window for _, window in part], model.encoder.pad_id)
        _, pooled = model.encoder(batch.ids, batch.mask)
        found[[i for i, _ in part]] = pooled
    return found


def from_pooled(
    train: Float[Tensor, "n d"],
    y: Int[Tensor, " n"],
    test: Float[Tensor, "m d"],
    *,
    decay: float = 1e-3,
) -> Int[np.ndarray, " m"]:
    """Answers of a linear classifier over standardized vectors; convex, so no seed has a part in it.

    Arguments:
        train: Vectors to learn from.
        y: Their classes, −1 for none.
        test: Vectors to answer.
        decay: λ; set before anything was run.
    """
    known = (y >= 0).numpy()
    x = train.double().numpy()[known]
    scaler = StandardScaler().fit(x)
    # scikit-learn weighs the sum of the losses and leaves λ at 1
    classifier = LogisticRegression(C=1 / (decay * len(x)), max_iter=1000)
    labels = y.numpy()[known]
    if len(np.unique(labels)) == 1:
        # scikit-learn refuses a single class, which has a single answer
        return np.full(len(test), labels[0])
    classifier.fit(scaler.transform(x), labels)
    return np.asarray(classifier.predict(scaler.transform(test.double().numpy())))


@torch.inference_mode()
def _by(head: nn.Linear, x: Float[Tensor, "m d"]) -> Int[np.ndarray, " m"]:
    answers: Int[np.ndarray, " m"] = head(x).argmax(1).numpy()
    return answers


def _or_nothing(answers: Int[np.ndarray, " n"], nothing: np.ndarray) -> Int[np.ndarray, " n"]:
    return np.where(nothing, TASK.classes.index(NOTHING), answers)
