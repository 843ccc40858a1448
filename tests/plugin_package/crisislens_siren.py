"""A plug-in of crisislens in one file: a model, encoders, a captioner, posts, a sink and annotators."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from crisislens.captioning.base import Answer, Captioner, CaptionerSpec
from crisislens.captioning.prompts import RenderedPrompt
from crisislens.data.catalog import DataConfig, OwnTask
from crisislens.data.labeled import LabeledData
from crisislens.data.source import LabeledPost
from crisislens.domain.assessment import Assessment, Modality
from crisislens.domain.post import Post
from crisislens.domain.tasks import Label, Task
from crisislens.encoders.base import EncoderPair, EncoderSpec, load_encoders
from crisislens.features.encode import EncodedPosts
from crisislens.models.base import FusionModel
from crisislens.nn.batch import FeatureBatch
from crisislens.nn.widths import FeatureWidths
from crisislens.runs.sinks import FileSink, Record


class Prior(FusionModel):
    """Answers the same for every post: how often each class was seen."""

    reads_tokens = False

    def __init__(self, *, widths: FeatureWidths, classes: int, scale: float = 1.0) -> None:
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


def posts(config: DataConfig, task: OwnTask) -> LabeledData:
    """One loud and one quiet post in each part."""
    loudness = Task(name="loudness", question="loudness", labels=(Label(name="quiet"), Label(name="loud")))
    splits = {}
    for part in ("train", "dev", "test"):
        loud = Post(id=f"{part}-1", text="The bridge on Mill Road fell today!!")
        quiet = Post(id=f"{part}-2", text="A calm day on Mill Road")
        splits[part] = [LabeledPost(loud, "loud", part), LabeledPost(quiet, "quiet", part)]
    return LabeledData(loudness, splits, config.root, "5" * 16, {"source": "siren"})


class Lines(FileSink[Assessment]):
    """Writes the ids of loud posts."""

    def add(self, record: Record[Assessment]) -> None:
        found = record.value.extensions.get("siren")
        if isinstance(found, dict) and found["marks"]:
            self.write(record.value.post.id + "\n")


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
