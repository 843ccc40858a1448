"""A small made-up crisis for demos and tests: believable posts, drawn pictures, known labels, the same bytes
each time.
"""

from crisislens.data.synthetic.crisis import EVENT, synthetic_labeled, write_synthetic_crisis

__all__ = ["EVENT", "synthetic_labeled", "write_synthetic_crisis"]
