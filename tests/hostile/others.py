"""Seeded generators of hostile pictures and run files; equal seeds give equal bytes."""

import random
from io import BytesIO

from PIL import Image

__all__ = ["draw_picture", "draw_settings"]

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


def draw_picture(seed: int) -> bytes:
    """A small picture in one of the formats, damaged in up to six places, cut, or padded."""
    draw = random.Random(seed)
    size = (draw.randint(1, 60), draw.randint(1, 60))
    picture = Image.new(draw.choice(("RGB", "L", "P", "1")), size, draw.randint(0, 1))
    buffer = BytesIO()
    picture.convert("RGB").save(buffer, draw.choice(_FORMATS))
    data = bytearray(buffer.getvalue())
    for _ in range(draw.randint(0, 6)):
        # most claims stand in the first bytes
        place = draw.randrange(min(len(data), draw.choice((40, len(data)))))
        data[place] = draw.randrange(256)
    if draw.random() < 0.3:
        del data[draw.randrange(len(data)) :]
    if draw.random() < 0.1:
        data += bytes(draw.randrange(256) for _ in range(50))
    return bytes(data)


def draw_settings(seed: int) -> str:
    """Lines of YAML that nobody should write."""
    draw = random.Random(seed)
    lines = [draw.choice(_SNIPPETS) for _ in range(draw.randint(1, 6))]
    text = "".join(" " * draw.choice((0, 0, 0, 2)) + line for line in lines)
    place = draw.randrange(len(text) + 1)
    return text[:place] + draw.choice(("", "", ":", "{", "'", "&", "*", "!", "\n\n")) + text[place:]
