"""How a rationale is shown: marked words, a heat grid over the photo, bars of what each modality contributed;
each with words beside it.

Marks are put into the text as two private characters before it is cut and cleaned for display, and taken out
as segments afterwards, so they stay at their letters whatever was cut or cleaned. Such characters of the text
itself are taken out first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from crisislens.domain.rationale import PatchHeat, Rationale
from crisislens.report.model import ReportTask

__all__ = [
    "ContributionBar",
    "HeatCell",
    "RationaleView",
    "Segment",
    "marked_text",
    "rationale_view",
    "segments",
]

_OPEN, _CLOSE = "\ue000", "\ue001"
_SHOWN_HEAT = 0.25
_NAMES = {"text": "Text", "image": "Photo", "caption": "Caption"}
_MOST_QUOTED = 200


@dataclass(frozen=True)
class Segment:
    """A piece of a text and whether it is evidence."""

    text: str
    marked: bool


@dataclass(frozen=True)
class HeatCell:
    """One warm patch: its place on a grid of unit squares and how opaque it is, in [0, 1]."""

    x: int
    y: int
    opacity: float


@dataclass(frozen=True)
class ContributionBar:
    """What one modality added to an answer; `start` and `width` place it on a bar of 100, `tone` is `for` or
    `against`.
    """

    name: str
    value: str
    start: float
    width: float
    tone: str


@dataclass(frozen=True)
class RationaleView:
    """Everything that a card shows of a rationale; `alone` says that the answer rests on nothing else."""

    quotes: tuple[str, ...]
    photo: str
    rows: int
    columns: int
    cells: tuple[HeatCell, ...]
    contributions: tuple[tuple[str, str, tuple[ContributionBar, ...]], ...]
    post_hoc: bool
    note: str
    alone: str = ""


def marked_text(text: str, rationale: Rationale | None) -> str:
    """The text with its evidence between private characters."""
    plain = str.maketrans({_OPEN: "\ufffd", _CLOSE: "\ufffd"})
    if rationale is None:
        return text.translate(plain)
    parts, at = [], 0
    for span in rationale.text:
        parts += [
            text[at : span.start].translate(plain),
            _OPEN,
            text[span.start : span.end].translate(plain),
            _CLOSE,
        ]
        at = span.end
    return "".join([*parts, text[at:].translate(plain)])


def segments(text: str, *, inside: bool = False) -> tuple[tuple[Segment, ...], bool]:
    """Takes private characters out again.

    >>> segments("a \\ue000b c")
    ((Segment(text='a ', marked=False), Segment(text='b c', marked=True)), True)

    Arguments:
        text: What `marked_text` made, cut anywhere.
        inside: Whether it starts within evidence.

    Returns:
        The pieces, and whether the text ends within evidence.
    """
    found = []
    for k, part in enumerate(text.replace(_CLOSE, _OPEN).split(_OPEN)):
        if part:
            found.append(Segment(part, inside != (k % 2 == 1)))
    return tuple(found), inside != (sum(c in (_OPEN, _CLOSE) for c in text) % 2 == 1)


def rationale_view(
    text: str, rationale: Rationale | None, tasks: Sequence[ReportTask]
) -> RationaleView | None:
    """What a card shows of a rationale; None where there is none.

    Arguments:
        text: The post's text.
        rationale: The rationale.
        tasks: The questions, for their titles.
    """
    if rationale is None:
        return None
    heat = rationale.image
    titles = {task.name: task for task in tasks}
    contributions = tuple(
        (titles[name].title, titles[name].label(c.label), _bars(c.values))
        for name, c in rationale.contributions.items()
        if name in titles and c.values
    )
    return RationaleView(
        quotes=tuple(text[span.start : span.end][:_MOST_QUOTED] for span in rationale.text),
        photo=heat.description if heat else "",
        rows=heat.rows if heat else 0,
        columns=heat.columns if heat else 0,
        cells=_cells(heat) if heat else (),
        contributions=contributions,
        post_hoc=rationale.post_hoc,
        note=_capital(rationale.note or ""),
        # the note of such a record says what the answer rests on
        alone=_capital(rationale.note or "") if rationale.decides else "",
    )


def _capital(clause: str) -> str:
    """A clause as a sentence begins; names in it keep their letters.

    >>> _capital("the model reads English")
    'The model reads English'
    """
    return clause[:1].upper() + clause[1:]


def _cells(heat: PatchHeat) -> tuple[HeatCell, ...]:
    places = ((k % heat.columns, k // heat.columns, h) for k, h in enumerate(heat.heat))
    return tuple(HeatCell(x, y, round(0.6 * h, 2)) for x, y, h in places if h >= _SHOWN_HEAT)


def _bars(values: dict[str, float]) -> tuple[ContributionBar, ...]:
    """Bars around a middle line, the largest as long as half of it."""
    most = max(map(abs, values.values())) or 1.0
    bars = []
    for name, value in values.items():
        width = round(50 * abs(value) / most, 1)
        bars.append(
            ContributionBar(
                _NAMES.get(name, name),
                f"{value:+.2f}".replace("-", "−"),
                50.0 if value >= 0 else 50 - width,
                width,
                "for" if value >= 0 else "against",
            )
        )
    return tuple(bars)
