"""The training step as one CUDA graph: a single launch instead of hundreds, which Python cannot issue fast enough.

A graph repeats its kernels with the same addresses and scalars. So everything that changes between steps is kept in
tensors with fixed addresses: pictures, labels, the teacher's answers, learning rate, and batch norm's momentum.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..errors import TrainError
from ..model.chain import Chain
from ..model.shift_norm import ShiftBatchNorm1d, ShiftBatchNorm2d, running
from .config import TrainConfig
from .processes import Processes
from .step import Step

# Steps that run before the capture, so that libraries have chosen their kernels and allocated their workspaces.
WARM_UP = 3
# Alignment, in floats, of each channel vector in the buffer of statistics.
_ALIGNED = 64


def captures(wanted: bool | None, device: torch.device, processes: Processes) -> bool:
    """Whether to capture steps: as ``wanted``, by default wherever possible.

    Raises
    ------
    TrainError
        Capturing is wanted but not possible.
    """
    possible = device.type == "cuda" and processes.count == 1
    if wanted and not possible:
        raise TrainError("a step is captured on one CUDA device by one process; leave --capture out")
    return possible if wanted is None else wanted


class Statistics:
    """Running statistics of batch norms, updated with a momentum that is a tensor.

    Torch's batch norm needs its momentum as a number, which a graph would keep for ever. Here the norms write the
    statistics of the batch into one buffer (momentum 1), and a single operation updates the running statistics of all
    norms: running += momentum · (batch − running).
    """

    def __init__(self, model: nn.Module, device: torch.device) -> None:
        norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
        self.momentum = torch.zeros((), device=device)
        self.norms: list[_BatchNorm] = []
        for norm in norms:
            if isinstance(norm, (ShiftBatchNorm1d, ShiftBatchNorm2d)):
                norm.momentum = self.momentum  # this norm's own code also works with a tensor
            else:
                self.norms.append(norm)
        sizes = [-(-norm.num_features // _ALIGNED) * _ALIGNED for norm in self.norms for _ in range(2)]
        self.running, self.batch = (torch.zeros(sum(sizes), device=device) for _ in range(2))
        starts = [0, *itertools.accumulate(sizes)]
        self.views = [[(buffer[a:a + norm.num_features], buffer[b:b + norm.num_features])
                       for norm, a, b in zip(self.norms, starts[0::2], starts[1::2])]
                      for buffer in (self.running, self.batch)]
        for norm, (mean, variance) in zip(self.norms, self.views[0]):
            for view, values in zip((mean, variance), running(norm)):
                view.copy_(values)
        self._show(0)

    def _show(self, which: int) -> None:
        for norm, (mean, variance) in zip(self.norms, self.views[which]):
            norm.running_mean, norm.running_var = mean, variance

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Context for a forward pass in training mode, which updates the statistics at its end."""
        self._show(1)
        for norm in self.norms:
            norm.momentum = 1.0
        try:
            yield
        finally:
            self._show(0)
        with torch.no_grad():
            self.running.lerp_(self.batch, self.momentum)


class BufferedStep(Step):
    """A step on fixed buffers, run operation by operation: the same operations and results as in a captured graph.

    The optimizer's learning rate must be a tensor, see :func:`~pynq_bnn.train.step.make_optimizer`.
    """

    def __init__(self, model: Chain, optimizer: torch.optim.Optimizer, config: TrainConfig, device: torch.device,
                 teacher: Chain | None = None) -> None:
        super().__init__(model, optimizer, config, device, teacher=teacher)
        self.statistics = Statistics(model, device)
        self.buffers: tuple[Tensor, ...] = ()

    def set_rate(self, rate: float, momentum: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"].fill_(rate)
        self.statistics.momentum.fill_(momentum)

    def __call__(self, q: Tensor, labels: Tensor, answers: Tensor | None = None) -> None:
        batch = (q, labels) if answers is None else (q, labels, answers)
        if not self.buffers:
            self.buffers = tuple(torch.empty_like(part) for part in batch)
            self._fill(batch)
            self._prepare()
        if batch[0].shape != self.buffers[0].shape:  # the last batch of an epoch
            self._work(*batch)
            return
        self._fill(batch)
        self._run()

    def _fill(self, batch: tuple[Tensor, ...]) -> None:
        for buffer, part in zip(self.buffers, batch, strict=True):
            buffer.copy_(part)

    def _statistics(self) -> AbstractContextManager[None]:
        return self.statistics.followed()

    def _prepare(self) -> None:
        """Called before the first step, with its batch in the buffers."""

    def _run(self) -> None:
        """Train on the batch in the buffers."""
        self._work(*self.buffers)


class CapturedStep(BufferedStep):
    """A step that is captured with the first batch and replayed for each; a batch of another size runs uncaptured."""

    def _prepare(self) -> None:
        saved = Saved(self)
        current, side = torch.cuda.current_stream(self.device), torch.cuda.Stream(self.device)
        side.wait_stream(current)
        with torch.cuda.stream(side), warnings.catch_warnings():
            # The optimizer warns that it was made for a graph and runs without one.
            warnings.simplefilter("ignore", UserWarning)
            for _ in range(WARM_UP):
                self._work(*self.buffers)
        current.wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):  # only records
            self._work(*self.buffers)
        saved.restore()

    def _run(self) -> None:
        self.graph.replay()


class Saved:
    """A copy of everything that a step changes, for restoring it in place, since a graph holds the addresses."""

    def __init__(self, step: BufferedStep) -> None:
        self.step = step
        self.tensors = [(tensor, tensor.detach().clone()) for tensor in self._fixed()]
        self.moments = {parameter: {key: value.clone() for key, value in values.items() if isinstance(value, Tensor)}
                        for parameter, values in step.optimizer.state.items()}
        cuda = step.device.type == "cuda"
        self.random = torch.cuda.get_rng_state(step.device) if cuda else torch.get_rng_state()

    def _fixed(self) -> list[Tensor]:
        # The running statistics are buffers of the model, as views of one tensor.
        return [*self.step.model.parameters(), *self.step.model.buffers(), self.step.totals]

    @torch.no_grad()
    def restore(self) -> None:
        """Restore everything; moments that the optimizer did not have yet become zero, their initial value."""
        for tensor, value in self.tensors:
            tensor.copy_(value)
        for parameter, values in self.step.optimizer.state.items():
            before = self.moments.get(parameter, {})
            for key, value in values.items():
                if isinstance(value, Tensor):
                    value.copy_(before[key]) if key in before else value.zero_()
        if self.step.device.type == "cuda":
            torch.cuda.set_rng_state(self.random, self.step.device)
        else:
            torch.set_rng_state(self.random)
