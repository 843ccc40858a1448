"""What a source of knowledge is: the text of a post in, the pages that its names lead to out."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import Field, JsonValue

from crisislens.core.config import Config
from crisislens.core.registry import Registry

__all__ = ["KNOWLEDGE", "KnowledgeSource", "KnowledgeSpec", "Page", "load_source"]


@dataclass(frozen=True)
class Page:
    """What is known of one name.

    Attributes:
        title: The page's title.
        summary: Its first sentences.
        mention: The words of the post that led to it.
    """

    title: str
    summary: str
    mention: str


class KnowledgeSource(ABC):
    """Finds pages.

    Attributes:
        name: For records.
        requests: How many questions it asked a server so far; None where it does not count them.
    """

    name: str
    requests: int | None = None

    @abstractmethod
    def pages(self, text: str) -> list[Page]:
        """Pages for the names in a post, the first named first.

        Arguments:
            text: The post's text as it came.

        Raises:
            RequestError: If a server was not reached or refused.
        """


class KnowledgeSpec(Config):
    """Which source with which options."""

    name: str
    """A name in `KNOWLEDGE`."""
    options: dict[str, JsonValue] = Field(default_factory=dict)
    """Options of that source; an unknown one is refused."""


KNOWLEDGE: Registry[Callable[[KnowledgeSpec], KnowledgeSource]] = Registry(
    "source of knowledge", "crisislens.knowledge"
)


def load_source(spec: KnowledgeSpec) -> KnowledgeSource:
    """Builds a source.

    Raises:
        NotRegisteredError: If there is none of that name.
        ConfigError: If an option does not fit.
        DataError: If a table cannot be read.
    """
    return KNOWLEDGE[spec.name](spec)
