"""What the made-up pictures are drawn with: a canvas, and the things that several scenes share
(houses, water, people, cars, fire).

Coordinates are in pixels of a 480 x 360 picture, from the top left. Everything is drawn at twice
the size and scaled down, which smooths the edges, and gets the grain of a small camera. A seed
decides every choice, so a picture is the same each time.
"""

import random
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

__all__ = ["HEIGHT", "WIDTH", "Canvas", "Color", "Number"]

WIDTH, HEIGHT = 480, 360
_SCALE = 2
Color = tuple[int, int, int]
Number = float | int  # both, since the checker of the tests takes an int for no float
Point = tuple[Number, Number]


class Canvas:
    """A picture in the making.

    Arguments:
        seed: Decides everything that is left to chance; scenes draw their own choices from `rng`.
    """

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self._seed = seed
        self._image = Image.new("RGB", (WIDTH * _SCALE, HEIGHT * _SCALE))
        self._draw = ImageDraw.Draw(self._image)
        self._lettered = False

    def finish(self, *, grain: Number = 5.0) -> Image.Image:
        """The picture at its size.

        Where no words stand in it, it is a part of what was drawn, mirrored or not, since no two
        people stand in one place.

        Arguments:
            grain: Standard deviation of the noise, in gray levels.
        """
        # letters that are cut or mirrored would give the drawing away as no photo of a sign
        part = 1.0 if self._lettered else self.rng.uniform(0.72, 1.0)
        left, top = (
            self.rng.uniform(0, 1 - part) * WIDTH * _SCALE,
            self.rng.uniform(0, 1 - part) * HEIGHT * _SCALE,
        )
        view = (left, top, left + part * WIDTH * _SCALE, top + part * HEIGHT * _SCALE)
        small = self._image.resize((WIDTH, HEIGHT), Image.Resampling.BOX, box=view)
        if not self._lettered and self.rng.random() < 0.5:
            small = small.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        # one channel for all three colors: grain is of light, not of color
        noise = np.random.default_rng(self._seed).normal(0, grain, (HEIGHT, WIDTH, 1))
        return Image.fromarray((np.asarray(small) + noise).clip(0, 255).astype(np.uint8))

    def shade(self, color: Color, amount: Number = 12) -> Color:
        """The color, a little lighter or darker by chance."""
        d = self.rng.uniform(-amount, amount)
        return (_byte(color[0] + d), _byte(color[1] + d), _byte(color[2] + d))

    def polygon(self, points: Sequence[Point], color: Color) -> None:
        """A filled polygon."""
        self._draw.polygon([(x * _SCALE, y * _SCALE) for x, y in points], fill=color)

    def box(self, x: Number, y: Number, width: Number, height: Number, color: Color) -> None:
        """A filled rectangle from its top left corner."""
        if width > 0 and height > 0:
            self.polygon([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], color)

    def oval(self, x: Number, y: Number, rx: Number, ry: Number, color: Color) -> None:
        """A filled ellipse from its center and radii."""
        self._draw.ellipse(
            [(x - rx) * _SCALE, (y - ry) * _SCALE, (x + rx) * _SCALE, (y + ry) * _SCALE], fill=color
        )

    def line(self, points: Sequence[Point], color: Color, width: Number = 2) -> None:
        """A line through points."""
        self._draw.line(
            [(x * _SCALE, y * _SCALE) for x, y in points],
            fill=color,
            width=max(1, round(width * _SCALE)),
            joint="curve",
        )

    def words(self, x: Number, y: Number, text: str, color: Color, size: int = 20) -> None:
        """A line of text, centered at x, its top at y."""
        self._lettered = True
        font = ImageFont.load_default(size * _SCALE)
        left, _, right, _ = self._draw.textbbox((0, 0), text, font=font)
        self._draw.text((x * _SCALE - (right - left) / 2, y * _SCALE), text, fill=color, font=font)

    def gradient(self, top: Number, bottom: Number, first: Color, last: Color) -> None:
        """A band over the whole width that goes from one color to another."""
        for y in range(round(top * _SCALE), round(bottom * _SCALE)):
            t = (y / _SCALE - top) / max(1e-6, bottom - top)
            row = tuple(_byte(a + (b - a) * t) for a, b in zip(first, last, strict=True))
            self._draw.line([(0, y), (WIDTH * _SCALE, y)], fill=row)

    def haze(
        self,
        places: Sequence[tuple[Number, Number, Number]],
        color: Color,
        strength: Number = 0.7,
        blur: Number = 14,
    ) -> None:
        """Soft round clouds (x, y, radius): smoke, dust, glow, mist."""
        mask = Image.new("L", self._image.size)
        pen = ImageDraw.Draw(mask)
        for x, y, r in places:
            pen.ellipse(
                [(x - r) * _SCALE, (y - r) * _SCALE, (x + r) * _SCALE, (y + r) * _SCALE],
                fill=_byte(255 * strength),
            )
        self._image.paste(
            Image.new("RGB", self._image.size, color),
            mask=mask.filter(ImageFilter.GaussianBlur(blur * _SCALE)),
        )

    def smoke(
        self,
        x: Number,
        y: Number,
        color: Color = (70, 66, 64),
        height: Number = 160,
        strength: Number = 0.8,
    ) -> None:
        """A column of smoke that rises from (x, y), widens and drifts."""
        drift = self.rng.uniform(-60, 60)
        steps = [
            (x + drift * t * t + self.rng.uniform(-12, 12), y - height * t, 12 + 34 * t)
            for t in np.linspace(0, 1, 14).tolist()
        ]
        self.haze(steps, color, strength, blur=9)

    def flames(self, x: Number, y: Number, width: Number, height: Number) -> None:
        """Fire over a base line that starts at (x, y)."""
        self.haze([(x + width / 2, y - height / 2, height * 0.8)], (255, 140, 30), 0.5)
        for color, part in (((214, 62, 16), 1.0), ((246, 134, 28), 0.7), ((255, 214, 92), 0.4)):
            points: list[Point] = [(x, y)]
            steps = max(3, int(width / 14))
            for i in range(steps):
                left = x + width * i / steps
                points += [
                    (left + width / steps / 2, y - height * part * self.rng.uniform(0.55, 1)),
                    (left + width / steps, y - height * part * 0.2),
                ]
            self.polygon([*points, (x + width, y)], color)

    def water(self, top: Number, color: Color = (122, 104, 78)) -> None:
        """Water from a line to the bottom of the picture, with ripples."""
        self.gradient(top, HEIGHT, color, (color[0] - 34, color[1] - 30, color[2] - 24))
        for _ in range(90):
            y = self.rng.uniform(top + 3, HEIGHT)
            half = 6 + 30 * (y - top) / (HEIGHT - top + 1)
            x = self.rng.uniform(0, WIDTH)
            self.line(
                [(x - half, y), (x + half, y + self.rng.uniform(-1, 1))],
                self.shade((color[0] + 24, color[1] + 24, color[2] + 22)),
                1,
            )

    def house(
        self,
        x: Number,
        base: Number,
        width: Number = 120,
        height: Number = 90,
        *,
        wall: Color,
        roof: Color,
        glass: Color = (58, 74, 92),
    ) -> None:
        """A house with a gable roof, two windows and a door, standing on `base`."""
        self.box(x, base - height, width, height, wall)
        self.polygon(
            [
                (x - 8, base - height),
                (x + width / 2, base - height - width * 0.42),
                (x + width + 8, base - height),
            ],
            roof,
        )
        self.box(x + width * 0.42, base - height * 0.5, width * 0.17, height * 0.5, (92, 62, 44))
        for left in (0.12, 0.68):
            self.box(
                x + width * left - 2,
                base - height * 0.78 - 2,
                width * 0.2 + 4,
                height * 0.3 + 4,
                (236, 234, 228),
            )
            self.box(x + width * left, base - height * 0.78, width * 0.2, height * 0.3, glass)
            self.line(
                [
                    (x + width * (left + 0.1), base - height * 0.78),
                    (x + width * (left + 0.1), base - height * 0.48),
                ],
                (236, 234, 228),
                1.5,
            )

    def tree(
        self, x: Number, base: Number, height: Number = 110, *, leaves: Color | None = (62, 108, 52)
    ) -> None:
        """A tree; without leaves a charred one."""
        bark = (84, 62, 44) if leaves else (32, 28, 26)
        self.line([(x, base), (x, base - height * 0.6)], bark, height * 0.07)
        for side in (-1, 1):
            self.line(
                [(x, base - height * 0.4), (x + side * height * 0.24, base - height * 0.78)],
                bark,
                height * 0.035,
            )
            self.line(
                [(x, base - height * 0.55), (x + side * height * 0.12, base - height * 0.95)],
                bark,
                height * 0.025,
            )
        for _ in range(26 if leaves else 0):
            dx, dy = self.rng.gauss(0, height * 0.16), self.rng.gauss(0, height * 0.13)
            self.oval(
                x + dx,
                base - height * 0.75 + dy,
                height * 0.1,
                height * 0.09,
                self.shade(leaves or bark, 22),
            )

    def person(
        self, x: Number, base: Number, height: Number = 90, *, shirt: Color, vest: bool = False
    ) -> None:
        """Someone who stands; with a vest, someone of the rescue services."""
        skin = self.rng.choice([(232, 190, 160), (188, 138, 104), (122, 84, 60), (88, 60, 44)])
        for side in (-1, 1):
            self.line(
                [
                    (x + side * height * 0.05, base - height * 0.45),
                    (x + side * height * 0.07, base),
                ],
                (46, 50, 66),
                height * 0.09,
            )
            self.line(
                [
                    (x + side * height * 0.11, base - height * 0.75),
                    (x + side * height * 0.2, base - height * 0.48),
                ],
                shirt,
                height * 0.07,
            )
        self.box(
            x - height * 0.12,
            base - height * 0.8,
            height * 0.24,
            height * 0.37,
            (240, 120, 24) if vest else shirt,
        )
        if vest:
            self.box(
                x - height * 0.12,
                base - height * 0.64,
                height * 0.24,
                height * 0.05,
                (240, 240, 200),
            )
        self.oval(x, base - height * 0.9, height * 0.08, height * 0.1, skin)
        self.oval(
            x,
            base - height * 0.95,
            height * 0.085,
            height * 0.06,
            (250, 250, 246) if vest else (48, 36, 28),
        )

    def car(self, x: Number, base: Number, length: Number = 130, *, paint: Color) -> None:
        """A car from the side, its wheels on `base`."""
        h = length * 0.2
        self.polygon(
            [
                (x + length * 0.2, base - h * 1.3),
                (x + length * 0.3, base - h * 2.3),
                (x + length * 0.68, base - h * 2.3),
                (x + length * 0.82, base - h * 1.3),
            ],
            paint,
        )
        self.polygon(
            [
                (x + length * 0.26, base - h * 1.35),
                (x + length * 0.33, base - h * 2.1),
                (x + length * 0.65, base - h * 2.1),
                (x + length * 0.75, base - h * 1.35),
            ],
            (48, 60, 72),
        )
        self.box(x, base - h * 1.4, length, h, paint)
        for wheel in (0.2, 0.8):
            self.oval(x + length * wheel, base - h * 0.4, h * 0.55, h * 0.55, (26, 26, 28))
            self.oval(x + length * wheel, base - h * 0.4, h * 0.25, h * 0.25, (150, 150, 152))

    def rubble(
        self, x: Number, base: Number, width: Number, height: Number, color: Color, pieces: int = 90
    ) -> None:
        """A heap of broken slabs and bricks."""
        for _ in range(pieces):
            u = self.rng.uniform(-1, 1)
            px, py = x + width / 2 * (1 + u), base - height * (1 - abs(u)) * self.rng.random()
            size, lean = self.rng.uniform(6, 24), self.rng.uniform(-0.7, 0.7)
            corners = [
                (px, py),
                (px + size, py + size * lean),
                (px + size * 0.8, py + size * (lean + 0.45)),
                (px - size * 0.1, py + size * 0.4),
            ]
            self.polygon(corners, self.shade(color, 34))

    def road(self, horizon: Number, color: Color = (84, 84, 88)) -> None:
        """A road that runs from the viewer to the horizon."""
        self.polygon([(210, horizon), (270, horizon), (460, HEIGHT), (20, HEIGHT)], color)
        for t in (0.05, 0.22, 0.45, 0.75):
            y, next_y = horizon + (HEIGHT - horizon) * t, horizon + (HEIGHT - horizon) * (t + 0.1)
            self.polygon(
                [(239 - 4 * t, y), (241 + 4 * t, y), (242 + 5 * t, next_y), (238 - 5 * t, next_y)],
                (222, 214, 180),
            )


def _byte(value: Number) -> int:
    return max(0, min(255, round(value)))
