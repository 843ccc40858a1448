"""Pictures of posts into features: decoded in a few threads while the encoder works, the same bytes
once, the last ones remembered.

A picture is encoded alone on a processor: a convolution's sums are split differently for different
batch sizes, and alone is no slower (36 ms of one core for EfficientNet-lite2, 49 in batches of 8,
which leave the cache). On an accelerator pictures go in batches of one fixed size. Either way a
picture's numbers do not depend on its neighbors.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
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

__all__ = ["Picture", "PictureEncoder"]

_THREADS = 2
# decoded pictures that wait for the encoder: enough to never let it wait, few enough to be nothing
# in memory (1 MB each)
_AHEAD = 8


@dataclass(frozen=True)
class Picture:
    """An encoded picture; shared by the posts that show it, so nobody may change its tensors.

    Attributes:
        tokens: Patch states; none of them where they were not asked for.
        pooled: The pooled vector.
        fingerprint: 16 hex digits over the file's bytes.
        hash: Perceptual hash, or None for a nearly uniform picture.
        notes: What a reader must know of the decoding.
    """

    tokens: Float[Tensor, "p d"]
    pooled: Float[Tensor, " e"]
    fingerprint: str
    hash: int | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Prepared:
    """A picture on its way to the encoder; without an input where its bytes are known or claimed by
    another path already.
    """

    fingerprint: str
    input: Float[Tensor, "3 s s"] | None = None
    hash: int | None = None
    notes: tuple[str, ...] = ()


@dataclass
class _Call:
    """The state of one call, shared with its threads."""

    lock: Lock = field(default_factory=Lock)
    claimed: set[str] = field(default_factory=set)
    done: dict[str, Picture] = field(default_factory=dict)


class PictureEncoder:
    """Turns references to pictures into features.

    Arguments:
        encoder: The image encoder.
        limits: Within which pictures are decoded.
        root: The folder of the pictures.
        batch: Pictures that go through an accelerator together; on a processor they go alone.
        keep_tokens: Whether patch states are kept, or only the pooled vectors.
        remembered: Pictures that are remembered across calls, the last ones used.
    """

    def __init__(
        self,
        encoder: ImageEncoder,
        *,
        limits: ImageLimits,
        root: Path,
        batch: int = 32,
        keep_tokens: bool = True,
        remembered: int = 128,
    ) -> None:
        self.encoder, self.limits, self.root = encoder, limits, root
        self.batch, self.keep_tokens, self.remembered = batch, keep_tokens, remembered
        self._memory: OrderedDict[str, Picture] = OrderedDict()
        self._lock = Lock()
        self._version = self._weights_version()

    def encode(self, refs: Sequence[ImageRef]) -> dict[str, Picture | ImageError]:
        """Encodes pictures, each once.

        Returns:
            By path as given: the picture, or why it could not be used.
        """
        with self._lock:
            if self._version != (version := self._weights_version()):
                self._memory.clear()
                self._version = version
            # a copy: what another call forgets meanwhile stays known to this one
            call, fingerprints = _Call(done=dict(self._memory)), dict[str, str]()
        found: dict[str, Picture | ImageError] = {}
        waiting: list[_Prepared] = []
        for path, prepared in self._prepare_all(list(dict.fromkeys(ref.path for ref in refs)), call):
            if isinstance(prepared, ImageError):
                found[path] = prepared
                continue
            fingerprints[path] = prepared.fingerprint
            if prepared.input is not None:
                waiting.append(prepared)
            if len(waiting) == self._batch():
                self._run(waiting, call)
                waiting = []
        if waiting:
            self._run(waiting, call)
        for path, key in fingerprints.items():
            # a path that left its bytes to another path, which then failed on them, fails by
            # itself, with its own name in the message
            found[path] = call.done[key] if key in call.done else self._failure(path)
        self._remember([x for x in found.values() if isinstance(x, Picture)])
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
            with call.lock:
                if key in call.done or key in call.claimed:
                    return _Prepared(key)
                call.claimed.add(key)
            decoded = decode_image(file, self.limits)
        except ImageError as error:
            return error
        try:
            return _Prepared(
                decoded.fingerprint,
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
            call.done[x.fingerprint] = Picture(kept, mean.clone(), x.fingerprint, x.hash, x.notes)

    def _remember(self, pictures: Sequence[Picture]) -> None:
        with self._lock:
            for picture in pictures:
                self._memory[picture.fingerprint] = picture
                self._memory.move_to_end(picture.fingerprint)
            while len(self._memory) > self.remembered:
                self._memory.popitem(last=False)
