"""Pages of benchmarks: one file each, which needs no server, script or network."""

import base64
import hashlib
from importlib.resources import files

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from crisislens.report.display import visible

__all__ = ["bench_page"]


def bench_page(template: str, **values: object) -> str:
    """A page of a template, with everything escaped and the style sheet of benchmarks.

    Arguments:
        template: The name of a file in `templates`.
        values: What the template prints.
    """
    templates = files("crisislens.report") / "templates"
    style = (templates / "table.css").read_text(encoding="utf-8")
    environment = Environment(
        loader=DictLoader({template: (templates / template).read_text(encoding="utf-8")}),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_without_disguise,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # a browser applies no other style, whatever stands in a title
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return environment.get_template(template).render(
        **values, style=Markup(style), style_hash=f"sha256-{digest}"
    )


def _without_disguise(value: object) -> object:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
