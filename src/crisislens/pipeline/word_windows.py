"""Long posts, read in windows of words.

An extractor reads a bounded number of word pieces (128, some 500 characters); names and addresses stand
behind that in messages and reports. A longer post is read in several windows. A window ends behind the last
sentence that it holds with some words behind, if that is not before six tenths of it; otherwise it shares
its last words with the next one, so that no name is read in two halves. Each word's names are those of one
window: a name belongs to the window in which it begins, and whole.

Ours, no paper.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crisislens.data.post_words import PlacedWord
from crisislens.domain.extraction import Link, Mention
from crisislens.features.words import EncodedWords, WordReader
from crisislens.models.extraction import Prediction

__all__ = ["MOST_WINDOWS", "MOST_WORDS", "WordWindow", "joined", "word_windows"]

MOST_WINDOWS = 16
"""Windows of one post at most: some eight thousand characters."""
MOST_WORDS = 2_000
"""Words of one post at most: about as many as fit into all windows."""
_STOPS = frozenset(".!?…।؟")
# nothing stands behind these before the next sentence
_WIDE_STOPS = frozenset("。！？")
# of a window that may be given up to end it at a sentence
_GIVEN_UP = 0.6
# words that two windows share where no sentence ends, on either side of the cut: more than a name has
_SHARED = 8
# of a window that may be shared on either side, where words of many pieces leave room for few of them
_MOST_SHARED = 6
# a stop behind these, or behind a single letter, ends no sentence
_SHORT_FORMS = frozenset(
    {"st", "ste", "mt", "ft", "dr", "mr", "mrs", "ms", "gen", "sen", "gov", "sgt", "capt", "lt", "col", "maj"}
    | {"prof", "rev", "jr", "sr", "no", "ave", "av", "blvd", "rd", "sta", "sto"}
)


@dataclass(frozen=True)
class WordWindow:
    """Words of a post that are read together.

    Attributes:
        encoded: As the encoder reads them.
        first: The first word.
        begins: The first word whose names are this window's; those before it are there to be read with.
        ends: The word behind the last one whose names are this window's.
    """

    encoded: EncodedWords
    first: int
    begins: int
    ends: int


def word_windows(
    reader: WordReader, text: str, words: Sequence[PlacedWord], context: str
) -> list[WordWindow]:
    """The windows of a post, in its order; one where it is read whole.

    Arguments:
        reader: Of the extractor.
        text: The post's text.
        words: Where its words stand in it; at least one.
        context: Of its picture, read beside every window; empty where there is none.
    """
    spelled = [word.text for word in words]
    windows: list[WordWindow] = []
    first = begins = 0
    while begins < len(words) and len(windows) < MOST_WINDOWS:
        encoded = reader.read(spelled[first:], context=context)
        end = first + len(encoded.starts)
        # a context may leave no room at all
        if end <= begins:
            break
        ends, following = _cut(text, words, first, begins, end)
        windows.append(WordWindow(encoded, first, begins, ends))
        first, begins = following, ends
    return windows


def _cut(text: str, words: Sequence[PlacedWord], first: int, begins: int, end: int) -> tuple[int, int]:
    """The word behind the last one that a window keeps, and the first one of the next window.

    Arguments:
        text: The post's text.
        words: Its words.
        first: The first word that the window holds.
        begins: The first one whose names are its own.
        end: The word behind the last one that it holds.
    """
    if end == len(words):
        return end, end
    shared = min(_SHARED, (end - first) // _MOST_SHARED)
    earliest = max(begins, first + int(_GIVEN_UP * (end - first)))
    # not at the very end: what looks like a sentence's end may be the middle of a name
    for place in range(end - shared, earliest, -1):
        if _ends_sentence(text, words, place):
            return place, place
    ends = max(begins + 1, end - shared)
    return ends, max(first + 1, ends - shared)


def _ends_sentence(text: str, words: Sequence[PlacedWord], place: int) -> bool:
    """Whether a sentence or a paragraph ends between the word before a place and the one at it."""
    last, following = words[place - 1], words[place]
    between = text[last.end : following.start]
    if last.text in _WIDE_STOPS or between.count("\n") > 1:
        return True
    # the point of 3.5 has no blank behind it
    if last.text not in _STOPS or not between:
        return False
    before = words[place - 2].text.lower() if place > 1 else ""
    return last.text != "." or (len(before) > 1 and before not in _SHORT_FORMS)


def joined(windows: Sequence[WordWindow], answers: Sequence[Prediction]) -> Prediction:
    """One answer for a post, from those of its windows, with places in the whole post.

    Arguments:
        windows: The windows.
        answers: What was said surely enough of each: what is not told must not hide what is.
    """
    mentions: list[Mention] = []
    scores: list[float] = []
    for window, answer in zip(windows, answers, strict=True):
        taken_to = mentions[-1].end if mentions else 0
        for score, mention in _own(window, answer):
            if mention.start >= taken_to:
                mentions.append(mention)
                scores.append(score)
    links = _links(windows, answers, {m: place for place, m in enumerate(mentions)})
    named = [Link(head, tail, name) for head, tail, name in links]
    return Prediction(tuple(mentions), tuple(scores), tuple(named), tuple(links.values()))


def _links(
    windows: Sequence[WordWindow], answers: Sequence[Prediction], places: Mapping[Mention, int]
) -> dict[tuple[int, int, str], float]:
    """Relations between the names of a post; one that two windows tell counts once, with the better score.
    Its ends may be names of two windows that one of them holds both.
    """
    found: dict[tuple[int, int, str], float] = {}
    for window, answer in zip(windows, answers, strict=True):
        ends = [places.get(mention.moved(window.first)) for mention in answer.mentions]
        for link, score in zip(answer.links, answer.link_scores, strict=True):
            head, tail = ends[link.head], ends[link.tail]
            if head is not None and tail is not None:
                key = head, tail, link.type
                found[key] = max(score, found.get(key, score))
    return found


def _own(window: WordWindow, answer: Prediction) -> list[tuple[float, Mention]]:
    """The scores and names of a window that are its own, where they stand in the post, in their order."""
    moved = [mention.moved(window.first) for mention in answer.mentions]
    own = [
        (score, mention)
        for score, mention in zip(answer.scores, moved, strict=True)
        if window.begins <= mention.start < window.ends
    ]
    return sorted(own, key=lambda one: one[1].start)
