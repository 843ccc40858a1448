"""crisislens: crisis posts in, assessments out.

>>> from crisislens import Analyst, Post
>>> analyst = Analyst.default()
>>> post = Post(id="1", text="Bridge destroyed by the flood in Ponce, families trapped, send rescue")
>>> [assessment] = analyst.assess([post])
>>> assessment.tasks["informativeness"].label
'informative'
"""

from typing import TYPE_CHECKING, Any

from crisislens.core.version import __version__

__all__ = ["Analyst", "Assessment", "Post", "__version__"]

if TYPE_CHECKING:
    from crisislens.domain.assessment import Assessment
    from crisislens.domain.post import Post
    from crisislens.pipeline.analyst import Analyst

_PLACES = {
    "Analyst": "crisislens.pipeline.analyst",
    "Assessment": "crisislens.domain.assessment",
    "Post": "crisislens.domain.post",
}


def __getattr__(name: str) -> Any:
    """Loads the public names on first use, so that `crisislens --help` need not load torch."""
    if name not in _PLACES:
        raise AttributeError(f"module 'crisislens' has no attribute {name!r}; it offers {', '.join(__all__)}")
    import importlib

    return getattr(importlib.import_module(_PLACES[name]), name)
