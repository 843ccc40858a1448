"""crisislens: crisis posts in, assessments out.

>>> import crisislens
>>> analyst = crisislens.Analyst.default()
>>> [found] = analyst.assess(["Bridge destroyed by the flood in Ponce, families trapped, send rescue"])
>>> found.tasks["informativeness"].label
'informative'
>>> dir(crisislens)
['Analyst', 'Assessment', 'Post', 'compare', 'evaluate', 'read_posts', 'train']
"""

from typing import TYPE_CHECKING, Any

from crisislens.core.version import __version__

__all__ = ["Analyst", "Assessment", "Post", "__version__", "compare", "evaluate", "read_posts", "train"]

if TYPE_CHECKING:
    from crisislens.api import compare, evaluate, train
    from crisislens.data.tabular import read_posts
    from crisislens.domain.assessment import Assessment
    from crisislens.domain.post import Post
    from crisislens.pipeline.analyst import Analyst

_PLACES = {
    "Analyst": "crisislens.pipeline.analyst",
    "Assessment": "crisislens.domain.assessment",
    "Post": "crisislens.domain.post",
    "compare": "crisislens.api",
    "evaluate": "crisislens.api",
    "read_posts": "crisislens.data.tabular",
    "train": "crisislens.api",
}


def __getattr__(name: str) -> Any:
    """Loads the public names on first use, so that `crisislens --help` need not load torch."""
    if name not in _PLACES:
        raise AttributeError(f"module 'crisislens' has no attribute {name!r}; it offers {', '.join(__all__)}")
    import importlib

    return getattr(importlib.import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    """The front door and nothing else; rooms are imported by their names."""
    return sorted(_PLACES)
