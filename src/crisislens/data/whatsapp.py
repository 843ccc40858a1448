"""Chats that WhatsApp exports as `.txt`: a message begins with its time,
and may go on for several lines.

    06/02/2023, 04:18 - Volunteer A: Flood waters took the bridge
    near the market
    [06.02.23, 04:19:11] Volunteer B: IMG-20230206-WA0001.jpg (file attached)

The order of day and month is the phone's, so the column of times decides it as in any table
(`data.dates`); times are the phone's too, without a zone, and taken for UTC. Lines without an
author ("joined using this link") are no posts. Neither is what the program itself says in an
author's name ("Messages and calls are end-to-end encrypted", "This message was deleted"): iPhones
mark it with a left-to-right mark before its first letter. A place that somebody shared is where the
message is, as its link to a map says. Who wrote a message does not become part of the post.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from crisislens.data.encoding import Encoding
from crisislens.data.exports import LeftOut
from crisislens.data.lines import MAX_LINE, BrokenRow, read_lines

__all__ = ["COLUMNS", "chat_rows", "is_chat"]

COLUMNS = ["text", "image", "created_at", "lat", "lon"]
"""The columns that a chat has as a table."""
_DATE = r"\d{1,4}[/.-]\d{1,2}[/.-]\d{1,4}"
_CLOCK = r"\d{1,2}[:.]\d\d(?:[:.]\d\d)?(?:\s?[AaPp]\.?\s?[Mm]\.?)?"
_START = re.compile(rf"\[?(?P<date>{_DATE}),?\s+(?P<clock>{_CLOCK})(?:\]\s?|\s[-–]\s)(?P<rest>.*)", re.DOTALL)
_SAID = re.compile(r"(?P<who>[^:\n]{1,80}):\s(?P<what>.*)", re.DOTALL)
_MARKS = re.compile("[\u200e\u200f\u202a-\u202e\ufeff]")
_LETTERS = r"[^\n<>:\"|?*]{1,200}"
_NAME = rf"{_LETTERS}\.[A-Za-z0-9]{{2,7}}"
_SUFFIXES = (
    "jpe?g|png|webp|gif|heic|dng|mp4|3gp|mov|opus|ogg|m4a|mp3|aac|amr|wav|weba|was|"
    "pdf|vcf|docx?|xlsx?|pptx?|txt|csv|zip|kml|kmz|geojson"
)
# the same in the languages whose phones we know
_ATTACHED = (
    "file attached|Datei angehängt|archivo adjunto|fichier joint|arquivo anexado|ficheiro anexado|"
    "file allegato|bestand bijgevoegd|dosya ekli"
)
_SAYS_SO = r" \([^()\n]{1,40}\)"
# "boat needed at Mill St.East (near church)" has the form too, so only what is surely a file counts: a name
# with blanks is one where a message begins with it and a phone's own words stand behind it
_FILE = re.compile(
    rf"^(?:<attached: (?P<marked>{_NAME})>|(?P<plain>[^\s<>:\"|?*]{{1,200}}\.(?i:{_SUFFIXES})){_SAYS_SO}"
    rf"|\A(?P<blanks>{_LETTERS}\.(?i:{_SUFFIXES})) \((?i:{_ATTACHED})\))$",
    re.MULTILINE,
)
# Android marks the line of a file with a left-to-right mark
_MARKED = re.compile(rf"((?:^|:\s)\u200e)({_NAME}){_SAYS_SO}$")
_PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".heic", ".dng")
# behind the author of a line; what a file or a place is called by is marked so too, and is kept
_OWN_WORDS = re.compile(r"(?s)\[[^\]\n]{1,40}\]\s?[^:\n]{1,80}:\s\u200e(?!.*(?:https?://|<attached|\n))")
_NOT_THERE = re.compile(
    r"<[^<>\n]{1,40}>|(?:image|video|audio|sticker|GIF|document|Contact card) omitted", re.IGNORECASE
)
# a place that was shared: its name in the phone's language, and a link to a map
_PLACE = re.compile(r"https?://maps\.google\.com/\?q=(?P<lat>-?\d{1,2}\.\d+),(?P<lon>-?\d{1,3}\.\d+)")
_LOOKED_AT = 30


def is_chat(path: Path, encoding: Encoding) -> bool:
    """Whether one of the first lines begins as a message does."""
    for number, line in enumerate(read_lines(path, encoding)):
        if isinstance(line, str) and _START.match(_MARKS.sub("", line)):
            return True
        if number >= _LOOKED_AT:
            break
    return False


def chat_rows(path: Path, encoding: Encoding) -> Iterator[dict[str, object] | BrokenRow | LeftOut]:
    """The messages of a chat, by `COLUMNS`."""
    message: list[str] = []
    size, own_words = 0, False
    for line in read_lines(path, encoding):
        if isinstance(line, BrokenRow):
            yield line
            continue
        plain = _MARKS.sub("", _MARKED.sub(r"\1<attached: \2>", line))
        if _START.match(plain):
            yield from _row(message, size, own_words)
            message, size = [plain], len(plain)
            own_words = _OWN_WORDS.match(line.lstrip("\u200e\ufeff")) is not None
        # what is longer is told below; it is not collected any further
        elif size <= MAX_LINE:
            message.append(plain)
            size += len(plain)
    yield from _row(message, size, own_words)


def _row(message: list[str], size: int, own_words: bool) -> Iterator[dict[str, object] | BrokenRow | LeftOut]:
    found = _START.match("\n".join(message)) if message else None
    if found is None:
        if any(line.strip() for line in message):
            yield LeftOut("lines before the first message")
        return
    said = _SAID.match(found["rest"])
    # a photo that was not exported was one all the same
    alone = own_words and len(message) == 1
    if said is None or (alone and not _NOT_THERE.fullmatch(said["what"].strip())):
        yield LeftOut("service messages")
        return
    if size > MAX_LINE:
        yield BrokenRow(f"the message has more than {MAX_LINE:,} characters; leave it out")
        return
    text = said["what"]
    names = [file["marked"] or file["plain"] or file["blanks"] for file in _FILE.finditer(text)]
    pictures = [name for name in names if name.lower().endswith(_PICTURES)]
    text = _FILE.sub("", text)
    # <Media omitted>, in the phone's language
    text = "" if _NOT_THERE.fullmatch(text.strip()) else text
    moment = f"{found['date']} {_MARKS.sub('', found['clock'])}"
    place = _PLACE.search(text)
    yield {
        "text": text.strip(),
        "image": pictures,
        "created_at": moment,
        "lat": place["lat"] if place else None,
        "lon": place["lon"] if place else None,
    }
