"""A captioner whose work is done in other processes, see `runs.hosts`. What is asked, kept, retried
and counted stays here, so a caption is made once however many processes there are.
"""

from dataclasses import dataclass
from typing import cast

import numpy as np
from jaxtyping import UInt8

from crisislens.captioning.base import Answer, Captioner, CaptionerSpec, load_captioner
from crisislens.captioning.prompts import RenderedPrompt
from crisislens.domain.post import Post
from crisislens.nn.device import set_threads
from crisislens.runs.hosts import Hosts

__all__ = ["CaptionerRecipe", "Elsewhere"]


@dataclass(frozen=True)
class CaptionerRecipe:
    """How a process of its own makes a captioner.

    Attributes:
        spec: Which one.
    """

    spec: CaptionerSpec

    def __call__(self) -> Captioner:
        """Loads it.

        Raises:
            ModelError: If it cannot be had.
        """
        # a new process has not registered any
        import crisislens.captioning  # noqa: F401

        set_threads(1)
        return load_captioner(self.spec)


class Elsewhere(Captioner):
    """Captions as another captioner does, in other processes.

    Arguments:
        like: The captioner here; it says what answers depend on, and is asked nothing else.
        hosts: Hold one like it each.
    """

    def __init__(self, like: Captioner, hosts: Hosts) -> None:
        self.name, self.weak, self.needs_photo, self.prompted = (
            like.name,
            like.weak,
            like.needs_photo,
            like.prompted,
        )
        self.workers, self.side_px = hosts.size, like.side_px
        self._like, self._hosts = like, hosts

    def identity(self, post: Post) -> object:
        """See `Captioner`."""
        return self._like.identity(post)

    def caption(
        self, post: Post, pixels: UInt8[np.ndarray, "h w 3"] | None, prompt: RenderedPrompt
    ) -> Answer:
        """See `Captioner`."""
        return cast(Answer, self._hosts.call("caption", post, pixels, prompt))
