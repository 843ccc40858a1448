"""Label spaces as data: classes, their order, and the merges that the published settings use.

The ids A1, A2, A3 and B2 name the settings whose numbers may stand side by side; numbers of different
settings never do.

Sources: CrisisMMD v2.0 (Alam et al., ICWSM 2018); A1-A3: Munia et al. 2025, https://arxiv.org/abs/2507.05165,
Table 1; B2: the merges of Ofli et al. 2020, https://arxiv.org/abs/2004.11838.
"""

from pydantic import BaseModel, ConfigDict, model_validator

from crisislens.core.errors import DataError
from crisislens.core.registry import Registry

__all__ = [
    "DAMAGE_SEVERITY",
    "HUMANITARIAN_A2",
    "HUMANITARIAN_B2",
    "HUMANITARIAN_RAW",
    "INFORMATIVENESS",
    "LABEL_SPACES",
    "LabelSpace",
]


class LabelSpace(BaseModel):
    """The classes of one task in their fixed order; the index in `classes` is the index of the logit.

    >>> HUMANITARIAN_B2.index("vehicle_damage") == HUMANITARIAN_B2.index("infrastructure_and_utility_damage")
    True
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    task: str
    """The task that the space belongs to: `informativeness`, `humanitarian` or `damage`."""
    setting: str
    """The id under which published numbers are compared, such as `A1`."""
    classes: tuple[str, ...]
    ordered: bool = False
    """True where the classes are a scale, the first the least."""
    merges: dict[str, str] = {}
    """From a raw label to the class that it counts as."""
    dropped: frozenset[str] = frozenset()
    """Raw labels whose rows do not belong to the setting."""
    titles: dict[str, str] = {}
    """What a person reads instead of the class name."""

    @model_validator(mode="after")
    def _classes_are_consistent(self) -> "LabelSpace":
        if len(set(self.classes)) != len(self.classes) or len(self.classes) < 2:
            raise ValueError("classes must be at least two different names")
        strange = set(self.merges.values()) - set(self.classes)
        if strange:
            raise ValueError(f"merges lead to unknown classes {sorted(strange)}")
        return self

    def __len__(self) -> int:
        return len(self.classes)

    def resolve(self, raw: str) -> str | None:
        """The class of a raw label, or None if rows with it are dropped.

        Raises:
            DataError: If the label is unknown.
        """
        name = self.merges.get(raw, raw)
        if name in self.classes:
            return name
        if raw in self.dropped:
            return None
        raise DataError(
            f"label {raw!r} is not in {self.name}; expected one of {', '.join((*self.classes, *self.merges))}"
        )

    def index(self, raw: str) -> int:
        """The position of a raw label's class.

        Raises:
            DataError: If the label is unknown or dropped.
        """
        name = self.resolve(raw)
        if name is None:
            raise DataError(f"label {raw!r} is dropped in {self.name}; filter its rows first")
        return self.classes.index(name)

    def title(self, name: str) -> str:
        """The class name as a person reads it."""
        return self.titles.get(name, name.replace("_", " ").capitalize())


_TITLES = {
    "informative": "Informative",
    "not_informative": "Not informative",
    "affected": "Affected, injured or missing people",
    "affected_individuals": "Affected people",
    "injured_or_dead_people": "Injured or dead people",
    "missing_or_found_people": "Missing or found people",
    "infrastructure_and_utility_damage": "Infrastructure and utility damage",
    "vehicle_damage": "Vehicle damage",
    "rescue_volunteering_or_donation_effort": "Rescue, volunteering or donation",
    "other_relevant_information": "Other relevant information",
    "not_humanitarian": "Not humanitarian",
    "little_or_no_damage": "Little or no damage",
    "mild_damage": "Mild damage",
    "severe_damage": "Severe damage",
}
_PEOPLE = {
    "affected_individuals": "affected",
    "injured_or_dead_people": "affected",
    "missing_or_found_people": "affected",
}

LABEL_SPACES: Registry[LabelSpace] = Registry("label space")


def _add(space: LabelSpace) -> LabelSpace:
    return LABEL_SPACES.register(space.name)(space)


INFORMATIVENESS = _add(
    LabelSpace(
        name="informativeness",
        task="informativeness",
        setting="A1",
        classes=("not_informative", "informative"),
        titles=_TITLES,
    )
)
HUMANITARIAN_RAW = _add(
    LabelSpace(
        name="humanitarian_raw",
        task="humanitarian",
        setting="raw",
        classes=(
            "affected_individuals",
            "injured_or_dead_people",
            "missing_or_found_people",
            "infrastructure_and_utility_damage",
            "vehicle_damage",
            "rescue_volunteering_or_donation_effort",
            "other_relevant_information",
            "not_humanitarian",
        ),
        titles=_TITLES,
    )
)
HUMANITARIAN_A2 = _add(
    LabelSpace(
        name="humanitarian_a2",
        task="humanitarian",
        setting="A2",
        classes=(
            "affected",
            "infrastructure_and_utility_damage",
            "vehicle_damage",
            "rescue_volunteering_or_donation_effort",
            "other_relevant_information",
        ),
        merges=_PEOPLE,
        dropped=frozenset({"not_humanitarian"}),
        titles=_TITLES,
    )
)
HUMANITARIAN_B2 = _add(
    LabelSpace(
        name="humanitarian_b2",
        task="humanitarian",
        setting="B2",
        classes=(
            "affected",
            "infrastructure_and_utility_damage",
            "rescue_volunteering_or_donation_effort",
            "other_relevant_information",
            "not_humanitarian",
        ),
        merges={**_PEOPLE, "vehicle_damage": "infrastructure_and_utility_damage"},
        titles=_TITLES,
    )
)
DAMAGE_SEVERITY = _add(
    LabelSpace(
        name="damage_severity",
        task="damage",
        setting="A3",
        classes=("little_or_no_damage", "mild_damage", "severe_damage"),
        ordered=True,
        titles=_TITLES,
    )
)
