"""The version of the package; it stands on the lowest floor, so that nothing below the commands
looks up to the root for it. The build reads it from here; `CHANGELOG.md` begins with it.
"""

__all__ = ["__version__"]

__version__ = "0.2.0"
