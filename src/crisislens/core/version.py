"""The version of the package; it stands on the lowest floor, so that nothing below the commands
looks up to the root for it.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
