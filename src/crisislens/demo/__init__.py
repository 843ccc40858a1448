"""The made-up crisis with its marked answers: believable posts, drawn pictures, known labels, the
same bytes each time.

For demos and tests. It stands beside the floors: it imports `data`, `domain` and `core`, and only
who writes or reads this crisis imports it.
"""

from crisislens.demo.crisis import EVENT, read_labeled, synthetic_labeled, write_synthetic_crisis

__all__ = ["EVENT", "read_labeled", "synthetic_labeled", "write_synthetic_crisis"]
