"""What scenes share: the registry they stand in, skies, a house of any color, and the colors things
come in.
"""

from collections.abc import Callable

from crisislens.core.registry import Registry
from crisislens.demo.canvas import WIDTH, Canvas, Color, Number

__all__ = ["PAINTS", "ROOFS", "SCENES", "SHIRTS", "fair_sky", "rain_sky", "smoke_sky", "some_house"]

SCENES: Registry[Callable[[Canvas], None]] = Registry("scene")
"""Every scene by its name; it draws on an empty canvas."""
WALLS: tuple[Color, ...] = (
    (214, 196, 164),
    (196, 206, 210),
    (222, 178, 150),
    (202, 196, 184),
    (180, 198, 172),
)
ROOFS: tuple[Color, ...] = ((140, 62, 48), (92, 72, 66), (70, 78, 92), (156, 92, 58))
SHIRTS: tuple[Color, ...] = (
    (178, 58, 52),
    (52, 96, 154),
    (70, 134, 84),
    (196, 160, 62),
    (120, 80, 140),
    (220, 220, 216),
)
PAINTS: tuple[Color, ...] = (
    (168, 42, 40),
    (52, 84, 140),
    (198, 198, 200),
    (40, 44, 48),
    (84, 120, 90),
)


def rain_sky(c: Canvas, bottom: Number = 230) -> None:
    """Low gray clouds down to a line."""
    c.gradient(0, bottom, (112, 120, 130), (178, 182, 184))
    c.haze([(c.rng.uniform(0, WIDTH), c.rng.uniform(0, 90), 50) for _ in range(7)], (92, 98, 108), 0.5)


def fair_sky(c: Canvas, bottom: Number = 230) -> None:
    """Blue, with a few white clouds."""
    c.gradient(0, bottom, (96, 154, 214), (206, 226, 240))
    for _ in range(3):
        x, y = c.rng.uniform(40, 440), c.rng.uniform(24, 90)
        c.haze(
            [(x + 22 * k, y + c.rng.uniform(-6, 6), 18 - 4 * abs(k)) for k in (-2, -1, 0, 1, 2)],
            (250, 250, 252),
            0.85,
            blur=6,
        )


def smoke_sky(c: Canvas, bottom: Number = 230) -> None:
    """The orange light of a fire behind smoke."""
    c.gradient(0, bottom, (96, 70, 58), (224, 150, 90))


def some_house(c: Canvas, x: Number, base: Number, width: Number = 120, height: Number = 90) -> None:
    """A house in colors of chance; see `Canvas.house`."""
    c.house(x, base, width, height, wall=c.rng.choice(WALLS), roof=c.rng.choice(ROOFS))
