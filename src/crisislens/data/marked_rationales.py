r"""Human rationales on crisis tweets: verbatim snippets, turned into spans of characters and into
labels of whole words.

A snippet is found in its text up to case and white space, where it starts and ends at words if it
can, the longest snippet first, each in the first stretch that no other snippet took. One that was
retyped ("shelters" for "shelter") is aligned word by word and accepted where at least half of its
words match; what matches is marked. What cannot be found is counted, never guessed.

Tables: one row a tweet with columns `tweet_id`, `tweet_text`, `corrected_label`,
`informative_content` (snippets, one a line), as in the Nepal 2015 and Hagupit 2014 tables. The
conversion follows the predecessors of arXiv 2603.18611 (longest snippet first); matching of
characters instead of tokens, and the alignment, are ours. The same record is what
`crisislens annotate` exports, one JSON object a line.
"""

import csv
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np
from jaxtyping import Int

from crisislens.core.errors import DataError
from crisislens.core.fingerprint import fingerprint
from crisislens.core.lines import cut_lines
from crisislens.data.duplicates import SIGNATURE_LENGTH, cluster, text_signature
from crisislens.data.words import Span, merge_spans, word_labels, word_spans

__all__ = [
    "AnnotatedText",
    "annotations_fingerprint",
    "duplicate_folds",
    "find_snippets",
    "read_annotations",
    "read_snippet_table",
    "split_folds",
]

_COLUMNS = ("tweet_id", "tweet_text", "corrected_label", "informative_content")


@dataclass(frozen=True)
class AnnotatedText:
    """A text with the spans that a person marked as evidence for its label.

    Attributes:
        id: The post's id.
        text: The text as posted.
        label: The class that the evidence is for; empty where unknown.
        spans: Marked spans of characters, end exclusive, in order.
        missed: Snippets that were not found in the text.
        image: The path of its photo; empty for none.
    """

    id: str
    text: str
    label: str
    spans: tuple[Span, ...]
    missed: int = 0
    image: str = ""

    def words(self) -> list[Span]:
        """The words of the text."""
        return word_spans(self.text)

    def word_labels(self) -> list[bool]:
        """For each word whether it is evidence."""
        return word_labels(self.words(), self.spans, self.text)


def find_snippets(text: str, snippets: Sequence[str]) -> tuple[list[Span], int]:
    """Where snippets stand in a text, and how many could not be found.

    >>> find_snippets("Bridge is down, 5 dead. 5 dead!", ["5 DEAD", "bridge  is down"])
    ([(0, 14), (16, 22)], 0)
    """
    taken: list[Span] = []
    missed = 0
    there = [snippet for snippet in snippets if snippet.strip()]
    # the longest first: a short one is often a part of it, and must look for another place
    for snippet in sorted(there, key=lambda s: -len(s.strip())):
        found = _locate(text, snippet, taken) or _align(text, snippet)
        taken += found
        missed += not found
    return sorted(set(taken)), missed


def _locate(text: str, snippet: str, taken: Sequence[Span]) -> list[Span]:
    """The first free stretch that is the snippet up to case and white space, at word boundaries if
    there is one.
    """
    body = r"\s+".join(re.escape(word) for word in snippet.split())
    for pattern in (rf"(?<!\w){body}(?!\w)", body):
        matches = [match.span() for match in re.finditer(pattern, text, re.IGNORECASE)]
        free = [span for span in matches if _is_free(span, taken)]
        # where all are taken the first serves: the same words were marked twice
        if free or matches:
            return [(free or matches)[0]]
    return []


def _is_free(span: Span, taken: Sequence[Span]) -> bool:
    return all(span[1] <= start or end <= span[0] for start, end in taken)


def _align(text: str, snippet: str) -> list[Span]:
    """Runs of words of the text that a retyped snippet shares with it; none where they are fewer
    than half of its words.
    """
    words = word_spans(text)
    ours = [_bare(text[a:b]) for a, b in words]
    theirs = [_bare(word) for word in snippet.split()]
    shared = [False] * len(words)
    for i, _, size in SequenceMatcher(None, ours, theirs, autojunk=False).get_matching_blocks():
        shared[i : i + size] = [True] * size
    # half or more, or words such as "the" would make evidence of anything
    return merge_spans(words, shared) if 2 * sum(shared) >= len(theirs) else []


def _bare(word: str) -> str:
    """A word without case, punctuation and a plural's s."""
    letters = "".join(c for c in word.casefold() if c.isalnum())
    return letters[:-1] if len(letters) > 3 and letters.endswith("s") else letters


def read_snippet_table(path: Path) -> list[AnnotatedText]:
    """Reads a table of tweets with snippets (CSV), in its order; rows without a text or without any
    found snippet are left out.

    Raises:
        DataError: If the file is missing or lacks a column.
    """
    if not path.is_file():
        raise DataError(f"no rationale table at {path}; expected a CSV with columns {', '.join(_COLUMNS)}")
    with path.open(encoding="utf-8", errors="replace", newline="") as stream:
        reader = csv.DictReader(stream)
        if missing := [name for name in _COLUMNS if name not in (reader.fieldnames or ())]:
            raise DataError(f"{path} lacks the column {missing[0]}; expected {', '.join(_COLUMNS)}")
        rows = [_annotated(row) for row in reader]
    return [row for row in rows if row.text.strip() and row.spans]


def _annotated(row: dict[str, str | None]) -> AnnotatedText:
    text = row["tweet_text"] or ""
    spans, missed = find_snippets(text, cut_lines(row["informative_content"] or ""))
    return AnnotatedText(
        (row["tweet_id"] or "").strip("'"), text, row["corrected_label"] or "", tuple(spans), missed
    )


def read_annotations(path: Path) -> list[AnnotatedText]:
    """Reads what `crisislens annotate` exported: one JSON object a line with `id`, `text`, `label`
    and `spans` ([[start, end], …]); `image`, the path of a photo, may be there.

    Raises:
        DataError: If the file is missing, or a line is no such object; the line is named.
    """
    if not path.is_file():
        raise DataError(f"no annotations at {path}; make some with: crisislens annotate POSTS --out FOLDER")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no UTF-8; give the file that crisislens annotate wrote") from error
    found = []
    for number, line in enumerate(cut_lines(text), 1):
        if line.strip():
            found.append(_from_json(line, f"{path}, line {number}"))
    return found


def _from_json(line: str, where: str) -> AnnotatedText:
    try:
        values = json.loads(line)
        text = str(values["text"])
        spans = tuple((int(start), int(end)) for start, end in values["spans"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{where} is no annotation ({error}); expected id, text, label and spans") from error
    if any(not 0 <= start < end <= len(text) for start, end in spans):
        raise DataError(
            f"{where} has a span outside of its text of {len(text)} characters; annotate the post again"
        )
    return AnnotatedText(
        str(values.get("id", "")),
        text,
        str(values.get("label") or ""),
        tuple(sorted(spans)),
        image=str(values.get("image") or ""),
    )


def duplicate_folds(texts: Sequence[str], *, folds: int, seed: int = 0) -> Int[np.ndarray, " s"]:
    """A fold of each text, near-duplicates (retweets, copies with another link) always in one fold.

    Clusters are shuffled and each goes to the fold that has the fewest texts.

    Arguments:
        texts: The texts.
        folds: How many folds, at least 2.
        seed: Of the shuffle.
    """
    signatures = [text_signature(text) for text in texts]
    blank = np.zeros(SIGNATURE_LENGTH, np.uint32)
    there = np.array([s is not None for s in signatures], bool)
    stacked = np.stack([blank if s is None else s for s in signatures])
    owner = np.arange(len(texts))
    for group in cluster(stacked, there, np.zeros(len(texts), np.uint64), np.zeros(len(texts), bool)):
        owner[list(group.members)] = min(group.members)
    names, which, sizes = np.unique(owner, return_inverse=True, return_counts=True)
    fold_of, filled = np.zeros(len(names), np.int64), np.zeros(folds, np.int64)
    for name in np.random.default_rng(seed).permutation(len(names)):
        fold_of[name] = filled.argmin()
        filled[fold_of[name]] += sizes[name]
    return np.asarray(fold_of[which])


def split_folds(texts: Sequence[AnnotatedText], folds: int, tested: int) -> dict[str, list[AnnotatedText]]:
    """Texts by part: one fold is `test`, the next `dev`, the others `train`; near-duplicates stand in one.

    Arguments:
        texts: The texts.
        folds: How many folds.
        tested: The fold that is tested, counted on from 0 after the last.

    Raises:
        DataError: If there are fewer texts than folds.
    """
    if len(texts) < folds:
        raise DataError(f"{len(texts)} annotated texts cannot be cut into {folds} folds; annotate more")
    fold_of = duplicate_folds([t.text for t in texts], folds=folds)
    part_of = {tested % folds: "test", (tested + 1) % folds: "dev"}
    parts: dict[str, list[AnnotatedText]] = {"train": [], "dev": [], "test": []}
    for text, fold in zip(texts, fold_of.tolist(), strict=True):
        parts[part_of.get(fold, "train")].append(text)
    return parts


def annotations_fingerprint(rows: Sequence[AnnotatedText]) -> str:
    """16 hex digits over ids, texts, labels, spans and the names of photos."""
    parts: list[object] = []
    for row in rows:
        # texts without a photo keep the fingerprint that results of before were written with
        photo = [row.image] if row.image else []
        parts.append([row.id, row.text, row.label, [list(span) for span in row.spans], *photo])
    return fingerprint(parts)
