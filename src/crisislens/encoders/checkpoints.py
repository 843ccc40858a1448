"""What all encoders from hub names or local folders share: advice where a checkpoint cannot be had,
and marks of what was loaded.

Only safetensors are read, no code from a hub is ever run, and no hub is asked unless the user
allowed it (`core.hub`): `source` says so to every call that could, and `hub_closed` holds the
libraries to it. Both are needed: told to look at local files only, huggingface_hub still asks its
hub for a list of programs to name in its headers.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from crisislens.core.errors import ModelError
from crisislens.core.hub import ALLOW_HUB, hub_allowed
from crisislens.core.lines import first_line

__all__ = [
    "advice",
    "automatic_model",
    "check_whole",
    "digest",
    "how_to_get",
    "hub_closed",
    "recipe",
    "source",
]


def advice(kind: str, name: str, error: Exception) -> str:
    """One sentence on why a checkpoint cannot be had and what to do.

    Arguments:
        kind: What it should be, such as `CLIP`.
        name: The hub name or folder.
        error: What the library said.
    """
    reason = first_line(error)
    if Path(name).is_dir():
        return (
            f"{name} is not a {kind} checkpoint with model.safetensors, config.json and a "
            f"tokenizer ({reason}); convert it or name another"
        )
    return (
        f"{kind} checkpoint {name} cannot be had ({reason}); {how_to_get(name)}; "
        "without one, copy its folder here and give the folder's path as option checkpoint"
    )


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
        OSError, ValueError, KeyError, RuntimeError, SafetensorError: As the library does, where it
            cannot be had or does not fit.
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
