r"""Post-hoc attribution for any bundle: which words and which parts of the photo moved a task's
answer.

What is explained is what was read and answered (`ReadPart`): of a long text the part that the answer rests
on, and of text and photo what the model is given.

Integrated gradients go from an empty text (zero word embeddings) and a gray picture to the post;
what is attributed is the centered logit of the answer. Words are those of the cleaned text, led
back to the text as posted by aligning the two. Attention rollout reads texts only.

A word is marked where its attribution is at least half of the largest; a patch's heat is its
positive attribution over the largest. That cut is ours.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from crisislens.data.images import ImageLimits, decode_image, resolve_image
from crisislens.data.text import CleaningRules, clean_text
from crisislens.data.words import Span, merge_spans, word_spans
from crisislens.domain.assessment import Modality
from crisislens.domain.post import Post
from crisislens.domain.rationale import PatchHeat, Rationale, TextSpan
from crisislens.encoders.attention import text_attentions
from crisislens.encoders.base import EncoderPair, TokenizedText
from crisislens.explain.attribution import attention_rollout, embeddings_of, injected, integrated_gradients
from crisislens.explain.heat import describe_heat
from crisislens.models.base import FusionModel
from crisislens.nn.batch import FeatureBatch, ModalityBatch

__all__ = ["Method", "PostHoc", "ReadPart", "align_words"]

Method = Literal["integrated_gradients", "attention_rollout"]
_KEEP = 0.5
# cleaning a whole text makes a few words more or fewer of it than cleaning its words
_NEAR = 50


@dataclass(frozen=True)
class ReadPart:
    """What of a post an answer rests on.

    Attributes:
        text: The cleaned text that was encoded: all of the post's, or one part of it.
        before: How many words of the whole cleaned text stand before it.
        behind: How many stand behind it, where words before it were left out; `before` then says nothing.
        answer: The index of the answer among the model's classes; None takes the largest logit.
        note: What a reader must know of it.
    """

    text: str
    before: int = 0
    behind: int | None = None
    answer: int | None = None
    note: str | None = None


def align_words(
    text: str,
    cleaned: str,
    rules: CleaningRules,
    *,
    before: int | None = None,
    behind: int | None = None,
) -> list[Span | None]:
    """For each word of a cleaned text its place in the text as posted; None where cleaning made it
    up.

    >>> text = "RT @ann: Weâ€™re ok https://t.co/x"
    >>> [s and text[slice(*s)] for s in align_words(text, clean_text(text), CleaningRules())]
    ['@ann:', 'Weâ€™re', 'ok']

    Arguments:
        text: As posted.
        cleaned: What cleaning made of it.
        rules: How it was cleaned.
        before: Where it is only a part of the cleaned text, how many words of that stand before it.
        behind: The same of the words behind it; it goes before the other.
    """
    originals = word_spans(text)
    # cleaned word by word, which is nearly what cleaning the whole makes of it: the two are aligned
    pieces = [
        (span, part) for span in originals for part in clean_text(text[span[0] : span[1]], rules).split()
    ]
    words = cleaned.split()
    # a part may read like another one, so it is looked for where it stands
    if behind is not None:
        last = len(pieces) - behind
        pieces = pieces[max(0, last - len(words) - _NEAR) : last + _NEAR]
    elif before is not None:
        pieces = pieces[max(0, before - _NEAR) : before + len(words) + _NEAR]
    found: list[Span | None] = [None] * len(words)
    matcher = SequenceMatcher(None, words, [part for _, part in pieces], autojunk=False)
    for i, j, size in matcher.get_matching_blocks():
        for k in range(size):
            found[i + k] = pieces[j + k][0]
    return found


class PostHoc:
    """Explains the answers of one task.

    Arguments:
        encoders: The encoders.
        model: The task's model.
        rules: How texts are cleaned.
        limits: Within which pictures are decoded.
        name: Of the model, for the record.
        given: The modalities that the model is given.
        steps: Points of integrated gradients on text; pictures get half of them.
    """

    def __init__(
        self,
        encoders: EncoderPair,
        model: FusionModel,
        *,
        rules: CleaningRules,
        limits: ImageLimits,
        name: str,
        given: Sequence[Modality] = ("text", "image"),
        steps: int = 32,
    ) -> None:
        self.encoders, self.model, self.rules, self.limits, self.name, self.steps = (
            encoders,
            model,
            rules,
            limits,
            name,
            steps,
        )
        self.given = tuple(given)

    def explain(
        self, post: Post, method: Method, *, image_root: Path | None = None, read: ReadPart | None = None
    ) -> Rationale:
        """The attribution of one post.

        Arguments:
            post: The post.
            method: How.
            image_root: The folder of the photos; None reads no photo.
            read: What of it was answered; None takes all that the encoder reads at once.

        Raises:
            ModelError: If the encoder does not allow the method.
            ImageError: If the post names a photo that cannot be used; give it without one to explain
                what was answered all the same.
        """
        part = read or ReadPart(clean_text(post.text, self.rules))
        [tokens] = self.encoders.text.tokenize([part.text])
        # what is kept from the model moves no answer of it
        words = tokens if tokens.has_words and "text" in self.given else None
        pixels = self._pixels(post, image_root) if "image" in self.given else None
        if method == "attention_rollout":
            scores, heat = self._rollout(words) if words is not None else None, None
        else:
            scores, heat = self._gradients(words, pixels, part.answer)
        spans = () if scores is None else self._spans(post.text, part, tokens, scores)
        return Rationale(
            method=method,
            model=self.name,
            post_hoc=True,
            text=spans,
            image=None if heat is None else self._heat(heat),
            note=part.note,
        )

    def _pixels(self, post: Post, root: Path | None) -> Float[Tensor, "1 3 s s"] | None:
        if post.image is None or root is None:
            return None
        return self.encoders.image.preprocess(
            decode_image(resolve_image(post.image, root), self.limits).pixels
        )[None]

    def _rollout(self, tokens: TokenizedText) -> Float[np.ndarray, " t"]:
        ids = torch.tensor([tokens.ids])
        flow = attention_rollout(
            text_attentions(self.encoders.text, ids, torch.ones_like(ids, dtype=torch.bool))
        )
        return flow[0].numpy().astype(np.float64)

    def _gradients(
        self,
        tokens: TokenizedText | None,
        pixels: Float[Tensor, "1 3 s s"] | None,
        said: int | None,
    ) -> tuple[Float[np.ndarray, " t"] | None, Float[np.ndarray, "r c"] | None]:
        with torch.no_grad():
            text = self._text(tokens, None, 1)
            image = self._image(pixels)
            # of the whole post: along the path, what is asked about must not change
            best = int(self.model(FeatureBatch(text=text, image=image)).argmax(1))
        answer = best if said is None else said
        scores = heat = None
        if tokens is not None:
            embeddings = embeddings_of(self.encoders.text)(torch.tensor(tokens.ids)).detach()
            f = self._score(
                answer,
                lambda x: FeatureBatch(text=self._text(tokens, x, len(x)), image=_repeat(image, len(x))),
            )
            found = integrated_gradients(f, embeddings, torch.zeros_like(embeddings), steps=self.steps)
            scores = found.sum(1).numpy().astype(np.float64)
        if pixels is not None:
            f = self._score(answer, lambda x: FeatureBatch(text=_repeat(text, len(x)), image=self._image(x)))
            found = integrated_gradients(
                f, pixels[0], torch.zeros_like(pixels[0]), steps=max(1, self.steps // 2), batch=4
            )
            # per pixel gradients are noise to the eye; the grid is the encoder's own
            side = round(self.encoders.image.patches**0.5)
            heat = (
                torch.nn.functional.adaptive_avg_pool2d(found.sum(0)[None], (side, side))[0]
                .clamp(min=0)
                .numpy()
                .astype(np.float64)
            )
        return scores, heat

    def _score(
        self, answer: int, batch: Callable[[Tensor], FeatureBatch]
    ) -> Callable[[Tensor], Float[Tensor, " s"]]:
        def f(x: Tensor) -> Tensor:
            logits: Tensor = self.model(batch(x))
            # centered, as softmax does not see what all classes share
            return logits[:, answer] - logits.mean(1)

        return f

    def _text(
        self, tokens: TokenizedText | None, embeddings: Float[Tensor, "s t d"] | None, count: int
    ) -> ModalityBatch:
        encoder = self.encoders.text
        if tokens is None:
            return ModalityBatch.collate(
                [None] * count, [None] * count, width=encoder.width, pooled_width=encoder.pooled_width
            )
        ids = torch.tensor([tokens.ids]).expand(count, -1)
        mask = torch.ones_like(ids, dtype=torch.bool)
        if embeddings is None:
            states, pooled = encoder(ids, mask)
        else:
            with injected(embeddings_of(encoder), embeddings):
                states, pooled = encoder(ids, mask)
        return ModalityBatch(states, mask, pooled, torch.ones(count, dtype=torch.bool))

    def _image(self, pixels: Float[Tensor, "s 3 h w"] | None) -> ModalityBatch:
        encoder = self.encoders.image
        if pixels is None:
            return ModalityBatch.collate(
                [None], [None], width=encoder.width, pooled_width=encoder.pooled_width
            )
        patches, pooled = encoder(pixels)
        return ModalityBatch(
            patches,
            torch.ones(patches.shape[:2], dtype=torch.bool),
            pooled,
            torch.ones(len(patches), dtype=torch.bool),
        )

    def _spans(
        self, text: str, part: ReadPart, tokens: TokenizedText, scores: Sequence[float] | np.ndarray
    ) -> tuple[TextSpan, ...]:
        """Marked words, led back to the text as posted."""
        words = word_spans(part.text)
        total = np.zeros(len(words))
        for (start, end), score in zip(tokens.offsets, scores, strict=True):
            # a token counts for the word that it starts in; special tokens stand nowhere
            total += [score if end > start and a <= start < b else 0.0 for a, b in words]
        # what speaks against the answer is no evidence for it
        if not len(total) or total.max() <= 0:
            return ()
        share = np.clip(total / total.max(), 0, 1)
        places = align_words(text, part.text, self.rules, before=part.before or None, behind=part.behind)
        by_place = {place: s for place, s in zip(places, share, strict=True) if place is not None}
        every = word_spans(text)
        chosen = [bool(by_place.get(span, 0.0) >= _KEEP) for span in every]
        marked = []
        for start, end in merge_spans(every, chosen):
            inside = [by_place[word] for word in every if start <= word[0] and word[1] <= end]
            marked.append(TextSpan(start=start, end=end, score=round(float(np.mean(inside)), 4)))
        return tuple(marked)

    def _heat(self, heat: Float[np.ndarray, "r c"]) -> PatchHeat | None:
        if heat.max() <= 0:
            return None
        scaled = heat / heat.max()
        values = tuple(np.round(scaled.ravel(), 3).tolist())
        return PatchHeat(
            rows=heat.shape[0], columns=heat.shape[1], heat=values, description=describe_heat(scaled)
        )


def _repeat(m: ModalityBatch, count: int) -> ModalityBatch:
    rows = torch.zeros(count, dtype=torch.long)
    return m.select(rows)
