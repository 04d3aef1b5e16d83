"""Training in one process, or in several started by ``torchrun``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ..errors import TrainError


@dataclass(frozen=True)
class Processes:
    """This process's number and how many train together; the first one writes the files."""

    rank: int = 0
    count: int = 1

    @staticmethod
    def here() -> Processes:
        """The processes of the open process group, else this one alone."""
        return Processes(dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else Processes()

    @property
    def first(self) -> bool:
        return self.rank == 0

    def parallel(self, model: nn.Module, device: torch.device) -> nn.Module:
        """The model whose backward pass averages gradients over the processes."""
        if self.count == 1:
            return model
        return DistributedDataParallel(model, device_ids=[device.index] if device.type == "cuda" else None)

    def total(self, values: Tensor) -> Tensor:
        """The sum of ``values`` over all processes."""
        if self.count > 1:
            dist.all_reduce(values)
        return values


def check_alone(what: str) -> None:
    """Raise an error in the processes of ``torchrun``.

    Raises
    ------
    TrainError
        ``torchrun`` started this process.
    """
    if dist.is_torchelastic_launched():
        raise TrainError(f"{what} runs in one process; start it without torchrun")


@contextmanager
def process_group(device: str | None) -> Iterator[None]:
    """Join the processes of ``torchrun`` within a ``with`` statement; without ``torchrun`` nothing happens.

    Uses NCCL between GPUs, one per process, and gloo on CPUs.
    """
    if not dist.is_torchelastic_launched():
        yield
        return
    cuda = device != "cpu" and torch.cuda.is_available()
    dist.init_process_group("nccl" if cuda else "gloo")
    try:
        if cuda:
            torch.cuda.set_device(dist.get_node_local_rank())
        yield
    finally:
        dist.destroy_process_group()
