"""A step in fixed buffers, and on CUDA its graph, gives the numbers of the plain one."""

import copy

import pytest
import torch
from devices import DEVICES
from torch.utils._python_dispatch import TorchDispatchMode

from pynq_bnn.model.binary import BinaryChain
from pynq_bnn.model.blocks import Parts
from pynq_bnn.model.full_precision import RealChain
from pynq_bnn.train.captured import BufferedStep, CapturedStep, Saved, Statistics
from pynq_bnn.train.checkpoint import build_model
from pynq_bnn.train.config import TrainConfig
from pynq_bnn.train.step import Step, load_optimizer_state, make_optimizer, optimizer_state
from pynq_bnn.zoo import Conv, Fc, Topology

TABLE = Topology("t", "", 8, 8, 3, 8, (Conv(10, padding=1), Conv(16, pool=2), Fc(24)))
CLASSES, BATCH = 5, 12


@pytest.fixture(autouse=True)
def _same_kernels(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)


def models(device, **parts):
    torch.manual_seed(3)
    model = RealChain(TABLE, CLASSES) if parts.pop("real", False) else BinaryChain(TABLE, CLASSES, Parts(**parts))
    model = model.to(device, memory_format=torch.channels_last)
    return model, copy.deepcopy(model)


def batches(device, sizes=(BATCH,) * 5 + (7,)):
    generator = torch.Generator().manual_seed(4)
    for size in sizes:
        q = torch.randint(-128, 128, (size, 3, 8, 8), generator=generator).float()
        yield (q.to(device).contiguous(memory_format=torch.channels_last),
               torch.randint(0, CLASSES, (size,), generator=generator).to(device))


def train(step, given):
    for number, batch in enumerate(given):
        # Rates that float32 holds exactly: a training whose rate is rounded soon goes another way.
        step.set_rate(2.0 ** -(6 + number % 3), max(0.1, 1 / (number + 1)))
        step(*batch)


def both(device, config, teacher=None, **parts):
    """A plain step and the one in buffers (on CUDA its graph), from the same weights."""
    plain, buffered = models(device, **parts)
    kind = CapturedStep if device == "cuda" else BufferedStep
    device = torch.device(device)
    rate = torch.tensor(config.lr, device=device)
    return (Step(plain.train(), make_optimizer(plain, config), config, device, teacher=teacher),
            kind(buffered.train(), make_optimizer(buffered, config, rate), config, device, teacher=teacher))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("config", "parts"), [
    ({}, {}), ({"label_smoothing": 0.1}, {"gradient": "approx"}), ({"optimizer": "sgd"}, {}),
    ({"loss": "squared-hinge", "weight_decay": 0.1}, {"real": True}), ({}, {"shift_norm": True}),
], ids=["plain", "approx", "sgd", "real", "shift"])
def test_weights_statistics_and_totals_are_those_of_the_plain_step(device, config, parts):
    plain, buffered = both(device, TrainConfig(**config), **parts)
    for step in (plain, buffered):
        train(step, batches(device))
    torch.testing.assert_close(buffered.totals, plain.totals, rtol=1e-5, atol=1e-4)
    assert int(plain.totals[2]) == 5 * BATCH + 7
    theirs = plain.model.state_dict()
    for name, tensor in buffered.model.state_dict().items():
        # Statistics are interpolated in another order of operations.
        torch.testing.assert_close(tensor, theirs[name], rtol=1e-5, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("device", DEVICES)
def test_a_captured_step_and_the_same_one_without_a_graph_agree_in_every_bit(device):
    """On a CPU both run without; the buffers are then filled and replayed all the same."""
    config = TrainConfig(gradient="approx")
    one, other = models(device, gradient="approx")
    where = torch.device(device)
    steps = [kind(model.train(), make_optimizer(model, config, torch.tensor(0.01, device=where)), config, where)
             for kind, model in ((BufferedStep, one), (CapturedStep if device == "cuda" else BufferedStep, other))]
    for step in steps:
        train(step, batches(device))
    for name, tensor in steps[0].model.state_dict().items():
        assert torch.equal(tensor, steps[1].model.state_dict()[name]), name


@pytest.mark.parametrize("device", DEVICES)
def test_a_teacher_and_its_stored_answers_teach_the_same(device):
    teacher = models(device, real=True)[0].eval()
    config = TrainConfig(distill=0.7)
    asked, _ = both(device, config, teacher)
    _, stored = both(device, config)
    given = list(batches(device))
    train(asked, given)
    with torch.no_grad(), torch.autocast(device, torch.bfloat16):
        answered = [(*batch, teacher(batch[0]).float()) for batch in given]
    train(stored, answered)
    for name, tensor in asked.model.state_dict().items():
        torch.testing.assert_close(stored.model.state_dict()[name], tensor, rtol=1e-5, atol=1e-5)


def test_running_statistics_follow_by_the_momentum_of_the_moment():
    """Against the definition: running += momentum · (batch − running), the variance without bias."""
    norm = torch.nn.BatchNorm2d(6)
    running = [norm.running_mean.double().clone(), norm.running_var.double().clone()]
    statistics = Statistics(norm, torch.device("cpu"))
    for number, momentum in enumerate((1.0, 0.5, 0.02)):
        x = torch.randn(4, 6, 3, 3, generator=torch.Generator().manual_seed(number)) * 3 + number
        statistics.momentum.fill_(momentum)
        with statistics.followed():
            norm(x)
        for mine, batch in zip(running, (x.double().mean((0, 2, 3)), x.double().var((0, 2, 3), correction=1))):
            mine += momentum * (batch - mine)
        torch.testing.assert_close(norm.running_mean.double(), running[0], rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(norm.running_var.double(), running[1], rtol=1e-5, atol=1e-6)
    assert int(norm.num_batches_tracked) == 3
    frozen = norm.running_mean.clone()
    norm.eval()(torch.randn(4, 6, 3, 3))
    assert torch.equal(norm.running_mean, frozen)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("device", DEVICES)
def test_steps_that_were_put_back_leave_no_trace(device, optimizer):
    """What a capture does before the first step: warm up on the weights, then restore all of them."""
    config = TrainConfig(optimizer=optimizer)
    _, disturbed = both(device, config, stochastic=True)
    _, quiet = both(device, config, stochastic=True)
    given = list(batches(device))
    for step, trials in ((disturbed, 3), (quiet, 0)):
        torch.manual_seed(9)
        saved = Saved(step)
        for _ in range(trials):
            step.set_rate(0.5, 0.5)
            step._work(*given[0])
        saved.restore()
        train(step, given)
        saved = Saved(step)
        for _ in range(trials):
            step._work(*given[1])
        saved.restore()
    for name, tensor in quiet.model.state_dict().items():
        assert torch.equal(disturbed.model.state_dict()[name], tensor), name
    for mine, theirs in zip(disturbed.optimizer.state.values(), quiet.optimizer.state.values()):
        for key, value in theirs.items():
            assert torch.equal(mine[key], value), key
    assert torch.equal(disturbed.totals, quiet.totals)


def test_a_buffered_training_resumes_as_a_plain_one_and_the_other_way_round():
    plain, buffered = both("cpu", TrainConfig())
    given = list(batches("cpu"))
    for source, target in ((plain, buffered), (buffered, plain)):
        train(source, given)
        state = copy.deepcopy(optimizer_state(source.optimizer))  # as a file holds it
        assert isinstance(state["param_groups"][0]["lr"], float)
        own = [group["lr"] for group in target.optimizer.param_groups]
        target.model.load_state_dict(source.model.state_dict())
        load_optimizer_state(target.optimizer, state)
        assert [group["lr"] for group in target.optimizer.param_groups] == own
        for step in (source, target):
            train(step, given[:2])
        for name, tensor in source.model.state_dict().items():
            torch.testing.assert_close(target.model.state_dict()[name], tensor, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("state", [{}, {"param_groups": []}, {"param_groups": [{"params": [0]}], "state": {}}])
def test_the_state_of_another_optimizer_is_refused(state):
    step, _ = both("cpu", TrainConfig())
    with pytest.raises((KeyError, ValueError)):
        load_optimizer_state(step.optimizer, state)


class _Reads(TorchDispatchMode):
    """Notes every operation that brings a tensor's value to Python, for which a graph cannot wait."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default):
            self.found.append(str(function))
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("config", [{}, {"gradient": "approx"}, {"stochastic": True}, {"shift_norm": True},
                                    {"real": True}, {"loss": "squared-hinge", "label_smoothing": 0.1},
                                    {"optimizer": "sgd"}])
def test_no_step_reads_a_value_back_so_that_each_can_be_captured(config):
    config = TrainConfig(**config)
    model = build_model(TABLE, CLASSES, config.to_dict()).to(memory_format=torch.channels_last).train()
    teacher = RealChain(TABLE, CLASSES).eval()
    optimizer = make_optimizer(model, config, torch.tensor(config.lr))
    step = BufferedStep(model, optimizer, config, torch.device("cpu"), teacher)
    given = list(batches("cpu"))
    train(step, given[:1])
    with _Reads() as reads:
        step._work(*given[1])
        assert not reads.found
        float(step.totals[0])
    assert len(reads.found) == 1
