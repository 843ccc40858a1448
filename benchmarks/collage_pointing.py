"""Does heat find the evidence? A photo of a disaster in one cell of a collage:
`python benchmarks/collage_pointing.py DATA`.

The held-out photos of `scripts/train_rationales.py` are taken. Each collage gets a tweet of the
test rows of CrisisMMD that names the photo's hazard and no other; its rationale is the shipped
rationale model's. The other cells hold everyday photos. The sink of the transport is chosen on
collages of training photos (`--choose`).
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
from crisislens.models.rationale_artifact import load_rationalizer
from crisislens.models.rationale_transfer import evidence_heat
from crisislens.nn.device import set_threads
from crisislens.nn.joint import JointEncoder, JointStates
from crisislens.nn.transport import cosine_cost, unit_range

HAZARDS = ("flood", "fire", "storm", "earthquake")
SIDE_PX = 260
SINKS = (0.5, 0.7, 0.8, 0.9, 0.95)


@dataclass(frozen=True)
class Case:
    """One collage: cells along a side, the cell of the evidence, the tweet, its patches."""

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
) -> list[Case]:
    """Random collages of 2 × 2 and 3 × 3 photos."""
    draw = random.Random(seed)
    disasters = [r for r in photos if r.hazard in HAZARDS]
    everyday = [r for r in photos if r.kind != "disaster"]
    cases = []
    for _ in range(count):
        photo = draw.choice(disasters)
        text = draw.choice(tweets[photo.hazard])
        for grid in (2, 3):
            cell = draw.randrange(grid * grid)
            edges = [SIDE_PX * k // grid for k in range(grid + 1)]
            page = Image.new("RGB", (SIDE_PX, SIDE_PX))
            for c in range(grid * grid):
                record = photo if c == cell else draw.choice(everyday)
                y, x = divmod(c, grid)
                part = Image.fromarray(decode_image(root / record.file, ImageLimits()).pixels)
                page.paste(
                    part.resize((edges[x + 1] - edges[x], edges[y + 1] - edges[y]), Image.Resampling.BICUBIC),
                    (edges[x], edges[y]),
                )
            with torch.inference_mode():
                patches = pair.image(pair.image.preprocess(np.asarray(page))[None])[0][0]
            cases.append(Case(grid, cell, photo.hazard, text, patches))
    return cases


class Methods:
    """Heat of a case by every method of one joint encoder."""

    def __init__(self, folder: Path) -> None:
        self.loaded = load_rationalizer(folder)
        assert self.loaded.joint is not None
        self.joint: JointEncoder = self.loaded.joint
        self.cutter = WordCutter(self.loaded.text.encoder)

    def heat(self, case: Case, sinks: Sequence[float]) -> dict[str, np.ndarray]:
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
            found = {f"ours: transport, sink {s}": evidence_heat(aligned, chosen, sink=s) for s in sinks}
            found |= {
                f"mixed states, sink {sinks[-1]}": evidence_heat(mixed, chosen, sink=sinks[-1]),
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


def _cosine(states: JointStates, chosen: Tensor) -> Tensor:
    cosine = (1 - cosine_cost(states.image, states.text)).masked_fill(~chosen[:, None, :], -1.0)
    return unit_range(cosine.amax(2), states.image_mask)


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
    cases = collages(
        photos,
        tweets,
        load_encoders(EncoderSpec()),
        args.data / "photos",
        args.count,
        seed=int(args.choose),
    )
    methods = Methods(args.model)
    sinks = SINKS if args.choose else (methods.loaded.config.transport.sink,)
    heats = [methods.heat(case, sinks) for case in cases]
    rows = {}
    for grid in (2, 3):
        picked = [k for k, case in enumerate(cases) if case.grid == grid]
        cells = np.array([cases[k].cell for k in picked])
        for name in heats[0]:
            p = pointing(np.stack([heats[k][name] for k in picked]), cells, grid)
            rows[f"{grid}x{grid} {name}"] = {
                "hits": p.hits.percent(),
                "share": p.share.percent(),
                "chance": round(100 * p.chance, 2),
            }
            print(
                f"| {grid} × {grid} | {name} | {p.hits.percent()} | {p.share.percent()} |",
                flush=True,
            )
    atomic_write(
        args.out,
        json.dumps({"collages": len(cases) // 2, "choose": args.choose, "rows": rows}, indent=1),
    )


if __name__ == "__main__":
    main()
