"""A trained extractor on disk, in the form of `models.saved`: what was trained, nothing else.

The language model itself is not stored: the configuration names it and the digest of the weights
that the trained part belongs to, and loading builds it from its package, its folder or the hub.
With an adapter of rank 32 over MiniLM that is 3 MB.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from crisislens.core.config import Config
from crisislens.core.errors import ModelError
from crisislens.core.fingerprint import fingerprint
from crisislens.encoders.lora import fold_lora
from crisislens.models.card import Card, card_text
from crisislens.models.extraction import Extractor, ExtractorSpec
from crisislens.models.saved import CARD, Form, kind_of, read_config, read_saved, write_saved

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
    """Relations of a place in another that the product tells only where the gazetteer knows them
    too.
    """
    languages: tuple[Annotated[str, Field(pattern=r"^[a-z]{2,3}$")], ...] = ()
    """ISO 639-1 codes of the languages that it learned; the product leaves posts in others alone.
    Empty reads all.
    """
    card: Card = Card()
    """The model card."""


class _Extractor(Config):
    """What `config.json` of an extractor holds beside its header."""

    spec: ExtractorSpec
    meta: ExtractorMeta
    base: str
    """What the trained part belongs to."""


_FORM = Form("extractor", _Extractor, "extractor")


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
    """What training may have changed, by name, on the CPU: all parameters that require a gradient,
    and those of the head and the trunk.
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
    config = _Extractor(spec=extractor.spec, meta=meta, base=extractor.encoder.base)
    card = _card(extractor.spec, meta)
    write_saved(folder, _FORM, config, trained_state(extractor), card=card, dtype=dtype)


def load_extractor(folder: Path) -> LoadedExtractor:
    """Reads an extractor.

    Raises:
        ModelError: If a file is missing, damaged or of another format, or belongs to other weights
            of the language model.
    """
    saved = read_saved(folder, _FORM)
    config, state = saved.config, saved.tensors()
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
    # as format 1 wrote it, so that an extractor keeps its fingerprint when it is saved again
    mark = fingerprint({"format": 1, **whole, "weights": saved.mark()})
    return LoadedExtractor(extractor, config.meta, mark)


def describe_extractor(folder: Path) -> tuple[ExtractorSpec, ExtractorMeta]:
    """What a saved extractor is, without its weights.

    Raises:
        ModelError: If a file is missing or damaged.
    """
    config = read_config(folder, _FORM)
    return config.spec, config.meta


def is_extractor(folder: Path) -> bool:
    """Whether a folder holds an extractor, whole or damaged."""
    return kind_of(folder) == _FORM.kind


def extractor_card(folder: Path) -> str:
    """The model card of a saved extractor as it stands beside it, which people may have added to;
    made anew where it is gone.

    Raises:
        ModelError: If a file is missing or damaged.
    """
    made, path = _card(*describe_extractor(folder)), folder / CARD
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else made


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
    facts = {
        "task": spec.task,
        "finds": ", ".join(spec.relations or spec.types),
        "language model": spec.encoder.checkpoint,
        "leaves out below": f"{meta.accept_above:.2f}",
    }
    if meta.accept_relations_above is not None:
        facts["relations below"] = f"{meta.accept_relations_above:.2f}"
    if meta.tells:
        facts["tells by default"] = ", ".join(meta.tells)
    if meta.gazetteer:
        facts["tells only with the gazetteer"] = ", ".join(meta.gazetteer)
    facts["languages"] = ", ".join(meta.languages) or "not stated, all are read"
    facts["version"] = meta.version
    return card_text(meta.name, meta.card, facts)
