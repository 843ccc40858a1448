"""Why an assessment says what it says, in a form that a program can read
back and a page can show.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Contribution", "PatchHeat", "Rationale", "TextSpan"]


class TextSpan(BaseModel):
    """A stretch of the post's text."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: int = Field(
        ge=0, description="First character, counted in Unicode code points of the text as posted"
    )
    end: int = Field(gt=0, description="One past the last character")
    score: float = Field(ge=0, le=1, description="Mean probability of its words to be evidence")


class PatchHeat(BaseModel):
    """Where in the photo the evidence lies, as a grid over the whole photo."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int = Field(gt=0)
    columns: int = Field(gt=0)
    heat: tuple[float, ...] = Field(
        description="Row by row from the top left, each in [0, 1], the hottest patch 1"
    )
    description: str = Field(description="The same in words, for those who do not see the photo")


class Contribution(BaseModel):
    """What each modality added to the logit of a task's answer: exact Shapley values over the
    modalities that the post has.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str = Field(description="The answer that is explained")
    base: float = Field(description="Its centered logit without any modality")
    values: dict[str, float] = Field(
        description="From the modality to what it added; base and values add up to the logit"
    )


class Rationale(BaseModel):
    """The evidence in one post.

    `post_hoc` is false where words were chosen by a model that was trained on people's rationales,
    and true for attribution: that tells what a model reacted to, not what it was told to look at.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Literal["rationales", "integrated_gradients", "attention_rollout"] = Field(
        description="How it was found"
    )
    model: str = Field(description="Name and fingerprint of what found it")
    post_hoc: bool = Field(default=False, description="True for attribution after the fact")
    decides: tuple[Literal["text", "image"], ...] = Field(
        default=(),
        description="The evidence that the answers rest on, and on nothing else of the post; empty where "
        "the answers were made from the whole post",
    )
    text: tuple[TextSpan, ...] = Field(default=(), description="Evidence in the text, in order")
    image: PatchHeat | None = Field(
        default=None, description="Evidence in the photo; null without a photo or without evidence in words"
    )
    contributions: dict[str, Contribution] = Field(
        default_factory=dict, description="From the task to what each modality contributed"
    )
    note: str | None = Field(
        default=None, description="What a reader must know, such as why no words are marked"
    )
