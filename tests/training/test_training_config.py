"""Run files: every one that ships is valid, includes compose, and what does not fit is one sentence."""

from pathlib import Path
from typing import Any

import pytest
from training_cases import small_run, small_values

from crisislens.core.errors import ConfigError, NotRegisteredError
from crisislens.models.base import MODELS
from crisislens.nn.widths import FeatureWidths
from crisislens.training.config import RunConfig

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
RUNS = sorted((CONFIGS / "runs").glob("*.yaml"))
COMPACT = FeatureWidths(text=384, text_pooled=384, image=1280, image_pooled=1280)


def test_there_is_a_run_of_every_setting_and_model() -> None:
    names = {p.stem for p in RUNS}
    models = (
        "text_finetune",
        "concat",
        "guided",
        "guided_differential",
        "guided_published",
        "guided_differential_published",
    )
    assert names >= {f"{s}_{m}" for s in ("a1", "a2", "a3", "b2") for m in models}
    assert names >= {
        f"{s}_{m}_paper"
        for s in ("a1", "a2", "a3", "b2")
        for m in ("concat", "guided", "guided_differential")
    }


@pytest.mark.parametrize("path", RUNS, ids=lambda p: p.stem)
def test_every_run_file_is_valid(path: Path) -> None:
    run = RunConfig.load(path)
    assert run.name == path.stem
    assert run.data.setting == path.stem[:2].upper()
    assert run.model.name in MODELS
    assert run.model.build(COMPACT, 3) is not None
    assert all(p.source for p in run.published)
    assert len(run.seeds) >= 3
    if path.stem.endswith("_paper") or run.as_published:
        o = run.optimizer
        assert (o.name, o.learning_rate, o.momentum, o.weight_decay, o.gradient_clip) == (
            "sgd",
            1e-3,
            0,
            0,
            None,
        )
        assert (run.batch_posts, run.epochs, run.stopping.monitor, run.stopping.patience) == (
            32,
            50,
            "loss",
            5,
        )
        assert (run.loss.balance, run.loss.smoothing) == ("none", 0)


@pytest.mark.parametrize("setting", ["a1", "a2", "a3", "b2"])
def test_published_numbers_come_from_the_setting_alone(setting: str) -> None:
    """All runs of a setting stand beside the same numbers."""
    tables = [RunConfig.load(p).published for p in RUNS if p.stem.startswith(setting)]
    assert tables[0]
    assert all(table == tables[0] for table in tables)


def test_own_keys_win_over_includes_and_overrides_over_all(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "a.yaml").write_text(
        "epochs: 3\nbatch_posts: 7\noptimizer: {name: sgd, momentum: 0.5}\n"
    )
    (tmp_path / "parts" / "b.yaml").write_text("include: [a.yaml]\nbatch_posts: 8\n")
    (tmp_path / "run.yaml").write_text(
        "include: [parts/b.yaml]\nname: x\ndata: {root: d, setting: A1}\nmodel: {name: concat}\noptimizer: "
        "{name: adamw}\n"
    )
    run = RunConfig.load(tmp_path / "run.yaml", ["optimizer.learning_rate=0.5"])
    assert (run.epochs, run.batch_posts) == (3, 8)
    assert (run.optimizer.name, run.optimizer.momentum, run.optimizer.learning_rate) == ("adamw", 0.5, 0.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("include: [run.yaml]\n", "included more than 5 files deep"),
        ("include: [gone.yaml]\n", r"no run file at .*gone\.yaml"),
        ("- 1\n", "must hold keys and values"),
        ("name: [\n", "cannot be read as YAML"),
        (
            "name: x\nepoch: 3\ndata: {root: d, setting: A1}\nmodel: {name: concat}\n",
            "epoch: Extra inputs are not permitted",
        ),
        (
            "name: x\ndata: {root: d, setting: Z9}\nmodel: {name: concat}\n",
            "data.setting: Input should be 'A1', 'A2', 'A3' or 'B2'",
        ),
    ],
)
def test_a_file_that_does_not_work_out_is_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "run.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        RunConfig.load(tmp_path / "run.yaml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"model": {"name": "guided_published"}},
            "reproduces published code, quirks included; say as_published: true",
        ),
        ({"as_published": True}, "as_published is true, but model 'concat' is our own form"),
        ({"lora": {"rank": 4}}, "mode 'frozen' does not; set mode: finetune"),
        ({"mode": "finetune", "modalities": ["image"]}, "make tune a part of them"),
        (
            {"mode": "finetune", "encoder": {"name": "compact", "options": {"adapter": "x"}}},
            "starts from the plain encoder",
        ),
        ({"seeds": [1, 1]}, "seeds must differ"),
        ({"seeds": [-1]}, "seeds.0: Input should be greater than or equal to 0"),
        ({"seeds": [2**32]}, "seeds.0: Input should be less than or equal to 4294967295"),
        ({"seeds": []}, "seeds: Tuple should have at least 1 item"),
        ({"name": "../up"}, "name: String should match pattern"),
        ({"optimizer": {"learning_rate": 0}}, "optimizer.learning_rate: Input should be greater than 0"),
        ({"stopping": {"monitor": "recall"}}, "stopping.monitor: Input should be 'loss'"),
        ({"loggers": ["csv", "csv"]}, "loggers name one twice; name each once"),
        ({"loggers": ["comet"]}, "loggers.0: Input should be 'csv', 'tensorboard', 'wandb' or 'mlflow'"),
        ({"devices": 0}, "devices: Input should be greater than or equal to 1"),
        ({"accumulate": 0}, "accumulate: Input should be greater than or equal to 1"),
        ({"modality_dropout": 1.5}, "modality_dropout: Input should be less than or equal to 1"),
    ],
)
def test_what_does_not_fit_together_is_one_sentence(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        small_run(tmp_path, **changes)
    assert "\n" not in str(caught.value)


def test_an_unknown_model_is_named_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(NotRegisteredError, match="did you mean 'concat'"):
        small_run(tmp_path, model={"name": "concatt"}).model.build(COMPACT, 2)


def test_fingerprint_is_of_what_decides_a_result() -> None:
    here, there = (
        small_run(Path("here")),
        small_run(Path("there"), seeds=[5], published=[{"system": "s", "source": "t"}]),
    )
    assert here.fingerprint() == there.fingerprint()
    assert here.fingerprint() != small_run(Path("here"), epochs=5).fingerprint()
    assert (
        here.fingerprint()
        != small_run(Path("here"), data={**small_values(Path("here"))["data"], "setting": "B2"}).fingerprint()
    )


def test_run_files_of_before_keep_their_fingerprint() -> None:
    """The value from before `devices`, `accumulate`, `compile`, `loggers` and `modality_dropout`."""
    run = small_run(Path("here"))
    assert run.fingerprint() == "79991fcb2c953893"
    # only of CrisisMMD the variant decides which rows are read
    data = small_values(Path("here"))["data"]
    for source, different in (("synthetic", 1), ("table", 1), ("crisismmd", 2)):
        runs = [
            small_run(Path("here"), data={**data, "source": source, "variant": variant})
            for variant in ("settingA", "agreed")
        ]
        assert len({run.fingerprint() for run in runs}) == different
    # where the numbers go decides nothing
    assert small_run(Path("here"), loggers=["csv"]).fingerprint() == run.fingerprint()
    for changes in ({"devices": 2}, {"accumulate": 2}, {"compile": True}, {"modality_dropout": 0.1}):
        assert small_run(Path("here"), **changes).fingerprint() != run.fingerprint()


def test_every_key_is_documented() -> None:
    schema = RunConfig.model_json_schema()
    blocks = [schema, *(b for name, b in schema["$defs"].items() if name != "JsonValue")]
    silent = [
        k
        for b in blocks
        for k, v in b.get("properties", {}).items()
        if not v.get("description") and "$ref" not in v
    ]
    assert silent == []


def test_the_users_folders_are_put_in_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, table2 = CONFIGS / "runs" / "a1_concat.yaml", CONFIGS / "runs" / "table2" / "electra_wiki.yaml"
    for name in ("CRISISLENS_DATA", "CRISISLENS_KNOWLEDGE"):
        monkeypatch.delenv(name, raising=False)
    assert RunConfig.load(run).data.root == Path("data/crisismmd")
    monkeypatch.setenv("CRISISLENS_DATA", "/mine")
    monkeypatch.setenv("CRISISLENS_KNOWLEDGE", "texts")
    assert RunConfig.load(run).data.root == Path("/mine/crisismmd")
    found = RunConfig.load(table2)
    assert found.knowledge is not None
    assert Path(found.knowledge.table) == Path("texts/wiki.jsonl")
    # what is given with the command is meant as it stands, and other folders are nobody's business
    assert RunConfig.load(run, ["data.root=data/x"]).data.root == Path("data/x")
    (tmp_path / "run.yaml").write_text(
        "name: x\ndata: {root: database/x, setting: A1}\nmodel: {name: concat}\n"
    )
    assert RunConfig.load(tmp_path / "run.yaml").data.root == Path("database/x")
