"""Scenes of people who help, of notices and maps, of what stands unharmed, and of what has nothing
to do with a disaster.
"""

from crisislens.demo.canvas import HEIGHT, WIDTH, Canvas
from crisislens.demo.common import SCENES, SHIRTS, fair_sky, rain_sky, some_house

__all__: list[str] = []


@SCENES.register("intact_house")
def _intact_house(c: Canvas) -> None:
    fair_sky(c)
    c.gradient(220, HEIGHT, (110, 158, 76), (84, 132, 58))
    some_house(c, 150, 272, 180, 112)
    c.polygon([(228, 272), (252, 272), (300, HEIGHT), (200, HEIGHT)], (196, 188, 172))
    c.tree(70, 276, 140)
    c.tree(420, 284, 120)
    for x in range(0, WIDTH, 26):
        c.box(x, 296, 8, 30, (244, 242, 236))
    c.box(0, 304, WIDTH, 5, (244, 242, 236))


@SCENES.register("rescue_boat")
def _rescue_boat(c: Canvas) -> None:
    rain_sky(c, 170)
    for x in (-20, 330):
        some_house(c, x, 206, 150, 90)
    c.water(170)
    c.haze([(240, 300, 90)], (150, 134, 108), 0.3)
    for i, x in enumerate((170, 214, 262, 306)):
        c.person(x, 296, 96, shirt=c.rng.choice(SHIRTS), vest=i in (0, 3))
    c.polygon([(110, 258), (366, 252), (344, 306), (142, 308)], (222, 92, 26))
    c.polygon([(110, 258), (366, 252), (362, 262), (114, 270)], (240, 130, 60))
    c.words(240, 276, "RESCUE 4", (250, 246, 238), 18)
    c.line([(352, 240), (398, 312)], (120, 84, 56), 4)


@SCENES.register("donation_boxes")
def _donation_boxes(c: Canvas) -> None:
    c.gradient(0, 230, (226, 216, 196), (210, 200, 180))
    c.gradient(230, HEIGHT, (150, 130, 108), (128, 110, 92))
    c.box(90, 24, 300, 44, (34, 96, 150))
    c.words(240, 34, "COLLECTION POINT", (250, 250, 250), 24)
    for x in (80, 150, 330, 410):
        c.person(x, 300, 150, shirt=c.rng.choice(SHIRTS))
    c.box(40, 252, 400, 14, (156, 112, 70))
    for x in (60, 410):
        c.box(x, 266, 10, 70, (130, 92, 58))
    for row, count in ((0, 6), (1, 4), (2, 2)):
        for i in range(count):
            x = 130 + 38 * (i + row) - 10
            c.box(x, 222 - 32 * row, 34, 30, c.shade((192, 146, 94), 14))
            c.box(x + 14, 222 - 32 * row, 6, 30, (214, 190, 150))
    for x in range(50, 120, 16):
        c.box(x, 224, 11, 28, (120, 184, 222))


@SCENES.register("shelter")
def _shelter(c: Canvas) -> None:
    c.gradient(0, 170, (236, 232, 222), (216, 210, 198))
    c.gradient(170, HEIGHT, (182, 140, 92), (158, 118, 76))
    c.line([(40, HEIGHT), (140, 170)], (236, 232, 222), 3)
    c.line([(440, HEIGHT), (340, 170)], (236, 232, 222), 3)
    for row, y in enumerate((196, 244, 310)):
        size = 0.55 + 0.3 * row
        for x in (30, 190, 350):
            c.box(x, y, 110 * size, 20 * size, (96, 112, 92))
            c.box(x, y - 8 * size, 96 * size, 12 * size, c.rng.choice(SHIRTS))
            c.box(x + 2, y - 10 * size, 22 * size, 10 * size, (246, 244, 240))
            c.line([(x + 6, y + 20 * size), (x + 6, y + 34 * size)], (70, 72, 74), 2)
            c.line([(x + 104 * size, y + 20 * size), (x + 104 * size, y + 34 * size)], (70, 72, 74), 2)
    for x in (150, 320):
        c.person(x, 290, 110, shirt=c.rng.choice(SHIRTS))
    c.box(150, 36, 180, 54, (28, 110, 72))
    c.words(240, 48, "SHELTER", (250, 250, 250), 28)


@SCENES.register("cat")
def _cat(c: Canvas) -> None:
    c.gradient(0, HEIGHT, (186, 164, 140), (150, 122, 98))
    fur = c.rng.choice([(206, 142, 80), (90, 88, 90), (222, 214, 200)])
    c.oval(240, 330, 150, 110, fur)
    c.oval(240, 190, 100, 88, fur)
    for side in (-1, 1):
        c.polygon([(240 + side * 92, 168), (240 + side * 84, 66), (240 + side * 26, 112)], fur)
        c.polygon([(240 + side * 80, 140), (240 + side * 76, 88), (240 + side * 42, 116)], (220, 160, 150))
        c.oval(240 + side * 40, 178, 20, 18, (176, 204, 92))
        c.oval(240 + side * 40, 178, 6, 16, (16, 16, 16))
        for k in (-1, 0, 1):
            c.line(
                [(240 + side * 22, 222 + 4 * k), (240 + side * 122, 214 + 18 * k)],
                (246, 246, 244),
                1.5,
            )
    c.polygon([(228, 208), (252, 208), (240, 222)], (206, 112, 112))
    c.line([(240, 222), (224, 238)], (70, 50, 46), 3)
    c.line([(240, 222), (256, 238)], (70, 50, 46), 3)


@SCENES.register("food")
def _food(c: Canvas) -> None:
    c.gradient(0, HEIGHT, (120, 76, 48), (88, 54, 34))
    c.oval(240, 190, 180, 140, (238, 236, 230))
    c.oval(240, 190, 142, 108, (252, 250, 246))
    c.oval(214, 196, 84, 58, (222, 180, 104))
    for _ in range(60):
        x, y = c.rng.gauss(214, 34), c.rng.gauss(190, 22)
        c.line([(x - 14, y), (x + 14, y + c.rng.uniform(-8, 8))], c.shade((240, 206, 128), 18), 3)
    for _ in range(12):
        c.oval(c.rng.gauss(214, 28), c.rng.gauss(184, 16), 11, 9, c.shade((196, 52, 36), 20))
    for _ in range(16):
        c.oval(c.rng.gauss(318, 22), c.rng.gauss(186, 30), 16, 11, c.shade((84, 146, 60), 24))
    c.line([(36, 90), (36, 300)], (200, 200, 204), 6)
    c.line([(446, 90), (446, 300)], (200, 200, 204), 6)


@SCENES.register("sunset")
def _sunset(c: Canvas) -> None:
    c.gradient(0, 210, (84, 70, 130), (252, 164, 92))
    c.haze([(240, 190, 70)], (255, 226, 150), 0.9)
    c.oval(240, 196, 34, 34, (255, 240, 190))
    c.gradient(210, HEIGHT, (206, 130, 96), (60, 62, 104))
    for _ in range(70):
        y = c.rng.uniform(214, HEIGHT)
        x = c.rng.gauss(240, 30 + (y - 210))
        c.line([(x - 14, y), (x + 14, y)], (252, 200, 140), 1)
    c.polygon([(0, HEIGHT), (0, 300), (170, HEIGHT)], (28, 26, 40))


@SCENES.register("map")
def _map(c: Canvas) -> None:
    c.box(0, 0, WIDTH, HEIGHT, (238, 234, 222))
    for _ in range(16):
        c.box(
            c.rng.uniform(0, 440),
            c.rng.uniform(40, 330),
            c.rng.uniform(30, 90),
            c.rng.uniform(20, 60),
            c.shade((214, 222, 196), 10),
        )
    river = [(x, 210 + 50 * c.rng.uniform(-1, 1)) for x in range(-40, 541, 80)]
    c.line(river, (132, 178, 214), 26)
    for x in range(40, WIDTH, 90):
        c.line([(x, 40), (x + c.rng.uniform(-40, 40), HEIGHT)], (250, 250, 248), 5)
    c.line([(0, 130), (WIDTH, 150)], (246, 200, 110), 7)
    c.line([(0, 300), (WIDTH, 270)], (246, 200, 110), 7)
    for x, y in river[2:6]:
        c.polygon([(x - 16, y + 12), (x, y - 18), (x + 16, y + 12)], (206, 40, 36))
        c.words(x, y - 8, "!", (255, 255, 255), 14)
    c.box(0, 0, WIDTH, 40, (36, 66, 110))
    c.words(240, 8, "Velmora - road closures, Saturday 14:00", (250, 250, 250), 18)


def _notice(c: Canvas, *lines: str) -> None:
    c.box(0, 0, WIDTH, HEIGHT, c.rng.choice([(252, 214, 62), (244, 244, 240), (214, 232, 246)]))
    c.box(0, 0, WIDTH, 84, (176, 28, 32))
    c.words(240, 20, "EMERGENCY NOTICE", (255, 255, 255), 34)
    for i, text in enumerate(lines):
        c.words(240, 112 + 58 * i, text, (26, 26, 30), 30 if i < 2 else 24)


@SCENES.register("notice_water")
def _notice_water(c: Canvas) -> None:
    _notice(
        c,
        "Boil all tap water",
        "until further notice",
        "Bottled water: Town Hall",
        "Helpline 555 0142",
    )


@SCENES.register("notice_evacuation")
def _notice_evacuation(c: Canvas) -> None:
    _notice(
        c,
        "Evacuation order",
        "Lower Quay and Saltmarsh",
        "Buses leave from the station",
        "Helpline 555 0142",
    )


@SCENES.register("notice_school")
def _notice_school(c: Canvas) -> None:
    _notice(
        c,
        "Schools closed",
        "Monday and Tuesday",
        "Meals at Chapel Lane, 11 to 2",
        "Helpline 555 0142",
    )


@SCENES.register("concert")
def _concert(c: Canvas) -> None:
    c.gradient(0, HEIGHT, (24, 12, 44), (70, 20, 84))
    for start, color in ((80, (240, 60, 160)), (240, (80, 160, 250)), (400, (250, 200, 60))):
        c.haze(
            [(start + 12 * t * c.rng.uniform(-1, 1), 30 + 26 * t, 8 + 5 * t) for t in range(8)],
            color,
            0.6,
        )
    c.box(60, 190, 360, 16, (20, 14, 24))
    for left in (140, 240, 330):
        c.person(left, 192, 88, shirt=c.rng.choice(SHIRTS))
    for _ in range(120):
        x, y = c.rng.uniform(0.0, WIDTH), c.rng.uniform(262, 372)
        c.oval(x, y, 13, 15, c.shade((30, 20, 34), 8))
        if c.rng.random() < 0.3:
            c.line([(x + 8, y), (x + 14, y - 40)], (40, 28, 44), 6)
