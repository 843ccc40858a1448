r"""Text as a model should read it: repaired, without links and invisible characters, and never
longer than a cap.

One pass $f$ repairs and strips; `clean_text` iterates it to the fixed point $f(x) = x$, so cleaning
twice is cleaning once, also where stripping one thing (`#` in `&#amp;`) uncovers another. Only text
whose repairs nest deeper than `_PASSES` levels could still change; none that people write does.

What "repair" undoes, each counted in the 12,050 texts of the CrisisMMD v2.0 tables: UTF-8 read as
cp1252 (`Weâ€™re`, 1,600 texts, by ftfy) or as Mac Roman (`‚Äì`); emoji whose code point was cut
after four digits (`U+1F62` and a `2` in place of `U+1F622`, about 1,500 times, also in both
mojibake spellings); HTML entities (`&amp;`).

Where we differ from Munia et al. 2025 (https://arxiv.org/abs/2507.05165): their code deletes
everything after the first link of a line (`https?:\/\/.*[\r\n]*` is greedy), which costs 8 to 15 %
of the tweets of each table their own words (counted). `PUBLISHED_RULES` keeps that for
reproduction; the default deletes links only.
"""

import html
import re
from typing import Literal

from pydantic import Field

from crisislens.core.config import Config
from crisislens.core.fingerprint import fingerprint

__all__ = ["PUBLISHED_RULES", "CleaningRules", "clean_ends", "clean_text"]

_PASSES = 50
# what is read of a text, in multiples of its cap, so that no text costs more than milliseconds;
# mojibake is at most three times too long
_HEADROOM = 4
# between the ends of a text that is too long
_GAP = " … "


class CleaningRules(Config):
    """How text is cleaned; its fingerprint is part of every feature's."""

    version: Literal[1] = 1
    """Raised whenever the same rules would clean differently, so that old features are not mistaken
    for new ones.
    """
    repair_mojibake: bool = True
    """Undo wrong decoding, cut emoji and HTML entities."""
    urls: Literal["remove", "keep", "published"] = "remove"
    """`remove` deletes links, `published` deletes from a link to the end of its line as the
    authors' code does, `keep` deletes nothing.
    """
    strip_rt: bool = True
    """Delete the retweet marker at the start; the name of who is retweeted stays."""
    strip_hash: bool = True
    """Delete the sign of hashtags; the word stays."""
    names: Literal["keep", "user"] = "keep"
    """`user` writes the name of every account as `@user`. Data sets do, and a model that learned from
    them takes any other name for a sign that nobody asks for help (`benchmarks/account_names.py`).
    """
    max_characters: int = Field(default=10_000, gt=0)
    """Length after which text is cut, in characters."""

    def fingerprint(self) -> str:
        """As of every configuration; features that were made before `names` kept them, and still count."""
        told = self.model_dump(mode="json")
        return fingerprint({k: v for k, v in told.items() if (k, v) != ("names", "keep")})


PUBLISHED_RULES = CleaningRules(repair_mojibake=False, urls="published")
"""The cleaning of Munia et al.'s code, for reproduction only."""

_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")
_NESTED_AMPERSAND = re.compile(r"&(?:(?:amp|#0{0,5}38|#[xX]0{0,4}26);)+")
# the bytes 0x80-0xBF, which continue a UTF-8 sequence, as the two code pages show them
_CONTINUATION = {
    char: byte
    for codec in ("mac_roman", "cp1252")
    for byte in range(0x80, 0xC0)
    if (char := bytes([byte]).decode(codec, "ignore")) and char.isprintable()
}
_SPLIT_EMOJI = re.compile("(?<![\u0370-\u03ff\u1f00-\u1fff])([\u1f00-\u1faf])([0-9A-F])")
_SPLIT_EMOJI_MOJIBAKE = re.compile(
    f"(?:á([¼½¾])|·([ºΩæ]))([{re.escape(''.join(_CONTINUATION))}]?)([0-9A-F]?)"
)
_SECOND_BYTE = {"¼": 0xBC, "½": 0xBD, "¾": 0xBE, "º": 0xBC, "Ω": 0xBD, "æ": 0xBE}
_MAC_PUNCTUATION = re.compile("‚Ä([êëíìîïñóòôöõúùûü†°¢£§•¶])")
_MAC_NO_BREAK_SPACE = re.compile("¬(?= )")

_SURROGATE = re.compile("[\ud800-\udfff]")
# controls, bidirectional overrides, zero-width and filler characters, variation selectors, tags,
# non-characters; spaces are folded later
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
    # joiners spell words in Persian and Hindi and build emoji; elsewhere they only hide
    "|(?<![^\x00-\x7f])[\u200c\u200d]|(?<=[\u200c\u200d])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])"
)
_RETWEET = re.compile(r"(?:RT(?:[\s:]+|$)|rt\s+(?=@))+")
# no part of an address of mail or of the web, and no house number (`@14`); a Mastodon account names its
# server too. Names are ASCII: in scripts without blanks the text goes on right behind them
_ACCOUNT = re.compile(
    r"(?<![\w@./+-])@(?=[0-9]*[A-Za-z_])[A-Za-z0-9_][A-Za-z0-9_.-]{0,60}(?<![.-])"
    r"(?:@[A-Za-z0-9-]{1,60}(?:\.[A-Za-z0-9-]{1,60})+)?"
)
_URL = re.compile(r"https?://\S*|\b(?:pic\.twitter\.com|t\.co)/\S+", re.IGNORECASE)
_URL_CUT = re.compile(r"(?:\bhttps?(?::/{0,2})?(?:…|\.{2,3})?|\bhtt(?:…|\.{2,3}))\s*$", re.IGNORECASE)
_URL_PUBLISHED = re.compile(r"https?:\/\/.*[\r\n]*")


def clean_text(text: str, rules: CleaningRules = CleaningRules()) -> str:
    """Cleans one text by the rules.

    >>> clean_text("RT @Cal_OES: Weâ€™re open &amp; safe #CampFire https://t.co/r89 https…")
    '@Cal_OES: We’re open & safe CampFire'

    Arguments:
        text: Any string, lone surrogates and control characters included.
        rules: What to repair and delete.

    Returns:
        At most `rules.max_characters` characters of valid Unicode, white space folded to single
        spaces. Cleaning it again changes nothing.
    """
    text = text[: _HEADROOM * rules.max_characters]
    for _ in range(_PASSES):
        cleaned = _pass(text, rules)
        if cleaned == text:
            break
        text = cleaned
    return text


def clean_ends(text: str, rules: CleaningRules = CleaningRules()) -> tuple[str, int]:
    """The cleaned text, of one beyond the cap its two ends, and how many characters between them are left
    out: people tell what happened first, and ask, with the address, at the end.

    >>> clean_ends("Bridge down. Many words. Send a boat", CleaningRules(max_characters=27))
    ('Bridge down. … Send a boat', 13)

    Arguments:
        text: Any string.
        rules: What to repair and delete.

    Returns:
        At most `rules.max_characters` characters, and what `clean_text` gives where nothing is left out.
    """
    cap = rules.max_characters
    if len(text) <= cap:
        return clean_text(text, rules), 0
    # repairs shorten a text, so half of what is read for it may do for each end
    most = _HEADROOM * cap // 2
    wide = rules.model_copy(update={"max_characters": 2 * most})
    if len(text) <= 2 * most:
        whole = clean_text(text, wide)
        if len(whole) <= cap:
            return clean_text(text, rules), 0
        start = end = whole
        between = len(whole)
    else:
        start, end = clean_text(text[:most], wide), clean_text(text[-most:], wide)
        between = len(text) - 2 * most + len(start) + len(end)
    half = (cap - len(_GAP)) // 2
    if half < 1:
        kept = clean_text(text, rules)
        return kept, between - len(kept)
    head, tail = start[:half].rstrip(), end[-half:].lstrip()
    return f"{head}{_GAP}{tail}", between - len(head) - len(tail)


def _pass(text: str, rules: CleaningRules) -> str:
    if _SURROGATE.search(text):
        # joins halves that arrived apart and marks the lone ones, which then go with the invisible
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if rules.repair_mojibake:
        text = _repair(text)
    text = _INVISIBLE.sub("", text)
    if rules.strip_rt:
        text = _RETWEET.sub("", text, count=1) if _RETWEET.match(text) else text
    if rules.urls == "remove":
        text = _URL_CUT.sub("", _URL.sub("", text))
    elif rules.urls == "published":
        text = _URL_PUBLISHED.sub("", text)
    if rules.names == "user":
        text = _ACCOUNT.sub("@user", text)
    if rules.strip_hash:
        text = text.replace("#", "").replace("＃", "")
    return " ".join(text.split())[: rules.max_characters].rstrip()


def _repair(text: str) -> str:
    """Undoes what transport did to a text; plain ASCII without `&` comes back at once."""
    # entities first: what they stand for may itself be mojibake
    if "&" in text:
        text = _ENTITY.sub(lambda match: html.unescape(match.group()), _NESTED_AMPERSAND.sub("&", text))
    if text.isascii():
        return text
    import ftfy

    text = _SPLIT_EMOJI_MOJIBAKE.sub(_split_emoji, text)
    text = ftfy.fix_encoding(text)
    text = _SPLIT_EMOJI.sub(lambda match: chr(ord(match[1]) << 4 | int(match[2], 16)), text)
    text = _MAC_PUNCTUATION.sub(lambda match: match[0].encode("mac_roman").decode("utf-8"), text)
    return _MAC_NO_BREAK_SPACE.sub("", text)


def _split_emoji(match: re.Match[str]) -> str:
    """The emoji of `á½¢2` or `·Ω¢2` (both U+1F62 and a 2); nothing where its third byte or its last
    digit was lost on the way.
    """
    second, third, digit = match[1] or match[2], match[3], match[4]
    if not third or not digit:
        return ""
    return chr(
        (0x1000 | (_SECOND_BYTE[second] & 0x3F) << 6 | (_CONTINUATION[third] & 0x3F)) << 4 | int(digit, 16)
    )
