"""Texts that stand beside posts: captions, encyclopedia summaries, anything made once and joined by
id or photo.

A sidecar is a file of rows. JSONL (`crisislens caption` and `crisislens knowledge` write it):
objects with `id` and/or `image`, and `text`; CSV and TSV: the same as columns (`caption`,
`context`, `summary` and `LLaVA_text` are read as `text`, and before it where a row has both, since
that may be the post's own; `tweet_id`, `image_id` and `post` as `id`). A row whose `text` is empty
says that there is none, for example because making it failed. What a row says is untrusted:
it is made plain and cut.

A post is looked up by its id, then by the path of its photo.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from crisislens.core.errors import DataError
from crisislens.core.fingerprint import fingerprint_lines
from crisislens.data.delimited import csv_records, table_header, tsv_records
from crisislens.data.encoding import find_encoding, suffix_of
from crisislens.data.lines import BrokenRow, ends_in_returns, read_lines
from crisislens.data.markup import without_markup
from crisislens.data.untrusted import plain_text
from crisislens.domain.post import Post

__all__ = ["Sidecar", "sidecar_rows"]

# what says what it is comes before `text`, which beside it is the post's own
_TEXT = ("caption", "context", "summary", "llava_text", "text", "final_text")
_ID = ("id", "image_id", "post", "post_id", "tweet_id")
# of a text, before it is cut
_MOST_READ = 100_000
_IMAGE = ("image", "image_path", "photo", "file")


@dataclass(frozen=True)
class Sidecar:
    """Texts by post id and by photo path.

    Attributes:
        by_id: From the id of a post.
        by_image: From the path of a photo as posts name it.
        weak: Whether the maker marked any of them as weak.
        broken: Rows that could not be read.
    """

    by_id: Mapping[str, str]
    by_image: Mapping[str, str]
    weak: bool = False
    broken: int = 0

    @classmethod
    def read(
        cls, path: Path, *, max_characters: int = 1000, made_by: str = "crisislens caption"
    ) -> "Sidecar":
        """Reads a file.

        Arguments:
            path: JSONL, CSV or TSV.
            max_characters: Length after which a text is cut.
            made_by: The command that makes such a file, for the message where there is none.

        Raises:
            DataError: If it is missing, of another kind, or has no usable columns.
        """
        if not path.is_file():
            raise DataError(
                f"no texts at {path}; make them with `{made_by}` and name the file (JSONL, CSV or TSV with "
                f"id and text)"
            )
        by_id, by_image, weak, broken = dict[str, str](), dict[str, str](), False, 0
        try:
            for row in sidecar_rows(path):
                if row is None:
                    broken += 1
                    continue
                # cut before it is cleaned: cleaning takes time with the length
                said = without_markup(str(_first(row, _TEXT) or "")[:_MOST_READ])
                text = plain_text(said, max_characters=max_characters)
                weak = weak or row.get("weak") in (True, "true", "True", "1")
                for names, found in ((_ID, by_id), (_IMAGE, by_image)):
                    # that making a text failed for one of several posts with a photo does not lose
                    # it for the others
                    if (key := _first(row, names)) not in (None, "") and (text or str(key) not in found):
                        found[str(key)] = text
        except OSError as error:
            raise DataError(
                f"{path} cannot be read ({error.strerror or error}); check the path and its rights"
            ) from error
        if not by_id and not by_image:
            raise DataError(
                f"{path} has no row with an id or image and a text; expected columns id (or image) and text"
            )
        return cls(by_id, by_image, weak, broken)

    def of(self, post: Post) -> str:
        """The text beside a post; empty where there is none."""
        return self.by_id.get(post.id) or (
            self.by_image.get(post.image.path, "") if post.image is not None else ""
        )

    def fingerprint(self) -> str:
        """16 hex digits over all texts and what they belong to."""
        rows = [
            f"{kind}\t{key}\t{text}"
            for kind, part in (("id", self.by_id), ("image", self.by_image))
            for key, text in part.items()
        ]
        return fingerprint_lines(sorted(rows))

    def __len__(self) -> int:
        return max(len(self.by_id), len(self.by_image))


def _first(row: Mapping[str, object], names: tuple[str, ...]) -> object | None:
    return next((row[name] for name in names if row.get(name) is not None), None)


def sidecar_rows(path: Path) -> Iterator[Mapping[str, object] | None]:
    """The rows of a JSONL, CSV or TSV file by column, in lower case;
    None for one that cannot be read.

    Raises:
        DataError: If the file is of another kind or has no header.
    """
    suffix = suffix_of(path)
    if suffix in (".jsonl", ".ndjson"):
        for line in read_lines(path):
            if isinstance(line, BrokenRow):
                yield None
            elif line.strip():
                yield _object(line)
        return
    if suffix not in (".csv", ".tsv"):
        raise DataError(
            f"{path.name} ends in {path.suffix or 'no suffix'}, which is not read; give .jsonl, .csv or .tsv"
        )
    quoted, how = suffix == ".csv", find_encoding(path)
    lines = read_lines(path, how, returns=ends_in_returns(path, how, quoted=quoted))
    found = table_header(lines, quoted=quoted)
    if not isinstance(found, tuple):
        raise DataError(f"{path} has no header; its first line must name the columns id (or image) and text")
    header, delimiter = found
    names = [name.strip().lower() for name in header]
    records = csv_records(lines, len(names), delimiter) if quoted else tsv_records(lines, len(names))
    for record in records:
        yield None if isinstance(record, BrokenRow) else dict(zip(names, record, strict=False))


def _object(line: str) -> Mapping[str, object] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return {str(key).lower(): value for key, value in found.items()} if isinstance(found, dict) else None
