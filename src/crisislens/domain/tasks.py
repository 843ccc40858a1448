r"""Tasks as data: what is asked of a post, the answers in their order,
and all that other rooms need to know.

Nobody else spells the name of a class or of a task: reports read titles and tones from here,
urgency its weights, readers of data sets their merges, run files their settings. A new task of ours
is one entry below; a user's own is a section of the run file (`training.config.TaskConfig`) or is
read from the label column.

The ids A1, A2, A3 and B2 name the settings whose numbers may stand side by side; numbers of
different settings never do.

Urgency, our own heuristic (no paper), from calibrated probabilities $P$ of the labels $c$ of tasks
$k$ with weights $w_{kc}$ and shares $s_k$,

$$u = \prod_{k \in \text{gates}} \sum_c w_{kc} P_k(c) \cdot
  \sum_{k \notin \text{gates}} s_k \sum_c w_{kc} P_k(c).$$

Sources: CrisisMMD v2.0 (Alam et al., ICWSM 2018); A1-A3: Munia et al. 2025,
https://arxiv.org/abs/2507.05165, Table 1; B2: the merges of Ofli et al. 2020,
https://arxiv.org/abs/2004.11838; `humanitarian_10`: HumAID (Alam et al., ICWSM 2021),
https://arxiv.org/abs/2104.03090.
"""

from crisislens.core.registry import Registry
from crisislens.domain.task import Label, Task, Tone, own_task, readable

__all__ = [
    "ASKED",
    "CALLED",
    "CATEGORY",
    "MARKED",
    "NEEDED",
    "SETTINGS",
    "TASKS",
    "Label",
    "Task",
    "Tone",
    "own_task",
    "readable",
]


TASKS: Registry[Task] = Registry("task")
"""Every task that ships, by its name."""


def _add(task: Task) -> None:
    TASKS.register(task.name)(task)


_AFFECTED = Label(name="affected", title="Affected, injured or missing people", tone="grave", urgency=1.0)
# the raw labels of people; A2 and B2 merge them into `affected`, a task of ten keeps two of them
_AFFECTED_RAW = Label(name="affected_individuals", title="Affected people", tone="grave", urgency=1.0)
_INJURED = Label(name="injured_or_dead_people", title="Injured or dead people", tone="grave", urgency=1.0)
_MISSING = Label(name="missing_or_found_people", title="Missing or found people", tone="grave", urgency=1.0)
_INFRASTRUCTURE = Label(
    name="infrastructure_and_utility_damage",
    title="Infrastructure and utility damage",
    tone="warm",
    urgency=0.8,
)
_VEHICLES = Label(name="vehicle_damage", title="Vehicle damage", tone="warm", urgency=0.6)
_RESCUE = Label(
    name="rescue_volunteering_or_donation_effort",
    title="Rescue, volunteering or donation",
    tone="calm",
    urgency=0.5,
)
_OTHER = Label(name="other_relevant_information", title="Other relevant information", urgency=0.2)
_NOT_HUMANITARIAN = Label(name="not_humanitarian", title="Not humanitarian", nothing=True)
# shared by A2 and B2, so that their numbers mean the same by "affected"
_PEOPLE = {label.name: _AFFECTED.name for label in (_AFFECTED_RAW, _INJURED, _MISSING)}
_HUMANITARIAN = {"question": "humanitarian", "topic": "Humanitarian category", "phrase": "category"}

_add(
    Task(
        name="informativeness",
        question="informativeness",
        phrase="being informative",
        settings={"A1": "informative"},
        gate=True,
        labels=(
            Label(name="not_informative", title="Not informative", nothing=True),
            Label(name="informative", title="Informative", tone="calm", urgency=1.0, counted=True),
        ),
    )
)
_add(
    Task(
        name="humanitarian_raw",
        **_HUMANITARIAN,
        share=0.7,
        labels=(
            _AFFECTED_RAW,
            _INJURED,
            _MISSING,
            _INFRASTRUCTURE,
            _VEHICLES,
            _RESCUE,
            _OTHER,
            _NOT_HUMANITARIAN,
        ),
    )
)
_add(
    Task(
        name="humanitarian_a2",
        **_HUMANITARIAN,
        settings={"A2": "humanitarian"},
        share=0.7,
        labels=(_AFFECTED, _INFRASTRUCTURE, _VEHICLES, _RESCUE, _OTHER),
        merges=_PEOPLE,
        dropped=frozenset({_NOT_HUMANITARIAN.name}),
    )
)
_add(
    Task(
        name="humanitarian_b2",
        **_HUMANITARIAN,
        settings={"B2": "humanitarian"},
        share=0.7,
        labels=(_AFFECTED, _INFRASTRUCTURE, _RESCUE, _OTHER, _NOT_HUMANITARIAN),
        merges={**_PEOPLE, _VEHICLES.name: _INFRASTRUCTURE.name},
    )
)
_add(
    Task(
        name="humanitarian_10",
        **_HUMANITARIAN,
        labels=(
            Label(name="caution_and_advice", title="Warning or advice", tone="warm", urgency=0.6),
            Label(
                name="displaced_people_and_evacuations",
                title="Displaced people and evacuations",
                tone="grave",
                urgency=0.7,
            ),
            # a call for help leads these ten, so the others weigh less than in tasks without one
            _INFRASTRUCTURE.model_copy(update={"urgency": 0.5}),
            _INJURED.model_copy(update={"urgency": 0.8}),
            _MISSING.model_copy(update={"urgency": 0.9}),
            _NOT_HUMANITARIAN,
            _OTHER,
            Label(name="requests_or_urgent_needs", title="Call for help", tone="grave", urgency=1.0),
            _RESCUE.model_copy(update={"urgency": 0.3}),
            Label(name="sympathy_and_support", title="Sympathy and support", urgency=0.05),
        ),
    )
)
_add(
    Task(
        name="needs",
        question="needs",
        topic="What is asked for",
        phrase="needs",
        several=True,
        labels=(
            Label(name="rescue", title="Rescue", tone="grave", urgency=1.0),
            Label(name="medical", title="Medical help", tone="grave", urgency=1.0),
            Label(name="water", title="Water", tone="grave", urgency=0.9),
            Label(name="food", title="Food", tone="grave", urgency=0.9),
            Label(name="shelter", title="Shelter", tone="grave", urgency=0.8),
            Label(name="clothing_and_blankets", title="Clothing and blankets", tone="warm", urgency=0.7),
            Label(name="missing_people", title="Missing people", tone="grave", urgency=1.0),
            Label(
                name="electricity_and_communication",
                title="Electricity and communication",
                tone="warm",
                urgency=0.6,
            ),
            Label(name="transport", title="Transport", tone="warm", urgency=0.7),
            Label(name="security", title="Security", tone="warm", urgency=0.8),
        ),
    )
)
_add(
    Task(
        # as `crisis-multilingual` and `crisis-open` ask; they order posts by weights of their own
        name="calls_and_needs",
        question="needs",
        topic="Calls and needs",
        phrase="needs",
        share=0.85,
        several=True,
        labels=(
            Label(name="request", title="Asks for help", tone="grave", urgency=1.0),
            Label(name="offer", title="Offers help"),
            Label(name="warning", title="Warns", tone="warm", urgency=0.3),
            # reports of people who were saved sound like calls to save them, and ask for nothing
            Label(name="rescue", title="Rescue needed", tone="grave", urgency=1.0, within="request"),
            Label(name="medical", title="Medical help needed", tone="grave", urgency=1.0),
            Label(name="water", title="Water needed", tone="grave", urgency=0.9),
            Label(name="food", title="Food needed", tone="grave", urgency=0.9),
            Label(name="shelter", title="Shelter needed", tone="grave", urgency=0.8),
            Label(
                name="clothing_and_blankets", title="Clothing or blankets needed", tone="grave", urgency=0.7
            ),
            Label(name="missing_people", title="People missing or found", tone="grave", urgency=0.5),
            Label(
                name="electricity_and_communication",
                title="Power or communication needed",
                tone="grave",
                urgency=0.6,
            ),
            Label(name="transport", title="Transport needed", tone="grave", urgency=0.7),
            Label(name="security", title="Security needed", tone="grave", urgency=0.8),
        ),
    )
)
_add(
    Task(
        name="damage_severity",
        question="damage",
        topic="Damage severity",
        phrase="severity",
        settings={"A3": "damage"},
        ordered=True,
        share=0.3,
        labels=(
            Label(name="little_or_no_damage", title="Little or no damage", nothing=True),
            Label(name="mild_damage", title="Mild damage", tone="warm", urgency=0.5),
            Label(name="severe_damage", title="Severe damage", tone="grave", urgency=1.0, counted=True),
        ),
    )
)

ASKED: tuple[Task, ...] = (
    TASKS["informativeness"],
    TASKS["humanitarian_b2"],
    TASKS["damage_severity"],
)
"""What `crisis-compact` is asked of every post, in the order of the report."""
CATEGORY: Task = TASKS["humanitarian_10"]
"""The task by which the default bundle divides posts: what they tell or ask for."""
CALLED: Task = TASKS["calls_and_needs"]
"""What the default bundle is asked beside it: who calls, offers and warns, and what is needed."""
NEEDED: Task = TASKS["needs"]
"""The needs alone; several of its labels may hold."""
MARKED: Task = TASKS["humanitarian_b2"]
"""The task whose labels people choose from when they mark evidence, unless they bring their own."""
SETTINGS: dict[str, Task] = {setting: task for task in TASKS.values() for setting in task.settings}
"""From the id of a published setting to its task."""
