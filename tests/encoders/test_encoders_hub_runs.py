"""Run files for checkpoints of the hub, on tiny random ones of the same kind: what they read is what
transformers' own forward gives, and the prefix has no place in the text.
"""

from pathlib import Path

import pytest
import torch

from crisislens.encoders.base import EncoderSpec, load_encoders, pad_ids
from crisislens.encoders.bert_family import LanguageText
from crisislens.training.config import RunConfig
from tiny_checkpoints import write_tiny_xlm

RUNS = Path(__file__).resolve().parents[2] / "configs" / "runs" / "hub"
# run file -> hub name, kind of checkpoint, prefix, pooling, mode
CASES = {
    "e5_small": ("intfloat/multilingual-e5-small", "bert", "query: ", "mean", "frozen"),
    "ct_xlmr_se": ("crisistransformers/CT-XLMR-SE", "xlm-roberta", "", "mean", "frozen"),
    "xlm_roberta": ("FacebookAI/xlm-roberta-base", "xlm-roberta", "", "cls", "finetune"),
}
TEXTS = ["flood in the old town", "ok", "in in in in in in in in in in in in in in in in in in in in in in"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {
        kind: write_tiny_xlm(tmp_path_factory.mktemp(kind), kind=kind) for kind in ("bert", "xlm-roberta")
    }


def loaded(name: str, tiny: dict[str, Path]) -> tuple[RunConfig, LanguageText]:
    checkpoint = tiny[CASES[name][1]]
    run = RunConfig.load(
        RUNS / f"{name}.yaml",
        [f"encoder.options.text.options.{k}" for k in (f"checkpoint={checkpoint}", "revision=null")],
    )
    text = load_encoders(run.encoder).text
    assert isinstance(text, LanguageText)
    return run, text


def test_every_hub_run_is_a_case_here() -> None:
    assert {path.stem for path in RUNS.glob("*.yaml")} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_a_run_file_names_its_checkpoint(name: str) -> None:
    checkpoint, _, prefix, pooled, mode = CASES[name]
    run = RunConfig.load(RUNS / f"{name}.yaml")
    options = run.encoder.options["text"]["options"]  # type: ignore[index, call-overload]
    found = (options["checkpoint"], options.get("prefix", ""), options["pooled"])  # type: ignore[index, union-attr, call-overload]
    assert found == (checkpoint, prefix, pooled)
    assert (run.name, run.mode, run.modalities) == (name, mode, ("text",))


@pytest.mark.parametrize("name", CASES)
@torch.no_grad()
def test_what_a_run_reads_is_what_transformers_gives(name: str, tiny: dict[str, Path]) -> None:
    from transformers import AutoModel, AutoTokenizer

    _, kind, prefix, pooled, _ = CASES[name]
    _, encoder = loaded(name, tiny)
    inputs = AutoTokenizer.from_pretrained(tiny[kind])(
        [prefix + t for t in TEXTS], padding=True, truncation=True, max_length=38, return_tensors="pt"
    )
    expected = AutoModel.from_pretrained(tiny[kind]).eval()(
        input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]
    )
    ids, mask = pad_ids(encoder.tokenize(TEXTS), encoder.pad_id)
    assert torch.equal(ids, inputs["input_ids"])
    states, z = encoder(ids, mask)
    torch.testing.assert_close(states[mask], expected.last_hidden_state[mask], atol=1e-5, rtol=0)
    for i in range(len(TEXTS)):
        own = expected.last_hidden_state[i][mask[i]]
        torch.testing.assert_close(z[i], own[0] if pooled == "cls" else own.mean(0), atol=1e-5, rtol=0)


def test_a_prefix_has_no_place_in_the_text_and_is_part_of_the_fingerprint(tiny: dict[str, Path]) -> None:
    _, encoder = loaded("e5_small", tiny)
    (tokens,) = encoder.tokenize(["flood 12"])
    spans = [span for span in tokens.offsets if span != (0, 0)]
    assert ["flood 12"[a:b].strip() for a, b in spans if "flood 12"[a:b].strip()] == ["flood", "1", "2"]
    assert spans[0][0] == 0
    assert encoder.tokenize([""])[0].offsets == ((0, 0),) * len(encoder.tokenize([""])[0].ids)
    options = {"checkpoint": str(tiny["bert"]), "pooled": "mean"}
    pair = {"text": {"name": "language", "options": options}, "image": {"name": "hashing"}}
    without = load_encoders(EncoderSpec(name="pair", options=pair)).text
    assert without.fingerprint() != encoder.fingerprint()
    assert len(without.tokenize(["flood"])[0].ids) < len(encoder.tokenize(["flood"])[0].ids)
