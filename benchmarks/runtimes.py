"""The encoders as they are, compiled by torch, and by onnxruntime, beside each other in one run:
`python benchmarks/runtimes.py [--rounds 7] [--encoders text photo] [--ways onnxruntime …] [--precision …]`.

All in one precision on one thread, in processor time; each round measures every way once, and what is
printed is the best of each and its ratio to the encoder as it is. Also printed: the time until it is ready
(compiling, exporting), how far its numbers are from the encoder's, and whether a post is equal bit for
bit alone and in a batch, which the product promises. A way whose package or compiler is missing is
named with what it lacks; nothing of it is part of the product: `pip install onnx onnxscript onnxruntime`
beside it, in another folder that PYTHONPATH names, is enough.
"""

import argparse
import json
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from crisislens.encoders import efficientnet
from crisislens.encoders.base import load_encoders
from crisislens.pipeline.analyst import DEFAULT_BUNDLE
from crisislens.pipeline.joining import find_bundle

_PIECES = 40
Way = Callable[..., Tensor]


class Layers(nn.Module):
    """The layers of the text encoder on texts of one length, as the product groups them, so without a mask;
    the lookup of words, which are packed in four bits, stays outside.
    """

    def __init__(self, bert: nn.Module) -> None:
        super().__init__()
        self.bert = bert

    def forward(self, embedded: Tensor) -> Tensor:
        states: Tensor = self.bert(inputs_embeds=embedded).last_hidden_state
        return states


class Photo(nn.Module):
    """The pooled vector of the photo encoder."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, pixels: Tensor) -> Tensor:
        pooled: Tensor = self.encoder(pixels)[1]
        return pooled


def by_onnxruntime(module: nn.Module, inputs: tuple[Tensor, ...]) -> Way:
    """Exports with a free number of posts and pieces, and opens it on one thread."""
    import onnxruntime  # type: ignore[import-not-found,unused-ignore]

    names = [f"x{i}" for i in range(len(inputs))]
    free = {
        name: {0: "posts", **({1: "pieces"} if x.ndim < 4 else {})}
        for name, x in zip(names, inputs, strict=True)
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "encoder.onnx"
        torch.onnx.export(
            module, inputs, str(path), input_names=names, output_names=["y"], dynamic_axes=free, dynamo=False
        )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(*given: Tensor) -> Tensor:
        fed = {name: x.numpy() for name, x in zip(names, given, strict=True)}
        return torch.from_numpy(session.run(["y"], fed)[0])

    return run


def by_compiler(module: nn.Module, inputs: tuple[Tensor, ...]) -> Way:
    """Compiles for any number of posts."""
    compiled: Way = torch.compile(module, dynamic=True)
    compiled(*inputs)
    return compiled


def by_graph(module: nn.Module, inputs: tuple[Tensor, ...]) -> Way:
    """Traced, frozen, and given to oneDNN's graph compiler, which fuses and keeps its own layout between
    layers.
    """
    torch.jit.enable_onednn_fusion(True)
    frozen: Way = torch.jit.freeze(torch.jit.trace(module, inputs))
    # it compiles when it knows the shapes, which takes two calls
    for _ in range(3):
        frozen(*inputs)
    return frozen


def by_own_convolutions(module: nn.Module, inputs: tuple[Tensor, ...]) -> Way:
    """Photos by torch's own convolutions, as they were before `encoders.fused`."""

    def run(*given: Tensor) -> Tensor:
        before = efficientnet.serves
        efficientnet.serves = lambda x, weight: False
        try:
            out: Tensor = module(*given)
        finally:
            efficientnet.serves = before
        return out

    return run


WAYS: dict[str, Callable[[nn.Module, tuple[Tensor, ...]], Way]] = {
    "torch.compile": by_compiler,
    "onnxruntime": by_onnxruntime,
    "oneDNN graph": by_graph,
    "torch's own convolutions": by_own_convolutions,
}


def seconds(way: Way, inputs: tuple[Tensor, ...]) -> float:
    """Processor time of one call."""
    began = time.process_time()
    way(*inputs)
    return time.process_time() - began


def beside(
    name: str, module: nn.Module, inputs: tuple[Tensor, ...], rounds: int, ways: Sequence[str]
) -> None:
    """Prints a JSON line for each way."""
    made: dict[str, Way] = {"as it is": module}
    ready: dict[str, float] = {"as it is": 0.0}
    for way in ways:
        make = WAYS[way]
        began = time.process_time()
        try:
            made[way] = make(module, inputs)
        except Exception as error:
            print(
                json.dumps({"encoder": name, "way": way, "missing": f"{type(error).__name__}: {error}"[:200]})
            )
            continue
        ready[way] = time.process_time() - began
    for way in made.values():
        way(*inputs)
    took: dict[str, list[float]] = {way: [] for way in made}
    for _ in range(rounds):
        for way, run in made.items():
            took[way].append(seconds(run, inputs))
    plain = made["as it is"](*inputs)
    alone = tuple(x[:1] for x in inputs)
    said = {"encoder": name, "precision": str(plain.dtype).removeprefix("torch.")}
    for way, run in made.items():
        best = min(took[way])
        line = {
            **said,
            "way": way,
            "ms a post": round(1000 * best / len(inputs[0]), 2),
            "times as fast": round(min(took["as it is"]) / best, 2),
            "s until ready": round(ready[way], 1),
            "largest difference": f"{float((run(*inputs) - plain).abs().max()):.1e}",
            "alone as in a batch": torch.equal(run(*alone)[0], run(*inputs)[0]),
        }
        print(json.dumps(line), flush=True)


def main() -> None:
    """Prints a JSON line for each encoder and way."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--encoders", nargs="+", choices=("text", "photo"), default=["text", "photo"])
    parser.add_argument("--photos", type=int, default=1, help="how many at once; the product takes one")
    parser.add_argument("--ways", nargs="+", choices=tuple(WAYS), default=list(WAYS))
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    warnings.filterwarnings("ignore")
    encoders = load_encoders(find_bundle(DEFAULT_BUNDLE).encoder).computing_in(arguments.precision)
    with torch.inference_mode():
        ids = torch.randint(5, 200_000, (32, _PIECES))
        bert = encoders.text.bert
        assert isinstance(bert, nn.Module)
        embedded = bert.get_input_embeddings()(ids).to(bert.dtype)  # type: ignore[operator,arg-type]
        text = (embedded,)
        photo = (torch.rand(arguments.photos, 3, 260, 260) * 2 - 1,)
    cases: dict[str, tuple[str, nn.Module, tuple[Tensor, ...]]] = {
        "text": ("text, 32 posts of 40 pieces", Layers(bert), text),
        "photo": (f"photo, {arguments.photos} of 260 px", Photo(encoders.image), photo),
    }
    with torch.no_grad():
        for which in arguments.encoders:
            name, module, inputs = cases[which]
            # tensors of inference mode cannot be traced
            own = tuple(x.clone() for x in inputs)
            beside(name, module.eval(), own, arguments.rounds, arguments.ways)


if __name__ == "__main__":
    main()
