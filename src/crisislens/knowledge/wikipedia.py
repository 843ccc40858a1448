"""Wikipedia through the MediaWiki interface: the best page for each name in
a post and its first sentences.

One request a name asks for the search and the summary together. Answers, also that there is no
page, are kept in the store, so no name is asked for twice. A page counts only if its title shares a
word with the name and it is no list of meanings; its text is somebody's, so it is made plain and
cut. The service asks robots to say who they are and to ask one thing at a time: so this does, with
a pause between requests.

Munia et al., 2025 (https://arxiv.org/abs/2507.05165) append the summaries of all entities that
TagMe finds with a score above 0.15.
"""

import re
import threading
import time
import urllib.parse
from typing import Any

from pydantic import Field

from crisislens.core.config import Config
from crisislens.core.http import RequestError, ask_json, check_address
from crisislens.core.store import Store, content_key
from crisislens.data.untrusted import plain_text
from crisislens.knowledge.base import KNOWLEDGE, KnowledgeSource, KnowledgeSpec, Page
from crisislens.knowledge.name_keys import name_key
from crisislens.knowledge.names import mentions

__all__ = ["WikipediaOptions", "WikipediaSource"]

_VERSION = 3
# as `name_key` writes out St., Ste., Mt. and Ft.
_BEGINNINGS = frozenset({"saint", "sainte", "mount", "fort"})


class WikipediaOptions(Config):
    """Options of the source `wikipedia`."""

    url: str = "https://en.wikipedia.org/w/api.php"
    """The interface of a wiki."""
    contact: str = "https://github.com/crisislens"
    """Who asks, for the service's logs: an address or a page."""
    most: int = Field(default=3, ge=1)
    """Pages a post."""
    sentences: int = Field(default=2, ge=1, le=10)
    """Sentences of each summary."""
    max_characters: int = Field(default=400, gt=0)
    """Length after which a summary is cut."""
    pause_s: float = Field(default=0.1, ge=0)
    """Pause between requests, in seconds."""
    retries: int = Field(default=4, ge=0)
    """How often a transient failure is tried again."""
    first_wait_s: float = Field(default=1.0, gt=0)
    """The first wait after a failure, in seconds; doubled each time."""
    timeout_s: float = Field(default=20.0, gt=0)
    """Deadline of one request, in seconds."""
    store: str = ".cache/wikipedia.sqlite"
    """Where answers are kept."""


class WikipediaSource(KnowledgeSource):
    """Asks a wiki.

    Arguments:
        options: Which wiki and how.

    Raises:
        InputError: If the address is none.
        CacheError: If the store cannot be used.
    """

    def __init__(self, options: WikipediaOptions) -> None:
        from pathlib import Path

        self.options = options
        self.name = f"wikipedia {urllib.parse.urlparse(check_address(options.url)).netloc}"
        self.store = Store(Path(options.store))
        self.requests: int = 0
        self._lock = threading.Lock()
        self._last = 0.0

    def pages(self, text: str) -> list[Page]:
        """Pages of the names in the text."""
        found: dict[str, Page] = {}
        for mention in mentions(text):
            if len(found) == self.options.most:
                break
            page = self.page(mention)
            if page is not None:
                found.setdefault(page.title, page)
        return list(found.values())

    def page(self, mention: str) -> Page | None:
        """The page for a name; None where there is none.

        Raises:
            RequestError: If the wiki was not reached or refused.
        """
        o = self.options
        key = content_key(
            {"wiki": o.url, "version": _VERSION, "sentences": o.sentences, "mention": mention.casefold()}
        )
        kept = self.store.get(key)
        # also where the store holds what an older version or another program wrote
        if not isinstance(kept, dict):
            kept = self._ask(mention)
            self.store.put(key, kept)
        title, summary = kept.get("title"), kept.get("summary")
        return (
            Page(title, plain_text(summary, max_characters=o.max_characters), mention)
            if title and summary
            else None
        )

    def _ask(self, mention: str) -> dict[str, str]:
        o = self.options
        query = {
            "action": "query",
            "format": "json",
            "formatversion": "2",
            "generator": "search",
            "gsrsearch": mention,
            "gsrlimit": "1",
            "gsrnamespace": "0",
            "prop": "extracts|pageprops",
            "ppprop": "disambiguation",
            "exintro": "1",
            "explaintext": "1",
            "exsentences": str(o.sentences),
            "redirects": "1",
            "maxlag": "5",
        }
        address = f"{o.url}?{urllib.parse.urlencode(query)}"
        for attempt in range(o.retries + 1):
            try:
                return _found(self._request(address), mention)
            except RequestError as error:
                if not error.transient or attempt == o.retries:
                    raise
                # the server knows better than we do how long it is busy
                wait = error.wait_s if error.wait_s is not None else o.first_wait_s * 2**attempt
                time.sleep(min(wait, 60.0))
        raise AssertionError("unreachable")

    def _request(self, address: str) -> Any:
        """One at a time, with the pause between."""
        with self._lock:
            # counted from the end of the last request, so slow answers do not add to the pause
            time.sleep(max(0.0, self._last + self.options.pause_s - time.monotonic()))
            self.requests += 1
            try:
                headers = {"User-Agent": f"crisislens ({self.options.contact})"}
                return ask_json(address, headers=headers, timeout_s=self.options.timeout_s).value
            finally:
                self._last = time.monotonic()


@KNOWLEDGE.register("wikipedia")
def build_wikipedia(spec: KnowledgeSpec) -> WikipediaSource:
    """Wikipedia, or another wiki with the MediaWiki interface.

    Raises:
        ConfigError: If an option does not fit `WikipediaOptions`.
    """
    return WikipediaSource(WikipediaOptions.parse(spec.options, where="source wikipedia"))


def _found(value: Any, mention: str) -> dict[str, str]:
    """Title and summary of the page in an answer; empty where no page fits."""
    if not isinstance(value, dict):
        raise RequestError("the wiki's answer is no object; is it the right address?")
    if isinstance(error := value.get("error"), dict):
        # an overloaded wiki says so in an answer of status 200
        raise RequestError(
            f"the wiki answered: {str(error.get('info'))[:120]}",
            transient=error.get("code") in ("maxlag", "ratelimited", "readonly"),
        )
    query = value.get("query")
    pages = query.get("pages") if isinstance(query, dict) else None
    page = pages[0] if isinstance(pages, list) and pages else None
    if not isinstance(page, dict) or "disambiguation" in (page.get("pageprops") or {}):
        return {}
    title, summary = page.get("title"), page.get("extract")
    if not isinstance(title, str) or not isinstance(summary, str) or not _words(title) & _words(mention):
        return {}
    return {"title": plain_text(title, max_characters=200), "summary": summary[:10_000]}


def _words(name: str) -> set[str]:
    # people leave accents out that titles have
    words = {word for word in re.findall(r"\w+", name_key(name)) if len(word) > 2}
    # a thousand places begin so, and none is known by it
    return words - _BEGINNINGS or words
