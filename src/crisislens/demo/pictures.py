"""The drawn pictures of the made-up crisis: what posts of a flood and a fire show, and what posts
show that are about neither.

They look like pages of a picture book, on purpose: no reader of a demo report can take one for a
photo of a real disaster.
"""

from PIL import Image

from crisislens.demo import disaster_scenes, other_scenes  # noqa: F401 - they register their scenes
from crisislens.demo.canvas import Canvas
from crisislens.demo.common import SCENES

__all__ = ["SCENES", "draw_scene"]


def draw_scene(scene: str, seed: int) -> Image.Image:
    """Draws a scene, 480 x 360 pixels.

    Arguments:
        scene: A name of `SCENES`.
        seed: Decides colors, places and numbers of things.

    Raises:
        NotRegisteredError: If there is no such scene.
    """
    canvas = Canvas(seed)
    SCENES[scene](canvas)
    return canvas.finish()
