"""The extractors that a command is told to use, and what a user should know before they do."""

from typing import TYPE_CHECKING

from crisislens.cli.console import say

if TYPE_CHECKING:
    from crisislens.pipeline.finder import Finder

__all__ = ["chosen_finder"]


def chosen_finder(
    entities: str | None = None,
    relations: str | None = None,
    *,
    all_relations: bool = False,
    any_language: bool = False,
) -> "Finder":
    """What finds names and how they relate; says which relations will never be found.

    Arguments:
        entities: Name or folder of an extractor of entities, or of both; None takes the one that
            ships.
        relations: The same for relations; `none` leaves them out, None takes the one that ships, or
            those that `entities` finds itself.
        all_relations: Whether relations are told that their extractor does not tell by default.
        any_language: Whether texts in every language are read.

    Raises:
        NotRegisteredError: If there is no such extractor, with the names that exist.
        ModelError: If one is damaged or of another task.
    """
    from crisislens.pipeline.recipes import FinderRecipe

    finder = FinderRecipe(entities, relations, all_relations, any_language)()
    if idle := finder.idle_relations:
        some = f"{', '.join(idle[:3])}{' …' if len(idle) > 3 else ''}"
        say(
            f"{len(idle)} of {len(finder.tells)} relations will never be found, they join other "
            f"kinds than these entities are: {some}"
        )
    return finder
