"""What a captioner is: one photo and one rendered prompt in, one answer out. Waiting, retrying,
keeping and counting are the runner's.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from pydantic import Field, JsonValue

from crisislens.captioning.prompts import RenderedPrompt
from crisislens.core.config import Config
from crisislens.core.registry import Registry
from crisislens.domain.post import Post

__all__ = ["CAPTIONERS", "Answer", "Captioner", "CaptionerSpec", "load_captioner"]


@dataclass(frozen=True)
class Answer:
    """What a captioner said.

    Attributes:
        text: The caption as the model gave it, unchecked.
        tokens: Tokens that it cost, as the server counts or as they can be estimated; 0 where
            nothing was generated.
    """

    text: str
    tokens: int = 0


class Captioner(ABC):
    """Captions photos.

    Attributes:
        name: The model, as records name it.
        weak: Whether captions are known to be poor, so that no reader takes them for a description.
        needs_photo: Whether it looks at photos; one that does not can caption
            posts whose photo is not here.
        prompted: Whether it follows a prompt; one that does not gives the same answer for each.
        workers: How many photos it may be asked about at once.
        side_px: The side that photos should have, in pixels; they are decoded to no smaller one, where
            they have it.
    """

    name: str
    weak: bool = False
    needs_photo: bool = True
    prompted: bool = True
    workers: int = 1
    side_px: int = 768

    @abstractmethod
    def identity(self, post: Post) -> object:
        """Everything but photo and prompt that an answer depends on; part of the store's key."""

    @abstractmethod
    def caption(
        self, post: Post, pixels: UInt8[np.ndarray, "h w 3"] | None, prompt: RenderedPrompt
    ) -> Answer:
        """Captions one photo; called from several threads at once where `workers` is more than 1.

        Arguments:
            post: The post that shows it.
            pixels: The photo, RGB; None where the captioner needs none.
            prompt: What is asked.

        Raises:
            RequestError: If the model was not reached or refused; transient ones are tried again.
            AnswerError: If what it said is unusable; tried again, once or twice.
        """

    def close(self) -> None:  # noqa: B027 - most have nothing to close
        """Lets go of what the captioner holds."""


class CaptionerSpec(Config):
    """Which captioner with which options."""

    name: str
    """A name in `CAPTIONERS`."""
    options: dict[str, JsonValue] = Field(default_factory=dict)
    """Options of that captioner; an unknown one is refused."""


CAPTIONERS: Registry[Callable[[CaptionerSpec], Captioner]] = Registry("captioner", "crisislens.captioners")


def load_captioner(spec: CaptionerSpec) -> Captioner:
    """Builds a captioner.

    Raises:
        NotRegisteredError: If there is none of that name.
        ConfigError: If an option does not fit.
        ModelError: If a model cannot be had.
    """
    return CAPTIONERS[spec.name](spec)
