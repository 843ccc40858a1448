"""The names of languages, where the pages look for them."""

from crisislens.domain.language_names import language_name

__all__ = ["language_name"]
