"""Seeded generators of hostile tables, each with what must come out: as many rows as went in.

A generator draws a file and how many rows it holds. Rows are told from each other by what the format itself
says (a line, an element of a list, a row of Parquet), so that the oracle needs no reader.
"""

import gzip
import json
import random
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["GENERATORS", "Hostile", "draw_table"]

_PLAIN = tuple("flood water bridge help roof two people near the market boat please".split())  # noqa: SIM905
_LETTERS = (
    "洪水",
    "наводнение",
    "الفيضانات",
    "😢",
    "e\u0301",
    "\u200d",
    "\u2028",
    "\x85",
    "\x0b",
    "\ufeff",
    "\ud83d",
)
_SIGNS = (
    "<b>now</b>",
    "&amp;",
    "<3",
    "=",
    "+",
    "-",
    "@SUM(1)",
    "';",
    "--",
    "\\",
    "\\n",
    "\\u0000",
    "%00",
    "../..",
)
_WORDS = (*_PLAIN, *_LETTERS, *_SIGNS)
_ODD: tuple[object, ...] = (
    None,
    True,
    -1,
    0.5,
    1e300,
    10**400,
    "",
    " ",
    [],
    {},
    [[]],
    {"a": {"b": 1}},
    "1.62237E+18",
    "2/13/2023",
    "NaN",
    "\x00",
    "[" * 50,
    "a" * 5_000,
)
_FIELDS = ("id", "text", "image", "created_at", "lang", "lat", "lon", "event", "full_text", "user")


@dataclass(frozen=True)
class Hostile:
    """A drawn file.

    Attributes:
        name: Of the file, with its suffix.
        data: Its bytes.
        rows: How many rows it holds.
    """

    name: str
    data: bytes
    rows: int


def draw_table(seed: int) -> Hostile:
    """The table of a seed; equal seeds give equal tables."""
    draw = random.Random(seed)
    return GENERATORS[seed % len(GENERATORS)](draw)


def _text(draw: random.Random, most: int = 12) -> str:
    return " ".join(draw.choice(_WORDS) for _ in range(draw.randint(1, most)))


def _object(draw: random.Random, number: int) -> dict[str, object]:
    row: dict[str, object] = {"id": f"n{number}", "text": _text(draw)}
    for name in draw.sample(_FIELDS, draw.randint(0, 4)):
        row[name] = draw.choice(_ODD) if draw.random() < 0.7 else _text(draw)
    if draw.random() < 0.1:
        row["image"] = _nested(draw.choice(("a.jpg", 1, None)), draw.randint(1, 400), draw)
    return row


def _nested(value: object, depth: int, draw: random.Random) -> object:
    for _ in range(depth):
        value = [value] if draw.random() < 0.5 else {"url": value}
    return value


def _dumps(row: object, draw: random.Random) -> str:
    # no digits beyond what Python writes
    text = json.dumps(row, ensure_ascii=draw.random() < 0.5)
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def _jsonl(draw: random.Random) -> Hostile:
    lines = ['{"id": "first", "text": "bridge is down"}']
    broken = ('{"id": 1, "te', "[1]", "17", '{"text": ' + "[" * 3_000, "null", "\x00{", "{'a': 1}")
    for number in range(draw.randint(1, 20)):
        lines.append(draw.choice(broken) if draw.random() < 0.2 else _dumps(_object(draw, number), draw))
    content = draw.choice(("\n", "\r\n", "\n\n")).join(lines)
    return _packed("posts.jsonl", content.encode("utf-8", "replace"), len(lines), draw)


def _json_list(draw: random.Random) -> Hostile:
    values = ['{"id": "first", "text": "bridge is down"}']
    for number in range(draw.randint(1, 20)):
        odd = draw.random() < 0.2
        values.append(
            draw.choice(("17", "null", '"x"', "[1, [2]]")) if odd else _dumps(_object(draw, number), draw)
        )
    inside = draw.choice((",", ", ", ",\n  ")).join(values)
    content = f"[{inside}]" if draw.random() < 0.6 else f'{{"name": "x", "messages": [{inside}], "n": 1}}'
    return _packed("posts.json", content.encode("utf-8", "replace"), len(values), draw)


def _stray_quotes(draw: random.Random) -> Hostile:
    """CSV whose writer knew nothing of quotation marks: every line is a row."""
    width = draw.choice((2, 3, 4))
    start, wide = draw.randint(0, 10**6), draw.random() < 0.5
    lines = [
        "id,text,date,image".rsplit(",", 4 - width)[0],
        f"{10**17 if wide else start},bridge is down,2023-02-01,0.jpg",
    ]
    lines[1] = ",".join(lines[1].split(",")[:width])
    for number in range(draw.randint(1, 30)):
        name = str(draw.randint(10**17, 10**18)) if wide else str(start + number + 1)
        text = "".join(draw.choice('abc ""\'') for _ in range(draw.randint(0, 14)))
        lines.append(",".join([name, text, f"2023-02-{draw.randint(10, 28)}", f"{number}.jpg"][:width]))
    return Hostile("posts.csv", "\n".join(lines).encode(), len(lines) - 1)


def _quoted(draw: random.Random) -> Hostile:
    """CSV as the standard library writes it, with anything in its cells."""
    import csv
    import io

    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=draw.choice(",;\t"), lineterminator=draw.choice(("\n", "\r\n")))
    writer.writerow(["id", "text", "created_at"])
    # one row that surely says something: a table of blanks alone is refused, which is right
    writer.writerow(["first", "bridge is down", ""])
    count = draw.randint(1, 20)
    for number in range(count):
        text = _text(draw) + draw.choice(("", "\n", '"', '\n"quoted"\n', ",;\t", "\n\n"))
        odd = str(draw.choice(("", "2/13/2023", "x" * 50, '"', "\n")))
        writer.writerow([f"n{number:04d}", text.replace("\x00", ""), odd])
    return _encoded("posts.csv", buffer.getvalue(), count + 1, draw)


def _tsv(draw: random.Random) -> Hostile:
    lines = ["id\ttext\timage", "first\tbridge is down\ta.jpg"]
    for number in range(draw.randint(1, 20)):
        cells = [
            f"n{number}",
            _text(draw).replace("\t", " "),
            draw.choice(("a.jpg", '"', "[" * 600, ";" * 50, "")),
            "x",
        ]
        lines.append("\t".join(cells[: draw.choice((3, 3, 3, 2, 4))]))
    return _encoded("posts.tsv", "\n".join(lines), len(lines) - 1, draw)


def _parquet(draw: random.Random) -> Hostile:
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq

    count = draw.randint(1, 40)
    columns: dict[str, list[object]] = {
        "id": [f"n{i}" if draw.random() < 0.9 else None for i in range(count)],
        "text": [
            _text(draw).encode("utf-8", "replace") if draw.random() < 0.9 else None for _ in range(count)
        ],
        "image": [[f"{i}.jpg"] * draw.randint(0, 5) for i in range(count)],
        "lat": [draw.choice((1.0, None, 1e300)) for _ in range(count)],
    }
    # one row that is surely a post
    columns["id"][0], columns["text"][0] = "first", b"bridge is down"
    buffer = io.BytesIO()
    table = pa.table({name: pa.array(values) for name, values in columns.items()})
    pq.write_table(
        table, buffer, row_group_size=draw.choice((3, 10, 100)), compression=draw.choice(("none", "zstd"))
    )
    return Hostile("posts.parquet", buffer.getvalue(), count)


def _packed(name: str, data: bytes, rows: int, draw: random.Random) -> Hostile:
    if draw.random() < 0.2:
        return Hostile(f"{name}.gz", gzip.compress(data), rows)
    return Hostile(name, data, rows)


def _encoded(name: str, text: str, rows: int, draw: random.Random) -> Hostile:
    plain = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return _packed(name, plain.encode(draw.choice(("utf-8", "utf-8", "utf-8-sig", "utf-16"))), rows, draw)


GENERATORS: tuple[Callable[[random.Random], Hostile], ...] = (
    _jsonl,
    _json_list,
    _stray_quotes,
    _quoted,
    _tsv,
    _parquet,
)
"""By turns, by the seed."""
