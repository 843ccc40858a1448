"""Model cards: what a saved model is for, what it was trained on, and what it was never tested on."""

from collections.abc import Mapping

from crisislens.core.config import Config

__all__ = ["Card", "card_text"]


class Card(Config):
    """The content of a model card."""

    summary: str = ""
    """What it does and for whom."""
    intended_use: tuple[str, ...] = ()
    """What it is made for, one sentence each."""
    data: tuple[str, ...] = ()
    """What it was trained on, each with its license."""
    limits: tuple[str, ...] = ()
    """What it was never tested on and is not for."""
    numbers: tuple[str, ...] = ()
    """Measured results with their intervals and the setting's id."""


def card_text(title: str, card: Card, facts: Mapping[str, str]) -> str:
    """A card as Markdown.

    Arguments:
        title: Its heading.
        card: What its author says.
        facts: What the configuration says, for the last section.
    """
    sections = {
        "Intended use": card.intended_use,
        "Data and licenses": card.data,
        "Numbers, with intervals": card.numbers,
        "Never tested on, not for": card.limits,
    }
    parts = [f"# {title}", card.summary or "No summary was given."]
    for heading, lines in sections.items():
        # a line break inside an entry would end its list item
        entries = [f"- {' '.join(line.split())}" for line in lines]
        parts += [f"## {heading}", "\n".join(entries) or "Nothing was stated."]
    parts += ["## Facts", "\n".join(f"- {name}: {value}" for name, value in facts.items())]
    return "\n\n".join(parts) + "\n"
