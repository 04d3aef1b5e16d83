"""One training step: forward, loss, backward, optimizer, clipping."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..model.chain import Chain
from .config import TrainConfig

Model = TypeVar("Model", bound=nn.Module)


class Step:
    """A training step, run operation by operation.

    Parameters
    ----------
    model : Chain
        The model to train; its latent weights are clipped after each step.
    forward : nn.Module
        The same model, wrapped if several processes train it.
    teacher : Chain, optional
        In eval mode; it answers to every batch that comes without answers.

    Attributes
    ----------
    totals : (3,) float32 Tensor
        Sums of loss times pictures, of right answers, and of pictures, since it was last set to zero.
    """

    def __init__(self, model: Chain, optimizer: torch.optim.Optimizer, config: TrainConfig, device: torch.device,
                 forward: nn.Module | None = None, teacher: Chain | None = None) -> None:
        self.model, self.optimizer, self.config, self.device = model, optimizer, config, device
        self.forward, self.teacher = forward or model, teacher
        self.norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
        self.totals = torch.zeros(3, device=device)

    def set_rate(self, rate: float, momentum: float) -> None:
        """Set the learning rate of the next step, and the weight of its batch in batch norm's running statistics."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        for norm in self.norms:
            norm.momentum = momentum

    def __call__(self, q: Tensor, labels: Tensor, answers: Tensor | None = None) -> None:
        """Train on one batch.

        Parameters
        ----------
        q : (N, C, H, W) float32 input codes
        labels : (N,) int64
        answers : (N, classes) float32, optional
            The teacher's logits for these pictures.
        """
        self._work(q, labels, answers)

    def _work(self, q: Tensor, labels: Tensor, answers: Tensor | None = None) -> None:
        with self._statistics(), autocast(self.device):
            logits = self.forward(q)
        logits = logits.float()
        loss = batch_loss(self.config, logits, labels)
        if answers is None and self.teacher is not None:
            answers = teacher_answers(self.teacher, q)
        if answers is not None:
            distilled = distillation_loss(logits, answers, self.config.temperature)
            loss = (1 - self.config.distill) * loss + self.config.distill * distilled
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.model.clip_weights()
        loss, right = loss.detach(), (logits.argmax(1) == labels).sum()
        self.totals += torch.stack([loss * len(labels), right, torch.full_like(loss, len(labels))])

    def _statistics(self) -> AbstractContextManager[None]:
        """Context for the forward pass, in which batch norm updates its running statistics; here torch's own way."""
        return nullcontext()


@torch.no_grad()
def teacher_answers(teacher: Chain, q: Tensor) -> Tensor:
    """The teacher's (N, classes) float32 logits for a batch."""
    with autocast(q.device):
        return teacher(q).float()


def batch_loss(config: TrainConfig, logits: Tensor, labels: Tensor) -> Tensor:
    """The mean loss over a batch with respect to its labels, without a teacher."""
    smoothing, classes = config.label_smoothing, logits.shape[1]
    if config.loss == "cross-entropy":
        return F.cross_entropy(logits, labels, label_smoothing=smoothing)
    # Courbariaux 2016 trains with max(0, 1 − t·y)² on targets ±1, here summed over classes.
    # Without one_hot, which reads the labels on the host; a captured step cannot wait for that.
    hot = labels[:, None] == torch.arange(classes, device=labels.device)
    targets = (2.0 * hot - 1) * (1 - smoothing)
    return F.relu(1 - targets * logits).square().sum(1).mean()


def distillation_loss(logits: Tensor, target: Tensor, temperature: float) -> Tensor:
    """T²·KL(softmax(target/T) ‖ softmax(logits/T)), mean over the batch (Hinton et al. 2015, section 2)."""
    wanted, found = (F.log_softmax(x / temperature, 1) for x in (target, logits))
    return F.kl_div(found, wanted, reduction="batchmean", log_target=True) * temperature**2


def on_device(model: Model, device: torch.device) -> Model:
    """The model moved to ``device``, in channels_last memory format."""
    return model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]  # unknown to torch's types


def autocast(device: torch.device, enabled: bool = True) -> torch.autocast:
    """bfloat16 for the heavy operations of a training step, if the device supports it."""
    supported = device.type == "cpu" or torch.cuda.is_bf16_supported()
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled and supported)


def make_optimizer(model: nn.Module, config: TrainConfig, rate: float | Tensor | None = None) -> torch.optim.Optimizer:
    """AdamW or SGD with momentum; a tensor as ``rate`` is read in every step, as a captured step needs."""
    rate = config.lr if rate is None else rate
    if config.optimizer == "adam":
        # Fused: one pass over memory. For the 37 million weights of the MLP, 32 ms on one core instead of 225.
        return torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=config.weight_decay, fused=True,
                                 capturable=isinstance(rate, Tensor) and rate.is_cuda)
    return torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9, fused=isinstance(rate, Tensor))


def optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The state to store, with the rate as a number even if it is a tensor here."""
    state = optimizer.state_dict()
    groups = [{**group, "lr": float(group["lr"])} for group in state["param_groups"]]
    return {**state, "param_groups": groups}


def load_optimizer_state(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load the stored moments, but keep the optimizer's current settings, which may depend on the device.

    Raises
    ------
    KeyError, TypeError, ValueError
        The state is damaged or of another optimizer.
    """
    own = optimizer.state_dict()["param_groups"]
    if [group["params"] for group in state["param_groups"]] != [group["params"] for group in own]:
        raise ValueError("the optimizer's state is of other parameters")
    optimizer.load_state_dict({**state, "param_groups": own})
