"""Our BERT is transformers' BERT, to the last bit: weights and documented numbers stay what they were."""

import subprocess
import sys

import pytest
import torch

from crisislens.encoders.bert import Bert, BertShape, load_bert

SHAPE = BertShape(
    vocab_size=40,
    hidden_size=24,
    num_hidden_layers=3,
    num_attention_heads=4,
    intermediate_size=48,
    max_position_embeddings=16,
    layer_norm_eps=1e-6,
)


@pytest.fixture(scope="module")
def theirs() -> torch.nn.Module:
    """transformers' model with drawn weights."""
    from transformers import BertConfig, BertModel

    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=40,
        hidden_size=24,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=48,
        hidden_act="gelu",
        max_position_embeddings=16,
        layer_norm_eps=1e-6,
        attn_implementation="sdpa",
    )
    model = BertModel(config, add_pooling_layer=False)
    with torch.no_grad():
        # also the biases and normalizations, which begin as zeros and ones
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model.eval()


@pytest.fixture
def ours(theirs: torch.nn.Module) -> Bert:
    return load_bert(SHAPE, theirs.state_dict()).eval()


def batch(lengths: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Pieces and which of them are real."""
    generator = torch.Generator().manual_seed(sum(lengths))
    ids = torch.randint(0, 40, (len(lengths), max(lengths)), generator=generator)
    mask = torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]
    return ids, mask


@pytest.mark.parametrize("lengths", [[5], [16, 16], [3, 9, 1], [1]])
def test_states_are_equal_bit_for_bit(lengths: list[int], theirs: torch.nn.Module, ours: Bert) -> None:
    ids, mask = batch(lengths)
    wanted = theirs(input_ids=ids, attention_mask=mask).last_hidden_state
    assert torch.equal(ours(input_ids=ids, attention_mask=mask).last_hidden_state[mask], wanted[mask])
    # from vectors, and with the mask as numbers
    embedded = ours.get_input_embeddings()(ids)
    again = ours(inputs_embeds=embedded, attention_mask=mask.long()).last_hidden_state
    assert torch.equal(again[mask], wanted[mask])


def test_attention_is_equal_bit_for_bit(theirs: torch.nn.Module, ours: Bert) -> None:
    ids, mask = batch([4, 7])
    theirs.set_attn_implementation("eager")
    try:
        wanted = theirs(input_ids=ids, attention_mask=mask, output_attentions=True)
    finally:
        theirs.set_attn_implementation("sdpa")
    with ours.listening() as maps:
        states = ours(input_ids=ids, attention_mask=mask).last_hidden_state
    assert len(maps) == 3
    for found, theirs_map in zip(maps, wanted.attentions, strict=True):
        assert torch.equal(found, theirs_map)
    torch.testing.assert_close(states[mask], wanted.last_hidden_state[mask])
    ours(input_ids=ids, attention_mask=mask)
    assert len(maps) == 3, "nobody listens any more"


def test_gradients_are_those_of_theirs(theirs: torch.nn.Module, ours: Bert) -> None:
    ids, mask = batch([5, 8])
    for model in (theirs, ours):
        model.zero_grad()
        model(input_ids=ids, attention_mask=mask).last_hidden_state[mask].square().sum().backward()
    wanted = {name: p.grad for name, p in theirs.named_parameters() if p.grad is not None}
    found = {name: p.grad for name, p in ours.named_parameters() if p.grad is not None}
    assert found.keys() == wanted.keys()
    for name, gradient in wanted.items():
        torch.testing.assert_close(found[name], gradient, msg=name)


def test_dropout_acts_while_training_only(ours: Bert) -> None:
    ids, _ = batch([6])
    assert torch.equal(ours(input_ids=ids).last_hidden_state, ours(input_ids=ids).last_hidden_state)
    ours.train()
    assert not torch.equal(ours(input_ids=ids).last_hidden_state, ours(input_ids=ids).last_hidden_state)


def test_pieces_or_vectors(ours: Bert) -> None:
    ids, _ = batch([3])
    with pytest.raises(ValueError, match="one of them"):
        ours()
    with pytest.raises(ValueError, match="one of them"):
        ours(input_ids=ids, inputs_embeds=ours.get_input_embeddings()(ids))


def test_weights_that_do_not_fit_are_refused(theirs: torch.nn.Module) -> None:
    state = dict(theirs.state_dict())
    del state["encoder.layer.0.output.dense.bias"]
    with pytest.raises(RuntimeError, match=r"encoder\.layer\.0\.output\.dense\.bias"):
        load_bert(SHAPE, state)


def test_the_default_starts_without_the_libraries_that_cost_seconds() -> None:
    script = (
        "import sys\n"
        "from crisislens.pipeline.analyst import Analyst\n"
        "Analyst.default()\n"
        "dear = 'transformers', 'torch._dynamo', 'sympy', 'matplotlib', 'pandas'\n"
        "print([name for name in dear if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
