"""The one loop: what it promises of killed runs, steps, averages, checkpoints, devices and loggers."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning_fabric.plugins.io import torch_io
from tiny_training import OneLayer, points, tiny_run, tiny_training
from torch import Tensor, nn
from torch.nn import functional

from crisislens.core.errors import ConfigError, MissingExtraError, ModelError
from crisislens.nn.batch import FeatureBatch
from crisislens.training.averaging import RunningAverage
from crisislens.training.batches import Batches
from crisislens.training.classification import EpochRecord, SeveralLabelsJudge
from crisislens.training.config import OptimizerConfig
from crisislens.training.devices import device_name, resolve_device
from crisislens.training.loop import train
from crisislens.training.module import TrainingModule
from crisislens.training.objectives import LabelLoss
from crisislens.training.recipe import EpochEnd, LossesOnly, Objective, Recipe
from crisislens.training.trainer import Machine

pytestmark = pytest.mark.usefixtures("warm_starts")

CPU = Machine(device="cpu")
SAME = {"epoch", "train_loss", "dev_loss", "dev_accuracy", "dev_macro_f1", "dev_weighted_f1"}


class Killed(Exception):
    pass


def kill_after(epoch: int) -> Any:
    def kill(record: EpochRecord) -> None:
        if record.epoch == epoch:
            raise Killed

    return kill


@pytest.mark.parametrize(
    ("changes", "several"),
    [
        ({"optimizer": {"name": "sgd", "learning_rate": 0.3, "momentum": 0.9}}, True),
        # every epoch without a lower loss divides the rate: one that a resumed run forgot would show
        ({"optimizer": {"learning_rate": 2.0, "schedule": "plateau", "plateau_patience": 0}}, False),
        ({"optimizer": {"schedule": "cosine", "warm_up": 0.2}, "accumulate": 3}, True),
        ({"optimizer": {"schedule": "cosine"}}, False),
        ({"optimizer": {"schedule": "slope"}, "modality_dropout": 0.5}, True),
        ({"stopping": {"monitor": "macro_f1", "patience": 2}}, False),
    ],
)
def test_a_killed_run_ends_with_the_numbers_of_an_undisturbed_one(
    tmp_path: Path, changes: dict[str, Any], several: bool
) -> None:
    run = tiny_run(tmp_path, epochs=5, **changes)
    whole, weights, _ = tiny_training(run, several=several)
    path = tmp_path / "run" / "checkpoint.ckpt"
    with pytest.raises(Killed):
        tiny_training(run, several=several, checkpoint=path, after_epoch=kill_after(2))
    resumed, again, told = tiny_training(run, several=several, checkpoint=path, resume=True)
    assert [r.model_dump(include=SAME) for r in resumed.history] == [
        r.model_dump(include=SAME) for r in whole.history
    ]
    assert [r.epoch for r in told] == [r.epoch for r in whole.history][2:]
    assert (resumed.best_epoch, resumed.resumed_from) == (whole.best_epoch, 2)
    assert all(torch.equal(weights[name], again[name]) for name in weights)


@pytest.mark.parametrize("epochs", [3, 9])
def test_a_run_killed_after_its_last_epoch_stays_stopped(tmp_path: Path, epochs: int) -> None:
    run = tiny_run(
        tmp_path,
        epochs=epochs,
        # nothing gets better, so patience is used up before nine epochs
        optimizer={"learning_rate": 1e-12},
        stopping={"monitor": "accuracy", "patience": 2},
    )
    path = tmp_path / "checkpoint.ckpt"
    whole, weights, _ = tiny_training(run, checkpoint=path)
    assert len(whole.history) == 3
    again, same, told = tiny_training(run, checkpoint=path, resume=True)
    assert told == []
    assert again.history == whole.history
    assert all(torch.equal(weights[name], same[name]) for name in weights)


def test_the_weights_are_those_of_the_best_epoch(tmp_path: Path) -> None:
    # a rate far too high: later epochs are worse than some before
    run = tiny_run(tmp_path, epochs=8, optimizer={"learning_rate": 3.0}, stopping={"patience": None})
    outcome, weights, _ = tiny_training(run)
    losses = [r.dev_loss for r in outcome.history]
    assert outcome.best_epoch == 1 + int(np.argmin(losses)) < 8
    network = OneLayer(4).eval().requires_grad_(False)
    network.load_state_dict(weights)
    dev, labels = points(40, 1)
    y = (2 * labels[:, 0] + labels[:, 1]).long()
    loss = functional.cross_entropy(network(dev.batch(np.arange(40))), y)
    assert float(loss) == pytest.approx(min(losses), rel=1e-6)


def test_several_labels_are_learned_and_scored(tmp_path: Path) -> None:
    outcome, _, _ = tiny_training(tiny_run(tmp_path, epochs=12), several=True)
    last = outcome.history[-1]
    assert last.dev_macro_f1 > 0.9
    assert last.dev_accuracy <= min(1.0, last.dev_weighted_f1 + 0.1)
    assert last.train_loss < 0.6 * outcome.history[0].train_loss


def test_a_label_counts_as_given_only_with_the_one_that_it_lies_within(tmp_path: Path) -> None:
    (inputs, _), network = points(40, 1), OneLayer(2)
    nn.init.zeros_(network.layer.weight)
    # the second label is always said and lies within the first, which is never said
    network.layer.bias.data = torch.tensor([-1.0, 1.0])
    end = EpochEnd(1, {"loss": 0.0}, 0.0, torch.device("cpu"))
    nothing = torch.zeros(40, 2)
    held = SeveralLabelsJudge(inputs, nothing, tiny_run(tmp_path), outer=(0, 0))
    alone = SeveralLabelsJudge(inputs, nothing, tiny_run(tmp_path))
    with torch.inference_mode():
        assert held.judge(network.eval(), end).dev_accuracy == 1
        assert alone.judge(network.eval(), end).dev_accuracy == 0


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.ckpt"
    tiny_training(tiny_run(tmp_path, epochs=1), checkpoint=path)
    with pytest.raises(ModelError, match="belongs to another run file; resume with the one it was started"):
        tiny_training(tiny_run(tmp_path, epochs=2), checkpoint=path, resume=True)


def test_a_kill_while_a_checkpoint_is_written_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, path = tiny_run(tmp_path, epochs=3), tmp_path / "checkpoint.ckpt"
    with pytest.raises(Killed):
        tiny_training(run, checkpoint=path, after_epoch=kill_after(1))
    before = path.read_bytes()

    def half(checkpoint: dict[str, Any], place: str | Path) -> None:
        Path(place).write_bytes(b"half")
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(torch_io, "_atomic_save", half)
        with pytest.raises(Killed):
            tiny_training(run, checkpoint=path, resume=True)
    assert path.read_bytes() == before
    resumed, _, _ = tiny_training(run, checkpoint=path, resume=True)
    assert resumed.resumed_from == 1


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_gradients_are_clipped_in_every_precision(tmp_path: Path, precision: str) -> None:
    optimizer = {"name": "sgd", "learning_rate": 1.0, "gradient_clip": 1e-9, "weight_decay": 0}
    run = tiny_run(tmp_path, epochs=1, optimizer=optimizer, precision=precision)
    _, weights, _ = tiny_training(run)
    torch.manual_seed(0)
    untrained = OneLayer(4).state_dict()
    assert all(torch.allclose(weights[name], untrained[name], atol=1e-6) for name in weights)


def test_divergence_is_one_sentence(tmp_path: Path) -> None:
    run = tiny_run(tmp_path, optimizer={"name": "sgd", "learning_rate": 1e38, "gradient_clip": None})
    with pytest.raises(ModelError, match=r"diverged in epoch \d+: logits are not finite; lower optimizer"):
        tiny_training(run)


class Squares(Objective):
    """The squared distance of a layer's answers from their truth."""

    def loss(self, network: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        x, y = batch
        return functional.mse_loss(network(x), y)


def line(size: int) -> Batches[tuple[Tensor, Tensor]]:
    """Eight points of a line in batches of one size, in their order."""
    x = torch.linspace(-1, 1, 8)[:, None]
    rows = [np.arange(i, i + size) for i in range(0, 8, size)]
    return Batches(lambda epoch: rows, lambda r: (x[r], 3 * x[r] + 1), count=len(rows))


def fitted(size: int, machine: Machine) -> nn.Linear:
    torch.manual_seed(0)
    layer = nn.Linear(1, 1)
    optimizer = OptimizerConfig(name="sgd", learning_rate=0.3, weight_decay=0, schedule="linear")
    train(layer, Squares(), line(size), Recipe(epochs=6, optimizer=optimizer), machine=machine)
    return layer


def test_accumulated_batches_are_one_step_of_a_large_one() -> None:
    whole, parts = fitted(8, CPU), fitted(2, Machine(device="cpu", accumulate=4))
    # sums in another order
    assert torch.allclose(whole.weight, parts.weight, atol=1e-6)
    assert not torch.allclose(whole.weight, fitted(2, CPU).weight, atol=1e-3)
    assert not whole.training


def test_a_compiled_network_is_what_trains_and_names_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def compiled(network: nn.Module) -> Any:
        def called(x: Tensor) -> Any:
            calls.append(len(x))
            return network(x)

        return called

    monkeypatch.setattr(torch, "compile", compiled)
    layer = fitted(4, Machine(device="cpu", compile=True))
    assert calls == [4, 4] * 6
    assert set(layer.state_dict()) == {"weight", "bias"}
    assert torch.equal(layer.weight, fitted(4, CPU).weight)


def test_without_a_judge_the_last_epoch_is_kept_and_losses_are_told() -> None:
    told: list[Any] = []
    recipe = Recipe(epochs=3, optimizer=OptimizerConfig(learning_rate=0.1))
    found = train(nn.Linear(1, 1), Squares(), line(4), recipe, machine=CPU, after_epoch=told.append)
    assert found.best_epoch == 3
    assert [r.epoch for r in told] == [1, 2, 3]
    assert told[2].train_loss < told[0].train_loss


def test_more_devices_than_batches_are_refused() -> None:
    recipe = Recipe(epochs=1, optimizer=OptimizerConfig())
    with pytest.raises(ConfigError, match="2 batches cannot be shared by 3 devices"):
        train(nn.Linear(1, 1), Squares(), line(4), recipe, machine=Machine(device="cpu", devices=3))


def test_batches_move_to_their_device_in_one_piece() -> None:
    module = TrainingModule(
        OneLayer(2), LabelLoss(torch.ones(2)), Recipe(1, OptimizerConfig()), LossesOnly(), steps=1
    )
    inputs, y = points(4, 0)
    batch = (inputs.batch(np.arange(4)), y, {"more": y})
    assert module.transfer_batch_to_device(batch, torch.device("cpu"), 0) is batch
    moved, labels, more = module.transfer_batch_to_device(batch, torch.device("meta"), 0)
    assert isinstance(moved, FeatureBatch)
    assert {m.pooled.device.type for m in moved.modalities().values()} == {"meta"}
    assert {labels.device.type, more["more"].device.type} == {"meta"}


def test_an_average_starts_quickly_and_then_holds_on() -> None:
    layer = nn.Linear(1, 1, bias=False)
    layer.weight.data.fill_(0.0)
    average = RunningAverage(layer, decay=0.5)
    expected = 0.0
    for step in range(1, 30):
        layer.weight.data.fill_(float(step))
        average.update(step)
        # nothing was stepped: accumulated batches
        average.update(step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    with average.in_place():
        assert layer.weight.item() == pytest.approx(expected, rel=1e-6)
    assert layer.weight.item() == 29


def read_csv(folder: Path) -> list[dict[str, str]]:
    with (folder / "logs" / "csv" / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_epochs_are_logged_as_csv_also_by_a_resumed_run(tmp_path: Path) -> None:
    run = tiny_run(tmp_path, epochs=4, loggers=["csv"])
    whole, _, _ = tiny_training(run, checkpoint=tmp_path / "whole" / "checkpoint.ckpt")
    rows = read_csv(tmp_path / "whole")
    assert [int(row["step"]) for row in rows] == [1, 2, 3, 4]
    assert [float(row["dev_loss"]) for row in rows] == pytest.approx([r.dev_loss for r in whole.history])
    path = tmp_path / "killed" / "checkpoint.ckpt"
    with pytest.raises(Killed):
        tiny_training(run, checkpoint=path, after_epoch=kill_after(2))
    tiny_training(run, checkpoint=path, resume=True)
    for key in ("step", "train_loss", "dev_loss", "dev_macro_f1"):
        assert [row[key] for row in read_csv(tmp_path / "killed")] == [row[key] for row in rows]


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow"])
def test_a_logger_that_is_not_installed_names_its_extra(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=rf"pip install 'crisislens\[{name}\]'"):
        tiny_training(tiny_run(tmp_path, epochs=1, loggers=[name]))


def test_devices_are_chosen_by_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert resolve_device("auto").type == device_name("auto") == "mps"
    # Apple's GPUs have no double precision
    assert resolve_device("auto", double=True).type == "cpu"
    with pytest.raises(ConfigError, match="lacks the double precision"):
        resolve_device("mps", double=True)
    with pytest.raises(ConfigError, match="device cuda is not available here"):
        resolve_device("cuda")
    assert resolve_device("cpu").type == "cpu"
    assert device_name("cpu") == f"cpu, {torch.get_num_threads()} threads"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"card {device.index}")
    assert device_name("cuda:1") == "card 1"
