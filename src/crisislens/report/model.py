"""What a situation report is told besides the assessments: which models spoke, at which thresholds, and which
posts are alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from crisislens.domain.calibration import NEVER_SURE
from crisislens.domain.tasks import Task
from crisislens.report.basemap import MapSource

__all__ = ["ReportCluster", "ReportMeta", "ReportTask"]


@dataclass(frozen=True)
class ReportCluster:
    """Posts that say or show nearly the same.

    Of those that say the same, the report lists one and says how many there are; that one is the most urgent
    member, not simply the first. Posts that share a photo alone are different messages and are all listed.

    Attributes:
        representative: The id of the member that stands for the others where several are equally urgent.
        size: How many posts the cluster has, the representative included.
        members: Ids of its posts. Only posts named here are taken together, so name all of them; the page
            prints a sample.
        kind: `text`: the same words; `both`: the same words and photo; `photo`: the same photo with other
            words.

    Raises:
        ValueError: If there are fewer than two posts or more members than posts.
    """

    representative: str
    size: int
    members: tuple[str, ...]
    kind: Literal["text", "photo", "both"]

    def __post_init__(self) -> None:
        if self.size < 2 or len(self.members) > self.size:
            raise ValueError(
                f"a cluster of size {self.size} with {len(self.members)} members; it needs 2 posts or more "
                f"and at least as many"
            )

    @property
    def one_message(self) -> bool:
        """Whether its posts say the same, so that one stands for all."""
        return self.kind != "photo"


@dataclass(frozen=True)
class ReportTask:
    """One question that the models answer.

    Attributes:
        task: The question with its answers, their titles and tones.
        thresholds: From the kind of evidence (`text`, `image`, `both`) to the probability in [0, 1] below
            which the answer is "not sure".
    """

    task: Task
    thresholds: Mapping[str, float] = field(default_factory=dict)

    @property
    def never_sure(self) -> bool:
        """Whether no probability is enough for a sure answer, whatever a post offers."""
        return bool(self.thresholds) and min(self.thresholds.values()) >= NEVER_SURE

    @property
    def name(self) -> str:
        """The key in `Assessment.tasks`."""
        return self.task.question

    @property
    def title(self) -> str:
        """What a person reads instead.

        >>> from crisislens.domain.tasks import TASKS
        >>> ReportTask(TASKS["damage_severity"]).title
        'Damage severity'
        """
        return self.task.heading

    @property
    def phrase(self) -> str:
        """The question inside a sentence."""
        return self.task.phrase or self.name

    @property
    def classes(self) -> Mapping[str, str]:
        """From class name to title, in the task's order."""
        return {label.name: label.words for label in self.task.labels}

    def label(self, name: str) -> str:
        """The title of a class, also of one that is not listed."""
        return self.task.title(name)


@dataclass(frozen=True)
class ReportMeta:
    """What the report says of itself.

    Attributes:
        title: The headline.
        source_name: What was analyzed, such as the name of the posts file.
        model: The model's name.
        model_version: The model's version.
        model_fingerprint: 16 hex digits over the model's configuration and weights.
        encoder_fingerprint: 16 hex digits over the encoders' weights and preprocessing.
        crisislens_version: The version of the package.
        analyzed_at: When the run started, ISO 8601 UTC.
        tasks: The questions in the order in which they are shown.
        command: The command that makes the run again; empty if there is none.
        model_description: One or two sentences on the model.
        languages: ISO 639-1 codes of the languages that the model was trained on; empty where unknown.
        known_limits: What is known of the model's errors, one sentence each.
        urgency_note: How urgency is computed, for the reader.
        added_by: From what was added beside the questions, such as names, to the models that added it and
            their fingerprint.
        data: Further rows on the data, from what to its value, such as the source's fingerprint.
        files: Names of the files beside the report that hold every post.
        serve: The command that shows the run where it is too large for one file.
        base_map: Lines, areas and points that the map draws under the posts; see `report.basemap`.
    """

    title: str
    source_name: str
    model: str
    model_version: str
    model_fingerprint: str
    encoder_fingerprint: str
    crisislens_version: str
    analyzed_at: str
    tasks: tuple[ReportTask, ...]
    command: str = ""
    model_description: str = ""
    languages: tuple[str, ...] = ()
    known_limits: tuple[str, ...] = ()
    urgency_note: str = ""
    added_by: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ("assessments.jsonl",)
    serve: str = "crisislens serve"
    base_map: MapSource | None = None
