"""Words with tags, one a line, in the layouts of CoNLL:
Twitter-2015, Twitter-2017 and a user's own files.

A line is a word and its tag, separated by a tab or blanks (the first column is the word, the last
the tag); a blank line ends a post; a line `IMGID:17_06_12483` names the picture of the post that it
begins. Tags are BIO or BIOES, which are told by their letters. What the tags get wrong is mended
and counted, never dropped: an `I-` that goes on with nothing begins a mention (186 in
Twitter-2015's train split, counted).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from crisislens.core.errors import DataError
from crisislens.data.lines import BrokenRow, read_lines
from crisislens.domain.extraction import AnnotatedPost
from crisislens.domain.tags import repair_bio, spans_of_bio

__all__ = ["ConllFile", "read_conll"]

# M is a middle, U a unit and L a last word in other spellings of BIOES
_TO_BIO = {"S": "B", "E": "I", "M": "I", "U": "B", "L": "I"}


@dataclass(frozen=True)
class ConllFile:
    """One file, read.

    Attributes:
        posts: Its posts, in order.
        mended_tags: Tags that went on with nothing.
        lone_words: Lines without a tag, read as `O`.
        repeated_ids: Ids that stood before in the file; the later post got a number behind its id.
    """

    posts: list[AnnotatedPost]
    mended_tags: int = 0
    lone_words: int = 0
    repeated_ids: int = 0


@dataclass
class _Open:
    """A post while its lines are read."""

    image: str | None = None
    words: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)


def read_conll(path: Path, *, split: str = "train", rename: Mapping[str, str] | None = None) -> ConllFile:
    """Reads a file of words and tags.

    Arguments:
        path: The file.
        split: What its posts are filed under.
        rename: From a type in the file to ours, such as `{"OTHER": "MISC"}`.

    Raises:
        DataError: If the file is missing, a line cannot be read, or a tag is not of BIO or BIOES.
    """
    if not path.is_file():
        raise DataError(
            f"no file of words and tags at {path}; give a file with a word and its tag on each line"
        )
    lone, mended, posts, seen = 0, 0, list[AnnotatedPost](), dict[str, int]()
    for block in _blocks(path):
        lone += sum(tag == "" for tag in block.tags)
        tags, wrong = repair_bio([_bio(tag or "O", rename or {}, path) for tag in block.tags])
        mended += wrong
        name = block.image or f"{split}-{len(posts):06d}"
        seen[name] = seen.get(name, 0) + 1
        # two posts may show one photo; their ids must differ
        unique = name if seen[name] == 1 else f"{name}#{seen[name]}"
        posts.append(
            AnnotatedPost(
                id=unique,
                words=tuple(block.words),
                mentions=tuple(spans_of_bio(tags)),
                image=block.image,
                split=split,
            )
        )
    if not posts:
        raise DataError(f"{path} holds no words; give a file with a word and its tag on each line")
    return ConllFile(posts, mended, lone, sum(n - 1 for n in seen.values()))


def _blocks(path: Path) -> Iterator[_Open]:
    block = _Open()
    for number, line in enumerate(read_lines(path), start=1):
        if isinstance(line, BrokenRow):
            raise DataError(f"line {number} of {path.name} cannot be read: {line.reason}")
        names_image = line.startswith("IMGID:")
        if (names_image or not line.strip()) and block.words:
            yield block
            block = _Open()
        if names_image:
            block.image = line.removeprefix("IMGID:").strip() or None
        elif line.strip() and not line.startswith("-DOCSTART-"):
            # a word may hold blanks where tabs separate (an emoji with a no-break space does)
            cells = line.split("\t") if "\t" in line else line.split()
            block.words.append(cells[0])
            block.tags.append(cells[-1].strip() if len(cells) > 1 else "")
    if block.words:
        yield block


def _bio(tag: str, rename: Mapping[str, str], path: Path) -> str:
    if tag == "O":
        return tag
    prefix, dash, kind = tag.partition("-")
    if not dash or not kind or prefix not in {"B", "I", *_TO_BIO}:
        raise DataError(
            f"{path.name} holds the tag {tag!r}; expected O, or B-, I-, E-, S- with a type (BIO or BIOES)"
        )
    return f"{_TO_BIO.get(prefix, prefix)}-{rename.get(kind, kind)}"
