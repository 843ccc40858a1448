"""crisislens: crisis posts in, assessments out."""

__version__ = "0.1.0"
