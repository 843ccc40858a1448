"""A training run of an extractor as one frozen configuration: the data, the extractor, the recipe
and the seeds.
"""

from typing import Literal

from pydantic import Field

from crisislens.core.config import Config
from crisislens.core.seeds import Seeds
from crisislens.models.extraction import ExtractorSpec

__all__ = ["ExtractionData", "ExtractionRecipe", "ExtractionRun"]


class ExtractionData(Config):
    """What is trained and measured on."""

    name: str
    """A data set by its name in `training.extraction.marked_sets`: `twitter2015`, `twitter2017`,
    `mnre-v1`, `mnre-v2`, `jmere`, or one that a plug-in brings; `twitter-both` is Twitter-2015 and
    Twitter-2017 together, `stand-in` joins MNRE v1 with their entities, `conll` and `table` read
    files of a user's own (`table-pairs`: one relation a row, for the task `relations`).
    """
    root: str = "."
    """Its folder (`mner`, `mnre`, the one of JMERE, their parent for `stand-in`); or of `train`,
    `dev` and `test` files of one's own.
    """
    contexts: Literal["none", "captions", "long", "file"] = "none"
    """Contexts of the pictures: none, the captions beside the data, the long ones where they exist,
    or a file of one's own.
    """
    context_file: str | None = None
    """That file: what `crisislens caption` wrote, lines `ID.jpg :text`, or a table with `image_id`
    and `context`.
    """
    image_root: str | None = None
    """The folder of the posts' photos (`ID.jpg`, or file names as in the data); without one, no
    picture is read. Photos become patches of the frozen compact encoder (set
    `extractor.image_width` to 1280), or pixels for `extractor.image_encoder`.
    """
    train_posts: int | None = Field(default=None, gt=0)
    """At most so many posts to learn from, drawn at random and the same ones for every seed; None
    takes all.
    """
    shuffled_contexts: float = Field(default=0.0, ge=0, le=1)
    """For experiments: the share of the training posts' pictures whose contexts are shuffled among
    themselves, the same for every seed; pictures that stand in dev or test, too, keep theirs.
    """
    locked_contexts: bool = False
    """For experiments: whether contexts are read once, before training, by the language model as it
    comes; nothing learns through them then, and a step costs little more than that of the text
    alone. Extractors that are saved read their contexts by the trained model, so none is saved.
    Source: one locked side, as in Zhai et al., 2022 (LiT), https://arxiv.org/abs/2111.07991.
    """
    cut_anew: bool = False
    """Whether words are cut as the product cuts a text; scores are then not those of the published
    cut.
    """


class ExtractionRecipe(Config):
    """How the extractor is trained."""

    epochs: int = Field(default=6, gt=0)
    """Passes over the training posts."""
    batch_posts: int = Field(default=16, gt=1)
    """Posts a step; also the players of the alignment's game."""
    learning_rate: float = Field(default=2e-4, gt=0)
    """Peak rate of the encoder (of its adapter where it has one)."""
    head_learning_rate: float = Field(default=2e-3, gt=0)
    """Peak rate of everything else."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Of AdamW."""
    warm_up: float = Field(default=0.06, ge=0, lt=1)
    """Share of the steps in which the rates rise; they fall linearly to zero afterwards."""
    gradient_clip: float = Field(default=1.0, gt=0)
    """Largest norm of the gradient."""
    word_dropout: float = Field(default=0.1, ge=0, lt=1)
    """Probability of hiding a word piece of the text behind the mask while training."""
    average: float = Field(default=0.998, ge=0, lt=1)
    """Decay of the running average of the weights, which is what is measured and kept; 0 keeps the
    last weights.
    """
    image_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Probability of hiding a post's context and picture while training."""


class ExtractionRun(Config):
    """A whole run."""

    name: str = Field(pattern=r"^[^/\\]+$")
    """What the run is called in tables, and its files; no path."""
    data: ExtractionData
    """What is trained and measured on."""
    extractor: ExtractorSpec = ExtractorSpec()
    """What is trained."""
    recipe: ExtractionRecipe = ExtractionRecipe()
    """How."""
    seeds: Seeds = (0,)
    """Of initial weights, shuffling, dropout and permutations; one training each."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where it is trained; `auto` takes a CUDA device where there is one. Apple's GPUs (`mps`) lack
    the double precision that an alignment needs.
    """
