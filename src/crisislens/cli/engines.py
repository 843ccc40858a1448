"""Where a command's work is done: in threads of this process, in processes beside it, or in the
actors of a Ray cluster. The options are the same for every command that has them.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from crisislens.core.errors import InputError

if TYPE_CHECKING:
    from crisislens.runs.hosts import Hosts, Recipe

__all__ = [
    "Engine",
    "EngineOption",
    "GpusOption",
    "ProcessesOption",
    "RayAddressOption",
    "chosen_engine",
    "hosts",
]

ENGINES = ("local", "ray")

EngineOption = Annotated[
    str, typer.Option(help="Where it runs: `local` (this machine) or `ray` (a Ray cluster).")
]
ProcessesOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Processes with models of their own: beside this one, or actors of the cluster. Default: "
        "threads of this process; with ray one a processor, or a GPU.",
    ),
]
RayAddressOption = Annotated[
    str | None,
    typer.Option(help="Of a running Ray cluster. Default: one is started here for the time of the run."),
]
GpusOption = Annotated[
    float,
    typer.Option(min=0, help="With ray: GPUs an actor, which may be a fraction; 0 keeps it on processors."),
]


class Engine(NamedTuple):
    """Where the work is done.

    Attributes:
        name: `local` or `ray`.
        processes: How many; None where the engine decides.
        address: Of the cluster.
        gpus: GPUs an actor.
    """

    name: str = "local"
    processes: int | None = None
    address: str | None = None
    gpus: float = 0.0

    @property
    def device(self) -> str:
        """Where its models run, as torch names it."""
        return "cuda" if self.gpus else "cpu"

    @property
    def here(self) -> bool:
        """Whether the work is done in threads of this process."""
        return self.name == "local" and self.processes is None

    def options(self) -> dict[str, object]:
        """The options that say so, with None for those that are as by default."""
        return {
            "--engine": None if self.name == "local" else self.name,
            "--processes": self.processes,
            "--ray-address": self.address,
            "--gpus": self.gpus or None,
        }


def chosen_engine(name: str, processes: int | None, address: str | None, gpus: float = 0.0) -> Engine:
    """The engine of a command's options.

    Raises:
        InputError: If there is no such engine, or options belong to another one.
    """
    if name not in ENGINES:
        raise InputError(f"--engine {name} is not known; it takes {' or '.join(ENGINES)}")
    if name != "ray" and address is not None:
        raise InputError(f"--ray-address {address} is for --engine ray; give that too, or leave it out")
    if name != "ray" and gpus:
        raise InputError(f"--gpus {gpus:g} is for --engine ray; give that too, or leave it out")
    return Engine(name, processes, address, gpus)


@contextmanager
def hosts(engine: Engine, recipe: "Callable[[], Recipe]") -> "Iterator[Hosts | None]":
    """The hosts of a run; None where threads of this process do the work.

    Arguments:
        engine: Where the work is done.
        recipe: Gives the recipe, and is asked only where hosts are needed.

    Raises:
        MissingExtraError: If Ray is needed and not installed.
        RunError: If the hosts cannot be started.
    """
    if engine.here:
        yield None
    elif engine.name == "ray":
        from crisislens.runs.ray_actors import RayActors

        with RayActors(recipe(), engine.processes, address=engine.address, gpus=engine.gpus) as actors:
            yield actors
    else:
        from crisislens.runs.processes import Processes

        with Processes(recipe(), engine.processes or 1) as processes:
            yield processes
