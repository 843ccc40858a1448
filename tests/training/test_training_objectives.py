"""What is minimized, against formulas written out; and which modalities are hidden."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from crisislens.nn.batch import FeatureBatch, ModalityBatch
from crisislens.nn.losses import class_weights
from crisislens.training.inputs import Batch, GraphBatch, TokenBatch, hide_modalities
from crisislens.training.objectives import (
    HiddenModalities,
    LabelLoss,
    SeveralLabelsLoss,
    TextTasksLoss,
    WeightedPostsLoss,
    positive_weights,
)

LOGITS = torch.tensor([[1.0, -2.0, 0.5], [0.0, 3.0, -1.0]])


class Says(nn.Module):
    """Gives the same logits whatever it is asked."""

    def __init__(self, logits: object) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, *asked: object) -> object:
        return self.logits


def test_several_labels_are_the_formula_written_out() -> None:
    y = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    w, e = torch.tensor([2.0, 1.0, 0.5]), 0.1
    soft = y * (1 - e) + e / 2
    p = LOGITS.sigmoid()
    rows = -(w * soft * p.log() + (1 - soft) * (1 - p).log())
    loss = SeveralLabelsLoss(w, smoothing=e).loss(Says(LOGITS), (None, y))
    assert float(loss) == pytest.approx(float(rows.mean()), rel=1e-6)
    # labels may come as numbers of any kind
    plain = SeveralLabelsLoss().loss(Says(LOGITS), (None, y.bool()))
    assert float(plain) == pytest.approx(float(functional.binary_cross_entropy(p, y)), rel=1e-6)


def test_positive_weights_make_up_for_rare_labels() -> None:
    y = torch.tensor([[1, 0], [0, 0], [0, 0], [0, 0], [1, 1]]).float()
    assert positive_weights(y, "none").tolist() == [1, 1]
    assert positive_weights(y, "balanced").tolist() == [1.5, 4]
    assert positive_weights(y, "sqrt").tolist() == pytest.approx([1.5**0.5, 2])
    # a label that nobody or everybody has gets a number, too
    assert positive_weights(torch.tensor([[0.0, 1.0]] * 3), "balanced").tolist() == pytest.approx([3, 1 / 3])


def test_classes_are_weighed_as_torch_weighs_them() -> None:
    y, w = torch.tensor([0, 1]), torch.tensor([1.0, 3.0, 1.0])
    loss = LabelLoss(w).loss(Says(LOGITS), (None, y))
    rows = functional.cross_entropy(LOGITS, y, reduction="none")
    assert float(loss) == pytest.approx(float((rows[0] + 3 * rows[1]) / 4), rel=1e-6)


def test_a_post_without_weight_says_nothing() -> None:
    objective = WeightedPostsLoss(class_weights(torch.tensor([0, 1]), 3, "none"), smoothing=0.1)
    y = torch.tensor([0, 1])
    alone = objective.loss(Says(LOGITS[:1]), (None, y[:1], torch.ones(1)))
    both = objective.loss(Says(LOGITS), (None, y, torch.tensor([1.0, 0.0])))
    assert float(both) == pytest.approx(float(alone), rel=1e-6)


def test_tasks_add_up_and_a_missing_label_counts_nothing() -> None:
    weights = {"what: is it?": torch.tensor([1.0, 2.0, 1.0]), "b": torch.ones(3)}
    logits = dict.fromkeys(weights, LOGITS)
    labels = {"what: is it?": torch.tensor([1, -1]), "b": torch.tensor([0, 2])}
    ids = torch.zeros(2, 4, dtype=torch.long)
    loss = TextTasksLoss(weights, smoothing=0.0).loss(Says(logits), (ids, ids.bool(), labels))
    nll = -LOGITS.log_softmax(1)
    assert float(loss) == pytest.approx(float(2 * nll[0, 1] + nll[0, 0] + nll[1, 2]) / 2, rel=1e-6)


def some(there: Tensor) -> ModalityBatch:
    x = torch.ones(len(there), 2) * there[:, None]
    return ModalityBatch(x[:, None], there[:, None], x, there)


def feature_batch(text: Tensor, image: Tensor) -> Batch:
    return FeatureBatch(text=some(text), image=some(image))


def token_batch(text: Tensor, image: Tensor) -> Batch:
    ids = torch.ones(len(text), 3, dtype=torch.long)
    return TokenBatch(ids, ids.bool(), text, some(image))


def graph_batch(text: Tensor, image: Tensor) -> Batch:
    return GraphBatch(torch.zeros(len(text), 3, 1, 1), image, some(text))


def word_batch(text: Tensor, image: Tensor) -> Batch:
    ids = torch.ones(len(text), 3, dtype=torch.long)
    everyone = torch.ones_like(text)
    return GraphBatch(torch.zeros(len(text), 3, 1, 1), image, some(everyone), ids, ids.bool(), text)


def there(batch: Batch) -> tuple[Tensor, Tensor]:
    """Who has a text and who a photo."""
    if isinstance(batch, FeatureBatch):
        return batch.text.present, batch.image.present
    if isinstance(batch, TokenBatch):
        return batch.present, batch.image.present
    return (batch.text.present if batch.worded is None else batch.worded), batch.seen


@pytest.mark.parametrize("make", [feature_batch, token_batch, graph_batch, word_batch])
@given(
    posts=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=20),
    rate=st.sampled_from([0.0, 0.5, 1.0]),
    seed=st.integers(0, 9),
)
def test_a_post_loses_one_modality_of_two_and_never_its_only_one(
    make: object, posts: list[tuple[bool, bool]], rate: float, seed: int
) -> None:
    text, image = torch.tensor(posts).unbind(1)
    torch.manual_seed(seed)
    left = there(hide_modalities(make(text, image), rate))  # type: ignore[operator]
    both = text & image
    assert torch.equal(left[0][~both], text[~both])
    assert torch.equal(left[1][~both], image[~both])
    assert bool((left[0] | left[1])[both].all())
    if rate != 0.5:
        assert bool(((left[0] & left[1])[both] == (rate == 0)).all())


def test_a_hidden_modality_is_as_if_it_had_never_been() -> None:
    everyone = torch.ones(200, dtype=torch.bool)
    torch.manual_seed(0)
    batch = hide_modalities(feature_batch(everyone, everyone), 0.5)
    assert isinstance(batch, FeatureBatch)
    gone = ~batch.text.present
    # half of the posts lose one, half of these the text
    assert 30 < int(gone.sum()) < 70
    assert not batch.text.pooled[gone].any()
    assert not batch.text.mask[gone].any()


def test_hiding_is_put_around_any_objective() -> None:
    everyone = torch.ones(8, dtype=torch.bool)
    seen: list[FeatureBatch] = []

    class Sees(nn.Module):
        def forward(self, batch: FeatureBatch) -> Tensor:
            seen.append(batch)
            return torch.zeros(8, 3)

    objective = HiddenModalities(LabelLoss(torch.ones(3)), rate=1.0)
    loss = objective.loss(Sees(), (feature_batch(everyone, everyone), torch.zeros(8, dtype=torch.long)))
    assert float(loss) == pytest.approx(1.0986, abs=1e-4)
    assert bool((seen[0].text.present ^ seen[0].image.present).all())
    assert objective.parts == ("train_loss",)
