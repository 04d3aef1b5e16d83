"""All settings of a training, in one record that is stored with the checkpoint."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ..errors import TrainError

OPTIMIZERS = ("adam", "sgd")
LOSSES = ("cross-entropy", "squared-hinge")
SCHEDULES = ("cosine", "step")
GRADIENTS = ("clipped", "approx")


@dataclass(frozen=True)
class TrainConfig:
    """Defaults reach useful accuracy on CIFAR-10 and MNIST within an hour or two on two CPU cores.

    lr : peak learning rate; Adam moves a latent weight by about lr per step, and weights start within ±0.1.
    warmup : epochs over which the rate rises from zero.
    step_every, step_gamma : for the schedule "step", multiply the rate by gamma every ``step_every`` epochs.
    crop : pixels of padding for the random crop; flip : mirror half of the pictures.
    cutout : side of the square set to the background grey, 0 for none.
    distort : strength of random rotation, size, shear, shift and elastic distortion, for digits; 0 for none.
    pool : number of augmented copies of the training pictures, made once and used in turn, one per epoch, with a
        teacher's answers to them; 0 makes new ones in every epoch.
    gradient : of the sign of activations; "clipped" is 1 where |x| < 1, "approx" is 2 − 2|x| there (Bi-Real Net).
    stochastic : draw the signs of activations at random in training (Courbariaux 2016, equation 2).
    shift_norm : batch norm by powers of two (Courbariaux 2016, algorithm 3).
    distill : with a teacher, its weight in the loss; the labels have the remaining weight.
    temperature : softens the teacher's and the network's answers (Hinton et al. 2015).
    weight_decay : decoupled decay of AdamW, for real-valued networks; latent binary weights are bounded already.
    real : train the full-precision twin (ReLU, real weights): a teacher, which cannot be compiled.
    validation : share of the training pictures held out if the data set has no validation split.
    """

    epochs: int = 60
    batch: int = 100
    optimizer: str = "adam"
    lr: float = 0.01
    schedule: str = "cosine"
    warmup: float = 1.0
    step_every: int = 20
    step_gamma: float = 0.1
    loss: str = "cross-entropy"
    label_smoothing: float = 0.0
    crop: int = 0
    flip: bool = False
    cutout: int = 0
    distort: float = 0.0
    pool: int = 0
    gradient: str = "clipped"
    stochastic: bool = False
    shift_norm: bool = False
    distill: float = 0.9
    temperature: float = 2.0
    weight_decay: float = 0.0
    real: bool = False
    validation: float = 0.1
    seed: int = 1

    def __post_init__(self) -> None:
        for name, low, high in (("epochs", 1, 100000), ("batch", 2, 65536), ("lr", 1e-9, 100), ("warmup", 0, 10000),
                                ("step_every", 1, 100000), ("step_gamma", 1e-6, 1), ("label_smoothing", 0, 0.99),
                                ("crop", 0, 64), ("cutout", 0, 256), ("distort", 0, 4), ("pool", 0, 10000),
                                ("distill", 0, 1), ("temperature", 0.1, 100), ("weight_decay", 0, 1),
                                ("validation", 0.001, 0.9), ("seed", 0, 2**31 - 1)):
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or not low <= value <= high:
                raise TrainError(f"{name} is {value!r}; {low} to {high} fit")
        for name, known in (("optimizer", OPTIMIZERS), ("loss", LOSSES), ("schedule", SCHEDULES),
                            ("gradient", GRADIENTS)):
            if getattr(self, name) not in known:
                raise TrainError(f"{name} is {getattr(self, name)!r}; one of {known} fits")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)
