"""Entities and relations, system by system:
`python benchmarks/extraction.py DATA --out results [--data-sets … --systems …]`.

DATA is the folder that holds `mner` and `mnre`, see docs/benchmarks-extraction.md. Resumable: what
is measured is read, what was killed goes on from its last epoch.
"""

import argparse
from itertools import combinations
from pathlib import Path

from crisislens.data.contexts import context_of
from crisislens.encoders.language import load_language
from crisislens.evaluation.significance import mean_interval
from crisislens.features.words import WordReader
from crisislens.nn.device import set_threads
from crisislens.training.extraction.evaluate import retrieval_chance
from crisislens.training.extraction.fit import ExtractionEpoch
from crisislens.training.extraction.mie import compare_systems, run_mie
from crisislens.training.extraction.splits import load_splits
from crisislens.training.extraction.systems import PUBLISHED


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data-sets", nargs="+", default=["twitter2017"])
    parser.add_argument("--systems", nargs="+", default=["text", "context", "info_nce", "shap_ca"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--encoder", default="minilm")
    parser.add_argument("--long", action="store_true", help="long contexts where they exist")
    parser.add_argument("--epochs", type=int, default=None)
    parser.add_argument("--train-posts", type=int, default=None)
    parser.add_argument("--batch-posts", type=int, default=None)
    parser.add_argument("--threads", type=int, default=None)
    args = parser.parse_args()
    set_threads(args.threads)

    def report(name: str, epoch: ExtractionEpoch) -> None:
        print(name, epoch.model_dump_json(), flush=True)

    rows = run_mie(
        args.data,
        args.out,
        data_sets=args.data_sets,
        systems=args.systems,
        seeds=args.seeds,
        encoder=args.encoder,
        long_contexts=args.long,
        epochs=args.epochs,
        train_posts=args.train_posts,
        batch_posts=args.batch_posts,
        report=report,
    )
    for row in rows:
        found = [r.retrieval for r in row.results]
        ranks = {}
        for name in found[0]:
            # a mean over fewer seeds would stand beside those over all
            if all(name in x for x in found):
                ranks[name] = mean_interval([x[name] for x in found]).percent()
        scores = [r.test.micro for r in row.results]
        precision = 100 * sum(s.precision for s in scores) / len(scores)
        recall = 100 * sum(s.recall for s in scores) / len(scores)
        print(
            row.data,
            row.system,
            f"F1 {row.f1}, precision {precision:.1f}, recall {recall:.1f}",
            ranks,
        )
    for a, b in combinations(rows, 2):
        if a.data == b.data and (d := compare_systems(b.results, a.results)):
            interval = f"[{100 * d.low:+.2f}, {100 * d.high:+.2f}]"
            print(
                f"{a.data}: {b.system} against {a.system} {100 * d.difference:+.2f} {interval} "
                f"p={d.p_value:.3f}"
            )
    for row in {row.data: row for row in rows if row.system != "text"}.values():
        splits = load_splits(row.results[0].run.data)
        spec = row.results[0].run.extractor
        reader = WordReader(load_language(spec.encoder), context_pieces=spec.context_pieces)
        # those that begin alike are one context, as `retrieval` has it
        contexts = [
            reader.read(["-"], context=c).context_ids
            for post in splits.test
            if (c := context_of(splits.contexts, post.image))
        ]
        chance = {name: f"{100 * p:.1f}" for name, p in retrieval_chance(contexts).items()}
        print(f"{row.data}: {len(contexts)} test posts with a context, by chance {chance}")
    for data in {row.data for row in rows} & set(PUBLISHED):
        print(f"published, {data}: {PUBLISHED[data]}")


if __name__ == "__main__":
    main()
