"""Sections of a run file: what `training.config.RunConfig` is made of."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from crisislens.core.config import Config
from crisislens.nn.losses import Balance

__all__ = [
    "AbstentionConfig",
    "KnowledgeConfig",
    "LoggerName",
    "LoraConfig",
    "LossConfig",
    "OptimizerConfig",
    "Published",
    "RowConfig",
    "StoppingConfig",
]

LoggerName = Literal["csv", "tensorboard", "wandb", "mlflow"]
"""Names of loggers in run files."""


class KnowledgeConfig(Config):
    """Texts beside the posts, such as captions of their photos or encyclopedia summaries; see
    `data.sidecar`.
    """

    name: str
    """What they are, for tables: `llava`, `wiki`, `weak`, …"""
    table: Path
    """The file: JSONL, CSV or TSV with `id` (or `image`) and `text`, as `crisislens caption` and
    `crisislens knowledge` write it.
    """
    join: Literal["apart", "concat", "replace"] = "apart"
    """`apart`: a third sequence, encoded by itself, for models that read captions; `concat`: tweet,
    separator and text in one sequence (Eq. 2 of arXiv 2507.05165); `replace`: the text without the
    tweet (the authors' code of June 2025).
    """
    separator: str = " | "
    """Between tweet and text in `concat`; the paper names none, the code has none."""
    max_characters: int = Field(default=1000, gt=0)
    """Length after which a text is cut."""


class LoraConfig(Config):
    """Low-rank adaptation of the text encoder, see `encoders.lora`."""

    rank: int = Field(default=16, gt=0)
    """The rank of every weight's difference."""
    alpha: float = Field(default=32.0, gt=0)
    """Numerator of the scaling alpha / rank."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """On the way into the low-rank maps."""
    targets: tuple[str, ...] = (
        "*encoder.layer*.query",
        "*encoder.layer*.key",
        "*encoder.layer*.value",
        "*encoder.layer*.dense",
    )
    """Patterns of names of linear maps that are adapted."""


class OptimizerConfig(Config):
    """How weights move."""

    name: Literal["sgd", "adamw"] = "adamw"
    """The optimizer."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Peak rate of the model."""
    encoder_learning_rate: float = Field(default=5e-5, gt=0)
    """Peak rate of the text encoder, in mode `finetune`."""
    momentum: float = Field(default=0.0, ge=0, lt=1)
    """Of SGD."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Decoupled for AdamW, L2 for SGD."""
    schedule: Literal["constant", "linear", "slope", "cosine", "plateau"] = "constant"
    """`linear` falls to zero over all epochs from the end of the warm-up, `slope` from the first
    step, `cosine` along a half wave; `plateau` divides by ten when the development loss stalls.
    """
    warm_up: float = Field(default=0.0, ge=0, lt=1)
    """Share of all steps over which the rate rises to its peak."""
    plateau_patience: int = Field(default=5, ge=0)
    """Bad epochs that `plateau` waits."""
    gradient_clip: float | None = Field(default=1.0, gt=0)
    """Largest norm of the gradient; null does not clip."""


class LossConfig(Config):
    """What is minimized, see `training.objectives`."""

    balance: Balance = "none"
    """Class weights, see `nn.losses`."""
    smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Label smoothing."""


class StoppingConfig(Config):
    """Which epoch is kept, and when to stop looking for a better one."""

    monitor: Literal["loss", "accuracy", "macro_f1", "weighted_f1"] = "loss"
    """What is watched on the development posts."""
    patience: int | None = Field(default=5, ge=1)
    """Epochs without improvement before training stops; null trains all epochs."""


class AbstentionConfig(Config):
    """How sure the model must be, see `evaluation.abstention`."""

    target_risk: float = Field(default=0.1, gt=0, lt=1)
    """Share of wrong answers that is accepted among those given."""
    delta: float = Field(default=0.1, gt=0, lt=1)
    """Probability with which that promise may fail on posts like the development posts."""


class Published(Config):
    """A published result on the same setting."""

    system: str
    """What was run."""
    source: str
    """Where the numbers stand."""
    accuracy: float | None = Field(default=None, ge=0, le=100)
    """In percent."""
    macro_f1: float | None = Field(default=None, ge=0, le=100)
    """In percent."""
    weighted_f1: float | None = Field(default=None, ge=0, le=100)
    """In percent."""


class RowConfig(Config):
    """What a run file says of itself as a row of a table; see `bench`. Nothing of it changes the
    run.
    """

    title: str
    """How the row is called in tables."""
    table: str
    """The table that it belongs to."""
    group: str
    """Rows of one group stand together."""
    form: Literal["published", "designed", "ours"]
    """`published`: the authors' code; `designed`: what the paper says, where their code does
    something else; `ours`: no row of the paper."""
    knowledge: str = "none"
    """What stands beside the tweet: `none`, `wiki`, `llava`, `weak`, …"""
    baseline: str | None = None
    """The row, by its run's name, that this one is compared with."""
    settings: tuple[Literal["A1", "A2", "A3", "B2", "A3-photos"], ...] = ("A1", "A2", "A3")
    """The settings in which the row is run; `A3-photos` is A3 with the posts whose photo is there.
    """
    published: dict[Literal["A1", "A2", "A3", "B2"], tuple[float, float, float]] = Field(default_factory=dict)
    """Accuracy, macro-F1 and weighted F1 of the row by setting, in percent."""
    source: str = ""
    """Where the published numbers stand."""
    unsaid: tuple[str, ...] = ()
    """What the source leaves open or does otherwise than it says, and what is done here."""

    @model_validator(mode="after")
    def _numbers_have_a_source(self) -> "RowConfig":
        if self.published and not self.source:
            raise ValueError("published numbers need a source; say where they stand")
        return self
