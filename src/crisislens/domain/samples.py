"""Questions and answers that examples are made with: of the API's document, and of rules that a new service
may begin with. Here, since no other room names a question or a class.
"""

from typing import Final, NamedTuple

from crisislens.domain.meanings import ANY_OF

__all__ = ["CALL", "QUESTION", "RULES", "SampleRule"]

QUESTION: Final = "humanitarian"
CALL: Final = "requests_or_urgent_needs"


class SampleRule(NamedTuple):
    """What a rule asks for.

    Attributes:
        task: The question.
        label: The answer that is counted.
        least: So many different posts.
        window_min: Within so many minutes.
    """

    task: str
    label: str
    least: int
    window_min: int


RULES: Final[dict[str, SampleRule]] = {
    "calls": SampleRule(ANY_OF, "calls_for_help", 5, 30),
    "rescue": SampleRule("needs", "rescue", 5, 30),
    "water": SampleRule("needs", "water", 10, 180),
    "damage": SampleRule("humanitarian", "infrastructure_and_utility_damage", 10, 120),
}
