"""Pictures of posts into features: decoded in a few threads while the encoder works, the same bytes
and the same pixels once, the last ones remembered (`picture_memory`).

A picture is encoded alone on a processor: a convolution's sums are split differently for different
batch sizes, and alone is hardly slower (docs/performance.md). On an accelerator pictures go in
batches of one fixed size. Either way a picture's numbers do not depend on its neighbors.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock

import torch
from jaxtyping import Float
from torch import Tensor

from crisislens.core.errors import ImageError
from crisislens.core.fingerprint import fingerprint_file
from crisislens.data.duplicates import image_hash
from crisislens.data.images import ImageLimits, decode_image, resolve_image
from crisislens.domain.post import ImageRef
from crisislens.encoders.base import ImageEncoder
from crisislens.features.picture_memory import Picture, PictureMemory, pixels_key

__all__ = ["Picture", "PictureEncoder"]

_THREADS = 2
# decoded pictures that wait for the encoder: enough to never let it wait, few enough to be nothing
# in memory (1 MB each)
_AHEAD = 8


@dataclass(frozen=True)
class _Prepared:
    """A picture on its way to the encoder; without an input where its bytes or its pixels are known
    or claimed by another path already. `pixels` is empty where it was not decoded.
    """

    fingerprint: str
    pixels: str = ""
    input: Float[Tensor, "3 s s"] | None = None
    hash: int | None = None
    notes: tuple[str, ...] = ()


@dataclass
class _Call:
    """The state of one call, shared with its threads."""

    lock: Lock = field(default_factory=Lock)
    claimed: set[str] = field(default_factory=set)
    done: dict[str, Picture] = field(default_factory=dict)
    by_pixels: dict[str, Picture] = field(default_factory=dict)

    def claim(self, key: str, known: Mapping[str, Picture]) -> bool:
        """Whether a file or pixels are the caller's to work on: nobody has them yet."""
        with self.lock:
            if key in known or key in self.claimed:
                return False
            self.claimed.add(key)
            return True

    def add(self, picture: Picture) -> None:
        """Keeps what was encoded."""
        with self.lock:
            self.done[picture.fingerprint] = picture
            self.by_pixels[picture.pixels] = picture

    def of(self, prepared: _Prepared) -> Picture | None:
        """The encoding of a prepared picture: its own, or that of another file of the same pixels."""
        own = self.done.get(prepared.fingerprint)
        if own is not None or not prepared.pixels:
            return own
        twin = self.by_pixels.get(prepared.pixels)
        if twin is None:
            return None
        self.add(replace(twin, fingerprint=prepared.fingerprint, notes=prepared.notes))
        return self.done[prepared.fingerprint]


class PictureEncoder:
    """Turns references to pictures into features.

    Arguments:
        encoder: The image encoder.
        limits: Within which pictures are decoded.
        root: The folder of the pictures.
        batch: Pictures that go through an accelerator together; on a processor they go alone.
        keep_tokens: Whether patch states are kept, or only the pooled vectors.
        remembered_bytes: What pictures may take that are remembered across calls, the last ones used.
    """

    def __init__(
        self,
        encoder: ImageEncoder,
        *,
        limits: ImageLimits,
        root: Path,
        batch: int = 32,
        keep_tokens: bool = True,
        remembered_bytes: int = 1 << 26,
    ) -> None:
        self.encoder, self.limits, self.root = encoder, limits, root
        self.batch, self.keep_tokens = batch, keep_tokens
        self._memory = PictureMemory(remembered_bytes)

    def encode(self, refs: Sequence[ImageRef]) -> dict[str, Picture | ImageError]:
        """Encodes pictures, each once.

        Returns:
            By path as given: the picture, or why it could not be used.
        """
        version = self._weights_version()
        known = self._memory.known(version)
        call = _Call(done=known, by_pixels={picture.pixels: picture for picture in known.values()})
        read: dict[str, _Prepared] = {}
        found: dict[str, Picture | ImageError] = {}
        waiting: list[_Prepared] = []
        for path, prepared in self._prepare_all(list(dict.fromkeys(ref.path for ref in refs)), call):
            if isinstance(prepared, ImageError):
                found[path] = prepared
                continue
            read[path] = prepared
            if prepared.input is not None:
                waiting.append(prepared)
            if len(waiting) == self._batch():
                self._run(waiting, call)
                waiting = []
        if waiting:
            self._run(waiting, call)
        # those that were decoded first: a path that left its bytes to another one waits for its pixels
        for path, prepared in sorted(read.items(), key=lambda one: not one[1].pixels):
            # a path that left its bytes or pixels to another path, which then failed on them, fails
            # by itself, with its own name in the message
            found[path] = call.of(prepared) or self._failure(path)
        self._memory.keep([x for x in found.values() if isinstance(x, Picture)], version)
        return found

    def _batch(self) -> int:
        return 1 if self._device().type == "cpu" else self.batch

    def _device(self) -> torch.device:
        return next(self.encoder.parameters()).device

    def _weights_version(self) -> int:
        """Grows whenever a parameter is written to: what an encoder in training made yesterday is
        not remembered.
        """
        return sum(p._version for p in self.encoder.parameters())

    def _prepare_all(self, paths: Sequence[str], call: _Call) -> Iterator[tuple[str, _Prepared | ImageError]]:
        """Prepares pictures in threads, a few ahead, and gives them in order."""
        if not paths:
            return
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="picture") as pool:
            futures: deque[tuple[str, Future[_Prepared | ImageError]]] = deque()
            for path in paths:
                futures.append((path, pool.submit(self._prepare, path, call)))
                if len(futures) > _AHEAD:
                    first, future = futures.popleft()
                    yield first, future.result()
            for path, future in futures:
                yield path, future.result()

    def _prepare(self, path: str, call: _Call) -> _Prepared | ImageError:
        try:
            file = resolve_image(ImageRef(path=path), self.root)
            key = self._fingerprint(file)
            if not call.claim(key, call.done):
                return _Prepared(key)
            decoded = decode_image(file, self.limits)
        except ImageError as error:
            return error
        pixels = pixels_key(decoded.pixels)
        if not call.claim(pixels, call.by_pixels):
            return _Prepared(decoded.fingerprint, pixels, notes=decoded.notes)
        try:
            return _Prepared(
                decoded.fingerprint,
                pixels,
                self.encoder.preprocess(decoded.pixels),
                image_hash(decoded.pixels),
                decoded.notes,
            )
        except (ValueError, ArithmeticError, RuntimeError) as error:
            # a picture that decodes and still cannot be prepared costs the post its picture,
            # not the post
            return ImageError(
                "damaged",
                f"{path!r:.80} could not be prepared for the model ({type(error).__name__}: {error})"[:300],
            )

    def _fingerprint(self, file: Path) -> str:
        try:
            if file.stat().st_size <= self.limits.max_bytes:
                return fingerprint_file(file)
        except OSError:
            pass
        # too large or unreadable: the decoder says so, in its words
        return decode_image(file, self.limits).fingerprint

    def _failure(self, path: str) -> ImageError:
        outcome = self._prepare(path, _Call())
        return (
            outcome
            if isinstance(outcome, ImageError)
            else ImageError("damaged", f"{path!r:.80} changed while it was read; run again")
        )

    def _run(self, waiting: Sequence[_Prepared], call: _Call) -> None:
        """Encodes prepared pictures in one batch of the fixed size."""
        inputs = [x.input for x in waiting if x.input is not None]
        with torch.inference_mode():
            # filled up to one size: sums of convolutions are split by the size of the batch
            images = torch.stack(inputs + [torch.zeros_like(inputs[0])] * (self._batch() - len(inputs)))
            tokens, pooled = (x[: len(inputs)].float().cpu() for x in self.encoder(images.to(self._device())))
        for x, one, mean in zip(waiting, tokens, pooled, strict=True):
            # clones, made outside of inference mode: they hold no batch in memory,
            # and training may use them
            kept = (one if self.keep_tokens else one[:0]).clone()
            call.add(Picture(kept, mean.clone(), x.fingerprint, x.pixels, x.hash, x.notes))
