"""Trains the extractors that the package ships:
`python scripts/train_extractors.py DATA --out OUT [--install]`.

DATA is the folder that holds `mner` and `mnre`. Entities: Twitter-2015 and Twitter-2017 together;
relations:
MNRE v2; both over MiniLM with a low-rank adapter, words cut as the product cuts them, text only.
Resumable. The least probability that the product accepts is the one with the best F1 on development
posts. `--install` writes the two artifacts into the package, with what was measured in their cards.
"""

import argparse
import json
from pathlib import Path
from typing import Literal

import crisislens
from crisislens.models.artifact import Card
from crisislens.models.extraction import ExtractorSpec
from crisislens.models.extractor_artifact import ExtractorMeta, load_extractor, save_extractor
from crisislens.nn.device import set_threads
from crisislens.training.extraction.acceptance import best_thresholds, in_words, report_above
from crisislens.training.extraction.checks import AUTO, with_labels_of
from crisislens.training.extraction.config import ExtractionData, ExtractionRecipe, ExtractionRun
from crisislens.training.extraction.data import encode_posts
from crisislens.training.extraction.evaluate import predict_examples
from crisislens.training.extraction.fit import ExtractionEpoch, fit_extractor, word_reader
from crisislens.training.extraction.splits import load_splits

_ITEMS: dict[str, Literal["entities", "relations"]] = {
    "entities-compact": "entities",
    "relations-compact": "relations",
}
# of the others most are wrong on crisis posts: benchmarks/relation_sample.py
_TELLS = {"entities-compact": (), "relations-compact": ("/loc/loc/contain",)}
# a model of places says so of any two; the product asks the gazetteer too
_GAZETTEER = {"entities-compact": (), "relations-compact": ("/loc/loc/contain",)}
_TWITTER_2015_TEST, _SAMPLE = 3257, 723


def runs(data: Path) -> dict[str, ExtractionRun]:
    """The two runs."""
    return {
        "entities-compact": ExtractionRun(
            name="entities-compact",
            data=ExtractionData(name="twitter-both", root=str(data / "mner"), cut_anew=True),
            extractor=ExtractorSpec(task="entities", adapter_rank=32, adapter_dropout=0.05),
            recipe=ExtractionRecipe(epochs=5, batch_posts=32, learning_rate=1.5e-3),
            device="cpu",
        ),
        "relations-compact": ExtractionRun(
            name="relations-compact",
            data=ExtractionData(name="mnre-v2", root=str(data / "mnre"), cut_anew=True),
            extractor=ExtractorSpec(task="relations", relations=AUTO, adapter_rank=16, adapter_dropout=0.05),
            recipe=ExtractionRecipe(epochs=3, batch_posts=32, learning_rate=1e-3, head_learning_rate=1e-3),
            device="cpu",
        ),
    }


def train(name: str, run: ExtractionRun, out: Path) -> Path:
    splits = load_splits(run.data)
    run = with_labels_of(run, splits)

    def report(epoch: ExtractionEpoch) -> None:
        print(name, epoch.model_dump_json(), flush=True)

    folder, items = out / name, _ITEMS[name]
    if not (folder / "config.json").is_file():
        extractor, _ = fit_extractor(run, splits, seed=0, checkpoint=out / f"{name}.ckpt", after_epoch=report)
        reader = word_reader(extractor)
        dev, test = (encode_posts(splits.part(split), extractor, reader, {}) for split in ("dev", "test"))
        on_dev, on_test = (
            predict_examples(extractor, examples, with_scores=True) for examples in (dev, test)
        )
        above = best_thresholds(items, dev, on_dev)[0]
        what_rows = "posts" if name == "entities-compact" else "pairs"
        parts = {"MNRE v2 test": slice(None)}
        if name == "entities-compact":
            parts = {
                "Twitter-2015 test": slice(_TWITTER_2015_TEST),
                "Twitter-2017 test": slice(_TWITTER_2015_TEST, None),
            }
        numbers = [
            in_words(
                report_above(test[rows], on_test[rows], items, above),
                f"{what}, {len(test[rows])} {what_rows}",
            )
            for what, rows in parts.items()
        ]
        print(*numbers, sep="\n", flush=True)
        meta = ExtractorMeta(
            name=name,
            accept_above=above,
            tells=_TELLS[name],
            gazetteer=_GAZETTEER[name],
            languages=("en",),
            card=card(name, numbers),
        )
        save_extractor(folder, extractor, meta, dtype="float16")
    # half precision and the merged adapter must not cost anything
    loaded = load_extractor(folder)
    sample = encode_posts(splits.test[-_SAMPLE:], loaded.extractor, word_reader(loaded.extractor), {})
    said = predict_examples(loaded.extractor, sample, with_scores=True)
    print(
        name,
        in_words(
            report_above(sample, said, items, loaded.meta.accept_above),
            f"as shipped, last {_SAMPLE} of the test split",
        ),
        flush=True,
    )
    return folder


def card(name: str, numbers: list[str]) -> Card:
    entities = name == "entities-compact"
    return Card(
        summary=(
            "Finds people, places, organizations and other named things in the text of posts."
            if entities
            else "Says how two entities of a post relate, by 22 relations or none."
        ),
        intended_use=(
            "To show who, what and where a post names, for a person to check; it does not identify anybody.",
        ),
        data=(
            "Twitter-2015 (Zhang et al. 2018) and Twitter-2017 (Lu et al. 2018), splits of UMT: "
            "7,373 posts; the providers' terms, research"
            if entities
            else "MNRE v2 (Zheng et al. 2021): 12,247 pairs; no license stated, research",
            "all-MiniLM-L6-v2 underneath (Apache-2.0)",
        ),
        numbers=(
            *numbers,
            "one training; words cut as the product cuts them, so not comparable with scores on "
            "the published cut",
        ),
        limits=(
            "Trained on everyday English tweets of 2014 to 2018; never measured on other languages "
            "or other platforms",
            *(["Never measured on crisis posts, where it often takes storms for people"] if entities else []),
            "It reads the text alone: neither the picture nor a caption of it",
            *(
                []
                if entities
                else [
                    "Of relations found in crisis tweets, 20 of a kind drawn and judged by its "
                    "maker, a place that contains another was "
                    "right every time with the gazetteer's consent; the seven other frequent kinds "
                    "1 to 14 times: not told by default",
                ]
            ),
        ),
    )


def install(folder: Path) -> None:
    target = Path(crisislens.__file__).parent / "assets" / "extractors" / folder.name
    target.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    print(json.dumps({p.name: p.stat().st_size for p in sorted(target.iterdir())}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", choices=("entities-compact", "relations-compact"))
    parser.add_argument("--install", action="store_true")
    parser.add_argument("--threads", type=int, default=None)
    args = parser.parse_args()
    set_threads(args.threads)
    for name, run in runs(args.data).items():
        if args.only in (None, name):
            folder = train(name, run, args.out)
            if args.install:
                install(folder)


if __name__ == "__main__":
    main()
