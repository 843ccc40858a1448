"""A plug-in of crisislens in one file: a model, encoders, a captioner, posts, a sink and annotators."""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from crisislens.captioning.base import Answer, Captioner, CaptionerSpec
from crisislens.captioning.prompts import RenderedPrompt
from crisislens.domain.assessment import Assessment, Modality
from crisislens.domain.post import Post
from crisislens.encoders.base import EncoderPair, EncoderSpec, load_encoders
from crisislens.features.encode import EncodedPosts
from crisislens.models.base import FusionModel
from crisislens.nn.batch import FeatureBatch


class Prior(FusionModel):
    """Answers the same for every post: how often each class was seen."""

    reads_tokens = False

    def __init__(self, *, classes: int, scale: float = 1.0, **widths: object) -> None:
        super().__init__()
        self.scale = scale
        self.logits = nn.Parameter(torch.zeros(classes))

    def forward(self, batch: FeatureBatch) -> Tensor:
        return self.scale * self.logits.expand(len(batch), -1)


def encoders(spec: EncoderSpec) -> EncoderPair:
    """The hashing encoders under another name."""
    pair = load_encoders(EncoderSpec(name="hashing"))
    return EncoderPair(pair.text, pair.image, spec)


class Captions(Captioner):
    """Says the same of every photo."""

    name = "siren"
    needs_photo = False

    def __init__(self, spec: CaptionerSpec) -> None:
        self.says = str(spec.options["says"])

    def identity(self, post: Post) -> object:
        return self.says

    def caption(self, post: Post, pixels: object, prompt: RenderedPrompt) -> Answer:
        return Answer(self.says)


def posts() -> Iterator[Post]:
    """Two posts."""
    yield Post(id="1", text="The bridge on Mill Road fell today!!")
    yield Post(id="2", text="A quiet day on Mill Road")


class Lines:
    """Keeps one line an assessment."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, assessment: Assessment) -> None:
        self.lines.append(assessment.model_dump_json())


class Siren:
    """Counts exclamation marks, into a record of its own."""

    name = "siren"
    tokens: tuple[Modality, ...] = ()

    def fingerprint(self) -> str:
        return "5" * 16

    def annotate(self, posts: Sequence[Post], encoded: EncodedPosts) -> list[Mapping[str, object]]:
        return [{"extensions": {"siren": {"marks": post.text.count("!")}}} for post in posts]


class Loud(Siren):
    """Fills a field that an assessment does not have."""

    name = "loud"

    def annotate(self, posts: Sequence[Post], encoded: EncodedPosts) -> list[Mapping[str, object]]:
        return [{"volume": post.text.count("!")} for post in posts]
