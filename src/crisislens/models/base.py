"""What a fusion model is: a `FeatureBatch` in, one logit a class out. No softmax inside;
calibration comes later.

Promises that the universal test holds every registered model to: a post's logits do not depend on
its neighbors (the `*_published` models break this by design, and the test states it), padding
changes nothing, missing modalities are allowed, evaluation is deterministic, every parameter learns
(but for those that the published forms cannot teach), and a saved model loads to equal outputs.
"""

import inspect
from abc import ABC, abstractmethod
from typing import Annotated, Any, get_type_hints

from jaxtyping import Float
from pydantic import Field, JsonValue, TypeAdapter, ValidationError
from torch import Tensor, nn

from crisislens.core.config import Config
from crisislens.core.errors import ConfigError
from crisislens.core.registry import Registry
from crisislens.nn.batch import FeatureBatch
from crisislens.nn.widths import FeatureWidths

__all__ = ["MODELS", "Count", "FusionModel", "ModelSpec", "Rate", "Size", "require_published_flag"]

# what an option may be; `ModelSpec.build` reads these from the constructors
Size = Annotated[int, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]
Rate = Annotated[float, Field(ge=0, lt=1)]


class FusionModel(nn.Module, ABC):
    """The base of all models.

    Constructors take keyword arguments: `widths` (a `FeatureWidths`), `classes`, and options that
    JSON can hold.

    Attributes:
        reads_tokens: Whether the model reads token states; if not, pooled vectors are enough, which
            weigh a hundredth.
        reads_captions: Whether the model reads the captions of a batch; a batch without them is one
            in which no post has any.
    """

    reads_tokens: bool = True
    reads_captions: bool = False

    @abstractmethod
    def forward(self, batch: FeatureBatch) -> Float[Tensor, "b c"]:
        """Logits of b posts over c classes."""


MODELS: Registry[type[FusionModel]] = Registry("model", "crisislens.models")


class ModelSpec(Config):
    """Which model with which options; what a run file and an artifact hold."""

    name: str
    """A name in `MODELS`."""
    options: dict[str, JsonValue] = Field(default_factory=dict)
    """Keyword arguments of its constructor beside `widths` and `classes`."""

    def build(self, widths: FeatureWidths, classes: int) -> FusionModel:
        """The model with fresh weights, drawn from torch's global generator.

        Arguments:
            widths: The widths of the features that it will be given.
            classes: The number of classes c, at least 1.

        Raises:
            NotRegisteredError: If there is no such model.
            ConfigError: If an option is unknown or does not fit.
        """
        cls = MODELS[self.name]
        if classes < 1:
            raise ConfigError(
                f"model {self.name!r} needs at least one class, got {classes}; check the label space"
            )
        # the constructor is the one list of options there is
        known = set(inspect.signature(cls.__init__).parameters) - {"self", "widths", "classes"}
        strange = sorted(set(self.options) - known)
        if strange:
            raise ConfigError(
                f"model {self.name!r} has no option {', '.join(strange)}; it takes "
                f"{', '.join(sorted(known)) or 'none'}"
            )
        self._check_values(get_type_hints(cls.__init__, include_extras=True))
        try:
            return cls(widths=widths, classes=classes, **self.options)
        # what only a combination of options makes wrong, such as heads that do not divide the width
        except (TypeError, ValueError) as error:
            raise ConfigError(f"model {self.name!r} cannot be built with {self.options}: {error}") from error

    def _check_values(self, hints: dict[str, Any]) -> None:
        """Holds every option to the constructor's annotation: torch would take a misspelled word or
        a true string silently.
        """
        for name, value in self.options.items():
            try:
                TypeAdapter(hints.get(name, Any)).validate_python(value, strict=True)
            except ValidationError as error:
                fault = error.errors()[0]["msg"]
                raise ConfigError(
                    f"option {name} of model {self.name!r} does not fit: {fault} (got {value!r:.60})"
                ) from error


def require_published_flag(name: str, as_published: bool) -> None:
    """Refuses a form that only reproduces the authors' code unless it is asked for by name and by
    flag.

    Raises:
        ConfigError: If the flag is not set, with the reason.
    """
    if not as_published:
        raise ConfigError(
            f"model {name!r} reproduces the authors' code, in which a post's result depends on the posts "
            f"beside it; "
            "set the option as_published: true if that is what you want, or take the designed form"
        )
