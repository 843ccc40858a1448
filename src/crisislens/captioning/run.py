"""Captions of many posts: each distinct question once, several at a time, with retries, budgets, and a store
that outlives a kill.

Posts whose photo, prompt and captioner are the same ask the same question and share one answer, now and in
every later run. A question that fails is not kept: the next run asks again. A budget that is used up ends the
asking, not the run: every post gets a record, the unanswered ones with the reason, and the same command goes
on later.
"""

import time
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path

from crisislens.captioning.asking import Asking
from crisislens.captioning.base import Captioner
from crisislens.captioning.prompts import Prompt
from crisislens.captioning.records import CaptionRecord, CaptionRun, Limits, Outcome, Question
from crisislens.core.errors import ImageError
from crisislens.core.files import atomic_write
from crisislens.core.store import Store, content_key
from crisislens.data.images import ImageLimits, decode_image, resolve_image
from crisislens.domain.post import Post

__all__ = ["caption_posts", "write_captions"]


def caption_posts(
    posts: Iterable[Post],
    captioner: Captioner,
    prompt: Prompt,
    store: Store,
    *,
    image_root: Path,
    image_limits: ImageLimits | None = None,
    limits: Limits | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> CaptionRun:
    """Captions posts.

    Arguments:
        posts: The posts.
        captioner: What captions them.
        prompt: What it is asked; a captioner that follows none ignores it.
        store: What was answered before, and where answers are kept.
        image_root: The folder of the photos.
        image_limits: Within which they are decoded; a larger side than for encoders by default.
        limits: What it may cost.
        progress: Called with the questions that are answered and all questions.

    Raises:
        RequestError: If the captioner cannot be reached at all, with the reason; what was answered before is
            kept.
    """
    started = time.monotonic()
    image_limits = image_limits or ImageLimits(decode_px=768)
    posts = list(posts)
    plan: list[Question | Outcome] = [
        _question(post, captioner, prompt, image_root, image_limits) for post in posts
    ]
    questions = {q.key: q for q in plan if isinstance(q, Question)}
    answers: dict[str, Outcome] = {}
    for key in questions:
        kept = store.get(key)
        if isinstance(kept, dict) and isinstance(kept.get("text"), str):
            answers[key] = Outcome(str(kept["text"]))
    run = CaptionRun(questions=len(questions), known=len(answers))
    asking = Asking(captioner, prompt, store, image_limits, limits or Limits(), run, started)
    asking.ask([q for key, q in questions.items() if key not in answers], answers, progress)
    for post, planned in zip(posts, plan, strict=True):
        outcome = planned if isinstance(planned, Outcome) else answers[planned.key]
        run.records.append(_record(post, outcome, captioner, prompt))
    run.seconds = time.monotonic() - started
    return run


def write_captions(path: Path, records: Iterable[CaptionRecord]) -> None:
    """Writes records as JSONL, atomically; a run file can name the file under `knowledge`."""
    atomic_write(path, "".join(record.model_dump_json() + "\n" for record in records))


def _question(
    post: Post, captioner: Captioner, prompt: Prompt, root: Path, limits: ImageLimits
) -> Question | Outcome:
    path, photo = None, ""
    if captioner.needs_photo:
        if post.image is None:
            return Outcome(status="no photo", reason="the post has no photo")
        try:
            path = resolve_image(post.image, root)
            photo = _digest(path, limits)
        except ImageError as error:
            return Outcome(status="unreadable photo", reason=str(error))
    asked: object = None
    if captioner.prompted:
        rendered = prompt.render(post.text)
        asked = {"prompt": prompt.fingerprint(), "system": rendered.system, "user": rendered.user}
    return Question(content_key({"photo": photo, "asked": asked, "by": captioner.identity(post)}), post, path)


def _digest(path: Path, limits: ImageLimits) -> str:
    """SHA-256 of the file and within which limits it is decoded."""
    try:
        if path.stat().st_size > limits.max_bytes:
            decode_image(path, limits)
        with path.open("rb") as stream:
            digest = sha256()
            while block := stream.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise ImageError("unreadable", f"{path.name} cannot be read ({error.strerror})") from error
    return f"{digest.hexdigest()} {limits.fingerprint()}"


def _record(post: Post, outcome: Outcome, captioner: Captioner, prompt: Prompt) -> CaptionRecord:
    return CaptionRecord(
        id=post.id,
        image=post.image.path if post.image else None,
        text=outcome.text,
        weak=captioner.weak,
        status=outcome.status,
        reason=outcome.reason,
        model=captioner.name,
        prompt=prompt.id if captioner.prompted else None,
    )
