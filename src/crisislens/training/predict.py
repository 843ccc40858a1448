"""Logits of a trained network, post by post in their order."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from crisislens.training.config import RunConfig
from crisislens.training.devices import resolve_device
from crisislens.training.inputs import Inputs

__all__ = ["evaluation_batches", "predict"]


def evaluation_batches(lengths: Int[np.ndarray, " s"], run: RunConfig) -> list[np.ndarray]:
    """Posts in batches to evaluate: similar lengths together, or in the order of the file where
    neighbors matter (`*_published`).
    """
    order = np.arange(len(lengths)) if run.as_published else np.argsort(lengths, kind="stable")
    # a published form answers by its batch, so it gets batches of the size that it was trained with
    size = run.batch_posts if run.as_published else max(run.batch_posts, 64)
    return [order[i : i + size] for i in range(0, len(order), size)]


def predict(network: nn.Module, inputs: Inputs, run: RunConfig) -> Float[np.ndarray, "s c"]:
    """Logits of all posts, in their order."""
    device = resolve_device(run.device)
    network.to(device).eval()
    parts: list[Tensor] = []
    rows = evaluation_batches(inputs.lengths, run)
    with torch.inference_mode():
        for batch in rows:
            parts.append(network(inputs.batch(batch).to(device)).float().cpu())
    # whoever saves it expects the weights there
    network.cpu()
    logits = torch.cat(parts).numpy()
    # back into the order of the file: position i of the batches is row rows[i]
    return logits[np.argsort(np.concatenate(rows), kind="stable")]
