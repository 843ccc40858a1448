"""Injection into posts: `python benchmarks/injection.py CRISISMMD [--posts 200] [--seed 0]`.

Pairs of additions (`injection_suite`), each malicious and benign, go into test rows of B2 and A1 (text and
caption; drawn at random, without photo) and onto the photos of test rows of A1 and A3 (those that are there).
Two things are measured: whether every prompt of the captioner keeps its structure, and how far the decisions
of the shipped bundle move, malicious minus benign. No vision-language model is run. Prints JSON lines; the
photos go into a temporary folder.
"""

import argparse
import json
import random
import tempfile
from pathlib import Path

import numpy as np
from injection_suite import CONDITIONS, Condition, TaskProbabilities, measure, violations, write_on
from PIL import Image

from crisislens.captioning.prompts import packaged_prompts
from crisislens.core.errors import ImageError
from crisislens.data.crisismmd import CrisisMMD
from crisislens.data.images import decode_image, resolve_image
from crisislens.domain.post import ImageRef, Post
from crisislens.nn.device import set_threads
from crisislens.pipeline.analyst import DEFAULT_BUNDLE, Analyst


def main() -> None:
    """Prints a line on the prompts and one for each condition and task."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="folder of CrisisMMD with agreed/ and settingA/")
    parser.add_argument("--posts", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--model", default=DEFAULT_BUNDLE, help="a bundle's name or folder")
    arguments = parser.parse_args()
    set_threads(arguments.threads)
    texts, photos = text_posts(arguments.data, arguments.posts, arguments.seed), photo_posts(arguments.data)
    print(
        json.dumps({"posts with text": len(texts), "posts with photo": len(photos), **on_prompts(texts)}),
        flush=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        found, clusters = on_decisions(texts, photos, arguments.data, Path(folder), arguments.model)
    for shift in measure(found, clusters, seed=arguments.seed):
        print(shift.model_dump_json(), flush=True)


def text_posts(data: Path, count: int, seed: int) -> list[Post]:
    """Half from B2, half from A1, each tweet once, without their photos: only few of them are to be had."""
    chosen: dict[str, Post] = {}
    for setting, size in (("B2", count // 2), ("A1", count)):
        rows = CrisisMMD(data, setting=setting, variant="agreed").load("test")
        random.Random(seed).shuffle(rows)
        for row in rows:
            if len(chosen) < size:
                chosen.setdefault(row.post.id.split("_")[0], row.post.model_copy(update={"image": None}))
    return list(chosen.values())


def photo_posts(data: Path) -> list[Post]:
    """Test rows of A3 and A1 whose photo is there, with their text."""
    chosen: dict[str, Post] = {}
    for setting in ("A3", "A1"):
        for row in CrisisMMD(data, setting=setting).load("test"):
            try:
                resolve_image(row.post.image or ImageRef(path=""), data)
            except ImageError:
                continue
            chosen.setdefault(row.post.id, row.post)
    return list(chosen.values())


def on_prompts(posts: list[Post]) -> dict[str, object]:
    """How many prompts were rendered and which did not keep their structure."""
    broken, count = [], 0
    for condition in CONDITIONS:
        for name, prompt in packaged_prompts().items():
            for post in posts:
                for tweet in (condition.applied(post.text, malicious=True), condition.malicious):
                    count += 1
                    if found := violations(prompt, tweet):
                        broken.append(
                            {
                                "condition": condition.name,
                                "prompt": name,
                                "post": post.id,
                                "violations": found,
                            }
                        )
    return {"prompts rendered": count, "broken": len(broken), "first": broken[:5]}


def on_decisions(
    texts: list[Post], photos: list[Post], data: Path, folder: Path, model: str
) -> tuple[dict[str, tuple[TaskProbabilities, TaskProbabilities, TaskProbabilities]], dict[str, np.ndarray]]:
    """What a bundle says of all versions of all posts, and their tweets."""
    # the tasks' answers alone: no annotator changes them
    reader, viewer = Analyst.load(model), Analyst.load(model, image_root=data)
    base = answers(reader, texts)
    found, clusters = {}, {}
    for c in CONDITIONS:
        if c.channel == "photo":
            continue
        versions = [
            [p.model_copy(update={"text": c.applied(p.text, malicious=m)}) for p in texts]
            for m in (True, False)
        ]
        found[c.name] = (base, answers(reader, versions[0]), answers(reader, versions[1]))
        clusters[c.name] = np.array([p.id.split("_")[0] for p in texts])
    drawer = Analyst.load(model, image_root=folder)
    for c in (c for c in CONDITIONS if c.channel == "photo"):
        for name, text in (("with its text", True), ("photo alone", False)):
            kept = photos if text else [p.model_copy(update={"text": ""}) for p in photos]
            versions = [[drawn(c, p, data, folder, malicious=m) for p in kept] for m in (True, False)]
            key = f"{c.name}, {name}"
            found[key] = (answers(viewer, kept), answers(drawer, versions[0]), answers(drawer, versions[1]))
            clusters[key] = np.array([p.id.split("_")[0] for p in photos])
    return found, clusters


def drawn(condition: Condition, post: Post, data: Path, folder: Path, *, malicious: bool) -> Post:
    """The post with its photo written on."""
    pixels = decode_image(resolve_image(post.image or ImageRef(path=""), data)).pixels
    name = f"{post.id}-{malicious}.png"
    Image.fromarray(write_on(pixels, condition.malicious if malicious else condition.benign)).save(
        folder / name
    )
    return post.model_copy(update={"image": ImageRef(path=name)})


def answers(analyst: Analyst, posts: list[Post]) -> TaskProbabilities:
    """From task to class to probability, a post each."""
    return [{name: task.probabilities for name, task in a.tasks.items()} for a in analyst.assess(posts)]


if __name__ == "__main__":
    main()
