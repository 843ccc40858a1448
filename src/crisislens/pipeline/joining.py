"""From trained runs to a bundle: the models of several tasks that read the features of one encoder.

A run is given as `train` left it: `OUT/NAME/seed-N`, its `artifact`, or `OUT/NAME` with several
seeds, of which the one that was best on its development posts is taken. Runs whose encoder was
trained along differ in it, and a post is encoded once: such runs do not join, and the sentence says
so.
"""

import json
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from crisislens.core import assets
from crisislens.core.errors import InputError, ModelError
from crisislens.core.files import atomic_write
from crisislens.data.images import ImageLimits
from crisislens.data.text import CleaningRules
from crisislens.domain.calibration import Calibration, EvidenceKind
from crisislens.encoders.base import EncoderSpec, placed
from crisislens.models.artifact import ArtifactMeta, artifact_encoder, read_meta
from crisislens.models.base import ModelSpec
from crisislens.models.joint_artifact import JOINT_RATIONALES, read_joint_config
from crisislens.models.saved import CONFIG, kind_of
from crisislens.pipeline.bundle import BUNDLE, Bundle, BundleConfig, TaskConfig

__all__ = ["find_bundle", "join_runs", "trained_artifact", "write_bundle"]

_KINDS: tuple[EvidenceKind, ...] = ("text", "image", "both")
_ALONE_LIMIT = (
    "Every answer rests on the marked words and parts of the photo alone; what was not marked had no part in "
    "it, and a post in which nothing was marked is not answered."
)
_OLD_BASIS = "all development posts together, whatever they offered"


@dataclass(frozen=True)
class _Trained:
    """One model of a run.

    Attributes:
        folder: Its artifact.
        name: The run's name, for the bundle's.
        spec: What it was built from.
        meta: What it says of itself.
    """

    folder: Path
    name: str
    spec: ModelSpec
    meta: ArtifactMeta


def find_bundle(names: str | Path | Sequence[str | Path]) -> Bundle:
    """A bundle by the name of a packaged one, by its folder, or joined from trained runs.

    Arguments:
        names: A name or folder, or several folders of runs.

    Raises:
        NotRegisteredError: If there is none of a name, with the names that exist.
        ModelError: If a folder is damaged, or runs do not join.
    """
    several = [names] if isinstance(names, str | Path) else list(names)
    if not several:
        raise InputError("no model was named; give the name of one that ships, or the folder of a run")
    folders = [assets.find(name, kind="bundles", marker=BUNDLE, what="model") for name in several]
    whole = [folder for folder in folders if (folder / BUNDLE).is_file()]
    # a bundle beside others would bring its own encoder, and a post is encoded once
    if len(folders) == 1 and whole:
        return Bundle.read(folders[0])
    if joint := [found for folder in folders if (found := joint_model(folder)) is not None]:
        return _alone(joint, folders)
    if whole:
        raise ModelError(
            f"{whole[0]} is a bundle already and does not join with others; name the runs that it "
            "was made from"
        )
    return join_runs(folders)


def joint_model(folder: Path) -> Path | None:
    """The folder of the joint rationale model that a run left: the model itself, that of a seed, or
    that of the seed that was best on its development posts; None where there is none.
    """
    if kind_of(folder) == JOINT_RATIONALES:
        return folder
    seeds = [folder, *sorted(folder.glob("seed-*"))]
    models = [seed / "model" for seed in seeds if kind_of(seed / "model") == JOINT_RATIONALES]
    return max(models, key=_joint_score, default=None)


def _joint_score(model: Path) -> float:
    try:
        # as of `_dev_score`: what cannot be read is the last choice
        values = json.loads((model.parent / "scores.json").read_text(encoding="utf-8"))
        return float(values["dev"]["words"]["token_f1"] + values["dev"]["rationales alone"]["macro_f1"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return -math.inf


def _alone(models: Sequence[Path], folders: Sequence[Path]) -> Bundle:
    """The bundle of a joint rationale model, which answers one question from evidence alone."""
    if len(folders) > 1:
        raise ModelError(
            f"{models[0]} answers from evidence alone and does not join with other runs; name it by itself"
        )
    [folder] = models
    found = read_joint_config(folder)
    task = TaskConfig(
        artifact="model", label_space=found.label_space, definition=found.task, calibration=found.calibration
    )
    config = BundleConfig(
        name=found.name,
        version=found.version,
        description="Answers from the words and parts of the photo that it marks, and nothing else.",
        encoder=found.tower.encoder,
        languages=found.languages,
        limits_known=(_ALONE_LIMIT,),
        tasks={found.space.question: task},
    )
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
    return Bundle(
        folder, config, found.tower.encoder, {found.space.question: folder}, text, evidence_alone=True
    )


def trained_artifact(folder: Path) -> Path:
    """The folder of the model that a run left: the artifact itself, that of a seed, or that of the
    best seed.

    Raises:
        ModelError: If there is none.
    """
    if kind_of(folder) == "classifier":
        return folder
    if kind_of(folder):
        raise ModelError(
            f"{folder} holds a saved {kind_of(folder)}, which answers no task; extract and explain take it"
        )
    if (folder / "artifact" / CONFIG).is_file():
        return folder / "artifact"
    seeds = [path for path in sorted(folder.glob("seed-*")) if (path / "artifact" / CONFIG).is_file()]
    if not seeds:
        raise ModelError(
            f"{folder} holds no trained model; give a bundle, or the folder OUT/NAME/seed-N that "
            "train wrote (one that was interrupted goes on with train --resume)"
        )
    return max(seeds, key=_dev_score) / "artifact"


def _dev_score(seed: Path) -> float:
    """How good a seed was on its development posts; the first of equals is kept."""
    try:
        # whatever the file holds: a seed that cannot be read is the last choice, not an error
        values = json.loads((seed / "metrics.json").read_text(encoding="utf-8"))
        monitor = values["run"]["stopping"]["monitor"]
        best = next(r for r in values["history"] if r["epoch"] == values["best_epoch"])
        score = float(best[f"dev_{monitor}"])
    except (OSError, ValueError, KeyError, StopIteration, TypeError, RecursionError):
        return -math.inf
    return -score if monitor == "loss" else score


def join_runs(folders: Sequence[Path]) -> Bundle:
    """A bundle of trained runs, one a task, in memory.

    Arguments:
        folders: Of runs, see `trained_artifact`.

    Raises:
        ModelError: If a folder holds no model, a model cannot be used on posts alone, or two of
            them do not fit together.
    """
    trained = [_read(folder) for folder in folders]
    for one in trained:
        _check_usable(one)
    first = trained[0]
    for other in trained[1:]:
        _check_fits(first, other)
    tasks = _by_question(trained)
    config = BundleConfig(
        name="+".join(dict.fromkeys(one.name for one in trained)),
        version=first.meta.version,
        description=" ".join(one.meta.card.summary for one in trained if one.meta.card.summary),
        encoder=EncoderSpec.parse(first.meta.encoder, where=str(first.folder)),
        rules=first.meta.rules or CleaningRules(),
        limits=first.meta.limits or ImageLimits(),
        languages=_languages(trained),
        limits_known=tuple(dict.fromkeys(chain.from_iterable(one.meta.card.limits for one in trained))),
        tasks={question: _task(question, one) for question, one in tasks.items()},
    )
    return Bundle(
        first.folder,
        config,
        artifact_encoder(first.folder, first.meta),
        {question: one.folder for question, one in tasks.items()},
        _card(config, trained),
    )


def write_bundle(folders: Sequence[Path], out: Path, *, name: str = "") -> Bundle:
    """Joins runs and keeps the bundle in a folder of its own, which needs the runs no longer.

    Arguments:
        folders: Of runs, see `trained_artifact`.
        out: The folder; it must not be there, or be empty.
        name: The bundle's name; empty takes the folder's.

    Raises:
        InputError: If the folder holds something.
        ModelError: As of `join_runs`.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} is there already and not empty; give another --out")
    joined = join_runs(folders)
    config = joined.config.model_copy(update={"name": name or out.resolve().name})
    first = next(iter(joined.artifacts))
    for question, artifact in joined.artifacts.items():
        shutil.copytree(artifact, out / question)
    # the encoder's adapters came along with the first model; a checkpoint's name on a hub is no
    # file
    here = placed(
        config.encoder, lambda path: f"{first}/{path}" if (joined.folder / path).is_file() else path
    )
    config = config.model_copy(update={"encoder": here})
    atomic_write(out / "README.md", joined.text.replace(joined.config.name, config.name, 1))
    # last: where it stands, the bundle is whole
    atomic_write(out / BUNDLE, config.model_dump_json(indent=1) + "\n")
    return Bundle.read(out)


def _read(folder: Path) -> _Trained:
    artifact = trained_artifact(folder)
    spec, meta = read_meta(artifact)
    run = artifact.parent if artifact.name == "artifact" else artifact
    name = run.parent.name if run.name.startswith("seed-") else run.name
    return _Trained(artifact, name, spec, meta)


def _check_usable(one: _Trained) -> None:
    """Refuses models whose answers posts alone do not give."""
    if one.spec.name.endswith("_published"):
        raise ModelError(
            f"{one.folder} holds {one.spec.name}, in which a post's result depends on its "
            "neighbors; train its designed form to analyze posts"
        )
    if one.meta.knowledge:
        raise ModelError(
            f"{one.folder} was trained with texts beside the posts ({one.meta.knowledge}), which "
            "analyze does not have; train it without knowledge"
        )


def _check_fits(first: _Trained, other: _Trained) -> None:
    if first.meta.features_fingerprint == other.meta.features_fingerprint:
        return
    if first.meta.encoder_fingerprint != other.meta.encoder_fingerprint:
        why = "read features of different encoders"
        mend = "train both in mode frozen, or with the same adapter"
    else:
        why = "clean texts or decode pictures differently"
        mend = "train both with the same rules and limits"
    raise ModelError(f"{first.folder} and {other.folder} {why}; {mend}")


def _by_question(trained: Sequence[_Trained]) -> dict[str, _Trained]:
    tasks: dict[str, _Trained] = {}
    for one in trained:
        question = one.meta.space.question
        if question in tasks:
            raise ModelError(f"two of the runs answer {question!r}; a bundle has one model for each question")
        tasks[question] = one
    return tasks


def _languages(trained: Sequence[_Trained]) -> tuple[str, ...]:
    """The languages that every model knows; models that do not say are not asked."""
    known = [one.meta.languages for one in trained if one.meta.languages]
    if not known:
        return ()
    shared = set(known[0]).intersection(*known[1:])
    # in the first model's order: a set's would change from start to start, and the bundle's bytes
    # with it
    return tuple(code for code in known[0] if code in shared)


def _task(question: str, one: _Trained) -> TaskConfig:
    meta = one.meta
    calibration: Mapping[EvidenceKind, Calibration] = meta.calibration
    if not calibration and meta.rules is None:
        # a model of before kinds were told apart; a later one without any had too few posts of each
        whole = Calibration(temperature=meta.temperature, abstain_below=meta.abstain_below, basis=_OLD_BASIS)
        calibration = dict.fromkeys(_KINDS, whole)
    return TaskConfig(
        artifact=question,
        label_space=meta.label_space,
        definition=meta.task,
        calibration=dict(calibration),
    )


def _card(config: BundleConfig, trained: Sequence[_Trained]) -> str:
    """The cards of the models, one after the other."""
    parts = [f"# {config.name}", config.description or "Models joined by `crisislens bundle`."]
    for one in trained:
        path = one.folder / "README.md"
        if path.is_file():
            text = path.read_text(encoding="utf-8").strip()
            # one level down, below the bundle's own title
            parts.append(text.replace("\n#", "\n##").replace("# ", "## ", 1))
    known = ", ".join(config.languages) or "not stated"
    parts.append(f"## Languages of the training texts\n\n{known}")
    return "\n\n".join(parts) + "\n"
