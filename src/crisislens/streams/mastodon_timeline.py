"""Which timeline of which server of Mastodon is read, and the addresses of its pages and events."""

from dataclasses import dataclass
from urllib.parse import quote, urlencode, urlsplit

from crisislens.core.errors import InputError
from crisislens.core.guarded_rules import parsed_address

__all__ = ["Timeline"]

_PAGE = 40


@dataclass(frozen=True)
class Timeline:
    """What is read of which server.

    Attributes:
        origin: As `https://mastodon.example`.
        tag: A hashtag without its sign; empty for a whole timeline.
        local: Whether only posts of the server's own people are read.
    """

    origin: str
    tag: str = ""
    local: bool = False

    @classmethod
    def read(cls, given: str) -> "Timeline":
        """The timeline of `HOST/#tag`, `HOST/public` or `HOST/local`.

        >>> Timeline.read("mastodon.example/#flood")
        Timeline(origin='https://mastodon.example', tag='flood', local=False)

        Raises:
            InputError: If it is none of these.
            RefusedError: If the server is one that is not asked.
        """
        scheme, _, rest = given.partition("://") if "://" in given else ("https", "", given)
        host, _, what = rest.partition("/")
        tag = what[1:] if what.startswith("#") else ""
        good_tag = tag.replace("_", "").isalnum() and len(tag) <= 100
        if scheme not in ("http", "https") or not host or not (good_tag or what in ("public", "local")):
            raise InputError(
                f"mastodon:{given!r:.80} is no timeline; give mastodon:HOST/#tag, HOST/public or HOST/local"
            )
        parsed_address(f"{scheme}://{host}")
        return cls(f"{scheme}://{host}", tag, what == "local")

    @property
    def host(self) -> str:
        """The server's name."""
        return urlsplit(self.origin).hostname or ""

    def page(self, **asked: str | int) -> str:
        """The address of a page."""
        where = f"tag/{quote(self.tag, safe='')}" if self.tag else "public"
        query = {"limit": _PAGE, **({"local": "true"} if self.local else {}), **asked}
        return f"{self.origin}/api/v1/timelines/{where}?{urlencode(query)}"

    def events(self, origin: str) -> str:
        """The address of the server's events."""
        where = "hashtag" if self.tag else "public"
        query = f"?{urlencode({'tag': self.tag})}" if self.tag else ""
        return f"{origin}/api/v1/streaming/{where}{'/local' if self.local else ''}{query}"
