"""One post to its explanation, by any method."""

from collections.abc import Callable
from pathlib import Path

from crisislens.core.errors import InputError
from crisislens.domain.post import Post
from crisislens.domain.rationale import Rationale
from crisislens.explain.posthoc import PostHoc
from crisislens.explain.rationalizer import Rationalizer
from crisislens.pipeline.analyst import Analyst
from crisislens.pipeline.rationale_annotator import RationaleAnnotator

__all__ = ["explainer"]


def explainer(
    method: str, *, task: str, model: str, rationales: str, image_root: Path | None
) -> Callable[[Post], Rationale]:
    """A function from a post to why it was answered as it was.

    Arguments:
        method: `rationales`, `integrated_gradients` or `attention_rollout`.
        task: Whose answer attribution explains.
        model: A bundle.
        rationales: A rationale model, for `rationales`.
        image_root: The folder of the photos.

    Raises:
        InputError: If the bundle has no such task, or is a joint rationale model.
        ModelError: If a model is damaged or does not allow the method.
    """
    if method == "rationales":
        analyst = Analyst.load(
            model,
            image_root=image_root,
            annotators=[RationaleAnnotator(Rationalizer.load(rationales))],
        )

        def by_rationales(post: Post) -> Rationale:
            [found] = analyst.assess([post])
            if found.rationale is None:
                raise InputError(f"post {post.id!r} could not be explained: {'; '.join(found.notes)}")
            return found.rationale

        return by_rationales
    analyst = Analyst.load(model, image_root=image_root)
    # a joint rationale model answers by its rationales alone, and has no models to attribute to
    if not analyst.models:
        raise InputError(
            f"--method {method} explains classification models, and {model} is none; "
            f"`crisislens analyze --model {model}` says which words and patches it decided on"
        )
    # checked before the first post, which takes seconds to explain
    if task not in analyst.models:
        raise InputError(f"--task {task} is none of the model's tasks; it has {', '.join(analyst.models)}")
    loaded, config = analyst.models[task], analyst.bundle.config
    name = f"{config.name} {config.version}, {task} ({loaded.fingerprint})"
    why = PostHoc(analyst.encoder.encoders, loaded.model, rules=config.rules, limits=config.limits, name=name)

    def by_attribution(post: Post) -> Rationale:
        # of several photos the one that the answer rests on
        shown = analyst.assess([post])[0].shown if post.more_images else post
        return why.explain(shown, method, image_root=image_root)  # type: ignore[arg-type]

    return by_attribution
