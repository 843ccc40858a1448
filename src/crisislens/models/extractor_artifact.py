"""A trained extractor on disk: `extractor.safetensors` (what was trained, nothing else), `config.json` and
`README.md`, its card.

The language model itself is not stored: the configuration names it and the digest of the weights that the
trained part belongs to, and loading builds it from its package, its folder or the hub. With an adapter of
rank 32 over MiniLM that is 3 MB. Files are written atomically, the configuration last with the fingerprint of
the weights, so that a killed writer leaves what is refused. Never pickle, never code.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

import torch
from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from crisislens.core.config import Config
from crisislens.core.errors import ConfigError, ModelError
from crisislens.core.files import atomic_write
from crisislens.core.fingerprint import fingerprint, fingerprint_file
from crisislens.encoders.lora import fold_lora
from crisislens.models.artifact import Card
from crisislens.models.extraction import Extractor, ExtractorSpec

__all__ = [
    "ExtractorMeta",
    "LoadedExtractor",
    "describe_extractor",
    "extractor_card",
    "is_extractor",
    "load_extractor",
    "save_extractor",
    "trained_state",
]

_WEIGHTS, _CONFIG, _CARD = "extractor.safetensors", "config.json", "README.md"
_FORMAT: Final = 1


class ExtractorMeta(Config):
    """What an extractor says of itself."""

    name: str
    """Its name."""
    version: str = "1"
    """Its version, set by whoever trains it."""
    accept_above: float = Field(default=0.0, ge=0, le=1)
    """Findings of a lower probability are left out by the product."""
    accept_relations_above: float | None = Field(default=None, ge=0, le=1)
    """Of an extractor of both, the same for its relations; `accept_above` where None."""
    tells: tuple[str, ...] = ()
    """Relations that the product tells by default; empty tells all that it knows."""
    gazetteer: tuple[str, ...] = ()
    """Relations of a place in another that the product tells only where the gazetteer knows them too."""
    languages: tuple[Annotated[str, Field(pattern=r"^[a-z]{2,3}$")], ...] = ()
    """ISO 639-1 codes of the languages that it learned; the product leaves posts in others alone. Empty reads
    all.
    """
    card: Card = Card()
    """The model card."""


class _ExtractorConfig(Config):
    format: Literal[1] = _FORMAT
    spec: ExtractorSpec
    meta: ExtractorMeta
    base: str
    """What the trained part belongs to."""
    weights: str
    """Fingerprint of the weight file."""


@dataclass(frozen=True)
class LoadedExtractor:
    """An extractor as it was saved, in evaluation mode, its adapter merged.

    Attributes:
        extractor: The extractor.
        meta: What it says of itself.
        fingerprint: 16 hex digits over configuration, weights and the language model's.
    """

    extractor: Extractor
    meta: ExtractorMeta
    fingerprint: str


def trained_state(extractor: Extractor) -> dict[str, Tensor]:
    """What training may have changed, by name, on the CPU: all parameters that require a gradient, and those
    of the head and the trunk.
    """
    return {
        name: p.detach().cpu().contiguous().clone()
        for name, p in extractor.named_parameters()
        if p.requires_grad or not name.startswith(("trunk.encoder.", "trunk.image_encoder."))
    }


def save_extractor(
    folder: Path,
    extractor: Extractor,
    meta: ExtractorMeta,
    *,
    dtype: Literal["float32", "float16"] = "float32",
) -> None:
    """Writes an extractor as it comes from training, its adapter not merged.

    Arguments:
        folder: Made where missing.
        extractor: The extractor.
        meta: What it says of itself.
        dtype: float16 halves the file; weights come back as float32 either way.

    Raises:
        ModelError: If a weight is not finite or too large for `dtype`.
    """
    kept = {name: x.half() if dtype == "float16" else x for name, x in trained_state(extractor).items()}
    for name, x in kept.items():
        if not x.isfinite().all():
            raise ModelError(
                f"weight {name} is not finite or too large for {dtype}; train again at a lower rate, or save "
                f"as float32"
            )
    atomic_write(folder / _WEIGHTS, save(kept))
    atomic_write(folder / _CARD, _card(extractor.spec, meta))
    config = _ExtractorConfig(
        spec=extractor.spec,
        meta=meta,
        base=extractor.encoder.base,
        weights=fingerprint_file(folder / _WEIGHTS),
    )
    atomic_write(folder / _CONFIG, config.model_dump_json(indent=1) + "\n")


def load_extractor(folder: Path) -> LoadedExtractor:
    """Reads an extractor.

    Raises:
        ModelError: If a file is missing, damaged or of another format, or belongs to other weights of the
            language model.
    """
    config = _read_config(folder)
    try:
        if config.weights != fingerprint_file(folder / _WEIGHTS):
            raise ModelError(
                f"{folder} holds weights of another save than its {_CONFIG} (or damaged ones); train it again"
            )
        state = {name: x.float() for name, x in load((folder / _WEIGHTS).read_bytes()).items()}
    except (ValueError, OSError, SafetensorError) as error:
        raise _damaged(folder, error) from error
    with torch.random.fork_rng(devices=[]):
        extractor = Extractor(config.spec)
    if extractor.encoder.base != config.base:
        raise ModelError(
            f"{folder} was trained on other weights of {config.spec.encoder.checkpoint} than are here; "
            "name the revision that it was trained on"
        )
    _fill(extractor, state, folder)
    fold_lora(extractor.trunk)
    extractor.requires_grad_(False)
    extractor.eval()
    # where the language model lies does not matter, which weights it has does: `base`
    whole = config.model_dump(
        mode="json", exclude={"meta": {"card"}, "spec": {"encoder": {"checkpoint", "revision"}}}
    )
    return LoadedExtractor(extractor, config.meta, fingerprint(whole))


def describe_extractor(folder: Path) -> tuple[ExtractorSpec, ExtractorMeta]:
    """What a saved extractor is, without its weights.

    Raises:
        ModelError: If a file is missing or damaged.
    """
    config = _read_config(folder)
    return config.spec, config.meta


def is_extractor(folder: Path) -> bool:
    """Whether a folder holds an extractor, whole or damaged."""
    return (folder / _WEIGHTS).is_file()


def extractor_card(folder: Path) -> str:
    """The model card of a saved extractor as it stands beside it, which people may have added to; made anew
    where it is gone.

    Raises:
        ModelError: If a file is missing or damaged.
    """
    made = _card(*describe_extractor(folder))
    return (
        (folder / _CARD).read_text(encoding="utf-8", errors="replace") if (folder / _CARD).is_file() else made
    )


def _read_config(folder: Path) -> _ExtractorConfig:
    for name in (_CONFIG, _WEIGHTS):
        if not (folder / name).is_file():
            raise ModelError(
                f"{folder} lacks {name}; give the folder of a saved extractor, or train it again"
            )
    try:
        return _ExtractorConfig.parse(
            json.loads((folder / _CONFIG).read_text(encoding="utf-8")), where=str(folder / _CONFIG)
        )
    except (ConfigError, ValueError, OSError, RecursionError) as error:
        raise _damaged(folder, error) from error


def _damaged(folder: Path, error: Exception) -> ModelError:
    return ModelError(
        f"{folder} cannot be read ({' '.join(str(error).split())[:200]}); it is damaged or of another version"
    )


@torch.no_grad()
def _fill(extractor: Extractor, state: dict[str, Tensor], folder: Path) -> None:
    expected = set(trained_state(extractor))
    if strange := sorted(expected ^ set(state)):
        raise ModelError(
            f"the weights in {folder} do not fit its configuration ({strange[0]}); train it again"
        )
    own = dict(extractor.named_parameters())
    for name, value in state.items():
        if own[name].shape != value.shape or not value.isfinite().all():
            raise ModelError(
                f"weight {name} in {folder} is not what its configuration builds; train it again"
            )
        own[name].copy_(value)


def _card(spec: ExtractorSpec, meta: ExtractorMeta) -> str:
    card = meta.card
    parts = [f"# {meta.name}", card.summary or "No summary was given."]
    sections = {
        "Intended use": card.intended_use,
        "Data and licenses": card.data,
        "Numbers, with intervals": card.numbers,
        "Never tested on, not for": card.limits,
    }
    for title, lines in sections.items():
        parts += [
            f"## {title}",
            "\n".join(f"- {' '.join(line.split())}" for line in lines) or "Nothing was stated.",
        ]
    facts = {
        "task": spec.task,
        "finds": ", ".join(spec.relations or spec.types),
        "language model": spec.encoder.checkpoint,
        "leaves out below": f"{meta.accept_above:.2f}",
        **(
            {}
            if meta.accept_relations_above is None
            else {"relations below": f"{meta.accept_relations_above:.2f}"}
        ),
        **({"tells by default": ", ".join(meta.tells)} if meta.tells else {}),
        **({"tells only with the gazetteer": ", ".join(meta.gazetteer)} if meta.gazetteer else {}),
        "languages": ", ".join(meta.languages) or "not stated, all are read",
        "version": meta.version,
    }
    return (
        "\n\n".join([*parts, "## Facts", "\n".join(f"- {name}: {value}" for name, value in facts.items())])
        + "\n"
    )
