"""How `analyze` tells of a run: the command that makes it again, what it read, and what came of it."""

import json
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from crisislens.cli.console import say, say_lost
from crisislens.cli.reading import say_notes
from crisislens.pipeline.default import default_note

if TYPE_CHECKING:
    from crisislens.data.source import PostSource
    from crisislens.pipeline.batch import RunOutcome

__all__ = ["command_again", "described", "tell"]

_MULTILINGUAL = "crisis-multilingual"


def command_again(
    posts: Path,
    *,
    single: Mapping[str, object],
    several: Mapping[str, Iterable[str]],
    flags: Mapping[str, bool],
) -> str:
    """The command line that makes this run again, as the report's footer shows it.

    Arguments:
        posts: The file of posts.
        single: Options of one value; those without one are left out.
        several: Options that may be given again.
        flags: Options without a value.
    """
    words = ["crisislens", "analyze", str(posts)]
    for option, value in single.items():
        if value is not None:
            words += [option, str(value)]
    for option, values in several.items():
        for value in values:
            words += [option, value]
    words += [flag for flag, on in flags.items() if on]
    return shlex.join(words)


def tell(
    outcome: "RunOutcome", out: Path, source: "PostSource", model: Sequence[str], *, summary: bool
) -> None:
    """Says what was read, what failed, and where everything lies."""
    from crisislens.pipeline.annotators import failures

    assessments = out / "assessments.jsonl"
    resumed = f", {outcome.resumed} of them from an earlier start" if outcome.resumed else ""
    say(f"{outcome.rows} rows read: {outcome.assessed} posts assessed, {outcome.failed} rows failed{resumed}")
    say_notes(source)
    say(f"assessments  {assessments}")
    if outcome.failed:
        say(f"failed       {out / 'failed.jsonl'}")
    for name, (posts_without, reason) in failures(assessments).items():
        say(f"left out     {name} on {posts_without} posts; the first because {reason}")
    _say_photos(assessments)
    _say_unread(assessments, model)
    if note := default_note(model[0], sys.platform):
        say(f"note         {note}")
    say(f"report       {out / 'report.html'}")
    if summary:
        say(f"summary      {out / 'summary.html'}, {out / 'summary.md'}")
    say_lost(dict(outcome.lost))


def _say_photos(assessments: Path) -> None:
    """Says how many posts have a photo that was not looked at, and why the first was not: who named the wrong
    folder must not take posts whose photos are missing for posts without any.
    """
    from crisislens.features.encode import UNUSABLE_PHOTO

    posts, reason = 0, ""
    with assessments.open("rb") as lines:
        # nearly no record has such a note, and reading all as JSON would cost seconds
        for line in (line for line in lines if UNUSABLE_PHOTO.encode() in line):
            notes = (str(note) for note in json.loads(line)["notes"])
            found = [note.removeprefix(UNUSABLE_PHOTO) for note in notes if note.startswith(UNUSABLE_PHOTO)]
            posts += bool(found)
            reason = reason or next(iter(found), "")
    if posts:
        say(f"photos       of {posts} posts could not be used; the first because {reason}")


def _say_unread(assessments: Path, model: Sequence[str]) -> None:
    """Says how many texts no model read, and which one reads more languages."""
    with assessments.open("rb") as lines:
        unread = sum(b',"unread":"' in line for line in lines)
    if not unread:
        return
    hint = "" if _MULTILINGUAL in model else f"; --model {_MULTILINGUAL} reads more languages"
    say(f"not read     {unread} texts are in languages that the model does not surely read{hint}")


def described(source: dict[str, object]) -> dict[str, str]:
    """What the report's footer says of the source."""
    columns, notes = source.get("columns"), source.get("notes")
    named = (
        {k: "+".join(v) if isinstance(v, list) else str(v) for k, v in columns.items()}
        if isinstance(columns, dict)
        else {}
    )
    return {
        "Columns": ", ".join(f"{k} = {v}" for k, v in named.items()) or "as in the file",
        "Ids": str(source.get("ids", "from the file")),
        **({"Reading": "; ".join(map(str, notes))} if isinstance(notes, list) and notes else {}),
        "Source fingerprint": str(source.get("fingerprint", "")),
    }
