"""Does heat find the evidence? A photo of a disaster in one cell of a collage:
`python benchmarks/collage_pointing.py DATA`.

The held-out photos of `scripts/train_rationales.py` are taken. Each collage gets a tweet of the
test rows of CrisisMMD that names the photo's hazard and no other; its rationale is the shipped
rationale model's. The other cells hold everyday photos (`easy`) or photos of other disasters than the
one that the tweet names (`hard`). Whatever is chosen, the sink of the transport or a way to weigh
words, is chosen on collages of training photos with training tweets (`--choose`).
"""

import argparse
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))
from photo_manifest import PhotoRecord  # type: ignore[import-not-found]
from train_rationales import chosen_photos, hazard_tweets  # type: ignore[import-not-found]

from crisislens.core.files import atomic_write
from crisislens.data.images import ImageLimits, decode_image
from crisislens.encoders.base import EncoderPair, EncoderSpec, load_encoders
from crisislens.evaluation.rationale_scores import pointing
from crisislens.explain.attribution import attention_rollout, grad_cam
from crisislens.features.word_owners import WordCutter, collate_windows
from crisislens.models.rationale_artifact import TransportConfig, load_rationalizer
from crisislens.models.rationale_transfer import evidence_heat
from crisislens.nn.device import set_threads
from crisislens.nn.joint import JointEncoder, JointStates
from crisislens.nn.transport import cosine_cost, unit_range

HAZARDS = ("flood", "fire", "storm", "earthquake")
DISTRACTORS = ("easy", "hard")
SIDE_PX = 260
CHOICES = tuple(
    TransportConfig(sink=sink, steps=steps, gather=gather)
    for sink in (0.5, 0.8, 0.9, 0.95, 0.98)
    for steps in (20, 50)
    for gather in ("max", "sum")
)
BEFORE = TransportConfig(sink=0.8)
"""What earlier versions of the shipped model had."""


@dataclass(frozen=True)
class Case:
    """One collage: what the other cells hold, cells along a side, the cell of the evidence, the
    tweet, its patches.
    """

    others: str
    grid: int
    cell: int
    hazard: str
    text: str
    patches: Float[Tensor, "p d"]


def collages(
    photos: Sequence[PhotoRecord],
    tweets: dict[str, list[str]],
    pair: EncoderPair,
    root: Path,
    count: int,
    seed: int,
    others: str,
) -> list[Case]:
    """Random collages of 2 × 2 and 3 × 3 photos."""
    draw = random.Random(seed)
    disasters = [r for r in photos if r.hazard in HAZARDS]
    cases = []
    for _ in range(count):
        photo = draw.choice(disasters)
        text = draw.choice(tweets[photo.hazard])
        pool = _distractors(photos, photo, others)
        for grid in (2, 3):
            cell = draw.randrange(grid * grid)
            files = [root / (photo if c == cell else draw.choice(pool)).file for c in range(grid * grid)]
            with torch.inference_mode():
                patches = pair.image(pair.image.preprocess(_page(files, grid))[None])[0][0]
            cases.append(Case(others, grid, cell, photo.hazard, text, patches))
    return cases


def _distractors(photos: Sequence[PhotoRecord], photo: PhotoRecord, others: str) -> list[PhotoRecord]:
    if others == "easy":
        return [r for r in photos if r.kind != "disaster"]
    # a photo of the same hazard would be evidence too, and no answer could be called wrong
    return [r for r in photos if r.hazard and r.hazard != photo.hazard]


def _page(files: Sequence[Path], grid: int) -> np.ndarray:
    """A collage of grid × grid photos."""
    edges = [SIDE_PX * k // grid for k in range(grid + 1)]
    page = Image.new("RGB", (SIDE_PX, SIDE_PX))
    for c, file in enumerate(files):
        y, x = divmod(c, grid)
        part = Image.fromarray(decode_image(file, ImageLimits()).pixels)
        size = (edges[x + 1] - edges[x], edges[y + 1] - edges[y])
        page.paste(part.resize(size, Image.Resampling.BICUBIC), (edges[x], edges[y]))
    return np.asarray(page)


class Methods:
    """Heat of a case by every method of one joint encoder."""

    def __init__(self, folder: Path) -> None:
        self.loaded = load_rationalizer(folder)
        assert self.loaded.joint is not None
        self.joint: JointEncoder = self.loaded.joint
        self.cutter = WordCutter(self.loaded.text.encoder)

    def heat(self, case: Case, choices: Sequence[TransportConfig]) -> dict[str, np.ndarray]:
        """From a method's name to the heat."""
        window = self.cutter.cut(case.text)[0]
        said = self.loaded.text.rationales(collate_windows([window], self.loaded.text.encoder.pad_id))
        words, chosen = said.words.clone(), said.chosen.clone()
        mask, all_patches = (
            torch.ones_like(chosen),
            torch.ones(1, len(case.patches), dtype=torch.bool),
        )
        patches = case.patches[None].clone()
        with torch.no_grad():
            aligned = self.joint.aligned(words, mask, patches, all_patches)
            mixed = self.joint.mix(aligned)
            found = {_named(t): _transport(aligned, chosen, t) for t in choices}
            found |= {
                f"mixed states, {_named(choices[0])}": _transport(mixed, chosen, choices[0]),
                "balanced transport (as published), aligned states": evidence_heat(aligned, chosen),
                "balanced transport (as published), mixed states": evidence_heat(mixed, chosen),
                "cosine to the rationale, aligned states": _cosine(aligned, chosen),
                "size of the patch states": unit_range(patches.norm(dim=2), all_patches),
            }
            if len(self.joint.blocks):
                flow = attention_rollout_rows(self.joint, aligned)
                found["attention rollout of the joint encoder"] = unit_range(
                    flow[:, 1 + words.shape[1] :], all_patches
                )
        found["Grad-CAM of the similarity"] = unit_range(
            grad_cam(lambda y: self._similarity(words, mask, chosen, y), patches), all_patches
        )
        return {name: h[0].reshape(9, 9).double().numpy() for name, h in found.items()}

    def _similarity(self, words: Tensor, mask: Tensor, chosen: Tensor, patches: Tensor) -> Tensor:
        a = self.joint.aligned(words, mask, patches, torch.ones(1, patches.shape[1], dtype=torch.bool))
        best = (1 - cosine_cost(a.image, a.text)).amax(1)
        return (best * chosen).sum(1)


def attention_rollout_rows(joint: JointEncoder, aligned: JointStates) -> Float[Tensor, "b n"]:
    """The rollout from the first token, not from the mean."""
    maps = joint.attention_maps(aligned)
    flow = torch.eye(maps[0].shape[-1]).expand(len(maps[0]), -1, -1)
    for attention in maps:
        flow = (attention.mean(1) + torch.eye(attention.shape[-1])) / 2 @ flow
    assert torch.allclose(flow.mean(1), attention_rollout(maps), atol=1e-5)
    return flow[:, 0]


def _named(t: TransportConfig) -> str:
    return f"partial transport, sink {t.sink}, {t.steps} steps, {t.gather}"


def _transport(states: JointStates, chosen: Tensor, t: TransportConfig) -> Tensor:
    return evidence_heat(states, chosen, beta=t.beta, steps=t.steps, sink=t.sink, gather=t.gather)


def _cosine(states: JointStates, chosen: Tensor) -> Tensor:
    cosine = (1 - cosine_cost(states.image, states.text)).masked_fill(~chosen[:, None, :], -1.0)
    return unit_range(cosine.amax(2), states.image_mask)


def table(cases: Sequence[Case], heats: Sequence[dict[str, np.ndarray]]) -> dict[str, object]:
    """How often each method points at the evidence, by what the other cells hold and their number."""
    rows: dict[str, object] = {}
    for grid in (2, 3):
        picked = [k for k, case in enumerate(cases) if case.grid == grid]
        cells = np.array([cases[k].cell for k in picked])
        for name in heats[0]:
            p = pointing(np.stack([heats[k][name] for k in picked]), cells, grid)
            key = f"{cases[0].others}, {grid} × {grid}"
            rows[f"{key}: {name}"] = {
                "hits": p.hits.percent(),
                "share": p.share.percent(),
                "chance": round(100 * p.chance, 2),
            }
            print(f"| {key} | {name} | {p.hits.percent()} | {p.share.percent()} |", flush=True)
    return rows


def main() -> None:
    """Builds the collages and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument(
        "--model", type=Path, default=Path("src/crisislens/assets/rationales/crisis-rationales")
    )
    parser.add_argument("--out", type=Path, default=Path("runs/collage_pointing.json"))
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument(
        "--choose", action="store_true", help="training photos and tweets: for choosing the sink"
    )
    args = parser.parse_args()
    set_threads(1)
    photos = [r for r in chosen_photos(args.data) if r.held_out != args.choose]
    tweets = hazard_tweets(args.data, "train" if args.choose else "test")
    pair, rows = load_encoders(EncoderSpec()), {}
    methods = Methods(args.model)
    choices = CHOICES if args.choose else (methods.loaded.config.transport, BEFORE)
    for others in DISTRACTORS:
        cases = collages(
            photos, tweets, pair, args.data / "photos", args.count, seed=int(args.choose), others=others
        )
        rows |= table(cases, [methods.heat(case, choices) for case in cases])
    atomic_write(
        args.out,
        json.dumps({"collages": args.count, "choose": args.choose, "rows": rows}, indent=1),
    )


if __name__ == "__main__":
    main()
