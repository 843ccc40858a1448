"""What the benchmark of multimodal information extraction runs: its systems, its data sets, and the
run of one system on one data set.

Four systems, each the one before and one thing more: `text` reads the words; `context` also the
context of the picture, through the gate; `info_nce` aligns contexts with texts by InfoNCE;
`shap_ca` aligns them by Shapley values.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from crisislens.core.errors import InputError
from crisislens.encoders.language import LanguageSpec
from crisislens.models.extraction import AlignmentSpec, ExtractorSpec
from crisislens.training.extraction.checks import AUTO
from crisislens.training.extraction.config import ExtractionData, ExtractionRecipe, ExtractionRun

__all__ = ["DATA_SETS", "PUBLISHED", "SYSTEMS", "WITHOUT_CONTEXTS", "default_recipe", "mie_run"]

System = Literal["text", "context", "info_nce", "shap_ca", "shap_ca_margin"]
SYSTEMS: tuple[str, ...] = get_args(System)
"""The systems; `shap_ca` has the softmax form of the loss, `shap_ca_margin` the margin form."""
DATA_SETS: tuple[str, ...] = ("twitter2017", "twitter2015", "mnre-v2", "mnre-v1", "jmere", "stand-in")
"""The data sets; `jmere` is had from its authors only, `stand-in` is none of the published ones."""
PUBLISHED: dict[str, str] = {
    "twitter2015": "text only 77.04, ITA 78.03, MoRe-Image 77.57 (AdaSeq); I2SRM 77.12; UMT 73.20",
    "twitter2017": "text only 89.11, ITA 89.75, MoRe-Image 90.28 (AdaSeq); I2SRM 88.40; UMT 85.09",
    "mnre-v2": "I2SRM 84.12; group-feature fusion 84.16",
}
"""F1 as printed elsewhere, by data set: AdaSeq examples/MoRe, arXiv 2310.06326, Electronics
14(8):1682, the logs of UMT.
"""
_FOLDERS = {
    "twitter2015": "mner",
    "twitter2017": "mner",
    "mnre-v1": "mnre",
    "mnre-v2": "mnre",
    "jmere": "jmere",
    "stand-in": "",
}
_TASKS = {"mnre-v1": "relations", "mnre-v2": "relations", "jmere": "joint", "stand-in": "joint"}
WITHOUT_CONTEXTS: tuple[str, ...] = ("mnre-v2", "jmere")
"""Those of them that come without contexts: only `text` is measured on them."""
_ALIGNMENTS = {"info_nce": "info_nce", "shap_ca": "shapley_softmax", "shap_ca_margin": "shapley_margin"}


def mie_run(
    data: str,
    system: str,
    folder: Path,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    encoder: str = "minilm",
    long_contexts: bool = False,
    epochs: int | None = None,
    train_posts: int | None = None,
    batch_posts: int | None = None,
    shuffled: float = 0.0,
    locked_contexts: bool = False,
    tuned: bool = False,
) -> ExtractionRun:
    """The run of one system on one data set.

    Arguments:
        data: A name in `DATA_SETS`.
        system: A name in `SYSTEMS`.
        folder: The folder that holds `mner`, `mnre` and `jmere`.
        seeds: The seeds.
        encoder: A checkpoint as `LanguageSpec` names it.
        long_contexts: Whether contexts are the long ones where they exist, not the captions.
        epochs: Passes over the training posts; the benchmark's own where None.
        train_posts: At most so many of them, as `ExtractionData` draws them; all where None.
        batch_posts: Posts a step, also the players of the alignment's game; 32 where None.
        shuffled: The share of the training pictures whose contexts are shuffled among themselves.
        locked_contexts: Whether contexts are read once, by the language model as it comes.
        tuned: Whether the run is one whose temperature will be chosen, which its name then says.

    Raises:
        InputError: If there is no such data set or system, or the data set has no contexts.
    """
    if data not in DATA_SETS or system not in SYSTEMS:
        raise InputError(
            f"no benchmark of {system!r} on {data!r}; systems: {', '.join(SYSTEMS)}; data sets: "
            f"{', '.join(DATA_SETS)}"
        )
    if system != "text" and data in WITHOUT_CONTEXTS:
        raise InputError(
            f"{data} comes without contexts; take the system text, or a run file with a context_file"
        )
    extractor = _extractor(data, system, encoder, long_contexts=long_contexts)
    contexts = _contexts(system, long_contexts=long_contexts)
    marks = [name for name, asked in (("locked", locked_contexts), ("tuned", tuned)) if asked]
    return ExtractionRun(
        name=_name(data, system, contexts, encoder, shuffled, marks),
        data=ExtractionData(
            name=data,  # type: ignore[arg-type]
            root=str(folder / _FOLDERS[data]),
            contexts=contexts,
            train_posts=train_posts,
            shuffled_contexts=0.0 if contexts == "none" else shuffled,
            locked_contexts=contexts != "none" and locked_contexts,
        ),
        extractor=extractor,
        recipe=default_recipe(data, encoder, epochs, batch_posts),
        seeds=tuple(seeds),
    )


def _extractor(data: str, system: str, encoder: str, *, long_contexts: bool) -> ExtractorSpec:
    """Each system is the one before it and one thing more, so that a difference has one cause."""
    reads_context = system != "text"
    kind = _ALIGNMENTS.get(system)
    task = _TASKS.get(data, "entities")
    # a caption is a sentence, a long context a paragraph; what is beyond is cut
    pieces = 96 if long_contexts else 32
    return ExtractorSpec(
        task=task,  # type: ignore[arg-type]
        relations=() if task == "entities" else AUTO,
        encoder=LanguageSpec(checkpoint=encoder),
        context_pieces=pieces if reads_context else 0,
        fusion=reads_context,
        alignment=None if kind is None else AlignmentSpec(kind=kind),  # type: ignore[arg-type]
    )


def _contexts(system: str, *, long_contexts: bool) -> Literal["none", "captions", "long"]:
    if system == "text":
        return "none"
    return "long" if long_contexts else "captions"


def _name(data: str, system: str, contexts: str, encoder: str, shuffled: float, marks: Sequence[str]) -> str:
    """A run's name, which `bench show mie` takes apart again: what is usual is not in it."""
    parts = [data, system]
    if contexts == "long":
        parts.append("long")
    if "locked" in marks and contexts != "none":
        parts.append("locked")
    # a system that does not align has no temperature to choose
    if "tuned" in marks and system in _ALIGNMENTS:
        parts.append("tuned")
    # the text alone has nothing that could be shuffled
    if shuffled and contexts != "none":
        parts.append(f"shuffled{100 * shuffled:g}")
    if encoder != "minilm":
        parts.append(Path(encoder).name)
    return "-".join(parts)


def default_recipe(
    data: str, encoder: str, epochs: int | None = None, batch_posts: int | None = None
) -> ExtractionRecipe:
    """The benchmark's recipe: MiniLM takes higher rates than BERT does."""
    rate = 3e-4 if encoder == "minilm" else 3e-5
    # fewer passes over the larger sets; all systems of a set have the same
    usual = {"mnre-v2": 4, "mnre-v1": 5, "jmere": 12, "stand-in": 12}.get(data, 6)
    return ExtractionRecipe(
        batch_posts=batch_posts or 32, learning_rate=rate, epochs=usual if epochs is None else epochs
    )
