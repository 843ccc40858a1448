"""Scenes of what water, fire and wind did."""

from crisislens.demo.canvas import HEIGHT, WIDTH, Canvas
from crisislens.demo.common import PAINTS, ROOFS, SCENES, rain_sky, smoke_sky, some_house

__all__: list[str] = []


@SCENES.register("flooded_street")
def _flooded_street(c: Canvas) -> None:
    rain_sky(c)
    for i, left in enumerate(range(-30, 450, 135)):
        some_house(c, left + c.rng.uniform(-8, 8), 258 - 4 * (i % 2), 118, 104)
    c.water(222)
    for x in (60.0, 290.0):
        c.polygon([(x, 262), (x + 22, 240), (x + 78, 240), (x + 104, 262)], c.rng.choice(PAINTS))
        c.polygon([(x + 18, 258), (x + 30, 244), (x + 70, 244), (x + 84, 258)], (44, 54, 64))


@SCENES.register("flood_aerial")
def _flood_aerial(c: Canvas) -> None:
    c.gradient(0, HEIGHT, (104, 132, 82), (86, 116, 66))
    for _ in range(14):
        c.box(
            c.rng.uniform(-20, 460),
            c.rng.uniform(-20, 340),
            c.rng.uniform(40, 90),
            c.rng.uniform(24, 60),
            c.shade((126, 142, 84), 24),
        )
    middle = [(x, 180 + 46 * c.rng.uniform(-1, 1)) for x in range(-40, 541, 60)]
    c.polygon(
        [*[(x, y - 80) for x, y in middle], *[(x, y + 86) for x, y in reversed(middle)]],
        (128, 110, 84),
    )
    for _ in range(60):
        x, y = c.rng.uniform(0, WIDTH), c.rng.uniform(110, 260)
        c.line([(x, y), (x + 26, y + 3)], (146, 128, 100), 1)
    for _ in range(22):
        x, y = c.rng.uniform(10, 450), c.rng.uniform(60, 300)
        c.polygon([(x, y), (x + 18, y - 5), (x + 24, y + 7), (x + 6, y + 12)], c.rng.choice(ROOFS))
        c.polygon([(x + 6, y + 12), (x + 24, y + 7), (x + 26, y + 12), (x + 8, y + 17)], (206, 200, 190))


@SCENES.register("burnt_house")
def _burnt_house(c: Canvas) -> None:
    smoke_sky(c)
    c.gradient(220, HEIGHT, (74, 66, 60), (48, 44, 42))
    for x in (30, 440):
        c.tree(x, 268, 150, leaves=None)
    c.house(150, 280, 180, 120, wall=(70, 60, 54), roof=(38, 34, 32), glass=(14, 12, 12))
    c.polygon([(206, 110), (276, 92), (292, 170), (220, 176)], (168, 110, 74))
    for x in (160, 200, 260, 300):
        c.line([(x, 164), (x + c.rng.uniform(-30, 30), 96 + c.rng.uniform(0, 30))], (28, 24, 22), 5)
    c.rubble(120, 318, 250, 40, (54, 48, 44), 110)
    c.smoke(200, 160)
    c.smoke(282, 176, height=130)
    c.flames(286, 282, 34, 26)


@SCENES.register("wildfire_ridge")
def _wildfire_ridge(c: Canvas) -> None:
    c.gradient(0, HEIGHT, (36, 22, 26), (164, 70, 30))
    ridge = [(float(x), 210 + 26 * c.rng.uniform(-1, 1) - 40 * (x > 240)) for x in range(0, 481, 40)]
    c.haze([(x, y - 30, 46) for x, y in ridge[::2]], (255, 120, 30), 0.6)
    for x, y in ridge[:-1]:
        c.flames(x, y + 8, 42, c.rng.uniform(28, 70))
    c.polygon([(0, HEIGHT), *ridge, (WIDTH, HEIGHT)], (24, 18, 18))
    for left in (90, 220, 350):
        c.smoke(left, 170, (60, 44, 40), 150, 0.7)
    for _ in range(14):
        x, y = c.rng.uniform(0, WIDTH), c.rng.uniform(280, 340)
        c.box(x, y, 5, 4, (250, 214, 130))


@SCENES.register("roof_damage")
def _roof_damage(c: Canvas) -> None:
    rain_sky(c, 230)
    c.gradient(230, HEIGHT, (98, 128, 76), (80, 108, 62))
    some_house(c, 130, 290, 220, 130)
    c.polygon([(250, 84), (322, 146), (276, 150), (236, 108)], (46, 36, 32))
    for x in (256, 274, 292):
        c.line([(x, 96 + (x - 256)), (x - 8, 142)], (150, 110, 72), 4)
    c.polygon([(148, 148), (206, 100), (228, 128), (188, 160)], (44, 104, 176))
    for _ in range(26):
        c.box(c.rng.uniform(110, 380), c.rng.uniform(292, 330), 12, 5, c.shade((140, 70, 52), 26))
    c.line([(360, 300), (312, 150)], (190, 170, 120), 4)
    c.line([(374, 300), (326, 150)], (190, 170, 120), 4)
    for t in range(8):
        c.line([(358 - 6 * t, 292 - 18 * t), (372 - 6 * t, 292 - 18 * t)], (190, 170, 120), 2)


@SCENES.register("collapsed_building")
def _collapsed_building(c: Canvas) -> None:
    c.gradient(0, 240, (170, 172, 172), (206, 200, 190))
    c.gradient(240, HEIGHT, (150, 140, 126), (124, 114, 102))
    c.box(20, 60, 110, 220, (188, 176, 158))
    for y in (80, 130, 180):
        for x in (34, 80):
            c.box(x, y, 30, 34, (64, 70, 76))
    c.polygon([(130, 60), (130, 280), (190, 280), (160, 200), (176, 150), (148, 110)], (168, 156, 140))
    c.rubble(120, 316, 330, 170, (160, 150, 136), 260)
    for x, y in ((230, 190), (300, 210), (360, 240)):
        c.polygon([(x, y), (x + 80, y + 22), (x + 74, y + 34), (x - 6, y + 12)], c.shade((182, 174, 162)))
        c.line([(x + 70, y + 24), (x + 92, y - 10)], (96, 66, 48), 2)
    c.haze(
        [(c.rng.uniform(120, 460), c.rng.uniform(170, 290), 40) for _ in range(5)],
        (204, 196, 184),
        0.45,
    )
    c.person(84, 330, 84, shirt=(50, 50, 60), vest=True)
    c.person(126, 338, 84, shirt=(50, 50, 60), vest=True)


@SCENES.register("broken_bridge")
def _broken_bridge(c: Canvas) -> None:
    rain_sky(c, 200)
    c.polygon([(0, 150), (120, 176), (0, 260)], (92, 112, 74))
    c.polygon([(480, 140), (350, 176), (480, 270)], (92, 112, 74))
    c.water(196)
    c.polygon([(0, 176), (170, 182), (186, 200), (0, 204)], (158, 156, 152))
    c.polygon([(480, 172), (316, 180), (300, 204), (480, 202)], (158, 156, 152))
    c.polygon([(176, 198), (250, 258), (238, 272), (164, 208)], (136, 134, 130))
    for x in (40, 110, 380, 440):
        c.box(x, 200, 16, 90, (140, 138, 134))
    for x in (*range(0, 170, 20), *range(320, 480, 20)):
        c.line([(x, 178), (x, 160)], (110, 112, 116), 2)
    c.rubble(180, 290, 120, 34, (142, 138, 132), 40)


@SCENES.register("fallen_tree")
def _fallen_tree(c: Canvas) -> None:
    rain_sky(c, 200)
    c.gradient(200, HEIGHT, (90, 118, 72), (74, 100, 58))
    c.road(200)
    c.line([(30, 330), (430, 236)], (84, 62, 44), 22)
    for t in range(9):
        x, y = 250 + 22 * t, 280 - 6 * t
        c.line([(x, y), (x + 24, y - 36 + c.rng.uniform(-10, 60))], (84, 62, 44), 4)
        for _ in range(7):
            c.oval(
                x + c.rng.gauss(24, 16),
                y + c.rng.gauss(-18, 20),
                13,
                10,
                c.shade((66, 104, 54), 20),
            )
    c.oval(34, 330, 30, 34, (110, 84, 60))
    c.line([(400, 60), (400, 220)], (96, 80, 66), 6)
    c.line([(400, 70), (300, 250), (240, 262)], (30, 30, 32), 2)


@SCENES.register("crushed_car")
def _crushed_car(c: Canvas) -> None:
    rain_sky(c, 210)
    c.gradient(210, HEIGHT, (120, 110, 96), (98, 88, 76))
    c.car(130, 296, 230, paint=c.rng.choice(PAINTS))
    c.polygon([(190, 190), (300, 190), (282, 224), (210, 226)], (70, 78, 84))
    c.line([(60, 150), (400, 238)], (84, 62, 44), 28)
    for _ in range(30):
        c.oval(c.rng.gauss(100, 40), c.rng.gauss(150, 26), 15, 11, c.shade((66, 104, 54), 20))
    c.rubble(110, 318, 270, 26, (110, 96, 78), 60)
    for _ in range(50):
        c.box(c.rng.uniform(140, 380), c.rng.uniform(300, 330), 3, 2, (206, 222, 226))
