"""What all encoders from hub names or local folders share: advice where a checkpoint cannot be had,
and marks of what was loaded.

Only safetensors are read, no code from a hub is ever run, and no hub is asked unless the user
allowed it (`core.hub`): `source` says so to every call that could, and `hub_closed` holds the
libraries to it. Both are needed: told to look at local files only, huggingface_hub still asks its
hub for a list of programs to name in its headers.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from crisislens.core.errors import CrisisLensError, ModelError
from crisislens.core.hub import ALLOW_HUB, hub_allowed
from crisislens.core.lines import first_line

__all__ = [
    "advice",
    "automatic_model",
    "check_finite",
    "check_normalization",
    "check_vocabulary",
    "check_whole",
    "checkpoint_errors",
    "digest",
    "how_to_get",
    "hub_closed",
    "picture_settings",
    "recipe",
    "source",
]

_PARTS = "model.safetensors, config.json and a tokenizer"


def advice(kind: str, name: str, error: Exception, *, parts: str = _PARTS, instead: str = "") -> str:
    """One sentence on why a checkpoint cannot be had and what to do.

    Arguments:
        kind: What it should be, such as `CLIP`.
        name: The hub name or folder.
        error: What the library said.
        parts: What such a checkpoint consists of.
        instead: What else can be taken, put behind the advice.
    """
    reason = first_line(error)
    if Path(name).is_dir():
        return (
            f"{name} is not a {kind} checkpoint with {parts} ({reason}); convert it or name another{instead}"
        )
    return (
        f"{kind} checkpoint {name} cannot be had ({reason}); {how_to_get(name)}; "
        f"without one, copy its folder here and give the folder's path as option checkpoint{instead}"
    )


@contextmanager
def checkpoint_errors(kind: str, name: str, *, parts: str = _PARTS, instead: str = "") -> Iterator[None]:
    """While a checkpoint is loaded, whatever its files make the libraries raise becomes one sentence.

    Arguments:
        kind: What it should be, such as `CLIP`.
        name: The hub name or folder.
        parts: What such a checkpoint consists of.
        instead: What else can be taken, put behind the advice.

    Raises:
        ModelError: In place of any error but our own and Python's lack of memory.
    """
    try:
        yield
    except (CrisisLensError, MemoryError):
        raise
    except Exception as error:
        if _lacks_memory(error):
            raise ModelError(
                f"{kind} checkpoint {name} needs more memory than is free here; end other programs or name a "
                f"smaller one{instead}"
            ) from error
        # any: damaged files end as errors of arithmetic, assertions and kinds of the libraries' own
        raise ModelError(advice(kind, name, error, parts=parts, instead=instead)) from error


def _lacks_memory(error: Exception) -> bool:
    # on a processor torch has no kind of its own for it, and a file that cannot be mapped is one of
    # the system's
    said = isinstance(error, (RuntimeError, OSError)) and "allocate memory" in str(error)
    return said or isinstance(error, torch.OutOfMemoryError)


def how_to_get(name: str) -> str:
    """What to do with a network about a checkpoint that is not here, a part of a sentence.

    Arguments:
        name: The hub name.
    """
    if hub_allowed():
        return f"with a network, unset HF_HUB_OFFLINE or run: hf download {name}"
    return (
        "hubs are asked only where you allow it: with a network, run crisislens --allow-hub … or "
        f"set {ALLOW_HUB}=1 (and unset HF_HUB_OFFLINE), or run: hf download {name}"
    )


@contextmanager
def hub_closed() -> Iterator[None]:
    """While it lasts, huggingface_hub refuses every request, unless the user allowed the hub."""
    from huggingface_hub import constants

    # the constant and not the environment, which the library reads once, when it is imported
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not hub_allowed()
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def source(revision: str | None) -> dict[str, Any]:
    """Where the libraries may take files of a checkpoint from, for their `from_pretrained`.

    Arguments:
        revision: A commit of the hub repository; None for its newest.
    """
    return {"revision": revision, "local_files_only": not hub_allowed()}


def automatic_model(name: str, revision: str | None) -> tuple[Any, Mapping[str, Any]]:
    """The model without a head that transformers' automatic class builds, in fp32 whatever the file
    holds, and its account of loading.

    A result must not depend on how weights were stored. What the account says is for `check_whole`.

    Arguments:
        name: The hub name or folder.
        revision: A commit of the hub repository; None for its newest.

    Raises:
        Exception: Of many kinds, as the library does, where it cannot be had or does not fit; see
            `checkpoint_errors`.
    """
    import transformers

    models = cast("Any", transformers.AutoModel)
    model, info = models.from_pretrained(
        name,
        **source(revision),
        use_safetensors=True,
        dtype=torch.float32,
        trust_remote_code=False,
        output_loading_info=True,
    )
    return model, info


def check_whole(kind: str, name: str, info: Mapping[str, Any], *, spare: tuple[str, ...] = ()) -> None:
    """Refuses a checkpoint that lacks tensors of the model: the library would fill them with random
    numbers.

    Arguments:
        kind: What it should be.
        name: The hub name or folder.
        info: The library's account of loading.
        spare: Beginnings of names that may be missing.

    Raises:
        ModelError: If anything else is missing or of another shape.
    """
    missing = sorted(key for key in map(str, info["missing_keys"]) if not key.startswith(spare or ("\0",)))
    missing += sorted(map(str, info["mismatched_keys"]))
    if missing:
        raise ModelError(
            f"{name} lacks {len(missing)} tensors of {kind}, such as {missing[0]}; name a whole "
            f"{kind} checkpoint"
        )


def check_finite(kind: str, name: str, model: Any) -> None:
    """Refuses a checkpoint with weights that are no numbers: every answer would be none either.

    Arguments:
        kind: What it should be.
        name: The hub name or folder.
        model: The loaded model.

    Raises:
        ModelError: If a weight is NaN or infinite.
    """
    for key, tensor in model.state_dict().items():
        if not bool(tensor.isfinite().all()):
            raise ModelError(
                f"{name} is damaged: tensor {key} of {kind} holds values that are no finite numbers; fetch "
                "or store the checkpoint again"
            )


def check_vocabulary(kind: str, name: str, embeddings: Any, tokenizer: Any) -> None:
    """Refuses a tokenizer that knows more pieces than the model: single texts would fail much later.

    Arguments:
        kind: What the checkpoint should be.
        name: The hub name or folder.
        embeddings: The model's embeddings of pieces.
        tokenizer: The tokenizer beside it.

    Raises:
        ModelError: If an id of the tokenizer has no row.
    """
    rows = int(embeddings.weight.shape[0])
    highest = max(tokenizer.get_vocab().values(), default=-1)
    if highest >= rows:
        raise ModelError(
            f"{name} holds a tokenizer with ids up to {highest} and a {kind} model that knows {rows} pieces; "
            "put the model's own tokenizer beside it"
        )


def picture_settings(name: str, revision: str | None) -> Mapping[str, Any] | None:
    """What a checkpoint says of preparing pictures; None where it has no file that does.

    Arguments:
        name: The hub name or folder.
        revision: A commit of the hub repository; None for its newest.

    Raises:
        OSError, ValueError: If there is such a file and it cannot be read.
    """
    whole = _settings(name, revision, "processor_config.json")
    # newer checkpoints keep them inside the settings of the whole processor
    nested = None if whole is None else whole.get("image_processor")
    return nested if isinstance(nested, dict) else _settings(name, revision, "preprocessor_config.json")


def _settings(name: str, revision: str | None, file: str) -> dict[str, Any] | None:
    from transformers.utils.hub import cached_file

    path = cast("Any", cached_file)(
        name, file, **source(revision), _raise_exceptions_for_missing_entries=False
    )
    if path is None:
        return None
    found = json.loads(Path(path).read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise ValueError(f"{file} holds no settings")
    return found


def check_normalization(name: str, mean: Any, std: Any) -> tuple[list[float], list[float]]:
    """Refuses what pictures cannot be normalized with.

    Arguments:
        name: The hub name or folder.
        mean: What is taken from each color channel; a single number is for all three.
        std: What each is divided by, likewise.

    Returns:
        Both as three numbers.

    Raises:
        ModelError: If it is not three finite numbers each, those of `std` above zero.
    """
    means, stds = _three_numbers(mean), _three_numbers(std)
    if means is None or stds is None or min(stds) <= 0:
        raise ModelError(
            f"{name} normalizes pictures by image_mean {mean} and image_std {std}, not by three numbers each "
            "(image_std above 0); correct its settings of pictures"
        )
    return means, stds


def _three_numbers(values: Any) -> list[float] | None:
    """A number for each color channel; None where it is not that."""
    given = [values] * 3 if isinstance(values, (int, float)) else values
    if not isinstance(given, (list, tuple)) or len(given) != 3:
        return None
    if not all(isinstance(x, (int, float)) and math.isfinite(x) for x in given):
        return None
    return list(given)


def recipe(processor: Any) -> dict[str, object]:
    """What a picture processor does, as plain values."""
    names = (
        "do_resize",
        "size",
        "resample",
        "do_center_crop",
        "crop_size",
        "do_rescale",
        "rescale_factor",
        "do_normalize",
        "image_mean",
        "image_std",
    )
    return {"preprocessing": {name: _plain(getattr(processor, name, None)) for name in names}}


def digest(state: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, shapes and values: the same however a checkpoint is cut into files."""
    found = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        # name, shape and kind apart from the bytes: a tensor of 4 x 2 and one of 2 x 4 may hold
        # the same
        found.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        found.update(tensor.numpy().data)
    return found.hexdigest()


def _plain(value: Any) -> object:
    if isinstance(value, (bool, int, float, str, type(None))):
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(x) for x in value]
    return {k: v for k, v in dict(value).items() if v is not None}
