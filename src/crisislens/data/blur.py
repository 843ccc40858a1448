"""Coordinates made coarse before they are published: a post must not lead to its author's door."""

from collections.abc import Iterator
from dataclasses import dataclass

from crisislens.core.fingerprint import fingerprint
from crisislens.data.source import PostSource
from crisislens.domain.assessment import FailedPost
from crisislens.domain.post import Post

__all__ = ["BLUR_DECIMALS", "BlurredSource"]

BLUR_DECIMALS = 1
"""Decimals of a degree that are kept: 0.1° is 11 km from south to north."""


@dataclass(frozen=True)
class BlurredSource:
    """A source whose posts have rounded coordinates;
    nothing that comes after it ever sees the exact ones.

    Arguments:
        source: The posts.
        decimals: Decimals of a degree that are kept.
    """

    source: PostSource
    decimals: int = BLUR_DECIMALS

    def __iter__(self) -> Iterator[Post | FailedPost]:
        for post in self.source:
            yield self._blurred(post) if isinstance(post, Post) else post

    def fingerprint(self) -> str:
        """16 hex digits over the source and the rounding."""
        return fingerprint({"source": self.source.fingerprint(), "decimals": self.decimals})

    def describe(self) -> dict[str, object]:
        """What the source is, and that it is blurred."""
        return {**self.source.describe(), "coordinates": f"rounded to {self.decimals} decimals of a degree"}

    def _blurred(self, post: Post) -> Post:
        def coarse(x: float | None) -> float | None:
            return None if x is None else round(x, self.decimals)

        # a copy: the source keeps its own posts
        return post.model_copy(update={"lat": coarse(post.lat), "lon": coarse(post.lon)})
