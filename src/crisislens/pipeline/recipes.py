"""Recipes: how a process of its own, here or on another machine, makes the models that a command
uses, see `runs.hosts`. They are pickled, so they hold names and paths, and load when called.

A recipe knows the fingerprint of what it must make: another machine may have another version of a
package or other weights under the same name, and its answers would be joined with strangers'.
"""

from dataclasses import dataclass
from pathlib import Path

from crisislens.core.errors import ModelError
from crisislens.data.contexts import MOST_CHARACTERS
from crisislens.data.sidecar import Sidecar
from crisislens.nn.device import set_threads
from crisislens.pipeline.analyst import Analyst
from crisislens.pipeline.annotator import Annotator
from crisislens.pipeline.annotators import load_annotators
from crisislens.pipeline.batch import AnalyzeStep
from crisislens.pipeline.extraction import EntityAnnotator, ExtractStep
from crisislens.pipeline.extractors import DEFAULT_ENTITIES, DEFAULT_RELATIONS, find_extractor
from crisislens.pipeline.finder import Finder

__all__ = ["AnalystRecipe", "AnnotatorRecipe", "ExtractRecipe", "FinderRecipe"]


@dataclass(frozen=True)
class FinderRecipe:
    """What finds names and how they relate.

    Attributes:
        entities: Name or folder of an extractor of entities, or of both; None takes the one that
            ships.
        relations: The same for relations; `none` leaves them out, None takes the one that ships, or
            those that `entities` finds itself.
        all_relations: Whether relations are told that their extractor does not tell by default.
        any_language: Whether texts in every language are read.
    """

    entities: str | None = None
    relations: str | None = None
    all_relations: bool = False
    any_language: bool = False

    def __call__(self) -> Finder:
        """Loads it.

        Raises:
            NotRegisteredError: If there is no such extractor, with the names that exist.
            ModelError: If one is damaged or of another task.
        """
        found = find_extractor(self.entities or DEFAULT_ENTITIES)
        relations = self.relations
        if relations is None and found.extractor.spec.task != "joint":
            relations = DEFAULT_RELATIONS
        return Finder(
            found,
            find_extractor(relations) if relations and relations != "none" else None,
            languages=() if self.any_language else None,
            all_relations=self.all_relations,
            no_relations=relations == "none",
        )


@dataclass(frozen=True)
class ExtractRecipe:
    """The step `extract`.

    Attributes:
        finder: What finds.
        contexts: File of the contexts, which every machine must see under this path; None for none.
        fingerprint: Of the step that it must be.
    """

    finder: FinderRecipe
    contexts: Path | None
    fingerprint: str

    def __call__(self) -> ExtractStep:
        """Loads it.

        Raises:
            ModelError: If it is another one on this machine.
            InputError: If the contexts cannot be read.
        """
        set_threads(1)
        beside = Sidecar.read(self.contexts, max_characters=MOST_CHARACTERS) if self.contexts else None
        step = ExtractStep(self.finder(), beside)
        _same(step.fingerprint(), self.fingerprint)
        return step


@dataclass(frozen=True)
class AnnotatorRecipe:
    """What is added beside the tasks.

    Attributes:
        names: Registered annotators, in their order.
        finder: Of names and relations, where it is another one than `entities` would load.
    """

    names: tuple[str, ...] = ()
    finder: FinderRecipe | None = None

    def __call__(self) -> tuple[Annotator, ...]:
        """Loads them.

        Raises:
            NotRegisteredError: If there is none of a name.
        """
        named = load_annotators(self.names)
        return named if self.finder is None else (*named, EntityAnnotator(self.finder()))


@dataclass(frozen=True)
class AnalystRecipe:
    """The analyst.

    Attributes:
        models: Name of a bundle, its folder, or the folders of trained runs.
        image_root: The folder of the photos, which every machine must see under this path.
        annotators: What is added.
        fingerprint: Of the step `analyze` with it, see `AnalyzeStep.fingerprint`.
        device: Where the encoders run, as torch names it.
    """

    models: tuple[str, ...]
    image_root: Path
    annotators: AnnotatorRecipe
    fingerprint: str
    device: str = "cpu"

    def __call__(self) -> Analyst:
        """Loads it.

        Raises:
            NotRegisteredError: If there is no such bundle.
            ModelError: If it is another one on this machine.
        """
        # as each thread of a run here has: sums are made in one order, and the bytes are the same
        set_threads(1)
        analyst = Analyst.load(list(self.models), image_root=self.image_root, annotators=self.annotators())
        analyst.encoder.encoders.to(self.device)
        _same(AnalyzeStep(analyst, device=self.device).fingerprint(), self.fingerprint)
        return analyst


def _same(found: str, wanted: str) -> None:
    if found != wanted:
        raise ModelError(
            f"a worker made models with fingerprint {found}, and this command has {wanted}: packages, "
            "weights or the folder of the photos differ between the machines; install the same on all"
        )
