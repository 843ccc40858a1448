"""Where a training from the cache spends its processor time, by step and by run:
`python benchmarks/training_cost.py CRISISMMD [--run a1_concat] [--epochs 2] [--seeds 2] [--threads 1]`.

Features are made up, with the true number of pieces of every text and patches for the photos that are
there, so that nothing is encoded and the cost is that of a real run; what the network learns means
nothing. First, the parts of a step (making the batch, forward, backward, clipping, optimizer) in
milliseconds, the mean of sixty. Then whole runs, one seed after the other over the same features as a
grid trains them: all of it, its passes, and what is left (calibration, test, model on disk).
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import torch
from torch import Tensor
from torch.nn import functional

from crisislens.data.catalog import load_labeled
from crisislens.data.labeled import LabeledData, has_photo
from crisislens.data.text import clean_text
from crisislens.encoders.base import EncoderPair, load_encoders
from crisislens.models.base import FusionModel
from crisislens.nn.batch import FeatureBatch, ModalityBatch
from crisislens.training.batches import EpochOrder
from crisislens.training.classification import EpochRecord
from crisislens.training.config import RunConfig
from crisislens.training.features import Prepared
from crisislens.training.fit import fit
from crisislens.training.inputs import CachedInputs, Labeled
from crisislens.training.optimizer import build_optimizer

_STEPS, _WARM = 60, 10


class MadeUp:
    """Features as a cache gives them, of the run's kinds.

    Arguments:
        words: Pieces of each text.
        patches: Patches of each photo; 0 where there is none.
        encoders: Whose widths they have.
        run: Which token states it keeps.
    """

    # what `CachedInputs` asks a cache beside its posts
    manifest = SimpleNamespace(identity=SimpleNamespace(token_dtype="float32"))

    def __init__(self, words: list[int], patches: list[int], encoders: EncoderPair, run: RunConfig) -> None:
        self.lengths, self.widths, self.kept = (words, patches), encoders.widths(), run.keep_tokens
        self.random = torch.Generator().manual_seed(0)

    def __len__(self) -> int:
        return len(self.lengths[0])

    def batch(self, rows: range) -> FeatureBatch:
        """Posts in their order."""
        w = self.widths
        text = self._side([self.lengths[0][i] for i in rows], "text" in self.kept, w.text, w.text_pooled)
        image = self._side([self.lengths[1][i] for i in rows], "image" in self.kept, w.image, w.image_pooled)
        return FeatureBatch(text=text, image=image)

    def _side(self, lengths: list[int], kept: bool, width: int, pooled: int) -> ModalityBatch:
        def drawn(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=self.random)

        tokens = [drawn(n if kept else 0, width) if n else None for n in lengths]
        vectors = [drawn(pooled) if n else None for n in lengths]
        return ModalityBatch.collate(tokens, vectors, width=width, pooled_width=pooled)


def prepared(run: RunConfig, data: LabeledData, encoders: EncoderPair) -> Prepared:
    """The inputs of a run, made up."""
    inputs = {}
    for split, posts in data.splits.items():
        texts = [clean_text(labeled.post.text, run.rules) for labeled in posts]
        words = [len(x.ids) if x.has_words else 0 for x in encoders.text.tokenize(texts)]
        patches = [encoders.image.patches * has_photo(labeled, data.image_root) for labeled in posts]
        inputs[split] = CachedInputs(MadeUp(words, patches, encoders, run))  # type: ignore[arg-type]
    return Prepared(inputs, encoders.widths(), encoders.fingerprint(), "0" * 16)


def parts_of_a_step(run: RunConfig, data: LabeledData, made: Prepared) -> dict[str, float]:
    """Milliseconds of processor time."""
    torch.manual_seed(0)
    model: FusionModel = run.model.build(made.widths, len(data.space)).train()
    optimizer = build_optimizer(model, run.optimizer, fused=True)
    train = made.inputs["train"]
    lengths = train.lengths * (not run.as_published)
    batches = EpochOrder(lengths, run.batch_posts, 0)(0)[: _WARM + _STEPS]
    labeled = Labeled(train, torch.from_numpy(data.labels("train")))
    spent: dict[str, float] = {}

    def part(name: str, work: Callable[[], object]) -> object:
        began = time.process_time()
        result = work()
        spent[name] = spent.get(name, 0.0) + time.process_time() - began
        return result

    def backward(loss: Tensor) -> None:
        optimizer.zero_grad()
        loss.backward()

    for i, rows in enumerate(batches):
        if i == _WARM:
            spent.clear()
        batch, y = part("batch", lambda r=rows: labeled(r))  # type: ignore[misc]
        loss = part("forward", lambda b=batch, t=y: functional.cross_entropy(model(b), t))  # type: ignore[misc]
        part("backward", lambda x=loss: backward(x))  # type: ignore[misc]
        part("clipping", lambda: torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0))
        part("optimizer", optimizer.step)
    return {name: round(1000 * seconds / _STEPS, 2) for name, seconds in spent.items()}


def whole_run(run: RunConfig, seed: int, data: LabeledData, made: Prepared) -> dict[str, object]:
    """Seconds of processor time of one seed."""
    marks = [time.process_time()]

    def after(record: EpochRecord) -> None:
        marks.append(time.process_time())

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        found = fit(run, seed=seed, out=out, cache=out, data=data, prepared=made, on_epoch=after)
        # what a grid writes beside the scores
        data.photos()
    whole, passes = time.process_time() - marks[0], marks[-1] - marks[0]
    line = {"whole_s": round(whole, 2), "passes_s": round(passes, 2), "rest_s": round(whole - passes, 2)}
    return {"seed": seed, **line, "passes": len(marks) - 1, "last loss": found.history[-1].train_loss}


def main() -> None:
    """Prints a JSON line for the parts of a step, and one a run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="folder of CrisisMMD")
    parser.add_argument("--run", default="a1_concat")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    settings = [f"data.root={arguments.data}", f"epochs={arguments.epochs}", "device=cpu"]
    run = RunConfig.load(Path(f"configs/runs/{arguments.run}.yaml"), settings)
    data = load_labeled(run.data, run.task)
    made = prepared(run, data, load_encoders(run.encoder))
    said = {"run": arguments.run, "threads": arguments.threads}
    print(json.dumps(said | {"ms a step": parts_of_a_step(run, data, made)}), flush=True)
    for seed in range(arguments.seeds):
        print(json.dumps(said | whole_run(run, seed, data, made)), flush=True)


if __name__ == "__main__":
    main()
