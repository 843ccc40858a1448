"""Names in a post that an encyclopedia may know: capitalized runs of words, and hashtags cut into
words. Candidates, to be looked up.

Munia et al., 2025 (https://arxiv.org/abs/2507.05165) take mentions from TagMe, a web service; this
is a plain stand-in of OURS that needs none. It finds candidates and decides nothing: what no page
answers to is dropped by the look-up.
"""

import re
import unicodedata

from crisislens.data.text import CleaningRules, clean_text

__all__ = ["mentions", "words_of_hashtag"]

_RULES = CleaningRules(strip_hash=False)
_HASHTAG = re.compile(r"#(\w{3,40})")
_USER = re.compile(r"@\w+")
# expressions know no capitals beyond A-Z: those of Latin, Greek, Cyrillic and Armenian
_LETTERS = [chr(code) for code in (*range(0x41, 0x590), *range(0x1E00, 0x2000))]
_CAPITALS = "".join(letter for letter in _LETTERS if letter.isupper())
_SMALL = "".join(letter for letter in _LETTERS if letter.islower())
_CAMEL = re.compile(
    rf"[{_CAPITALS}]+(?![{_SMALL}])|[{_CAPITALS}][{_SMALL}]+|[{_SMALL}]+|\d+|[^\W\d_{_CAPITALS}{_SMALL}]+"
)
# not "and": in posts it lists places more often than it joins a name
_JOINERS = {"of", "the", "de", "del", "la"}
_RUN = re.compile(rf"\b[{_CAPITALS}][\w’'-]*(?:[ ](?:(?:of|the|de|del|la)[ ])?[{_CAPITALS}][\w’'-]*){{0,6}}")
# capitalized at the start of sentences and in headlines; alone they name nothing
_COMMON_WORDS = """
a about after again all also an and any are as at be before breaking but by can could day days did
do dont donate donation donations for free from get give go god good great had has have he help her
here his how i if im in is it its just last latest live many may me more most my need new news no
not now of off on one only or our out over people photo photos please pray prayers praying rescue
retweet rt see she so some stay still storm support than thank thanks that the their them there
these they this those thousands through to today tomorrow tonight until up update us via video was
watch water we were what when where which who why will with would year yes yesterday you your
disaster emergency relief flood floods flooding earthquake hurricane fire fires wildfire wildfires
damage victims
"""
_COMMON = frozenset(_COMMON_WORDS.split())


def mentions(text: str, *, most: int = 6) -> list[str]:
    """Candidate names in order of their appearance, without repeats.

    >>> mentions("Red Cross volunteers arrive in San Juan, Puerto Rico #HurricaneMaria https://t.co/x")
    ['Red Cross', 'San Juan', 'Puerto Rico', 'Hurricane Maria']

    Arguments:
        text: The post's text as it came.
        most: How many are kept.
    """
    # letters that are written with their accents apart would be cut at these
    plain = unicodedata.normalize("NFC", clean_text(text, _RULES))
    hashtags = [(m.start(), words_of_hashtag(m[1])) for m in _HASHTAG.finditer(plain)]
    # blanks of equal length in the place of hashtags and accounts, so that positions sort both kinds
    # together
    rest = _USER.sub(_blanks, _HASHTAG.sub(_blanks, plain))
    runs = [(m.start(), _trimmed(m[0])) for m in _RUN.finditer(rest)]
    found: dict[str, str] = {}
    for _, name in sorted(runs + hashtags):
        if len(name) > 2 and name.casefold() not in _COMMON and not name.isdigit():
            found.setdefault(name.casefold(), name)
    return list(found.values())[:most]


def words_of_hashtag(tag: str) -> str:
    """A hashtag cut at capitals and digits.

    >>> words_of_hashtag("HurricaneMaria2017"), words_of_hashtag("FEMA"), words_of_hashtag("PrayForMexico")
    ('Hurricane Maria 2017', 'FEMA', 'Pray For Mexico')
    >>> words_of_hashtag("TerremotoMéxico"), words_of_hashtag("INUNDACIÓN2017")
    ('Terremoto México', 'INUNDACIÓN 2017')
    """
    return " ".join(_CAMEL.findall(tag.replace("_", " "))) or tag


def _blanks(found: re.Match[str]) -> str:
    return " " * len(found[0])


def _trimmed(run: str) -> str:
    """A run without common words at its ends, so that `The Red Cross` and `Breaking News Houston`
    leave their names.
    """
    words = [re.sub(r"[’']s$", "", word) for word in run.split()]
    while words and (words[0].casefold() in _COMMON or words[0] in _JOINERS):
        words.pop(0)
    # "Camp Fire" is a name, "Fire Camp" begins with a common word
    while words and (words[-1].casefold() in _COMMON - {"fire", "fires", "relief"} or words[-1] in _JOINERS):
        words.pop()
    return " ".join(words)
