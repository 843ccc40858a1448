"""What the labels of other sources mean in our questions: `docs/label-mappings.md` in code, and a
test holds the two together.

A label that answers none of our questions without guessing leaves the question open (the key is
absent), which is not the same as "no".
"""

from crisislens.domain.tasks import TASKS

__all__ = [
    "COLUMNS",
    "CRESCI",
    "CRISISNLP",
    "DMD_IN_FIVE",
    "FIRE",
    "HUMAID",
    "HUMAID_IN_FIVE",
    "HUMANITARIAN_10",
    "KEYWORDS",
    "MESSAGE_NEEDS",
    "NEEDS",
    "NOTHING",
    "SWDM13",
    "T26_INFORMATIVENESS",
    "T26_TYPE",
    "ten",
]

HUMANITARIAN_10 = TASKS["humanitarian_10"].classes
NEEDS = TASKS["needs"].classes
COLUMNS = ("informative", "request", "offer", "warning", *NEEDS)
"""The questions with yes or no."""
# about no disaster at all: every question is answered with no
NOTHING = dict.fromkeys(COLUMNS, 0)
# about the disaster, and asks, offers and warns of nothing; whether it is informative is left open
_QUIET = {"request": 0, "offer": 0, "warning": 0, **dict.fromkeys(NEEDS, 0)}


def ten(name: str) -> dict[str, int]:
    """The answer to `humanitarian_10` that a class of HumAID is.

    >>> ten("missing_or_found_people")["humanitarian_10"] == HUMANITARIAN_10.index("missing_or_found_people")
    True
    """
    return {"humanitarian_10": HUMANITARIAN_10.index(name)}


HUMAID: dict[str, dict[str, int]] = {
    "caution_and_advice": {**_QUIET, "informative": 1, "warning": 1},
    "displaced_people_and_evacuations": {"informative": 1, "request": 0, "warning": 0},
    "infrastructure_and_utility_damage": {**_QUIET, "informative": 1},
    "injured_or_dead_people": {**_QUIET, "informative": 1},
    "missing_or_found_people": {"informative": 1, "warning": 0, "offer": 0, "missing_people": 1},
    "not_humanitarian": NOTHING,
    "other_relevant_information": {**_QUIET, "informative": 1},
    "requests_or_urgent_needs": {"informative": 1, "request": 1, "warning": 0, "offer": 0},
    "rescue_volunteering_or_donation_effort": {"informative": 1, "request": 0, "warning": 0},
    "sympathy_and_support": {**_QUIET, "informative": 1},
}
_AFFECTED, _INFRASTRUCTURE, _RESCUE, _OTHER, _NEITHER = TASKS["humanitarian_b2"].classes
HUMAID_IN_FIVE = {
    "caution_and_advice": _OTHER,
    "displaced_people_and_evacuations": _AFFECTED,
    "infrastructure_and_utility_damage": _INFRASTRUCTURE,
    "injured_or_dead_people": _AFFECTED,
    "missing_or_found_people": _AFFECTED,
    "not_humanitarian": _NEITHER,
    "other_relevant_information": _OTHER,
    "rescue_volunteering_or_donation_effort": _RESCUE,
    "sympathy_and_support": _OTHER,
}
"""The class of `humanitarian_b2`; a call for help is none of its five."""
DMD_IN_FIVE = {
    "damaged_infrastructure": _INFRASTRUCTURE,
    "human_damage": _AFFECTED,
    "non_damage": _NEITHER,
}
"""The same for the labels of the photos beside DMD's texts."""
T26_INFORMATIVENESS = {
    "Related and informative": {"informative": 1},
    "Related - but not informative": {"informative": 0},
    "Not related": NOTHING,
    "Not applicable": {},
}
T26_TYPE: dict[str, dict[str, int]] = {
    "Caution and advice": {"warning": 1, "request": 0, **ten("caution_and_advice")},
    "Infrastructure and utilities": {**_QUIET, **ten("infrastructure_and_utility_damage")},
    "Sympathy and support": {**_QUIET, **ten("sympathy_and_support")},
    "Donations and volunteering": {"warning": 0},
    "Affected individuals": {"warning": 0},
    "Other Useful Information": {"warning": 0},
    "Not labeled": {},
    "Not applicable": {},
}
CRISISNLP: dict[str, dict[str, int]] = {
    "injured_or_dead_people": {**_QUIET, "informative": 1, **ten("injured_or_dead_people")},
    "deaths_reports": {**_QUIET, "informative": 1, **ten("injured_or_dead_people")},
    "Injured or dead people": {**_QUIET, "informative": 1, **ten("injured_or_dead_people")},
    "Injured and dead": {**_QUIET, "informative": 1, **ten("injured_or_dead_people")},
    "missing_trapped_or_found_people": {
        "informative": 1,
        "missing_people": 1,
        "warning": 0,
        **ten("missing_or_found_people"),
    },
    "Missing, trapped, or found people": {
        "informative": 1,
        "missing_people": 1,
        "warning": 0,
        **ten("missing_or_found_people"),
    },
    "People missing or found": {"informative": 1, "missing_people": 1, **ten("missing_or_found_people")},
    "displaced_people_and_evacuations": {"informative": 1, **ten("displaced_people_and_evacuations")},
    "Displaced people": {"informative": 1, **ten("displaced_people_and_evacuations")},
    "infrastructure_and_utilities_damage": {
        **_QUIET,
        "informative": 1,
        **ten("infrastructure_and_utility_damage"),
    },
    "Infrastructure Damage": {**_QUIET, "informative": 1, **ten("infrastructure_and_utility_damage")},
    "Infrastructure and utilities": {**_QUIET, "informative": 1, **ten("infrastructure_and_utility_damage")},
    "caution_and_advice": {"informative": 1, "warning": 1, "request": 0, **ten("caution_and_advice")},
    "Caution and advice": {"informative": 1, "warning": 1, "request": 0, **ten("caution_and_advice")},
    "sympathy_and_emotional_support": {**_QUIET, **ten("sympathy_and_support")},
    "Sympathy and emotional support": {**_QUIET, **ten("sympathy_and_support")},
    "Urgent Needs": {"informative": 1, "request": 1, "offer": 0, **ten("requests_or_urgent_needs")},
    "Needs of those affected": {"informative": 1, "request": 1, **ten("requests_or_urgent_needs")},
    "Requests for Help/Needs": {"informative": 1, "request": 1, **ten("requests_or_urgent_needs")},
    "not_related_or_irrelevant": {**NOTHING, **ten("not_humanitarian")},
    "Not related to crisis": {**NOTHING, **ten("not_humanitarian")},
    "Not Relevant": {"request": 0, "offer": 0},
    "donation_needs_or_offers_or_volunteering_services": {"informative": 1, "warning": 0},
}
SWDM13: dict[str, dict[str, int]] = {
    "Informative: damage (building, road, lines, etc.)": {
        **_QUIET,
        "informative": 1,
        **ten("infrastructure_and_utility_damage"),
    },
    "Informative: caution or advice": {
        "informative": 1,
        "warning": 1,
        "request": 0,
        **ten("caution_and_advice"),
    },
    "Informative: offers/gives donations of money, goods, or free services": {
        "informative": 1,
        "offer": 1,
        "request": 0,
    },
    "Informative: requests donations of money, goods, or free services": {"informative": 1, "warning": 0},
    "Informative: casualties (people injured or dead)": {
        **_QUIET,
        "informative": 1,
        **ten("injured_or_dead_people"),
    },
    "Not informative: personal only": NOTHING,
    "Not informative: unrelated to the disaster": {**NOTHING, **ten("not_humanitarian")},
}
FIRE = {
    "need": {"informative": 1, "request": 1, "offer": 0, "warning": 0},
    "availability": {"informative": 1, "request": 0, "offer": 1, "warning": 0},
    "other": {"request": 0, "offer": 0},
}
CRESCI = {
    "damage": {"informative": 1, "request": 0, "offer": 0},
    "no damage": {"request": 0},
    "not relevant": NOTHING,
}
KEYWORDS: dict[str, dict[str, int]] = {
    "0": {**NOTHING, **ten("not_humanitarian")},
    "1": {"informative": 1},
}
MESSAGE_NEEDS = {
    "rescue": ("search_and_rescue",),
    "medical": ("medical_help", "medical_products"),
    "water": ("water",),
    "food": ("food",),
    "shelter": ("shelter",),
    "clothing_and_blankets": ("clothing",),
    "missing_people": ("missing_people",),
    "electricity_and_communication": ("electricity",),
    "transport": ("transport",),
    "security": ("security",),
}
"""Columns of disaster_response_messages that make a need, where `request` is 1 as well."""
