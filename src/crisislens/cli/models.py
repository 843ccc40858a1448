"""`crisislens models`: what ships and what can be trained."""

from pathlib import Path
from typing import Annotated

import typer

from crisislens.cli.console import say, table

__all__ = ["app"]

app = typer.Typer(help="Models that ship, and the architectures that can be trained.", no_args_is_help=True)


@app.command("list")
def list_models() -> None:
    """List the models that ship and the architectures and encoders that a run file can name."""
    from crisislens.encoders.base import ENCODERS
    from crisislens.models.base import MODELS
    from crisislens.models.extractor_artifact import describe_extractor
    from crisislens.pipeline.bundle import Bundle, packaged_bundles
    from crisislens.pipeline.extractors import packaged_extractors

    rows = []
    for name, folder in packaged_bundles().items():
        config = Bundle.read(folder).config
        rows.append([name, config.version, ", ".join(config.tasks), config.encoder.name])
    table("models that ship", ["name", "version", "tasks", "encoder"], rows, words=True)
    extractors = [(name, *describe_extractor(folder)) for name, folder in packaged_extractors().items()]
    found = [[name, meta.version, spec.task, spec.encoder.checkpoint] for name, spec, meta in extractors]
    table("extractors that ship", ["name", "version", "task", "encoder"], found, words=True)
    table(
        "architectures",
        ["name", "what it is"],
        [[name, _first_line(cls)] for name, cls in MODELS.items()],
        words=True,
    )
    table(
        "encoders",
        ["name", "what it is"],
        [[name, _first_line(build)] for name, build in ENCODERS.items()],
        words=True,
    )
    for problem in (*MODELS.problems(), *ENCODERS.problems()):
        say(problem)


@app.command("show")
def show_model(
    name: Annotated[
        str,
        typer.Argument(help="Name of a model or extractor that ships, or the folder of a saved one."),
    ],
) -> None:
    """Print a model's card: data, licenses, numbers with intervals, what it was never tested on."""
    from crisislens.models.extractor_artifact import extractor_card, is_extractor
    from crisislens.pipeline.extractors import packaged_extractors
    from crisislens.pipeline.joining import find_bundle

    folder = packaged_extractors().get(name, Path(name))
    if is_extractor(folder):
        say(extractor_card(folder))
        return
    bundle = find_bundle(name)
    say(f"{bundle.config.name} {bundle.config.version}  fingerprint {bundle.fingerprint()}\n")
    say(bundle.card() or bundle.config.description)


def _first_line(documented: object) -> str:
    """The first sentence of a docstring; what follows speaks of arguments."""
    line = (getattr(documented, "__doc__", None) or "").strip().partition("\n")[0]
    return line.partition(". ")[0].rstrip(".")
