"""Run files: one YAML file holds a whole run, and the published numbers that its result stands
beside.

A run file may name others under `include`, relative to itself; they are merged in order, its own
keys last (`core.config`). So a run is a setting, a model and a protocol:

    include: [../settings/a1.yaml, ../models/concat.yaml, ../protocols/default.yaml]
    name: a1_concat

Two folders are the user's to place: a `data.root` that begins with `data/` is looked for in
`CRISISLENS_DATA` where that variable is set, and a `knowledge.table` that begins with `knowledge/`
in `CRISISLENS_KNOWLEDGE`.
"""

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, JsonValue, model_validator

from crisislens.core.config import Config, merged
from crisislens.core.seeds import Seeds
from crisislens.data.catalog import DataConfig, OwnTask
from crisislens.data.images import ImageLimits
from crisislens.data.text import CleaningRules
from crisislens.domain.assessment import Modality
from crisislens.encoders.base import EncoderSpec
from crisislens.models.base import ModelSpec
from crisislens.training.sections import (
    AbstentionConfig,
    KnowledgeConfig,
    LoggerName,
    LoraConfig,
    LossConfig,
    OptimizerConfig,
    Published,
    RowConfig,
    StoppingConfig,
)

__all__ = [
    "AbstentionConfig",
    "DataConfig",
    "KnowledgeConfig",
    "LoggerName",
    "LoraConfig",
    "LossConfig",
    "OptimizerConfig",
    "Published",
    "RowConfig",
    "RunConfig",
    "StoppingConfig",
]

_BEFORE: dict[str, Any] = {"modality_dropout": 0.0, "devices": 1, "accumulate": 1, "compile": False}


class RunConfig(Config):
    """A run: data, encoder, model, recipe."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    """The name of the run's folder."""
    data: DataConfig
    """Which posts."""
    task: OwnTask | None = None
    """A label space of one's own, for data of one's own; null reads it from the labels."""
    rules: CleaningRules = CleaningRules()
    """How text is cleaned."""
    limits: ImageLimits = ImageLimits()
    """Within which pictures are decoded."""
    encoder: EncoderSpec = EncoderSpec()
    """What makes features."""
    mode: Literal["frozen", "finetune"] = "frozen"
    """`frozen` trains on cached features; `finetune` trains the encoders of `tune` with the model,
    the other one's features still cached."""
    tune: tuple[Modality, ...] = ("text",)
    """In mode `finetune`: the modalities whose encoder is trained."""
    modalities: tuple[Modality, ...] = ("text", "image")
    """What the model is given; what is left out is not even encoded."""
    keep_tokens: tuple[Modality, ...] = ("text", "image")
    """Modalities whose token states the model needs beside pooled vectors."""
    lora: LoraConfig | None = None
    """In mode `finetune`: train low-rank differences and layer norms only; null trains every
    weight.
    """
    knowledge: KnowledgeConfig | None = None
    """Texts beside the posts; null for none."""
    model: ModelSpec
    """The model and its options."""
    as_published: bool = False
    """Must be true for models that reproduce published code, whose results depend on the posts in
    the same batch.
    """
    optimizer: OptimizerConfig = OptimizerConfig()
    """How weights move."""
    loss: LossConfig = LossConfig()
    """What is minimized."""
    batch_posts: int = Field(default=32, gt=0)
    """Posts a step."""
    fixed_batches: bool = False
    """Keep the first epoch's batches for all epochs, as the authors' code does."""
    epochs: int = Field(default=50, gt=0)
    """Passes over the training posts, at most."""
    stopping: StoppingConfig = StoppingConfig()
    """Which epoch is kept."""
    abstention: AbstentionConfig = AbstentionConfig()
    """How sure the model must be."""
    seeds: Seeds = (0, 1, 2)
    """One training each."""
    modality_dropout: float = Field(default=0.0, ge=0, le=1)
    """Probability that a training post with text and photo loses one of them, never both; beside
    what the model's own option of this name hides."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to train."""
    devices: int = Field(default=1, ge=1)
    """How many devices train together; each step is over a batch of each, so they make the batch
    larger.
    """
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    """Of the arithmetic; `16-mixed` needs CUDA."""
    accumulate: int = Field(default=1, ge=1)
    """Batches a step: more than one trains as with larger batches, in the memory of a small one."""
    compile: bool = False
    """Whether torch compiles the network, which pays where it is large and lengths vary little."""
    loggers: tuple[LoggerName, ...] = ()
    """Where the numbers of each epoch go beside `metrics.json`: `csv`, `tensorboard`, `wandb`,
    `mlflow`. All but `csv` need a package, such as `pip install 'crisislens[tensorboard]'`."""
    published: tuple[Published, ...] = ()
    """Results of others on this setting; never of another one."""
    row: RowConfig | None = None
    """What the run is as a row of a table."""

    @model_validator(mode="after")
    def _fits_together(self) -> "RunConfig":
        self._check_form()
        if self.mode == "finetune":
            self._check_finetune()
        if self.lora is not None and self.mode == "frozen":
            raise ValueError(
                "lora trains the encoder, which mode 'frozen' does not; set mode: finetune or leave lora out"
            )
        if len(set(self.loggers)) != len(self.loggers):
            raise ValueError("loggers name one twice; name each once")
        if not self.modalities:
            raise ValueError("modalities must not be empty")
        return self

    def _check_form(self) -> None:
        published = self.model.name.endswith("_published")
        if published and not self.as_published:
            raise ValueError(
                f"model {self.model.name!r} reproduces published code, quirks included; say as_published: "
                f"true to run it"
            )
        if self.as_published and not published:
            raise ValueError(
                f"as_published is true, but model {self.model.name!r} is our own form; leave it out"
            )

    def _check_finetune(self) -> None:
        if not self.tune or not set(self.tune) <= set(self.modalities):
            raise ValueError(
                f"mode 'finetune' trains the encoders of {self.tune}, but modalities are {self.modalities}; "
                f"make tune a part of them"
            )
        if self.knowledge is not None and self.knowledge.join == "apart":
            raise ValueError(
                "mode 'finetune' reads one text a post; set knowledge.join to concat or replace, or mode to "
                "frozen"
            )
        if self.encoder.options.get("adapter") is not None:
            raise ValueError(
                "mode 'finetune' starts from the plain encoder; leave encoder.options.adapter out"
            )

    @classmethod
    def adapt_files(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Puts the user's own folders for `data` and `knowledge`, see the top of the module."""
        values = _placed(values, ("data", "root"), folder="data", variable="CRISISLENS_DATA")
        return _placed(values, ("knowledge", "table"), folder="knowledge", variable="CRISISLENS_KNOWLEDGE")

    def one_a_task(self) -> "list[RunConfig]":
        """The run itself, or one for each label column of `data.labels`, named after its task."""
        runs = []
        for question, column in self.data.labels.items():
            columns = {**self.data.columns, "label": column}
            data = self.data.model_copy(update={"columns": columns, "labels": {}})
            task = (self.task or OwnTask()).model_copy(update={"name": question})
            name = f"{self.name}-{question}"
            runs.append(self.model_copy(update={"data": data, "task": task, "name": name}))
        return runs or [self]

    def fingerprint(self) -> str:
        """16 hex digits over all that decides a result: where the data lies and what others
        published do not.
        """
        from crisislens.core.fingerprint import fingerprint

        # where it runs, which of its seeds, and what it is compared with
        left_out: Any = {
            "data": {"root", "images"},
            "knowledge": {"table"},
            "published": True,
            "row": True,
            "seeds": True,
            "device": True,
            "loggers": True,
        }
        values = self.model_dump(mode="json", exclude=left_out)
        return fingerprint(_without_later_keys(values))

    def as_dict(self) -> dict[str, JsonValue]:
        """Plain values that JSON and YAML can hold."""
        return self.model_dump(mode="json")


def _without_later_keys(values: dict[str, Any]) -> dict[str, Any]:
    """Leaves out keys that run files of before did not have where they say what was always so: old
    results keep their fingerprint.
    """
    if values["data"]["source"] != "crisismmd":
        # of other data the variant says nothing; this was its default
        values["data"]["variant"] = "settingA"
    if values["knowledge"] is None:
        del values["knowledge"]
    if values["tune"] == ["text"]:
        del values["tune"]
    if values["task"] is None:
        del values["task"]
    since = {"with_photo": False, "columns": {}, "labels": {}, "split_seed": 0, "only_measured": False}
    for key, always in since.items():
        if values["data"][key] == always:
            del values["data"][key]
    if values["rules"]["names"] == "keep":
        del values["rules"]["names"]
    # a result from before the key existed is one of a run with this value
    for key, before in _BEFORE.items():
        if values[key] == before:
            del values[key]
    return values


def _placed(values: dict[str, Any], at: tuple[str, str], *, folder: str, variable: str) -> dict[str, Any]:
    """Values whose path at a key lies in the user's folder, where it begins with the folder's usual
    name.
    """
    section, key = at
    own = os.environ.get(variable)
    within = values.get(section)
    given = within.get(key) if isinstance(within, dict) else None
    if not own or not isinstance(given, str) or Path(given).parts[:1] != (folder,):
        return values
    return merged(values, {section: {key: str(Path(own, *Path(given).parts[1:]))}})
