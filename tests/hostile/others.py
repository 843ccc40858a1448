"""Seeded generators of hostile pictures, run files, and files of a bundle or a store; equal seeds give equal
bytes.
"""

import json
import random
from copy import deepcopy
from io import BytesIO

from PIL import Image

__all__ = ["damage", "draw_object", "draw_picture", "draw_settings"]

_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP")
_SNIPPETS = (
    "a: 1\n",
    "- x\n",
    "b: {c: [1, 2, {d: e}]}\n",
    "x: &a [*a]\n",
    "l: &l [1, 1]\nm: [*l, *l]\n",
    "k: !!python/object:os.system ls\n",
    "a: 1\na: 2\n",
    "e: ${oc.env:HOME}\n",
    "include: ../../etc/passwd\n",
    "? [a, b]\n: c\n",
    "t: 2024-02-30\n",
    "n: .nan\n",
    "o: 0o17\n",
    "z: " + "[" * 200 + "\n",
    "s: |\n  text\n",
    "\t- tab\n",
    "\x00",
    "\u2028",
    "é: \udcff\n",
)

# `DEEP` and `DIGITS` stand for what json does not write
_VALUES: tuple[object, ...] = (
    None,
    True,
    -1,
    1e308,
    float("nan"),
    "",
    "../../etc/passwd",
    "\x00",
    "x" * 10_000,
    [],
    {},
    [[[[]]]],
    {"a": {"b": [1]}},
    "DEEP",
    "DIGITS",
    "\ud800",
)


def draw_picture(seed: int) -> bytes:
    """A small picture in one of the formats, damaged in up to six places, cut, or padded."""
    draw = random.Random(seed)
    size = (draw.randint(1, 60), draw.randint(1, 60))
    picture = Image.new(draw.choice(("RGB", "L", "P", "1")), size, draw.randint(0, 1))
    buffer = BytesIO()
    picture.convert("RGB").save(buffer, draw.choice(_FORMATS))
    return damage(buffer.getvalue(), draw, head=40)


def damage(whole: bytes, draw: random.Random, *, head: int) -> bytes:
    """Bytes with up to six others, cut, or padded.

    Arguments:
        whole: What is damaged.
        draw: Decides where.
        head: How many of the first bytes are met as often as all others, since most claims stand there.
    """
    data = bytearray(whole)
    for _ in range(draw.randint(0, 6)):
        place = draw.randrange(min(len(data), draw.choice((head, len(data)))))
        data[place] = draw.randrange(256)
    if draw.random() < 0.3:
        del data[draw.randrange(len(data)) :]
    if draw.random() < 0.1:
        data += bytes(draw.randrange(256) for _ in range(50))
    return bytes(data)


def draw_object(seed: int, good: str) -> bytes:
    """A JSON object of ours in which values are others, or whose bytes are damaged."""
    draw = random.Random(seed)
    values = json.loads(good)
    for _ in range(draw.randint(0, 3)):
        place = values
        while isinstance(place, dict) and place:
            name = draw.choice(sorted(place))
            inner = place[name]
            if not isinstance(inner, dict) or draw.random() < 0.4:
                place[name] = deepcopy(draw.choice(_VALUES))
                break
            place = inner
    if draw.random() < 0.3:
        values[draw.choice(("more", "", "\x00", "__class__", "é"))] = deepcopy(draw.choice(_VALUES))
    text = json.dumps(values, ensure_ascii=draw.random() < 0.5)
    for old, new in (("DEEP", "[" * 3_000), ("DIGITS", "9" * 6_000)):
        text = text.replace(f'"{old}"', new)
    data = text.encode(draw.choice(("utf-8", "utf-8", "utf-8", "utf-16", "utf-8-sig")), "surrogatepass")
    return damage(data, draw, head=len(data)) if draw.random() < 0.4 else data


def draw_settings(seed: int) -> str:
    """Lines of YAML that nobody should write."""
    draw = random.Random(seed)
    lines = [draw.choice(_SNIPPETS) for _ in range(draw.randint(1, 6))]
    text = "".join(" " * draw.choice((0, 0, 0, 2)) + line for line in lines)
    place = draw.randrange(len(text) + 1)
    return text[:place] + draw.choice(("", "", ":", "{", "'", "&", "*", "!", "\n\n")) + text[place:]
