"""From a finished run to the files that a person opens."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crisislens.core.registry import Registry
from crisislens.data.images import ImageLimits
from crisislens.data.tabular import read_posts
from crisislens.domain.assessment import Assessment
from crisislens.domain.post import ImageRef, Post
from crisislens.pipeline.analyst import Analyst
from crisislens.pipeline.batch import RunOutcome, read_assessments, run_analysis
from crisislens.report import situation
from crisislens.report.situation import THUMBNAIL_PX, output_sinks, thumbnailer, write_outputs
from crisislens.runs.sinks import SINKS, FileSink, Record, Sink
from made_up_crisis import crisis_in
from tiny_bundles import write_bundle


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    crisis = crisis_in(folder / "crisis")
    analyst = Analyst.load(write_bundle(folder / "bundle"), image_root=crisis.parent)
    outcome = run_analysis(read_posts(crisis), analyst, folder / "out")
    report = write_outputs(
        outcome,
        analyst,
        source_name="a <b>storm</b>.jsonl",
        formats=["csv", "parquet"],
        command="crisislens analyze x",
    )
    assert report == folder / "out" / "report.html"
    return folder / "out"


@pytest.mark.parametrize(
    ("ranked", "told"),
    [
        ((), "A post that no model reads stands at 0.30, the mean of posts of crises."),
        (("tr", "und"), "In Turkish or a language that nobody can tell it stands all the same"),
        (("tr",), "In Turkish it stands all the same where the models put it"),
    ],
)
def test_about_says_where_unread_posts_stand(tmp_path: Path, ranked: tuple[str, ...], told: str) -> None:
    bundle = write_bundle(tmp_path / "bundle", languages=("en",))
    config = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
    (bundle / "bundle.json").write_text(json.dumps({**config, "ranked_languages": ranked}), encoding="utf-8")
    crisis = crisis_in(tmp_path / "crisis")
    analyst = Analyst.load(bundle, image_root=crisis.parent)
    outcome = run_analysis(read_posts(crisis), analyst, tmp_path / "out")
    page = write_outputs(outcome, analyst, source_name="x").read_text(encoding="utf-8")
    assert told in page
    assert "stands at 0.30, the mean of posts of crises" in page
    assert ("no sure answer from its text" in page) == bool(ranked)


def test_the_report_names_what_made_it(run: Path) -> None:
    page = (run / "report.html").read_text(encoding="utf-8")
    one = next(iter(read_assessments(run)))
    for part in (
        one.provenance.model_fingerprint,
        one.provenance.encoder_fingerprint,
        one.provenance.analyzed_at[:10],
        "crisislens analyze x",
    ):
        assert part in page
    assert "<b>storm</b>" not in page, "the name of a file is text, not markup"
    assert "data:image/jpeg;base64," in page, "photos are part of the file"
    assert not [
        word
        for word in ("http://", "https://")
        if f'src="{word}' in page or f'href="{word}' in page.split("<main")[0]
    ]


def test_the_tables_hold_every_post(run: Path) -> None:
    ids = [a.post.id for a in read_assessments(run)]
    with (run / "assessments.csv").open(encoding="utf-8-sig", newline="") as stream:
        assert [row["id"].removeprefix("'") for row in csv.DictReader(stream)] == ids
    import pyarrow.parquet

    assert pyarrow.parquet.read_table(run / "assessments.parquet").num_rows == len(ids)


def test_a_thumbnail_is_a_small_jpeg_made_anew_or_nothing(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (900, 1200, 3), np.uint8)
    photo = Image.fromarray(pixels)
    photo.save(tmp_path / "big.png", pnginfo=None)
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing")
    make = thumbnailer(tmp_path, ImageLimits())
    data = make(Post(id="1", text="", image=ImageRef(path="big.png")))
    assert data is not None
    with Image.open(io.BytesIO(data)) as small:
        assert (small.format, max(small.size)) == ("JPEG", THUMBNAIL_PX)
    assert make(Post(id="2", text="", image=ImageRef(path="broken.jpg"))) is None
    assert make(Post(id="3", text="", image=ImageRef(path="../../etc/passwd"))) is None
    assert make(Post(id="4", text="no photo")) is None
    assert thumbnailer(None, ImageLimits())(Post(id="5", text="", image=ImageRef(path="big.png"))) is None


class Ids(FileSink[Assessment]):
    """A format that a package adds: the ids, and nothing where one is strange."""

    def add(self, record: Record[Assessment]) -> None:
        if record.value.post.id.endswith("7"):
            raise ValueError("an id that this format cannot hold")
        self.write(record.value.post.id + "\n")


def test_a_sink_that_is_registered_is_filled_in_the_same_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known: Registry[object] = Registry("sink")
    for name, entry in {**SINKS, "ids": Ids}.items():
        known.register(name)(entry)
    monkeypatch.setattr(situation, "SINKS", known)
    crisis = crisis_in(tmp_path / "crisis")
    analyst = Analyst.load(write_bundle(tmp_path / "bundle"), image_root=crisis.parent)
    formats = ["ids", "csv", "geojson"]

    def outputs(outcome: RunOutcome) -> list[Sink[Assessment]]:
        return output_sinks(outcome, analyst, source_name="a", formats=formats)

    outcome = run_analysis(read_posts(crisis), analyst, tmp_path / "out", outputs=outputs)
    ids = [a.post.id for a in read_assessments(tmp_path / "out")]
    held = [name for name in ids if not name.endswith("7")]
    assert (tmp_path / "out" / "assessments.ids").read_text().split("\n")[:-1] == held
    assert outcome.lost == {"assessments.ids": len(ids) - len(held)}
    assert 0 < len(held) < len(ids)

    files = ("report.html", "assessments.csv", "assessments.geojson", "assessments.ids")
    made = {name: (tmp_path / "out" / name).read_bytes() for name in files}
    assert b"assessments.ids" in made["report.html"]
    # made again from what the run left, the files are the same; what is not asked for again goes
    write_outputs(outcome, analyst, source_name="a", formats=formats)
    assert {name: (tmp_path / "out" / name).read_bytes() for name in files} == made
    write_outputs(outcome, analyst, source_name="a")
    assert not (tmp_path / "out" / "assessments.ids").exists()
