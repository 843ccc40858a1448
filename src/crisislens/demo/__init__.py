"""The made-up crisis with its marked answers: believable posts, drawn pictures, known labels, the
same bytes each time.

For demos and tests. It stands beside the floors: it imports `data`, `domain` and `core`, and only
who writes or reads this crisis imports it.
"""

from crisislens.demo.crisis import EVENT, read_labeled, synthetic_labeled, write_synthetic_crisis
from crisislens.demo.score import DemoScore, score_demo

__all__ = [
    "EVENT",
    "DemoScore",
    "read_labeled",
    "score_demo",
    "synthetic_labeled",
    "write_synthetic_crisis",
]
