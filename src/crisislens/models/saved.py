"""The one form in which trained things are kept: `config.json`, `model.safetensors` and
`README.md`, the card. Never pickle, never code.

`config.json` of format 2:

    {"format": 2, "kind": "classifier", "weights": {"model.safetensors": "<SHA-256>"}, ...}

and the rest is the kind's own: `classifier` (`models.artifact`), `extractor`
(`models.extractor_artifact`), `rationales` (`models.rationale_artifact`), `joint_rationales`
(`models.joint_artifact`). A weight file that stands
beside, such as an adapter of an encoder, is one that the configuration names, and is listed under
`weights`, too. Every listed file is compared with its digest before a byte of it is used.

Each file is written atomically, the configuration last: a writer that is killed between two files
leaves what is refused, never old weights under a new description.

Format 1 is read as well: its classifiers and extractors hold one short fingerprint of their
weights, or none, and extractors and rationale models call their weight file otherwise. What ships
is held to the digests of `core.assets` whatever its format.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Generic, Literal, TypeVar

from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from crisislens.core import assets
from crisislens.core.config import Config
from crisislens.core.errors import ConfigError, ModelError
from crisislens.core.files import atomic_write
from crisislens.core.fingerprint import fingerprint_file, sha256_of_file
from crisislens.core.json_files import read_object

__all__ = [
    "CARD",
    "CONFIG",
    "FORMAT",
    "WEIGHTS",
    "Form",
    "Saved",
    "kind_of",
    "read_config",
    "read_saved",
    "short",
    "write_saved",
]

WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"
FORMAT: Final = 2
_HEADER = frozenset({"format", "kind", "weights"})
_OLD_WEIGHTS = {
    "extractor": "extractor.safetensors",
    "rationales": "head.safetensors",
    "classifier": WEIGHTS,
    # there was none of this kind in format 1
    "joint_rationales": WEIGHTS,
}
C = TypeVar("C", bound=Config)

FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*\.safetensors$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


@dataclass(frozen=True)
class Form(Generic[C]):
    """One kind of saved thing.

    Attributes:
        kind: Its word in the configuration.
        config: What its configuration holds beside the header.
        what: What it is called in sentences.
    """

    kind: str
    config: type[C]
    what: str


@dataclass(frozen=True)
class Saved(Generic[C]):
    """What was read from a folder, its weights verified.

    Attributes:
        folder: The folder.
        config: The kind's own configuration.
        weights: The main weight file.
        marks: The fingerprint of each weight file (16 hex digits), by its name.
        what: What it is called in sentences.
    """

    folder: Path
    config: C
    weights: Path
    marks: Mapping[str, str]
    what: str

    def mark(self) -> str:
        """The fingerprint of the main weight file."""
        return self.marks[self.weights.name]

    def tensors(self) -> dict[str, Tensor]:
        """The main weights by name, floats as float32.

        Raises:
            ModelError: If the file is not readable as safetensors.
        """
        try:
            # read whole and not mapped: a file that changes under us would change the model
            stored = load(self.weights.read_bytes())
        except (SafetensorError, RuntimeError, ValueError, OSError) as error:
            raise ModelError(
                f"{self.weights} cannot be read ({short(error)}); fetch or train the {self.what} again"
            ) from error
        return {name: x.float() if x.is_floating_point() else x for name, x in stored.items()}


class _Header(Config):
    format: Literal[2]
    kind: str
    weights: dict[FileName, Digest]


def write_saved(
    folder: Path,
    form: Form[C],
    config: C,
    tensors: Mapping[str, Tensor],
    *,
    card: str,
    dtype: Literal["float32", "float16"] = "float32",
) -> None:
    """Writes a trained thing, each file atomically, the configuration last.

    Arguments:
        folder: Made where missing. Weight files that the configuration names stand in it already.
        form: Its kind.
        config: The kind's own configuration.
        tensors: The weights by name.
        card: The model card, Markdown.
        dtype: What floats are stored as; float16 halves the file, and weights come back as float32
            either way.

    Raises:
        ModelError: If a weight is not finite or too large for `dtype`.
    """
    kept = {name: _narrow(name, tensor, dtype) for name, tensor in tensors.items()}
    atomic_write(folder / WEIGHTS, save(kept))
    # after the main weights and before the configuration: digests are of what stands on the disk
    own = config.model_dump(mode="json")
    files = [WEIGHTS, *_named_files(own, folder)]
    digests = {name: sha256_of_file(folder / name) for name in files}
    whole = {"format": FORMAT, "kind": form.kind, "weights": digests, **own}
    atomic_write(folder / CARD, card)
    atomic_write(folder / CONFIG, json.dumps(whole, ensure_ascii=False, indent=1) + "\n")
    if (old := _OLD_WEIGHTS[form.kind]) != WEIGHTS:
        # what an older release saved here would otherwise be taken for part of it
        (folder / old).unlink(missing_ok=True)


def read_config(folder: Path, form: Form[C]) -> C:
    """The configuration alone; weights are not looked at.

    Raises:
        ModelError: If a file is missing, or the configuration is damaged, of another kind or a
            newer format.
    """
    return _described(folder, form)[0]


def read_saved(folder: Path, form: Form[C]) -> Saved[C]:
    """Reads what `write_saved` wrote, and what earlier releases did.

    Raises:
        ModelError: If a file is missing or damaged, of another kind or a newer format, or not the
            one that the configuration names.
    """
    config, weights, listed = _described(folder, form)
    marks = {}
    # the main file first and each once; format 1 may not list it
    for name in dict.fromkeys((weights, *listed)):
        path = folder / name
        if not path.is_file():
            raise ModelError(f"{folder} lacks {name}; fetch or train the {form.what} again")
        # what ships is held to the package's own list, which nobody who edits the folder can edit
        # along
        assets.verify(path)
        marks[name] = fingerprint_file(path)
        if listed.get(name) not in (None, marks[name], sha256_of_file(path)):
            raise ModelError(
                f"{path} is of another save than {CONFIG} beside it, or damaged; fetch or train the "
                f"{form.what} again"
            )
    return Saved(folder, config, folder / weights, marks, form.what)


def kind_of(folder: Path) -> str:
    """What a folder holds: `classifier`, `extractor`, `rationales`, a kind of a newer crisislens,
    or an empty string where nothing was saved. Damaged ones are told by what is left of them.
    """
    try:
        values = read_object(folder / CONFIG, advice="")
    except ModelError:
        values = {}
    if isinstance(values.get("kind"), str):
        return str(values["kind"])
    return next((kind for kind, name in _OLD_WEIGHTS.items() if (folder / name).is_file()), "")


def _described(folder: Path, form: Form[C]) -> tuple[C, str, Mapping[str, str]]:
    """The configuration, the name of the main weight file, and what it says of the weight files."""
    again = f"fetch or train the {form.what} again"
    if not (folder / CONFIG).exists():
        raise ModelError(
            f"{folder} lacks {CONFIG}; give the folder of a saved {form.what}, or train it again"
        )
    values = read_object(folder / CONFIG, advice=f"the {form.what} is damaged, {again}")
    own = {name: value for name, value in values.items() if name not in _HEADER}
    # format 1 did not say so
    found = values.get("format", 1)
    # `true` is an int to isinstance, and equal to 1
    if type(found) is not int or found < 1:
        raise ModelError(f"{folder / CONFIG} has no format that crisislens knows ({found!r:.60}); {again}")
    if found > FORMAT:
        raise ModelError(
            f"{folder / CONFIG} has format {found}, this crisislens reads up to {FORMAT}; install a newer "
            f"crisislens"
        )
    try:
        if found == 1:
            weights = _OLD_WEIGHTS[form.kind]
            return form.config.parse(own, where=str(folder / CONFIG)), weights, _old_marks(values, weights)
        header = _Header.parse({name: values[name] for name in _HEADER & set(values)}, where=str(folder))
        if header.kind != form.kind:
            raise ModelError(
                f"{folder} holds a saved {header.kind!r}, and {form.kind!r} is expected; name another folder"
            )
        config = form.config.parse(own, where=str(folder / CONFIG))
        if unlisted := sorted({WEIGHTS, *_named_files(own, folder)} - set(header.weights)):
            raise ConfigError(f"{folder / CONFIG} has no digest of {unlisted[0]}")
        return config, WEIGHTS, header.weights
    except ConfigError as error:
        raise ModelError(f"{error}; it is damaged or of another version of crisislens, {again}") from error


def _old_marks(values: Mapping[str, Any], weights: str) -> dict[str, str]:
    """What a configuration of format 1 says of its weight files: short fingerprints, or nothing."""
    kept = values.get("weights")
    if kept is None:
        return {}
    given = {weights: kept} if isinstance(kept, str) else kept
    if not isinstance(given, dict) or not all(isinstance(mark, str) for mark in given.values()):
        raise ConfigError(f"weights: fingerprints are expected (got {kept!r:.60})")
    # a name with a folder in it would have us read, and name, files elsewhere
    if outside := [name for name in given if Path(name).name != name]:
        raise ConfigError(f"weights: {outside[0]!r:.60} is no file of this folder")
    return given


def _named_files(config: Mapping[str, Any], folder: Path) -> list[str]:
    """The weight files beside the main one that a configuration names, such as an adapter."""
    names = {text for text in _texts(config) if text.endswith(".safetensors") and Path(text).name == text}
    return sorted(name for name in names - {WEIGHTS} if (folder / name).is_file())


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)


def _narrow(name: str, tensor: Tensor, dtype: str) -> Tensor:
    # safetensors writes memory as it lies, and a transposed view lies otherwise
    tensor = tensor.detach().cpu().contiguous()
    if not tensor.is_floating_point():
        return tensor
    tensor = tensor.half() if dtype == "float16" else tensor.float()
    if not tensor.isfinite().all():
        raise ModelError(
            f"weight {name} is not finite or too large for {dtype}; train again at a lower rate, or save as "
            f"float32"
        )
    return tensor


def short(error: Exception) -> str:
    """The beginning of an error's message in one line."""
    return " ".join(str(error).split())[:200]
