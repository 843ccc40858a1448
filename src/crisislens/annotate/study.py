"""A blind comparison of two methods' evidence: a page for raters, a key that says which side was
whose, and the score of their answers.

Which method stands left is drawn for each post by itself; nothing on the page names a method. A
rater opens the page, chooses by key or click, and saves the answers as a file. The page is one file
without requests:
photos are fresh JPEGs, texts are escaped.
"""

import base64
import hashlib
import importlib.resources
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict

from crisislens.core.errors import DataError, ImageError, InputError
from crisislens.core.files import atomic_write
from crisislens.core.fingerprint import fingerprint
from crisislens.core.lines import cut_lines, first_line
from crisislens.data.images import ImageLimits, decode_image, resolve_image
from crisislens.domain.assessment import Assessment
from crisislens.domain.post import Post
from crisislens.domain.rationale import Rationale
from crisislens.evaluation.agreement import Preference, fleiss_kappa, preference

__all__ = ["StudyScore", "make_study", "read_explained", "score_study"]

_PHOTO_PX = 420
_SIDES = ("left", "right")


class Answers(BaseModel):
    """What a rater's file holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    study: str
    rater: str
    answers: dict[str, str]


@dataclass(frozen=True)
class StudyScore:
    """The result of a study.

    Attributes:
        first: Name of the first method.
        second: Name of the second.
        preference: How often the first was preferred.
        kappa: Fleiss' kappa over the items that all raters judged; None for a single rater.
        raters: Their names.
        items: Items with at least one answer.
    """

    first: str
    second: str
    preference: Preference
    kappa: float | None
    raters: tuple[str, ...]
    items: int


def read_explained(path: Path) -> dict[str, tuple[Post, Rationale]]:
    """The posts of an `assessments.jsonl` (or `explanations.jsonl`) that have a rationale with
    something to show.

    Raises:
        DataError: If the file is missing or a line is no record.
    """
    if not path.is_file():
        raise DataError(f"no assessments at {path}; make some with: crisislens analyze POSTS --explain")
    found = {}
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no UTF-8; give a file that crisislens wrote") from error
    for number, line in enumerate(cut_lines(text), 1):
        try:
            values = json.loads(line)
            # `explain` says so of a post that it could not explain, such as one with a missing photo
            if "failed" in values and "post" in values:
                continue
            if "tasks" in values:
                assessment = Assessment.model_validate(values)
                post, rationale = assessment.shown, assessment.rationale
            else:
                post, rationale = (
                    Post.model_validate(values["post"]),
                    Rationale.model_validate(values["rationale"]),
                )
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise DataError(
                f"{path}, line {number} is no assessment of this version: {first_line(error)}"
            ) from error
        if rationale is not None and (rationale.text or rationale.image):
            found[post.id] = (post, rationale)
    return found


def make_study(
    first: Mapping[str, tuple[Post, Rationale]],
    second: Mapping[str, tuple[Post, Rationale]],
    folder: Path,
    *,
    names: tuple[str, str] = ("first", "second"),
    items: int = 100,
    seed: int = 0,
    image_root: Path | None = None,
) -> Path:
    """Writes `study.html` and `key.json` into a folder and returns the page's path.

    Arguments:
        first: Posts and rationales of one method, by id.
        second: Of the other.
        folder: Where the files go.
        names: What the methods are called in the key and the score.
        items: How many posts are drawn, at most.
        seed: Of the draw and the sides.
        image_root: The folder of the photos; without one, only texts are shown.

    Raises:
        InputError: If no post is explained by both.
        DataError: If the folder holds the key of another study.
    """
    shared = sorted(set(first) & set(second))
    if not shared:
        raise InputError("no post is explained in both files; explain the same posts with two methods")
    # one generator for draw and sides, so that a seed gives the whole study again
    random = np.random.default_rng(seed)
    chosen = [shared[i] for i in random.permutation(len(shared))[:items]]
    swapped = random.random(len(chosen)) < 0.5
    shown, key = [], {}
    for k, (name, swap) in enumerate(zip(chosen, swapped, strict=True)):
        pair = (second[name], first[name]) if swap else (first[name], second[name])
        photo = _photo(pair[0][0], image_root)
        shown.append(
            {
                "item": str(k),
                "photo": photo,
                "sides": [_side(post, rationale, photo) for post, rationale in pair],
            }
        )
        key[str(k)] = {
            "post": name,
            "left": names[1] if swap else names[0],
            "right": names[0] if swap else names[1],
        }
    # also over what is shown: answers to another draw, or to other evidence of the same posts, must not be
    # scored with this key
    study = fingerprint({"key": key, "names": list(names), "shown": shown})
    _refuse_another(folder / "key.json", study)
    atomic_write(
        folder / "key.json",
        json.dumps({"study": study, "names": list(names), "key": key}, indent=1, ensure_ascii=False),
    )
    atomic_write(folder / "study.html", _page(study, shown))
    return folder / "study.html"


def _refuse_another(path: Path, study: str) -> None:
    """Without its key, what raters answered to the study that stands there could never be scored."""
    if not path.exists():
        return
    try:
        there = json.loads(path.read_text(encoding="utf-8"))["study"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        there = "which is not readable"
    if there != study:
        raise DataError(
            f"{path} is the key of another study ({there}), whose answers could not be scored without it; "
            "give another folder with --out, or delete this one"
        )


def _photo(post: Post, root: Path | None) -> str:
    if root is None or post.image is None:
        return ""
    try:
        picture = Image.fromarray(decode_image(resolve_image(post.image, root), ImageLimits()).pixels)
    except ImageError:
        return ""
    # a hundred photos at full size would be a page of hundreds of megabytes
    picture.thumbnail((_PHOTO_PX, _PHOTO_PX))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=80)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _side(post: Post, rationale: Rationale, photo: str) -> dict[str, Any]:
    pieces, at = [], 0
    for span in rationale.text:
        pieces += [(post.text[at : span.start], False), (post.text[span.start : span.end], True)]
        at = span.end
    pieces.append((post.text[at:], False))
    heat = rationale.image if photo else None
    cells = (
        [
            {"x": k % heat.columns, "y": k // heat.columns, "opacity": round(0.6 * h, 2)}
            for k, h in enumerate(heat.heat)
            if h > 0
        ]
        if heat
        else []
    )
    return {
        "pieces": [p for p in pieces if p[0]],
        "cells": cells,
        "rows": heat.rows if heat else 1,
        "columns": heat.columns if heat else 1,
    }


def _page(study: str, items: Sequence[Mapping[str, Any]]) -> str:
    from jinja2 import DictLoader, Environment
    from markupsafe import Markup

    def asset(name: str) -> str:
        return (importlib.resources.files("crisislens.annotate") / "templates" / name).read_text(
            encoding="utf-8"
        )

    style, script = asset("study.css"), asset("study.js")
    digests = [base64.b64encode(hashlib.sha256(x.encode()).digest()).decode() for x in (style, script)]
    policy = (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digests[0]}'; script-src "
        f"'sha256-{digests[1]}'; base-uri 'none'"
    )
    environment = Environment(autoescape=True, loader=DictLoader({"study.html": asset("study.html")}))
    page = environment.get_template("study.html")
    return page.render(study=study, items=items, style=Markup(style), script=Markup(script), policy=policy)


def score_study(folder: Path, files: Sequence[Path]) -> StudyScore:
    """Scores raters' files against the key.

    Raises:
        DataError: If the key or an answer file is missing, or is of another study.
        InputError: If there is no answer.
    """
    try:
        kept = json.loads((folder / "key.json").read_text(encoding="utf-8"))
        names, key = tuple(kept["names"]), kept["key"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            f"{folder} holds no readable key.json; give the folder that crisislens study make wrote"
        ) from error
    ratings: dict[str, dict[str, float]] = {}
    raters: list[str] = []
    for path in files:
        given = _answers(path, kept["study"])
        rater = _unlike(given.rater, raters)
        raters.append(rater)
        for item, side in given.answers.items():
            # a page that was changed by hand may answer what was never asked
            if item in key and side in (*_SIDES, "same"):
                won = 0.5 if side == "same" else float(key[item][side] == names[0])
                ratings.setdefault(item, {})[rater] = won
    kappa = _agreement(ratings, len(raters))
    return StudyScore(names[0], names[1], preference(ratings), kappa, tuple(raters), len(ratings))


def _unlike(rater: str, others: Sequence[str]) -> str:
    """A rater's name, or one with a number where it is empty or taken: two files are two raters,
    and one must not overwrite the other.
    """
    if rater and rater not in others:
        return rater
    number = len(others) + 1
    # what a number makes of one name may be the name that another rater gave
    while (name := f"{rater or 'rater'} {number}") in others:
        number += 1
    return name


def _agreement(ratings: Mapping[str, Mapping[str, float]], raters: int) -> float | None:
    """Fleiss' kappa over the items that everybody rated, which it needs; None where nothing can be
    said.
    """
    # in the columns: the first method won, the second did, neither
    whole = [[*given.values()] for given in ratings.values() if len(given) == raters]
    if raters < 2 or not whole:
        return None
    counts = [[given.count(value) for value in (1.0, 0.0, 0.5)] for given in whole]
    return fleiss_kappa(np.array(counts, dtype=int))


def _answers(path: Path, study: str) -> Answers:
    try:
        given = Answers.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} holds no answers of a study; give the files that raters saved") from error
    if given.study != study:
        raise DataError(
            f"{path} answers another study ({given.study}) than this one ({study}); give the "
            "folder that it belongs to"
        )
    return given
