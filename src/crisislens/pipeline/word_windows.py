"""Long posts, read in windows of words.

An extractor reads a bounded number of word pieces (128, some 500 characters); names and addresses stand
behind that in messages and reports. A longer post is read in several windows. A window ends behind the last
sentence that it holds wholly, if that is not before six tenths of it; otherwise it shares its last words with
the next one, so that no name is read in two halves. Each word's names are those of one window: a name belongs
to the window in which it begins, and whole.

Ours, no paper.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

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
# words that two windows share where no sentence ends: more than a name has
_SHARED = 8


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
    earliest = max(begins, first + int(_GIVEN_UP * (end - first)))
    for place in range(end, earliest, -1):
        if _ends_sentence(text, words, place):
            return place, place
    ends = max(begins + 1, end - _SHARED)
    return ends, max(first + 1, ends - _SHARED)


def _ends_sentence(text: str, words: Sequence[PlacedWord], place: int) -> bool:
    """Whether a sentence or a line ends between the word before a place and the one at it."""
    last, following = words[place - 1], words[place]
    between = text[last.end : following.start]
    # the point of 3.5 has no blank behind it
    return "\n" in between or last.text in _WIDE_STOPS or (last.text in _STOPS and bool(between))


def joined(windows: Sequence[WordWindow], answers: Sequence[Prediction]) -> Prediction:
    """One answer for a post, from those of its windows, with places in the whole post.

    Arguments:
        windows: The windows.
        answers: What was said of each.
    """
    mentions: list[Mention] = []
    scores: list[float] = []
    links: list[Link] = []
    link_scores: list[float] = []
    for window, answer in zip(windows, answers, strict=True):
        taken_to = mentions[-1].end if mentions else 0
        # of each name of the window that is taken, its place among the post's
        places: dict[int, int] = {}
        for old, mention in _own(window, answer):
            if mention.start >= taken_to:
                places[old] = len(mentions)
                mentions.append(mention)
                scores.append(answer.scores[old])
        for link, score in zip(answer.links, answer.link_scores, strict=True):
            if link.head in places and link.tail in places:
                links.append(Link(places[link.head], places[link.tail], link.type))
                link_scores.append(score)
    return Prediction(tuple(mentions), tuple(scores), tuple(links), tuple(link_scores))


def _own(window: WordWindow, answer: Prediction) -> Iterator[tuple[int, Mention]]:
    """The window's own names by their places in its answer, moved to where they stand in the post."""
    for old, found in sorted(enumerate(answer.mentions), key=lambda one: one[1].start):
        mention = replace(found, start=found.start + window.first, end=found.end + window.first)
        if window.begins <= mention.start < window.ends:
            yield old, mention
