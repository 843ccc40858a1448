"""Which models a worker process loads: plain values, so that they travel to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from crisislens.pipeline.default import DEFAULT_BUNDLE

if TYPE_CHECKING:
    from crisislens.pipeline.analyst import Analyst

__all__ = ["AnalystSpec"]


@dataclass(frozen=True)
class AnalystSpec:
    """What `analyze` is told by its options.

    Attributes:
        models: As `analyze --model`: a model that ships, a bundle's folder, or several runs.
        fallbacks: Models for texts that those before cannot read, in this order, as `crisis-multilingual`.
        add: Annotations beside the default ones.
        leave_out: Default annotations that are left out.
    """

    models: tuple[str, ...] = (DEFAULT_BUNDLE,)
    fallbacks: tuple[str, ...] = ()
    add: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()

    def build(self, image_root: Path) -> "list[Analyst]":
        """The analysts, the first choice first.

        Arguments:
            image_root: The folder of the photos.

        Raises:
            CrisisLensError: If one cannot be loaded.
        """
        from crisislens.pipeline.analyst import Analyst
        from crisislens.pipeline.annotators import load_annotators, selected

        names = selected(add=self.add, leave_out=self.leave_out)
        chosen: list[Sequence[str]] = [self.models, *((name,) for name in self.fallbacks)]
        return [
            Analyst.load(models, image_root=image_root, annotators=load_annotators(names))
            for models in chosen
        ]
